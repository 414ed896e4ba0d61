use stepcast_core::{Budget, Usage};

use crate::run::RunId;

/// A call gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The closure failed; nothing is recorded, so a repeated execution calls again.
    #[error("The call `{label}` failed: {source}")]
    Failed {
        /// The call's label.
        label: String,
        /// The closure's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The recorded result does not fit the type it is now asked for, or the result cannot be recorded.
    #[error("The result of the call `{label}` does not fit its type: {source}. Give a changed call a new label.")]
    Result {
        /// The call's label.
        label: String,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
    /// The key cannot be JSON; the call was not made.
    #[error("The key of the call `{label}` cannot be JSON: {source}. Give it what serde can write as JSON.")]
    Key {
        /// The call's label.
        label: String,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
    /// The budget of the run, or of one that it is a child of, does not allow the call; it was not made.
    #[error(
        "The budget of the run `{run}` does not allow the call `{label}`: it asks for {}, and what is left is {left}.",
        asks(asked)
    )]
    BudgetExhausted {
        /// The call's label.
        label: String,
        /// The run whose budget it is.
        run: RunId,
        /// The call's estimate, if it has one.
        asked: Option<Usage>,
        /// What is left of the budget, without what calls under way have reserved.
        left: Budget,
    },
    /// What the run has used up cannot be read back; the call was not made.
    #[error("What the run has used up so far cannot be read, so the call `{label}` was not made: {source}.")]
    Spent {
        /// The call's label.
        label: String,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
    /// The execution has recorded as many results as it may.
    #[error(
        "The execution has recorded {bound} results, the most it may; split the step. The call `{label}` was not made."
    )]
    RecordFull {
        /// The call's label.
        label: String,
        /// The bound.
        bound: usize,
    },
    /// The run has ended.
    #[error("The run has ended; the call `{label}` was not made.")]
    RunEnded {
        /// The call's label.
        label: String,
    },
    /// The execution that this context belongs to is over.
    #[error("The execution that this context belongs to is over; the call `{label}` was not made.")]
    ExecutionEnded {
        /// The call's label.
        label: String,
    },
}

fn asks(asked: &Option<Usage>) -> String {
    asked.map_or_else(|| "something without an estimate".to_owned(), |asked| asked.to_string())
}
