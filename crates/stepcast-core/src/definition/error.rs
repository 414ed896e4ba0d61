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
}

impl DefinitionError {
    /// Every fault found, each with the step and the event it is about.
    pub fn faults(&self) -> &[Fault] {
        match self {
            DefinitionError::Faults { faults, .. } => faults,
        }
    }
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  - {fault}")).collect()
}
