//! What a client asks for on a socket.

use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use stepcast::{RunId, TraceContext};

use crate::error::ApiError;
use crate::error::extract::parse;
use crate::resources::begin::{Begin, timeout_of};
use crate::resources::texts::{After, chosen_id};
use crate::resources::views::Modes;

/// The largest frame that is read, in bytes.
pub(super) const MAX_FRAME: usize = 1 << 20;
/// The longest id of a request, in bytes.
const MAX_ID: usize = 256;

/// A request, under the id that its reply carries.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: Option<Value>,
    /// The trace that it belongs to, if that is not the one of its socket.
    pub(super) trace: Option<TraceContext>,
    pub(super) ask: Result<Ask, ApiError>,
}

#[derive(Debug)]
pub(super) enum Ask {
    Start(Box<Start>),
    Attach(Named, Attach),
    Detach(Named),
    Event { run: Named, event: Value, event_id: Option<String>, step: Option<String> },
    Answer { run: Named, input: String, response: Value, by: Option<String> },
    Cancel(Named),
    Inputs(crate::resources::inputs::Asked),
    Ping,
}

/// The run that a request is about; without one it is that of the socket.
pub(super) type Named = Option<RunId>;

#[derive(Debug)]
pub(super) struct Start {
    pub(super) workflow: String,
    pub(super) begin: Begin,
    /// How to follow the run, unless the client does not want to.
    pub(super) attach: Option<Attach>,
}

/// How to follow a run.
#[derive(Debug, Default)]
pub(super) struct Attach {
    pub(super) after: After,
    pub(super) internal: bool,
    /// Only events of these types; all if there are none.
    pub(super) types: Vec<String>,
    /// Views in place of events.
    pub(super) modes: Option<Modes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StartFields {
    workflow: String,
    #[serde(default)]
    input: Value,
    run_id: Option<String>,
    timeout: Option<Value>,
    #[serde(default = "yes")]
    attach: bool,
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    types: Vec<String>,
    modes: Option<Vec<String>>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttachFields {
    run_id: Option<String>,
    #[serde(default)]
    after: After,
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    types: Vec<String>,
    modes: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunFields {
    run_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventFields {
    run_id: Option<String>,
    event: Value,
    event_id: Option<String>,
    step: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerFields {
    run_id: Option<String>,
    input: InputName,
    response: Value,
    by: Option<String>,
}

/// A question's number, or its id.
#[derive(Deserialize)]
#[serde(untagged)]
enum InputName {
    Number(u64),
    Id(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InputsFields {
    run_id: Option<String>,
    status: Option<String>,
    workflow: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

impl Request {
    pub(super) fn read(text: &str) -> Self {
        let refused = |error| Request { id: None, trace: None, ask: Err(error) };
        if text.len() > MAX_FRAME {
            let detail = format!("A frame has at most {MAX_FRAME} bytes, not {}.", text.len());
            return refused(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "frame_too_large", detail));
        }
        let mut members = match parse(text.as_bytes(), "frame") {
            Ok(Value::Object(members)) => members,
            Ok(_) => return refused(invalid("A frame is a JSON object with a member `op`.")),
            Err(error) => return refused(error),
        };
        let id = match members.remove("id") {
            None | Some(Value::Null) => None,
            Some(id @ Value::Number(_)) => Some(id),
            Some(Value::String(id)) if id.len() <= MAX_ID => Some(id.into()),
            Some(_) => return refused(invalid("The `id` of a frame is a number or a text of at most 256 bytes.")),
        };
        let trace = trace_of(&mut members);
        Request { ask: Ask::of(members), id, trace }
    }
}

/// The trace that a frame says it belongs to. As with headers, what is no such text is passed over.
fn trace_of(members: &mut Map<String, Value>) -> Option<TraceContext> {
    let (parent, state) = (members.remove("traceparent"), members.remove("tracestate"));
    let context: TraceContext = parent?.as_str()?.trim().parse().ok()?;
    Some(context.with_tracestate(state.as_ref().and_then(Value::as_str).unwrap_or_default()))
}

impl Ask {
    fn of(mut members: Map<String, Value>) -> Result<Self, ApiError> {
        let op = members.remove("op");
        let Some(Value::String(op)) = op else { return Err(invalid("A frame has a member `op`, a text.")) };
        match &*op {
            "start" => {
                let StartFields { workflow, input, run_id, timeout, attach, internal, types, modes } =
                    fields(&op, members)?;
                let run_id = run_id.as_deref().map(chosen_id).transpose()?;
                let timeout = timeout_of(timeout).map_err(|error| error.of_any_run(run_id.as_ref()))?;
                let modes = modes_of(modes, &types).map_err(|error| error.of_any_run(run_id.as_ref()))?;
                let record_internal = attach && modes.as_ref().is_some_and(Modes::are_internal);
                let attach = attach.then_some(Attach { after: After::Beginning, internal, types, modes });
                let begin = Begin { input, run_id, timeout, record_internal };
                Ok(Ask::Start(Box::new(Start { workflow, begin, attach })))
            }
            "attach" => {
                let AttachFields { run_id, after, internal, types, modes } = fields(&op, members)?;
                let run = named(run_id);
                let modes = modes_of(modes, &types).map_err(|error| error.of_any_run(run.as_ref()))?;
                Ok(Ask::Attach(run, Attach { after, internal, types, modes }))
            }
            "detach" => Ok(Ask::Detach(named(fields::<RunFields>(&op, members)?.run_id))),
            "event" => {
                let EventFields { run_id, event, event_id, step } = fields(&op, members)?;
                Ok(Ask::Event { run: named(run_id), event, event_id, step })
            }
            "answer" => {
                let AnswerFields { run_id, input, response, by } = fields(&op, members)?;
                let input = match input {
                    InputName::Number(number) => number.to_string(),
                    InputName::Id(id) => id,
                };
                // The id of a question names its run.
                let run_id = run_id.or_else(|| Some(input.rsplit_once('/')?.0.to_owned()));
                Ok(Ask::Answer { run: named(run_id), input, response, by })
            }
            "cancel" => Ok(Ask::Cancel(named(fields::<RunFields>(&op, members)?.run_id))),
            "inputs" => {
                let InputsFields { run_id, status, workflow, limit, cursor } = fields(&op, members)?;
                Ok(Ask::Inputs(crate::resources::inputs::Asked { run_id, status, workflow, limit, cursor }))
            }
            "ping" if members.is_empty() => Ok(Ask::Ping),
            "ping" => Err(invalid("A frame `ping` has no other members than `id`.")),
            _ => {
                let known = "start, attach, detach, event, answer, cancel, inputs, ping";
                Err(invalid(format!("There is no `op` of this name; there are: {known}.")))
            }
        }
    }
}

fn named(run: Option<String>) -> Named {
    run.map(RunId::from)
}

/// Views are made of events of all types.
fn modes_of(modes: Option<Vec<String>>, types: &[String]) -> Result<Option<Modes>, ApiError> {
    match modes {
        Some(_) if !types.is_empty() => Err(invalid("A frame has `types` or `modes`, not both.")),
        modes => modes.map(|modes| Modes::listed(&modes)).transpose(),
    }
}

fn fields<T: DeserializeOwned>(op: &str, members: Map<String, Value>) -> Result<T, ApiError> {
    let run = members.get("run_id").and_then(Value::as_str).map(RunId::from);
    serde_json::from_value(members.into())
        .map_err(|error| invalid(format!("The frame `{op}` does not fit: {error}.")).of_any_run(run.as_ref()))
}

fn invalid(detail: impl Into<String>) -> ApiError {
    ApiError::bad_request("invalid_frame", detail)
}
