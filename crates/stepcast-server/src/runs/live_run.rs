//! One run that lives in memory alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use stepcast::backend::{REMEMBERED_IDS, RunStatus};
use stepcast::{AnyEvent, AnyRun, Event, HumanResponseEvent, InputId, InputRecord, RunId, SendError, WorkflowDef};

use super::{InputState, InputView, RunFault, RunView};
use crate::error::ApiError;
use crate::wire::{PROMPTS, time};

/// One run that lives in memory alone.
#[derive(Debug)]
pub(super) struct LiveRun {
    pub(super) run: AnyRun,
    pub(super) workflow: String,
    pub(super) number: u64,
    /// The run that started it as its child.
    pub(super) parent: Option<RunId>,
    /// The data of its start event; of a child it is not known.
    pub(super) start: Option<Value>,
    /// Its workflow, which that of a child need not be registered as.
    def: Arc<WorkflowDef>,
    created: u64,
    /// Questions that were answered through this server.
    answered: Mutex<BTreeMap<u64, InputView>>,
    /// One answer at a time, so that who is late learns who was first.
    answering: tokio::sync::Mutex<()>,
    /// The numbers that its questions are listed under.
    cursors: Mutex<BTreeMap<u64, u64>>,
    /// The last ids of events that were sent.
    sent: Mutex<VecDeque<String>>,
}

impl LiveRun {
    pub(super) fn new(run: AnyRun, workflow: String, number: u64, start: Option<Value>) -> Self {
        LiveRun {
            def: run.definition(),
            parent: run.parent_id(),
            run,
            workflow,
            number,
            start,
            created: time::now(),
            answered: Mutex::default(),
            answering: tokio::sync::Mutex::default(),
            cursors: Mutex::default(),
            sent: Mutex::default(),
        }
    }

    /// The number that a question is listed under.
    pub(super) fn cursor_of(&self, input: u64, last: &mut u64) -> u64 {
        *lock(&self.cursors).entry(input).or_insert_with(|| {
            *last += 1;
            *last
        })
    }

    pub(super) async fn answer(&self, input: u64, answer: Value, by: Option<String>) -> Result<InputView, ApiError> {
        let run = self.run.run_id();
        let _one_at_a_time = self.answering.lock().await;
        if let Some(before) = lock(&self.answered).get(&input) {
            return Err(resolved(run, before));
        }
        let id = InputId { run_id: run.clone(), number: input };
        let pending = self.run.pending_inputs().await;
        let asked = pending.into_iter().find(|asked| asked.id == id);
        // Asked even where it is not pending: the run knows whether it ever was.
        match (self.run.respond_value(&id, answer.clone()).await, asked) {
            (Ok(()), Some(asked)) => {
                let mut view = self.input(&asked);
                // As a store keeps it: a plain answer to a question of data is its response.
                let of_data = asked.input.expects.as_deref() == Some(HumanResponseEvent::META.tag);
                let response = if of_data && !answer.is_object() { json!({ "response": answer }) } else { answer };
                view.state = InputState::Answered { response, by, at: time::now() };
                lock(&self.answered).insert(input, view.clone());
                Ok(view)
            }
            (Ok(()), None) => Err(ApiError::no_input(run, input)),
            (Err(error), _) => Err(ApiError::of_respond(run, input, error)),
        }
    }

    /// Sends an event; under an id that was sent before, nothing.
    pub(super) fn send(&self, event: AnyEvent, step: Option<&str>, id: Option<String>) -> Result<(), SendError> {
        let Some(id) = id else {
            return match step {
                Some(step) => self.run.send_event_to(step, event),
                None => self.run.send_event(event),
            };
        };
        let mut sent = lock(&self.sent);
        if sent.contains(&id) {
            return Ok(());
        }
        self.run.send_event(event)?;
        if sent.len() == REMEMBERED_IDS {
            sent.pop_front();
        }
        sent.push_back(id);
        Ok(())
    }

    pub(super) fn view(&self) -> RunView {
        let mut view = RunView {
            id: self.run.run_id().clone(),
            workflow: self.workflow.clone(),
            parent: self.parent.as_ref().map(RunId::to_string),
            status: RunStatus::Running,
            failures: 0,
            result: None,
            error: None,
            created: self.created,
            changed: self.created,
            cursor: self.number,
        };
        match self.run.terminal_event() {
            Some(event) => {
                // The run's clock is another one, which may be a little behind.
                view.changed = self.run.ended_at().unwrap_or_default().max(self.created);
                view.failures = self.run.failures();
                (view.status, view.error) = match RunFault::of_terminal(&event) {
                    Some((status, fault)) => (status, Some(fault)),
                    None if view.failures > 0 => (RunStatus::CompletedWithFailures, None),
                    None => (RunStatus::Completed, None),
                };
                view.result = view.error.is_none().then_some(event);
            }
            None if self.run.is_waiting() => view.status = RunStatus::Waiting,
            None => {}
        }
        view
    }

    pub(super) async fn inputs(&self) -> Vec<InputView> {
        // One that has ended asks nothing any more.
        let pending = if self.run.is_done() { Vec::new() } else { self.run.pending_inputs().await };
        let mut all: BTreeMap<u64, InputView> = lock(&self.answered).clone();
        for asked in pending.iter().filter(|asked| asked.id.run_id == *self.run.run_id()) {
            all.insert(asked.id.number, self.input(asked));
        }
        all.into_values().collect()
    }

    fn input(&self, asked: &InputRecord) -> InputView {
        let input = &asked.input;
        let reason = serde_json::to_value(input.reason).ok();
        let event = input.event.as_ref().and_then(|event| serde_json::to_value(event.to_envelope()).ok());
        let data = event.or_else(|| input.error.as_ref().and_then(|error| serde_json::to_value(error).ok()));
        let field = |name: &str| input.event.as_ref().and_then(|event| event.value().get(name).cloned());
        // As a store has them.
        let failed = || {
            let error = input.error.as_ref()?;
            Some(format!("The step `{}` failed: {}", input.step, error.exception_message))
        };
        let expected = || {
            let event = self.def.event_by_tag(input.expects.as_deref()?)?;
            Some(self.def.event(event).schema())
        };
        let choices: Vec<String> = input
            .choices
            .iter()
            .filter_map(|choice| Some(serde_json::to_value(choice).ok()?.as_str()?.to_owned()))
            .collect();
        InputView {
            run: asked.id.run_id.to_string(),
            workflow: self.workflow.clone(),
            input: asked.id.number,
            step: input.step.clone(),
            reason: reason.and_then(|reason| reason.as_str().map(str::to_owned)).unwrap_or_default(),
            expects: input.expects.clone(),
            prompt: PROMPTS.into_iter().find_map(|name| field(name)?.as_str().map(str::to_owned)).or_else(failed),
            data: data.unwrap_or_default(),
            choices: match choices.is_empty() {
                true => field("choices").and_then(|choices| serde_json::from_value(choices).ok()),
                false => Some(choices),
            },
            schema: field("schema").filter(Value::is_object).or_else(expected),
            state: InputState::Pending,
            created: input.created.0,
            expires: None,
            cursor: 0,
        }
    }
}

fn resolved(run: &RunId, before: &InputView) -> ApiError {
    use stepcast::backend::InputStatus;
    use stepcast::engine::Time;
    let status = match &before.state {
        InputState::Answered { response, by, at } => {
            InputStatus::Answered { answer: response.to_string(), by: by.clone(), at: Time(*at) }
        }
        InputState::Withdrawn { at } => InputStatus::Withdrawn { at: Time(*at) },
        InputState::Expired { at } => InputStatus::Expired { at: Time(*at) },
        InputState::Pending => InputStatus::Pending,
    };
    ApiError::input_resolved(run, before.input, &status)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
