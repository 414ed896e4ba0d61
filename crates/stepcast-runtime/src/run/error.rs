use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stepcast_core::engine::StuckReason;
use stepcast_core::{AnyEvent, DefinitionError, ErrorInfo};

use crate::resources::ResourceError;

/// Why a run gave no stop event.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The workflow's definition does not check, so no run of it can begin.
    #[error("{0}")]
    Definition(#[source] Arc<DefinitionError>),
    /// `run` was called outside a tokio runtime.
    #[error(
        "The run could not begin: there is no tokio runtime here. Call `run` inside `#[tokio::main]` or after `Runtime::enter`."
    )]
    NoRuntime,
    /// What the steps ask for could not be supplied.
    #[error("The run could not begin: {0}")]
    Resources(#[source] Arc<ResourceError>),
    /// A step failed for good.
    #[error("The step `{step}` failed after {attempts} attempt(s): {source}")]
    StepFailed {
        /// The step.
        step: String,
        /// Attempts made.
        attempts: u32,
        /// Its last error.
        #[source]
        source: SharedError,
    },
    /// The run used up its time.
    #[error("The run was busy for longer than its timeout of {after:?}; still active: {}.", join(active_steps))]
    TimedOut {
        /// The timeout.
        after: Duration,
        /// Steps queued or running at that moment.
        active_steps: Vec<String>,
    },
    /// The run was cancelled.
    #[error("The run was cancelled.")]
    Cancelled,
    /// Nothing was left to do and nobody was waited for, but no stop event had come.
    #[error("The run is stuck: {}", stuck(reason))]
    Stuck {
        /// What was missing.
        reason: StuckReason,
    },
    /// More executions were queued than the run's bound allows.
    #[error(
        "The run's queue is full: the step `{step}` had no room for `{event}` beyond {bound} queued executions. Bound what produces it, or raise the bound."
    )]
    QueueFull {
        /// The step that had no room.
        step: String,
        /// Tag of the event.
        event: String,
        /// The bound.
        bound: usize,
    },
    /// A run of this id is live already.
    #[error("A run with the id `{id}` is live already; choose another id, or attach to that run.")]
    DuplicateRunId {
        /// The id.
        id: String,
    },
    /// The run cannot go on from its snapshot.
    #[error("The run cannot go on from its snapshot: {0}")]
    Restore(#[source] Arc<crate::snapshot::RestoreRunError>),
    /// The run had ended without a stop event before its snapshot was taken.
    #[error("The run had ended before it was stored: {source}")]
    EndedBefore {
        /// Why.
        #[source]
        source: SharedError,
    },
    /// The backend could not write the run, so it stopped. What was acknowledged is kept; the run goes on from there when a
    /// runtime takes it up again.
    #[error("The run stopped because it could not be written: {source}")]
    Storage {
        /// What the backend said.
        #[source]
        source: Arc<stepcast_core::backend::WriteError>,
    },
    /// Something of the run cannot be kept at all.
    #[error("The run cannot be kept: {source}")]
    NotKept {
        /// What cannot be written.
        #[source]
        source: SharedError,
    },
    /// The runtime is shutting down.
    #[error("The runtime is shutting down and begins no new runs.")]
    ShuttingDown,
    /// The code of an event panicked while the run handled it.
    #[error(
        "The code of an event panicked while the run handled it: {message}. An event's `Clone`, `Drop` and serde code must not panic."
    )]
    EventPanicked {
        /// The panic's message, where it has one.
        message: String,
    },
    /// The tokio runtime was shut down while the run was going on.
    #[error("The run was dropped with its tokio runtime before it ended.")]
    Dropped,
}

/// An error that several owners share.
#[derive(Clone)]
pub struct SharedError(Arc<dyn Error + Send + Sync>);

/// A step's error of which only the texts are left, because it crossed a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", info.exception_message)]
pub struct StoredError {
    /// Its texts.
    pub info: ErrorInfo,
}

impl RunError {
    pub(crate) fn not_kept(error: stepcast_core::journal::WriteRowError) -> Self {
        RunError::NotKept { source: SharedError::new(Box::new(error)) }
    }

    pub(crate) fn state_not_kept(name: &str, source: serde_json::Error) -> Self {
        let error = crate::snapshot::SnapshotError::State { name: name.to_owned(), source: Arc::new(source) };
        RunError::NotKept { source: SharedError::new(Box::new(error)) }
    }
}

impl SharedError {
    pub(crate) fn new(error: Box<dyn Error + Send + Sync>) -> Self {
        SharedError(Arc::from(error))
    }

    /// The error, if it is a `T`.
    pub fn downcast_ref<T: Error + 'static>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// An event could not be sent to a run. Gives the event back.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The run has ended.
    #[error("The run has ended; it takes no more events.")]
    Ended {
        /// The event.
        event: AnyEvent,
    },
    /// The workflow does not declare this event type.
    #[error("The workflow `{workflow}` does not declare the event `{}`; it takes from outside: {}.", event.tag(), join(expected))]
    Undeclared {
        /// The workflow.
        workflow: String,
        /// The event.
        event: AnyEvent,
        /// What may be sent to it.
        expected: Vec<String>,
    },
    /// The event is of a type that only steps give.
    #[error("The event `{}` is given by steps of `{workflow}` and cannot be sent from outside; mark it `#[event(external)]`, or send one of: {}.", event.tag(), join(expected))]
    NotExternal {
        /// The workflow.
        workflow: String,
        /// The event.
        event: AnyEvent,
        /// What may be sent to it.
        expected: Vec<String>,
    },
    /// The data does not fit the event's type.
    #[error("The data of the event `{}` does not fit its type: {source}.", event.tag())]
    Data {
        /// The event.
        event: AnyEvent,
        /// What serde found.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// There is no such step, or it does not take the event.
    #[error("The step `{step}` of `{workflow}` does not exist or does not take `{}`; steps that take it: {}.", event.tag(), join(takers))]
    Step {
        /// The workflow.
        workflow: String,
        /// The step asked for.
        step: String,
        /// The event.
        event: AnyEvent,
        /// Steps that take the event.
        takers: Vec<String>,
    },
    /// The run's mailbox is full.
    #[error(
        "The run's mailbox holds {bound} events already; wait for room with `send_event_wait`, or raise the bound."
    )]
    Full {
        /// The event.
        event: AnyEvent,
        /// The bound.
        bound: usize,
    },
}

/// An answer to a pending input was not taken.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RespondError {
    /// There is no input of this id.
    #[error("The run has no input `{id}`; its pending inputs are: {}.", join(pending))]
    Unknown {
        /// The id.
        id: String,
        /// Ids of the pending inputs.
        pending: Vec<String>,
    },
    /// The input was answered before, or is not asked any more.
    #[error(
        "The input `{id}` is not pending any more: it was answered, expired or withdrawn. The answer was not used."
    )]
    Conflict {
        /// The id.
        id: String,
    },
    /// The answer is of the wrong type.
    #[error("The input `{id}` is answered by {expected}, not by {found}.")]
    WrongAnswer {
        /// The id.
        id: String,
        /// What it takes.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The answer's data does not fit its type.
    #[error("The answer to input `{id}` does not fit `{tag}`: {source}.")]
    Data {
        /// The id.
        id: String,
        /// Tag of the event.
        tag: String,
        /// What serde found.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// The waiting step does not accept this answer.
    #[error(
        "The answer to input `{id}` does not pass the filter of the step that waits for it; the input is still pending."
    )]
    Filtered {
        /// The id.
        id: String,
    },
    /// The answer does not fit the question's own schema.
    #[error("The answer to input `{id}` does not fit its schema: {}.", faults.join("; "))]
    Schema {
        /// The id.
        id: String,
        /// Every fault, with the place of it as a JSON pointer.
        faults: Vec<String>,
    },
    /// The store did not record the answer.
    #[error("The answer to input `{id}` was not recorded: {source}")]
    Refused {
        /// The id.
        id: String,
        /// What the backend said.
        #[source]
        source: Arc<crate::durable::AnswerRunError>,
    },
    /// The run has ended.
    #[error("The run has ended; nobody waits for the answer to input `{id}`.")]
    Ended {
        /// The id.
        id: String,
    },
}

fn join(names: &[String]) -> String {
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

fn stuck(reason: &StuckReason) -> String {
    match reason {
        StuckReason::NoStopEvent { waiting_joins, last_unhandled, failures } => {
            let mut text = "every execution has ended, but none gave the stop event".to_owned();
            for (step, missing) in waiting_joins {
                text += &format!("; the join `{step}` still misses {}", join(missing));
            }
            if let Some(tag) = last_unhandled {
                text += &format!("; the last event that reached nobody was `{tag}`");
            }
            if *failures > 0 {
                text += &format!("; {failures} execution(s) failed and were given up");
            }
            text + "."
        }
        StuckReason::NobodyCanSend { waiting } => {
            let waiting: Vec<String> = waiting.iter().map(|(step, tag)| format!("`{step}` for `{tag}`")).collect();
            format!(
                "nobody is left who could send what is waited for ({}); keep a handle of the run, or register it with a `Runtime`.",
                waiting.join(", ")
            )
        }
        _ => "it can never end.".to_owned(),
    }
}
