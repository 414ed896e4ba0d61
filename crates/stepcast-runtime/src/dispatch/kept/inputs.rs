//! Questions to people as records of the store.

use serde_json::Value;
use stepcast_core::backend::{InputChange as Change, NewInput};
use stepcast_core::engine::{InputChange, InputReason, PendingInput, RunState, Time};
use stepcast_core::{Event, HumanResponseEvent, InputRequiredEvent, WorkflowDef};

use crate::dispatch::{Dispatch, RunCore};

impl Dispatch {
    /// Puts what became of a question into the next batch.
    pub(super) fn input_changed(&mut self, core: &mut RunCore, id: u64, change: InputChange) {
        let def = &self.env.run.program.def;
        let RunCore { journal: Some(journal), state, .. } = core else { return };
        let change = match change {
            InputChange::Opened => {
                let Some((input, expires)) = state.pending_input(def, id) else { return };
                Change::Opened(Box::new(record(def, input, expires)))
            }
            // The record has its answer already: it came from there.
            InputChange::Answered => return,
            InputChange::AnsweredBy(event) => {
                let answer = event.as_erased().to_value().unwrap_or_default().to_string();
                Change::Answered { input: id, answer, by: None }
            }
            InputChange::Expired => Change::Expired { input: id },
            _ => Change::Withdrawn { input: id },
        };
        // A question that was answered within the batch that asks it was never seen by anybody.
        journal.batch.inputs.push(change);
    }
}

/// The questions that a run has open, for a store that does not have them yet.
pub(super) fn pending(def: &WorkflowDef, state: &RunState) -> Vec<Change> {
    let open = state.pending_inputs(def).into_iter().filter_map(|input| state.pending_input(def, input.id));
    open.map(|(input, expires)| Change::Opened(Box::new(record(def, input, expires)))).collect()
}

pub(in crate::dispatch) fn record(def: &WorkflowDef, input: PendingInput, expires: Option<Time>) -> NewInput {
    let data = input.event.as_ref().map(stepcast_core::AnyEvent::value);
    let prompt = data
        .as_ref()
        .and_then(|data| ["prompt", "prefix", "question", "message"].iter().find_map(|key| data.get(key)?.as_str()));
    let prompt = prompt.map(str::to_owned).or_else(|| {
        let error = input.error.as_ref()?;
        Some(format!("The step `{}` failed: {}", input.step, error.exception_message))
    });
    let event = input.event.as_ref().and_then(|event| serde_json::to_value(event.to_envelope()).ok());
    let error = input.error.as_ref().and_then(|error| serde_json::to_value(error).ok());
    let expected = input.expects.as_deref().and_then(|tag| def.event_by_tag(tag)).map(|ix| def.event(ix));
    let choices = (!input.choices.is_empty()).then(|| serde_json::to_string(&input.choices).unwrap_or_default());
    // A dynamic question may say by itself what it takes.
    let dynamic = input.event.as_ref().and_then(|event| event.get::<InputRequiredEvent>());
    let own = |name: &str| dynamic.and_then(|event| event.get(name)).map(Value::to_string);
    // An answer of any kind has no schema but the question's own.
    let typed = expected.filter(|meta| meta.tag != HumanResponseEvent::META.tag);
    let (choices, own_schema) = (choices.or_else(|| own("choices")), own("schema"));
    NewInput {
        input: input.id,
        step: input.step,
        reason: match input.reason {
            InputReason::StepFailure => "step_failure",
            _ => "input_required",
        }
        .to_owned(),
        expects: input.expects,
        prompt,
        data: event.or(error).as_ref().map(Value::to_string),
        choices,
        schema: own_schema.or_else(|| typed.map(|meta| meta.schema().to_string())),
        expires,
    }
}
