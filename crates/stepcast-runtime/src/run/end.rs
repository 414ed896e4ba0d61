use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use stepcast_core::engine::{Outcome, RunFailure, Time};
use stepcast_core::{
    AnyEvent, ErrorInfo, Event, Payload, StepError, WorkflowCancelledEvent, WorkflowFailedEvent, WorkflowTimedOutEvent,
};

use super::{RunError, SharedError, StoredError};

/// How a run ended, once and for all.
#[derive(Debug)]
pub(crate) struct RunEnd {
    // Boxed: almost every run completes, and each holds room for its end.
    result: Result<Payload, Box<Failed>>,
    /// Executions given up under `on_failure = "continue"`.
    pub(crate) failures: u32,
    pub(crate) at: Time,
}

/// Why there is no stop event, and what the stream says of it.
#[derive(Debug)]
struct Failed {
    error: RunError,
    event: Option<WorkflowFailedEvent>,
}

impl RunEnd {
    pub(crate) fn of(outcome: Outcome, at: Time, timeout: Option<Duration>, error: Option<StepError>) -> Self {
        let mut failed = None;
        let mut failures = 0;
        let result = match outcome {
            Outcome::Completed { stop, failures: given_up } => {
                failures = given_up;
                Ok(stop)
            }
            Outcome::Failed(failure) => {
                let error = run_error(failure, error, &mut failed);
                failed.get_or_insert_with(|| failed_with(&error));
                Err(error)
            }
            Outcome::TimedOut { active_steps } => {
                Err(RunError::TimedOut { after: timeout.unwrap_or_default(), active_steps })
            }
            _ => Err(RunError::Cancelled),
        };
        let result = result.map_err(|error| Box::new(Failed { error, event: failed }));
        RunEnd { result, failures, at }
    }

    /// A run that had given its stop event.
    pub(crate) fn completed(stop: Payload, failures: u32, at: Time) -> Self {
        RunEnd { result: Ok(stop), failures, at }
    }

    /// A run that ended before it began.
    pub(crate) fn refused(error: RunError, at: Time) -> Self {
        RunEnd::failed(error, None, at)
    }

    /// A run that had failed, with the last event of its stream, if that is known.
    pub(crate) fn failed(error: RunError, event: Option<WorkflowFailedEvent>, at: Time) -> Self {
        let event = event.unwrap_or_else(|| failed_with(&error));
        RunEnd { result: Err(Box::new(Failed { error, event: Some(event) })), failures: 0, at }
    }

    /// The last event of the run's stream.
    pub(crate) fn terminal_event(&self) -> AnyEvent {
        let failed = match &self.result {
            Ok(stop) => {
                return match RunEnd::copy_of(stop) {
                    Ok(stop) => AnyEvent::from_payload(stop),
                    Err(error) => AnyEvent::new(failed_with(&error)),
                };
            }
            Err(failed) => failed,
        };
        match &failed.error {
            RunError::TimedOut { after, active_steps } => AnyEvent::new(WorkflowTimedOutEvent {
                timeout: after.as_secs_f64(),
                active_steps: active_steps.clone(),
            }),
            RunError::Cancelled => AnyEvent::new(WorkflowCancelledEvent {}),
            _ => failed.event.clone().map_or_else(|| AnyEvent::new(WorkflowCancelledEvent {}), AnyEvent::new),
        }
    }

    /// The stop event, or why there is none.
    pub(crate) fn result(&self) -> Result<&Payload, &RunError> {
        self.result.as_ref().map_err(|failed| &failed.error)
    }

    /// The texts of the error; of a failed step, its own.
    pub(crate) fn info(&self) -> ErrorInfo {
        match &self.result {
            Ok(_) => info_of(&RunError::Dropped),
            Err(failed) => {
                failed.event.as_ref().map_or_else(|| info_of(&failed.error), |event| event.exception.clone())
            }
        }
    }

    /// Another copy of the stop event.
    pub(crate) fn copy_of(stop: &Payload) -> Result<Payload, RunError> {
        guarded(|| stop.clone())
    }

    /// The stop event, as the type the workflow declares.
    pub(crate) fn stop_event<S: Event>(&self) -> Result<S, RunError> {
        match self.result() {
            Ok(stop) => guarded(|| stop.downcast_ref::<S>().cloned())?.ok_or(RunError::Dropped),
            Err(error) => Err(error.clone()),
        }
    }
}

/// Copies an event. A panic in its `Clone` is no panic of whoever asks for the run's end.
fn guarded<T>(copy: impl FnOnce() -> T) -> Result<T, RunError> {
    catch_unwind(AssertUnwindSafe(copy))
        .map_err(|panic| RunError::EventPanicked { message: crate::dispatch::panic_message(&*panic) })
}

fn failed_with(error: &RunError) -> WorkflowFailedEvent {
    WorkflowFailedEvent { step_name: None, exception: info_of(error), attempts: None, elapsed_seconds: None }
}

fn info_of(error: &RunError) -> ErrorInfo {
    StepError::from(error.clone()).info()
}

fn run_error(failure: RunFailure, original: Option<StepError>, failed: &mut Option<WorkflowFailedEvent>) -> RunError {
    match failure {
        RunFailure::Step { step, error, attempts, elapsed_micros, .. } => {
            *failed = Some(WorkflowFailedEvent {
                step_name: Some(step.clone()),
                exception: error.clone(),
                attempts: Some(attempts),
                elapsed_seconds: Some(elapsed_micros as f64 / 1e6),
            });
            let source = match original {
                Some(original) => original.into_source(),
                None => Box::new(StoredError { info: error }),
            };
            RunError::StepFailed { step, attempts, source: SharedError::new(source) }
        }
        RunFailure::Stuck { reason } => RunError::Stuck { reason },
        RunFailure::QueueFull { step, event, bound } => RunError::QueueFull { step, event, bound },
        _ => RunError::Cancelled,
    }
}
