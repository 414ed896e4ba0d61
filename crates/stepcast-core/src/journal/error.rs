use crate::engine::{Difference, RestoreError, list};

use super::VERSION;

/// A journal row could not be written. The run must not go on as if it had been.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteRowError {
    /// An event, a result or a cell cannot be serialized.
    #[error("The row {row} of the run's journal cannot be written: {source}. Give every event and state a serde form.")]
    Serialize {
        /// The row.
        row: u64,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
    /// An event, a result or a cell nests so deep that the row could not be read back.
    #[error(
        "The row {row} of the run's journal cannot be written: something in it nests more than {bound} lists and objects, and could not be read back. Make it flatter, or keep it as text."
    )]
    TooDeep {
        /// The row.
        row: u64,
        /// The most that is written.
        bound: usize,
    },
    /// A whole number is too large to be read back.
    #[error(
        "The row {row} of the run's journal cannot be written: the number {number} does not fit 64 bits, and could not be read back. Keep it as text."
    )]
    Number {
        /// The row.
        row: u64,
        /// The number.
        number: String,
    },
}

/// A journal cannot be folded to the state of its run. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Rows are missing, or lie in another order.
    #[error(
        "The journal has the row {found} where the row {expected} belongs: rows are missing or out of order. Restore the store from a copy."
    )]
    Gap {
        /// The row that belongs there.
        expected: u64,
        /// The row found.
        found: u64,
    },
    /// A row is there twice.
    #[error("The journal has the row {row} twice. Restore the store from a copy.")]
    Repeated {
        /// The row.
        row: u64,
    },
    /// A row is not one.
    #[error("The row after row {after} of the journal cannot be read: {source}. Restore the store from a copy.")]
    Undecodable {
        /// The last row that could be read; 0 if none.
        after: u64,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
    /// A row or a checkpoint was written in another format.
    #[error(
        "The journal has the format {found}; this version reads format {VERSION}. Open it with the version that wrote it."
    )]
    Version {
        /// The format found.
        found: u64,
    },
    /// A journal without a checkpoint does not begin with the start of its run.
    #[error(
        "The journal begins with row {row}, which is not the start of a run, and there is no checkpoint before it."
    )]
    NoStart {
        /// The first row.
        row: u64,
    },
    /// The workflow routes events otherwise than when the rows were written, so they would lead elsewhere.
    #[error(
        "The workflow `{workflow}` has changed since row {row} of the journal was written, and rows are read only by the definition they were written under. Let that one write a checkpoint first, or restore the definition."
    )]
    Changed {
        /// The workflow at hand.
        workflow: String,
        /// The row that was written under another definition; of a checkpoint, its last.
        row: u64,
    },
    /// The workflow has changed in what the run still refers to.
    #[error(
        "The workflow `{workflow}` has changed in what the stored run still needs:{}\nKeep these as they were, or let the program that began the run finish it.",
        list(differences)
    )]
    Refused {
        /// The workflow at hand.
        workflow: String,
        /// Every difference found.
        differences: Vec<Difference>,
    },
    /// A row names a step that the workflow does not have.
    #[error("The row {row} of the journal names the step `{step}`, which the workflow does not have any more.")]
    UnknownStep {
        /// The row.
        row: u64,
        /// The step.
        step: String,
    },
    /// A row names an execution of another step.
    #[error(
        "The row {row} of the journal says that execution {execution} is of the step `{step}`, but it is of `{actual}`."
    )]
    OtherStep {
        /// The row.
        row: u64,
        /// The execution's serial number.
        execution: u64,
        /// The step in the row.
        step: String,
        /// The step of the execution.
        actual: String,
    },
    /// A row holds an event that the workflow does not have any more, or whose data does not fit it.
    #[error("The row {row} of the journal does not fit the workflow any more: {source}.")]
    Event {
        /// The row.
        row: u64,
        /// What does not fit.
        #[source]
        source: Difference,
    },
    /// A row names an execution that is not there.
    #[error("The row {row} of the journal names execution {execution}, which the run does not have at that point.")]
    UnknownExecution {
        /// The row.
        row: u64,
        /// The execution's serial number.
        execution: u64,
    },
    /// A row says something that cannot have happened at its place.
    #[error("The row {row} of the journal does not follow from the rows before it: {what}.")]
    Inconsistent {
        /// The row.
        row: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// The checkpoint before the rows does not fit the workflow, or contradicts itself.
    #[error("The journal's checkpoint cannot be restored: {0}")]
    Checkpoint(#[from] RestoreError),
}
