use std::sync::Arc;

use stepcast_core::EventMeta;

use crate::snapshot::RestoreRunError;

/// A workflow could not be registered or started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// No workflow of this name is registered.
    #[error("There is no workflow `{name}`; registered are: {}.", known.join(", "))]
    UnknownWorkflow {
        /// The name.
        name: String,
        /// The registered ones.
        known: Vec<String>,
    },
    /// The workflow was retired.
    #[error("The workflow `{name}` was removed: its runs go on, but no new ones begin.")]
    Retired {
        /// The name.
        name: String,
    },
    /// A workflow of this name is registered already.
    #[error("A workflow `{name}` is registered already; give one of them another name.")]
    DuplicateWorkflow {
        /// The name.
        name: String,
    },
    /// The workflow's definition does not check.
    #[error("{0}")]
    Definition(#[source] Arc<stepcast_core::DefinitionError>),
    /// Nobody can make a value of the workflow by its name alone.
    #[error(
        "The workflow `{name}` cannot be made by its name: it is not `Default`. Name its constructor with `#[workflow(.., new = ..)]`, or register a value of it."
    )]
    NotCreatable {
        /// The name.
        name: String,
    },
    /// The workflow's constructor failed.
    #[error("The workflow `{name}` could not be made: {source}.")]
    Create {
        /// The name.
        name: String,
        /// What the constructor said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The start event's data does not fit its type.
    #[error("The start event `{event}` of `{workflow}` does not fit its type: {source}.")]
    Start {
        /// The workflow.
        workflow: String,
        /// Tag of its start event.
        event: &'static str,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
    /// The snapshot cannot go on.
    #[error("{0}")]
    Restore(#[from] RestoreRunError),
}

pub(super) fn unfit(workflow: &str, meta: &EventMeta, source: serde_json::Error) -> RuntimeError {
    RuntimeError::Start { workflow: workflow.to_owned(), event: meta.tag, source }
}
