//! What is read back.

use std::sync::Arc;

use super::{JournalRow, SnapshotRow};
use crate::engine::Time;

/// A run with all that is needed to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
    /// What is known of it without its journal.
    pub record: RunRecord,
    /// The structural description of its workflow when it was created, as JSON.
    pub description: String,
    /// Its start event, as JSON.
    pub start: String,
    /// What stands for the rows before the first of `rows`.
    pub snapshot: Option<SnapshotRow>,
    /// The journal's rows after the snapshot, in order and without a gap.
    pub rows: Vec<JournalRow>,
    /// The number of its last stream event; 0 before the first.
    pub last_seq: u64,
}

/// What is known of a run without its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// The run.
    pub run: Arc<str>,
    /// The workflow's name.
    pub workflow: String,
    /// The hash of the document that its workflow was made of when it was created, if that is one of data.
    pub definition: Option<Arc<str>>,
    /// The run that this one is a child of.
    pub parent: Option<Arc<str>>,
    /// What it has become.
    pub status: RunStatus,
    /// Executions that were given up on the way of a completed run.
    pub failures: u32,
    /// The stop event of a completed run, as JSON.
    pub result: Option<String>,
    /// The error of a run that ended otherwise, as JSON.
    pub error: Option<String>,
    /// When it was created.
    pub created: Time,
    /// When its status last changed.
    pub changed: Time,
    /// Its next deadline.
    pub due: Option<Time>,
    /// Who holds it.
    pub holder: Holder,
    /// The greatest fence so far.
    pub fence: u64,
    /// Where a page of runs goes on after this one.
    pub cursor: RunCursor,
}

/// The status of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RunStatus {
    /// Something of it is queued or running, or would be if it were held.
    Running,
    /// It waits for somebody or something.
    Waiting,
    /// It ended with a stop event.
    Completed,
    /// It ended with a stop event, and executions were given up on the way.
    CompletedWithFailures,
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// Its time was used up.
    TimedOut,
}

impl RunStatus {
    /// Every status that there is today.
    pub const ALL: [RunStatus; 7] = [
        RunStatus::Running,
        RunStatus::Waiting,
        RunStatus::Completed,
        RunStatus::CompletedWithFailures,
        RunStatus::Failed,
        RunStatus::Cancelled,
        RunStatus::TimedOut,
    ];

    /// Its name on the wire and on the screen, such as `completed_with_failures`.
    pub fn name(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Waiting => "waiting",
            RunStatus::Completed => "completed",
            RunStatus::CompletedWithFailures => "completed_with_failures",
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
            RunStatus::TimedOut => "timed_out",
        }
    }

    /// The status of a [name](RunStatus::name).
    ///
    /// ```
    /// use stepcast_core::backend::RunStatus;
    ///
    /// assert_eq!(RunStatus::named("timed_out"), Some(RunStatus::TimedOut));
    /// assert_eq!(RunStatus::named("tired"), None);
    /// ```
    pub fn named(name: &str) -> Option<RunStatus> {
        RunStatus::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether it stays so.
    pub fn is_end(self) -> bool {
        !matches!(self, RunStatus::Running | RunStatus::Waiting)
    }
}

/// Who holds a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody, or somebody who is known to be gone.
    Nobody,
    /// The instance that was asked.
    Me,
    /// Another instance.
    Other,
}

/// A place in the list of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunCursor(
    /// A number of the backend's own.
    pub u64,
);

/// Which runs to list. The default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this workflow.
    pub workflow: Option<String>,
    /// Children of this run.
    pub parent: Option<Arc<str>>,
    /// With one of these statuses; empty for any.
    pub statuses: Vec<RunStatus>,
    /// Not ended, and held by nobody alive.
    pub unclaimed: bool,
    /// With a deadline at this time or before.
    pub due_by: Option<Time>,
    /// With something in the mailbox.
    pub mailed: bool,
}

/// An input with what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRecord {
    /// The run that asks.
    pub run: Arc<str>,
    /// The run's workflow.
    pub workflow: String,
    /// The question.
    pub asked: super::NewInput,
    /// When it was asked.
    pub opened: Time,
    /// What became of it.
    pub status: InputStatus,
    /// Where a page of inputs goes on after this one.
    pub cursor: InputCursor,
}

/// What became of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputStatus {
    /// It has no answer yet.
    Pending,
    /// It was answered.
    Answered {
        /// The answer, as JSON.
        answer: String,
        /// Who answered.
        by: Option<String>,
        /// When.
        at: Time,
    },
    /// The run no longer asks.
    Withdrawn {
        /// Since when.
        at: Time,
    },
    /// Nobody answered in time.
    Expired {
        /// Since when.
        at: Time,
    },
}

/// A place in the list of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputCursor(
    /// A number of the backend's own.
    pub u64,
);

/// Which inputs to list. The default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputFilter {
    /// Of this run.
    pub run: Option<Arc<str>>,
    /// With this number in its run.
    pub input: Option<u64>,
    /// Of runs of this workflow.
    pub workflow: Option<String>,
    /// Only those without an answer.
    pub pending: bool,
}

/// An answer to a pending input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The run that asks.
    pub run: Arc<str>,
    /// The input's number in the run.
    pub input: u64,
    /// The answer, as JSON.
    pub answer: String,
    /// Who answers.
    pub by: Option<String>,
    /// When.
    pub at: Time,
    /// The trace that it was given in, for [`Mail::trace`].
    pub trace: Option<String>,
}

/// Something for a run's mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The run.
    pub run: Arc<str>,
    /// What it is.
    pub kind: MailKind,
    /// Its text, as JSON.
    pub json: String,
    /// Sent twice under one id, it is delivered once. A run remembers the last [`REMEMBERED_IDS`] ids.
    pub dedup: Option<String>,
    /// When it was sent.
    pub at: Time,
}

impl Letter {
    /// A call to look again at what the run waits for.
    pub fn wake(run: Arc<str>, at: Time) -> Self {
        Letter { run, kind: MailKind::Wake, json: "null".to_owned(), dedup: None, at }
    }

    /// A request to end.
    pub fn cancel(run: Arc<str>, at: Time) -> Self {
        Letter { kind: MailKind::Cancel, ..Letter::wake(run, at) }
    }

    /// Word for a run that its child `child` has ended; delivered once.
    pub fn ended(run: Arc<str>, child: &str, at: Time) -> Self {
        Letter { dedup: Some(format!("ended {child}")), ..Letter::wake(run, at) }
    }
}

/// How many ids of letters a run remembers after it took them.
pub const REMEMBERED_IDS: usize = 1024;

/// The most letters that lie in one mailbox.
pub const MAILBOX_LIMIT: usize = 10_000;

/// What a letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailKind {
    /// An event from outside.
    Event,
    /// The answer to an input; made by [`Backend::answer`](super::Backend::answer).
    Answer {
        /// The input's number in the run.
        input: u64,
    },
    /// A request to end.
    Cancel,
    /// A call: what the run waits for has changed elsewhere. Its text may bring what a child asks a person, which those
    /// who follow this run see too. The mailbox is never too full for it.
    Wake,
}

/// A letter in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its number, by which a batch takes it; later letters have greater ones.
    pub id: u64,
    /// What it is.
    pub kind: MailKind,
    /// Its text, as JSON.
    pub json: String,
    /// When it was sent.
    pub at: Time,
    /// The trace that an answer was given in; in other letters that is part of the text. What is in it is the runtime's own.
    pub trace: Option<String>,
}

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the mailbox under this number.
    New(u64),
    /// One with its id was there before; nothing was done.
    Duplicate,
}

/// The result of a call, which calls of any run may share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheRow {
    /// What identifies the call: a hash of its workflow, its namespace and its content.
    pub key: String,
    /// The workflow.
    pub workflow: String,
    /// The namespace.
    pub namespace: String,
    /// The run that made the call.
    pub run: String,
    /// The result, as JSON.
    pub json: String,
    /// When it was kept.
    pub at: Time,
}
