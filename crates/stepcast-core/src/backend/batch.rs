//! What one run writes at once.

use std::sync::Arc;

use super::Letter;
use crate::engine::Time;

/// The fence of a run that is created by the batch.
pub const FIRST_FENCE: u64 = 1;

/// Everything that one moment of a run changes: kept whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The run.
    pub run: Arc<str>,
    /// By what the backend knows the run, once a receipt has brought it; 0 before, and with a backend that has no such thing.
    pub key: u64,
    /// The fence of the lease under which it writes; [`FIRST_FENCE`] with `created`.
    pub fence: u64,
    /// When it happened; becomes the run's time of change with a `status`.
    pub at: Time,
    /// The run begins with this batch. Whoever creates it holds it.
    pub created: Option<Box<NewRun>>,
    /// Journal rows, which go on from the last one without a gap.
    pub rows: Vec<JournalRow>,
    /// Stream events, which go on from the last one without a gap.
    pub events: Vec<StreamRow>,
    /// What became of inputs, in order.
    pub inputs: Vec<InputChange>,
    /// Letters that are taken into the rows of this batch, by [`Mail::id`](super::Mail::id).
    pub taken: Vec<u64>,
    /// Letters to other runs, sent with the batch or not at all. One to a run that is unknown or has ended is dropped, as is
    /// one that its run got before, and an event that finds the mailbox full; the batch fails for none of them.
    pub letters: Vec<Letter>,
    /// The run ends, and its children with it: each that has not ended is left a [`MailKind::Cancel`](super::MailKind::Cancel)
    /// letter, however many letters it has.
    pub ends_children: bool,
    /// What stands for all journal rows up to one; these are then deleted.
    pub snapshot: Option<Box<SnapshotRow>>,
    /// The run's next deadline, if that changed.
    pub due: Option<Due>,
    /// The run's status, if that changed. An end withdraws pending inputs, empties the mailbox, clears the deadline and
    /// releases the lease.
    pub status: Option<StatusChange>,
    /// Whether the lease is given back with this batch: the run leaves memory.
    pub release: bool,
}

impl Batch {
    /// An empty batch of a run.
    pub fn of(run: Arc<str>, fence: u64, at: Time) -> Self {
        // Every field by itself: the default of the run would be counted up, and down again.
        Batch {
            run,
            key: 0,
            fence,
            at,
            created: None,
            rows: Vec::new(),
            events: Vec::new(),
            inputs: Vec::new(),
            taken: Vec::new(),
            letters: Vec::new(),
            ends_children: false,
            snapshot: None,
            due: None,
            status: None,
            release: false,
        }
    }

    /// A batch that gives the lease back and brings nothing else.
    pub fn releasing(run: Arc<str>, fence: u64, at: Time) -> Self {
        Batch { release: true, ..Batch::of(run, fence, at) }
    }

    /// Whether the run ends with it.
    pub fn ends(&self) -> bool {
        self.status.as_ref().is_some_and(|status| !matches!(status, StatusChange::Running | StatusChange::Waiting))
    }

    /// Whether it brings nothing but journal rows and stream events, as nearly all do.
    pub fn only_appends(&self) -> bool {
        self.created.is_none()
            && self.inputs.is_empty()
            && self.taken.is_empty()
            && self.letters.is_empty()
            && !self.ends_children
            && self.snapshot.is_none()
            && self.due.is_none()
            && self.status.is_none()
            && !self.release
    }
}

/// How a run begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRun {
    /// The workflow's name.
    pub workflow: String,
    /// The structural description of the workflow, as JSON.
    pub description: String,
    /// The run that this one is a child of. If that has ended, the new run finds a letter that cancels it.
    pub parent: Option<Arc<str>>,
    /// The start event, as JSON.
    pub start: String,
    /// The document that its workflow is made of, if that is one of data. Runs with the same share one copy.
    pub definition: Option<Definition>,
}

/// A document that a workflow is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// What identifies it: a hash of its text.
    pub hash: Arc<str>,
    /// The document, as JSON.
    pub json: Arc<str>,
}

/// A row of a run's journal. What is in it is the runtime's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalRow {
    /// Its number, from 1.
    pub n: u64,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// An event of a run's stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamRow {
    /// Its number, from 1.
    pub seq: u64,
    /// The event's tag.
    pub tag: String,
    /// The event, as JSON.
    pub json: String,
    /// When it was written.
    pub at: Time,
}

/// What stands for the journal rows up to one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotRow {
    /// The number of the last row that it covers; 0 for none.
    pub covers: u64,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// The next deadline of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing is due by itself.
    Never,
    /// The run is to be woken at this time.
    At(Time),
}

/// What became of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputChange {
    /// It is asked.
    Opened(Box<NewInput>),
    /// It was answered by what the run itself was given. No effect on one that was answered through the backend.
    Answered {
        /// The input's number in the run.
        input: u64,
        /// The answer, as JSON.
        answer: String,
        /// Who answered.
        by: Option<String>,
    },
    /// The run no longer asks. An answer that came before is kept.
    Withdrawn {
        /// The input's number in the run.
        input: u64,
    },
    /// The recorded answer is not one that the run takes: it is asked again. No effect on one that is not answered.
    Reopened {
        /// The input's number in the run.
        input: u64,
    },
    /// Nobody answered in time. If somebody has meanwhile, the batch is refused with
    /// [`WriteError::AnsweredBefore`](super::WriteError::AnsweredBefore).
    Expired {
        /// The input's number in the run.
        input: u64,
    },
}

/// A question to a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewInput {
    /// Its number in the run.
    pub input: u64,
    /// The step that asks, or failed.
    pub step: String,
    /// Why it is asked, in a word of the runtime's.
    pub reason: String,
    /// Tag of the event that answers it, where it is known.
    pub expects: Option<String>,
    /// What the person reads.
    pub prompt: Option<String>,
    /// The event that asks in its envelope, or the error, as JSON.
    pub data: Option<String>,
    /// The possible answers, as a JSON list.
    pub choices: Option<String>,
    /// The JSON schema of an answer.
    pub schema: Option<String>,
    /// When it is given up.
    pub expires: Option<Time>,
}

/// What a run has become.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusChange {
    /// Something of it is queued or running.
    Running,
    /// It waits for somebody or something.
    Waiting,
    /// It ended with a stop event.
    Completed {
        /// The stop event, as JSON.
        result: String,
        /// Executions that were given up on the way.
        failures: u32,
    },
    /// It failed.
    Failed {
        /// The error, as JSON.
        error: String,
    },
    /// It was cancelled.
    Cancelled {
        /// The reason, as JSON.
        error: String,
    },
    /// Its time was used up.
    TimedOut {
        /// The error, as JSON.
        error: String,
    },
}
