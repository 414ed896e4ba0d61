//! What can go wrong, by operation.

use std::error::Error;
use std::sync::Arc;

use super::InputStatus;

/// What the storage itself said. One failure may concern many runs.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// The storage cannot do its work, whatever it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// No room is left.
    #[error("The store is full: {source}. Free some room and run again; nothing that was acknowledged is lost.")]
    Full {
        /// What the storage said.
        #[source]
        source: Cause,
    },
    /// Reading or writing failed. After a failed write nothing more is written until the store is opened again.
    #[error("The store could not be read or written: {source}.")]
    Io {
        /// What the storage said.
        #[source]
        source: Cause,
    },
    /// The store may only be read.
    #[error("The store is read-only: {source}.")]
    ReadOnly {
        /// What the storage said.
        #[source]
        source: Cause,
    },
    /// Somebody else kept the store locked for too long.
    #[error("The store stayed locked by another process: {source}.")]
    Locked {
        /// What the storage said.
        #[source]
        source: Cause,
    },
    /// What is stored cannot be right.
    #[error("The store is damaged: {source}.")]
    Corrupt {
        /// What the storage said.
        #[source]
        source: Cause,
    },
    /// Anything else that the storage said.
    #[error("The store failed: {source}.")]
    Other {
        /// What the storage said.
        #[source]
        source: Cause,
    },
    /// The backend is closed.
    #[error("The store is closed.")]
    Closed,
}

/// A batch that was not written; nothing of it was kept.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Another instance holds the run now, or the lease was given back.
    #[error("The lease {fence} of the run `{run}` is over; whoever holds {current} may write it.")]
    FencedOff {
        /// The run.
        run: Arc<str>,
        /// The fence of the batch.
        fence: u64,
        /// The greatest fence.
        current: u64,
    },
    /// An earlier batch of the run failed.
    #[error("The run `{run}` cannot be written because an earlier write of it failed; claim and load it anew.")]
    Stopped {
        /// The run.
        run: Arc<str>,
    },
    /// The journal's rows do not go on from the last one.
    #[error("The next journal row of the run `{run}` is {expected}, not {found}.")]
    RowGap {
        /// The run.
        run: Arc<str>,
        /// The number that would be right.
        expected: u64,
        /// The number in the batch.
        found: u64,
    },
    /// The stream's events do not go on from the last one.
    #[error("The next stream event of the run `{run}` is {expected}, not {found}.")]
    EventGap {
        /// The run.
        run: Arc<str>,
        /// The number that would be right.
        expected: u64,
        /// The number in the batch.
        found: u64,
    },
    /// A snapshot covers rows that are not there, or fewer than the one before.
    #[error("A snapshot of the run `{run}` cannot cover {covers} rows; it may cover {least} to {most}.")]
    BadSnapshot {
        /// The run.
        run: Arc<str>,
        /// What the snapshot says.
        covers: u64,
        /// The least possible.
        least: u64,
        /// The most possible.
        most: u64,
    },
    /// No such run is stored.
    #[error("No run `{run}` is stored.")]
    UnknownRun {
        /// The run.
        run: Arc<str>,
    },
    /// A run of this id is stored already.
    #[error("A run `{run}` is stored already.")]
    RunExists {
        /// The run.
        run: Arc<str>,
    },
    /// The run has ended.
    #[error("The run `{run}` has ended.")]
    Ended {
        /// The run.
        run: Arc<str>,
    },
    /// An input of this number exists already.
    #[error("The run `{run}` has an input {input} already.")]
    InputExists {
        /// The run.
        run: Arc<str>,
        /// The input's number.
        input: u64,
    },
    /// Somebody answered an input before the run gave it up: the run has to go on from what is stored.
    #[error("The input {input} of the run `{run}` was answered before it expired; load the run anew.")]
    AnsweredBefore {
        /// The run.
        run: Arc<str>,
        /// The input's number.
        input: u64,
    },
    /// One value is larger than the storage can keep.
    #[error("A value of {bytes} bytes in the run `{run}` is more than the store can keep in one; {limit} is the most.")]
    TooLarge {
        /// The run.
        run: Arc<str>,
        /// Its size.
        bytes: usize,
        /// The largest that can be kept.
        limit: usize,
    },
}

/// A lease that was not given.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No such run is stored.
    #[error("No run `{run}` is stored.")]
    UnknownRun {
        /// The run.
        run: Arc<str>,
    },
    /// Another instance that is alive holds it.
    #[error("The run `{run}` is held by another process.")]
    Held {
        /// The run.
        run: Arc<str>,
    },
    /// The run has ended.
    #[error("The run `{run}` has ended.")]
    Ended {
        /// The run.
        run: Arc<str>,
    },
}

/// A run that could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No such run is stored.
    #[error("No run `{run}` is stored.")]
    UnknownRun {
        /// The run.
        run: Arc<str>,
    },
    /// A row of the journal is missing or is not what it should be.
    #[error("The journal of the run `{run}` is damaged: its row {row} is missing.")]
    Gap {
        /// The run.
        run: Arc<str>,
        /// The row's number.
        row: u64,
    },
    /// An event of the stream is missing.
    #[error("The stream of the run `{run}` is damaged: its event {seq} is missing.")]
    EventGap {
        /// The run.
        run: Arc<str>,
        /// The event's number.
        seq: u64,
    },
}

/// An answer that was not recorded.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No such input is stored.
    #[error("The run `{run}` has no input {input}.")]
    UnknownInput {
        /// The run.
        run: Arc<str>,
        /// The input's number.
        input: u64,
    },
    /// It is not pending any more.
    #[error("The input {input} of the run `{run}` {}.", over(status))]
    Conflict {
        /// The run.
        run: Arc<str>,
        /// The input's number.
        input: u64,
        /// What became of it, and who answered.
        status: Box<InputStatus>,
    },
}

fn over(status: &InputStatus) -> String {
    match status {
        InputStatus::Answered { by: Some(by), .. } => format!("was already answered by {by}"),
        InputStatus::Answered { by: None, .. } => "was already answered".to_owned(),
        InputStatus::Withdrawn { .. } => "was withdrawn by the run".to_owned(),
        InputStatus::Expired { .. } => "has expired".to_owned(),
        InputStatus::Pending => "is pending".to_owned(),
    }
}

/// A letter that was not delivered.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No such run is stored.
    #[error("No run `{run}` is stored.")]
    UnknownRun {
        /// The run.
        run: Arc<str>,
    },
    /// The run has ended.
    #[error("The run `{run}` has ended.")]
    Ended {
        /// The run.
        run: Arc<str>,
    },
    /// Too much lies in the mailbox.
    #[error("The mailbox of the run `{run}` is full with {limit} letters.")]
    MailboxFull {
        /// The run.
        run: Arc<str>,
        /// The most that may lie there.
        limit: usize,
    },
}

/// A run that was not removed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PurgeError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No such run is stored.
    #[error("No run `{run}` is stored.")]
    UnknownRun {
        /// The run.
        run: Arc<str>,
    },
    /// It has not ended and somebody holds it.
    #[error("The run `{run}` is held by a living process; cancel it first.")]
    Held {
        /// The run.
        run: Arc<str>,
    },
}
