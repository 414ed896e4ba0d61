//! Answers to stored inputs: checked against what the input takes, then recorded, wherever the run sleeps.

use std::sync::Arc;

use serde_json::Value;
use stepcast_core::backend::*;
use stepcast_core::{AnyEvent, WorkflowDef};

use super::check::{Misfit, misfit, normal};
use super::records::ask;
use super::{AnswerRunError, SendRunError};
use crate::clock;
use crate::run::{NotTaken, RunId, from_outside, taken_from_outside};
use crate::runtime::Runtime;
use crate::telemetry::TraceContext;

impl Runtime {
    /// Answers a pending input of a stored run, wherever it sleeps or runs, with data in the form of the event that it
    /// takes; for a failed step with one of its choices, as text or as `{"choice": ..}`. Recorded when this returns.
    /// The first answer wins. `by` says who answered.
    ///
    /// # Errors
    /// When there is no such input, it is not pending any more, or the answer does not fit it.
    pub async fn answer_input(
        &self,
        run: &RunId,
        input: u64,
        answer: Value,
        by: Option<String>,
    ) -> Result<(), AnswerRunError> {
        let Some(backend) = self.backend() else { return Err(AnswerRunError::NoBackend) };
        let filter = InputFilter { run: Some(Arc::from(run.as_str())), input: Some(input), ..InputFilter::default() };
        let Some(record) = self.list_inputs(filter, None, 1).await?.pop() else {
            return Err(AnswerRunError::Unknown { run: run.clone(), input });
        };
        // That of a child need not be registered; where it runs here, it is known.
        let def = self.definition(&record.workflow).or_else(|| self.get(run).map(|run| run.definition()));
        record_answer(backend, def.as_deref(), run, record, answer, by).await
    }
}

/// Checks an answer and records it.
pub(crate) async fn record_answer(
    backend: &Arc<dyn Backend>,
    def: Option<&WorkflowDef>,
    run: &RunId,
    record: InputRecord,
    answer: Value,
    by: Option<String>,
) -> Result<(), AnswerRunError> {
    let input = record.asked.input;
    let answer = normal(&record.asked, answer);
    if let Some(misfit) = misfit(&record.asked, &answer, def) {
        return Err(AnswerRunError::of(run, input, misfit));
    }
    let trace = TraceContext::current().map(|context| context.to_text());
    let (run_id, answer) = (Arc::from(run.as_str()), answer.to_string());
    let given = Answer { run: run_id, input, answer, by, at: clock::now(), trace };
    match ask(backend, move |backend| backend.answer(given)).await {
        None => Err(AnswerRunError::ShuttingDown),
        Some(Ok(())) => Ok(()),
        Some(Err(AnswerError::Storage(error))) => Err(error.into()),
        Some(Err(AnswerError::UnknownInput { .. })) => Err(AnswerRunError::Unknown { run: run.clone(), input }),
        Some(Err(error)) => {
            let status = match &error {
                AnswerError::Conflict { status, .. } => InputStatus::clone(status),
                _ => record.status,
            };
            Err(AnswerRunError::Conflict { status, source: Box::new(error) })
        }
    }
}

impl AnswerRunError {
    fn of(run: &RunId, input: u64, misfit: Misfit) -> Self {
        let run = run.clone();
        match misfit {
            Misfit::Choice { choices, found } => AnswerRunError::Choice { run, input, choices, found },
            Misfit::Schema { faults } => AnswerRunError::Schema { run, input, faults },
            Misfit::Data { tag, source } => AnswerRunError::Data { run, input, tag, source },
        }
    }
}

/// Whether a workflow takes this event from outside.
pub(super) fn check_event(def: &WorkflowDef, event: &AnyEvent) -> Result<(), SendRunError> {
    match from_outside(def, event) {
        Ok(_) => Ok(()),
        Err(NotTaken::Data(source)) => {
            Err(SendRunError::Data { tag: event.tag().to_owned(), source: Arc::new(source) })
        }
        Err(_) => Err(SendRunError::NotExternal {
            workflow: def.name().to_owned(),
            event: event.tag().to_owned(),
            expected: taken_from_outside(def),
        }),
    }
}
