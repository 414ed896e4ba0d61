use crate::check::Fault;

/// A workflow's definition does not check.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionError {
    /// The graph has faults; all of them are listed.
    #[error("The workflow `{workflow}` does not check:{}", list(faults))]
    Faults {
        /// The workflow's name.
        workflow: String,
        /// Every fault found.
        faults: Vec<Fault>,
    },
    /// The code of a `retry = ..` argument panicked while the definition was built.
    #[error("The workflow `{workflow}` could not be built: a retry policy panicked while it was made: {message}.")]
    Panicked {
        /// The workflow's name.
        workflow: String,
        /// The panic's message, where it has one.
        message: String,
    },
}

impl DefinitionError {
    /// Every fault found, each with the step and the event it is about.
    pub fn faults(&self) -> &[Fault] {
        match self {
            DefinitionError::Faults { faults, .. } => faults,
            DefinitionError::Panicked { .. } => &[],
        }
    }
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  - {fault}")).collect()
}
