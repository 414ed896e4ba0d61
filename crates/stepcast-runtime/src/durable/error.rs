use std::sync::Arc;

use stepcast_core::backend::{AnswerError, ClaimError, InputStatus, LoadError, SendError, StorageError};

use crate::run::RunId;

/// An answer was not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerRunError {
    /// The runtime keeps its runs in memory.
    #[error("This runtime has no backend; answer through the run's handle.")]
    NoBackend,
    /// There is no input of this number.
    #[error("The run `{run}` has no input {input}.")]
    Unknown {
        /// The run.
        run: RunId,
        /// The input's number in the run.
        input: u64,
    },
    /// The input has its answer, has expired or was withdrawn. The first answer is the one that counts.
    #[error("{source}")]
    Conflict {
        /// What became of the input.
        status: InputStatus,
        /// The backend's refusal.
        #[source]
        source: Box<AnswerError>,
    },
    /// The answer is not one of the choices.
    #[error("The input {input} of the run `{run}` is answered by one of {}, not by {found}.", choices.join(", "))]
    Choice {
        /// The run.
        run: RunId,
        /// The input.
        input: u64,
        /// What may be chosen.
        choices: Vec<String>,
        /// What was given.
        found: String,
    },
    /// The answer does not fit the input's schema.
    #[error("The answer to input {input} of the run `{run}` does not fit its schema: {}.", faults.join("; "))]
    Schema {
        /// The run.
        run: RunId,
        /// The input.
        input: u64,
        /// Every fault, with the place of it as a JSON pointer.
        faults: Vec<String>,
    },
    /// The answer does not fit the event that the input takes.
    #[error("The answer to input {input} of the run `{run}` does not fit `{tag}`: {source}.")]
    Data {
        /// The run.
        run: RunId,
        /// The input.
        input: u64,
        /// Tag of the event.
        tag: String,
        /// What serde found, with the field's path.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The runtime is being shut down.
    #[error("The tokio runtime is being shut down; the answer may not have been recorded.")]
    ShuttingDown,
}

/// Something was not sent to a stored run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendRunError {
    /// The runtime keeps its runs in memory.
    #[error("This runtime has no backend; send through the run's handle.")]
    NoBackend,
    /// The backend refused it.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The workflow takes no such event from outside.
    #[error("`{workflow}` takes no `{event}` from outside; it takes: {}.", list(expected))]
    NotExternal {
        /// The workflow.
        workflow: String,
        /// Tag of the event.
        event: String,
        /// Tags of the events that it takes.
        expected: Vec<String>,
    },
    /// The workflow has no such step, or it does not take the event by itself.
    #[error("`{workflow}` has no step `{step}` that takes `{event}` by itself; those that do: {}.", list(takers))]
    Step {
        /// The workflow.
        workflow: String,
        /// The step that was named.
        step: String,
        /// Tag of the event.
        event: String,
        /// The steps that would take it.
        takers: Vec<String>,
    },
    /// The event's data does not fit its type.
    #[error("The event does not fit `{tag}`: {source}.")]
    Data {
        /// Tag of the event.
        tag: String,
        /// What serde found.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The runtime is being shut down.
    #[error("The tokio runtime is being shut down; the event may not have been recorded.")]
    ShuttingDown,
}

/// A stored run could not be had as a handle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The runtime keeps its runs in memory, and none of this id is alive.
    #[error("No run `{run}` is alive, and this runtime has no backend.")]
    NoBackend {
        /// The run.
        run: RunId,
    },
    /// The run's workflow is not registered here; the run stays as it is.
    #[error("The run `{run}` is of the workflow `{workflow}`, which is not registered here; it is left as it is.")]
    Unregistered {
        /// The run.
        run: RunId,
        /// Its workflow.
        workflow: String,
    },
    /// The run cannot be claimed.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The run cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The run's records do not fit its workflow any more.
    #[error("The run `{run}` cannot go on here: {source}")]
    Journal {
        /// The run.
        run: RunId,
        /// What does not fit.
        #[source]
        source: stepcast_core::journal::JournalError,
    },
    /// No workflow can be made here of the document that the run was created with; the run stays as it is.
    #[error(
        "The run `{run}` of `{workflow}` is left as it is, because the document that it was created with cannot run here: {source}"
    )]
    Document {
        /// The run.
        run: RunId,
        /// Its workflow.
        workflow: String,
        /// What is missing.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The runtime is being shut down.
    #[error("The tokio runtime is being shut down.")]
    ShuttingDown,
}

fn list(names: &[String]) -> String {
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}
