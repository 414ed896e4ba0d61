//! Runs, events and inputs as JSON.

use serde::Serialize;
use serde_json::Value;
use stepcast::{AnyEvent, EventEnvelope, EventKind, RunId, StreamEvent};
use utoipa::ToSchema;

use crate::access::Access;
use crate::app::App;
use crate::runs::{InputState, InputView, Logged, RunFault, RunView};
use crate::wire::{self, answer, envelope, prompt, question, time};

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunJson {
    #[serde(serialize_with = "wire::id")]
    #[schema(value_type = String)]
    run_id: RunId,
    workflow: String,
    /// The run that started it as its child.
    parent: Option<String>,
    /// `running`, `waiting`, `completed`, `completed_with_failures`, `failed`, `cancelled` or `timed_out`.
    status: &'static str,
    /// Executions that were given up on the way.
    failures: u32,
    /// The stop event of a completed run, in its envelope.
    #[schema(value_type = Option<Object>)]
    result: Option<EventEnvelope>,
    /// Why it ended otherwise.
    error: Option<FaultJson>,
    created_at: String,
    updated_at: String,
    ended_at: Option<String>,
    /// The run that it repeats, in the reply to `rerun` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    rerun_of: Option<String>,
}

/// Why a run ended without a stop event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FaultJson {
    message: String,
    /// Name of the error's type; empty for a run that was cancelled or whose time was used up.
    r#type: String,
    /// What caused it, nearest first.
    causes: Vec<String>,
    step: Option<String>,
    attempts: Option<u32>,
}

impl RunJson {
    pub(crate) fn of(run: RunView, access: Access) -> Self {
        let changed = time::text(run.changed);
        RunJson {
            ended_at: run.has_ended().then(|| changed.clone()),
            run_id: run.id,
            workflow: run.workflow,
            parent: run.parent,
            status: run.status.name(),
            failures: run.failures,
            result: run.result.as_ref().map(|event| envelope(event, access)),
            error: run.error.map(FaultJson::of),
            created_at: time::text(run.created),
            updated_at: changed,
            rerun_of: None,
        }
    }

    pub(crate) fn rerun_of(mut self, run: Option<&RunId>) -> Self {
        self.rerun_of = run.map(RunId::to_string);
        self
    }
}

impl FaultJson {
    fn of(fault: RunFault) -> Self {
        FaultJson {
            message: fault.message,
            r#type: fault.kind,
            causes: fault.causes,
            step: fault.step,
            attempts: fault.attempts,
        }
    }
}

/// An event of a run's stream: its envelope, and where and when it was written.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventJson<'a> {
    value: Value,
    qualified_name: Option<String>,
    #[serde(rename = "type")]
    tag: String,
    types: Option<Vec<String>>,
    /// Its number in the log, 1..n without gaps; for what is not in the log, that of the event it came after.
    seq: u64,
    run_id: &'a str,
    /// When it was written; null where that is not known.
    ts: Option<String>,
    /// `logged`, or `ephemeral` or `internal` for what passes and is not in the log.
    #[schema(value_type = String)]
    kind: EventKind,
}

impl<'a> EventJson<'a> {
    fn new(run: &'a RunId, event: &AnyEvent, access: Access, seq: u64, kind: EventKind, at: Option<u64>) -> Self {
        let EventEnvelope { value, qualified_name, tag, types } = envelope(event, access);
        EventJson { value, qualified_name, tag, types, seq, run_id: run.as_str(), ts: at.map(time::text), kind }
    }

    pub(super) fn logged(run: &'a RunId, logged: &Logged, access: Access) -> Self {
        EventJson::new(run, &logged.event, access, logged.seq, EventKind::Logged, logged.at)
    }

    pub(crate) fn streamed(run: &'a RunId, item: &StreamEvent, access: Access) -> Self {
        EventJson::new(run, &item.event, access, item.seq, item.kind, item.at.map(|at| at.0))
    }
}

/// Which of a stream's events are sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Types(Vec<String>);

impl Types {
    pub(crate) fn of(types: Vec<String>) -> Self {
        Types(types)
    }

    pub(super) fn read(text: Option<&str>) -> Self {
        Types(super::texts::list(text).map(str::to_owned).collect())
    }

    pub(crate) fn take(&self, event: &AnyEvent) -> bool {
        self.0.is_empty() || self.0.iter().any(|name| name == event.tag())
    }

    pub(super) fn is_all(&self) -> bool {
        self.0.is_empty()
    }
}

/// A question to a person, with what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InputJson {
    /// `<run>/<number>`.
    id: String,
    run_id: String,
    workflow: String,
    /// Its number in the run.
    input: u64,
    step: String,
    /// `input_required`, or `step_failure` for a step that failed under `on_failure = "pause"`.
    reason: String,
    /// Tag of the event that asks, where it is known.
    event: Option<String>,
    /// Tag of the event that answers.
    expects: Option<String>,
    prompt: Option<String>,
    /// The data of the event that asks, or the error of the step that failed.
    data: Value,
    choices: Option<Vec<String>>,
    /// JSON schema of the answer.
    #[schema(value_type = Option<Object>)]
    schema: Option<Value>,
    /// `pending`, `answered`, `withdrawn` or `expired`.
    status: &'static str,
    /// The answer.
    response: Value,
    /// Who answered.
    by: Option<String>,
    created_at: String,
    resolved_at: Option<String>,
    expires_at: Option<String>,
}

impl InputJson {
    pub(crate) fn of(app: &App, input: InputView, access: Access) -> Self {
        let def = app.runs.runtime().definition(&input.workflow);
        let def = def.as_deref();
        let status = input.state.word();
        let (event, data) = question(&input, def, access);
        let prompt = prompt(&input, &data, access);
        let (response, by, resolved) = match &input.state {
            InputState::Pending => (Value::Null, None, None),
            InputState::Answered { response, by, at } => {
                (answer(&input, response.clone(), def, access), by.clone(), Some(*at))
            }
            InputState::Withdrawn { at } | InputState::Expired { at } => (Value::Null, None, Some(*at)),
        };
        InputJson {
            id: format!("{}/{}", input.run, input.input),
            run_id: input.run,
            workflow: input.workflow,
            input: input.input,
            step: input.step,
            reason: input.reason,
            event,
            expects: input.expects,
            prompt,
            data,
            choices: input.choices,
            schema: input.schema,
            status,
            response,
            by,
            created_at: time::text(input.created),
            resolved_at: resolved.map(time::text),
            expires_at: input.expires.map(time::text),
        }
    }
}
