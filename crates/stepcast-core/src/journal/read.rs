//! A row as it is read: owned, with names for everything that a definition numbers. Fields that are not known here are
//! passed over; what a reader must not pass over comes with another version.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::error::JournalError;
use super::{LabelDelta, VERSION};
use crate::engine::{FailureChoice, Filter, Matches, OpId, SenderSeq};
use crate::{AnyEvent, ErrorInfo};

/// A decoded row of a journal.
#[derive(Debug, Deserialize)]
pub struct Row {
    v: u64,
    #[serde(rename = "n")]
    pub(super) number: u64,
    pub(super) at: u64,
    #[serde(default)]
    pub(super) busy: Option<u64>,
    #[serde(default)]
    pub(super) queued: Option<usize>,
    #[serde(default)]
    pub(super) seq: Option<u64>,
    #[serde(rename = "do")]
    pub(super) kind: Kind,
    #[serde(default)]
    pub(super) ops: Vec<LabelDelta>,
    #[serde(default)]
    pub(super) set: Set,
}

/// Cells and states that have another value from this row on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Set {
    pub(super) store: BTreeMap<String, Value>,
    pub(super) gone: Vec<String>,
    pub(super) states: BTreeMap<String, Value>,
}

/// `[tag, value]`
#[derive(Debug, Deserialize)]
pub(super) struct TagValue(pub(super) String, pub(super) Value);

/// `[tokens]` or `[tokens, matches]`
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Out {
    Plain((Vec<Token>,)),
    Matched(Vec<Token>, Matches),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Token {
    Event(TagValue),
    Open(u64),
    Mark(Mark),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mark {
    Member,
    Close,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Start {
        event: TagValue,
        def: u64,
        #[serde(default)]
        timeout: Option<u64>,
    },
    TakenOver {
        def: u64,
        #[serde(default)]
        timeout: Option<u64>,
    },
    External {
        #[serde(default)]
        event: Option<TagValue>,
        #[serde(default)]
        to: Option<String>,
        #[serde(default)]
        id: Option<SenderSeq>,
        #[serde(default)]
        matches: Matches,
    },
    Report {
        exec: u64,
        #[serde(default = "first")]
        attempt: u32,
        step: String,
        took: u64,
        #[serde(default)]
        out: Option<Out>,
        #[serde(default)]
        failed: Option<(ErrorInfo, Option<Duration>)>,
    },
    Commit {
        exec: u64,
        #[serde(default = "first")]
        attempt: u32,
        step: String,
        seq: u32,
        #[serde(default)]
        out: Option<Out>,
        op: Op,
    },
    Between {
        #[serde(default)]
        exec: Option<u64>,
        #[serde(default)]
        step: Option<String>,
    },
    Kept {
        event: String,
        matches: Matches,
    },
    Answer {
        input: u64,
        answer: AnswerRow,
    },
    Timers,
    Cancel,
    SendersGone,
    Time,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnswerRow {
    Choice(FailureChoice),
    Event(TagValue, Matches),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Op {
    Deliver(OpId),
    Refuse(OpId),
    Withdraw(OpId),
    Child(OpId),
    ChildDone(OpId),
    Wait {
        id: OpId,
        event: String,
        #[serde(default = "any")]
        filter: Filter,
        #[serde(default)]
        shared: bool,
        #[serde(default)]
        announce: Option<AnyEvent>,
        #[serde(default)]
        deadline: Option<u64>,
    },
    Collect {
        id: OpId,
        buffer: String,
        event: TagValue,
        expected: Vec<Option<String>>,
    },
}

fn first() -> u32 {
    1
}

fn any() -> Filter {
    Filter::Any
}

/// What every version has.
#[derive(Deserialize)]
struct Head {
    v: u64,
}

impl Row {
    /// Reads a row; `after` is the number of the row before it, for the error.
    ///
    /// # Errors
    /// [`JournalError::Version`] for a row of another format, [`JournalError::Undecodable`] for what is not a row.
    pub fn decode(bytes: &[u8], after: u64) -> Result<Row, JournalError> {
        match serde_json::from_slice::<Row>(bytes) {
            Ok(row) if row.v == VERSION => Ok(row),
            Ok(row) => Err(JournalError::Version { found: row.v }),
            Err(source) => Err(match serde_json::from_slice::<Head>(bytes) {
                Ok(head) if head.v != VERSION => JournalError::Version { found: head.v },
                _ => JournalError::Undecodable { after, source },
            }),
        }
    }

    /// Its number, from 1 in every journal.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The serial number and step of the execution it is about, if it is about one.
    pub fn execution(&self) -> Option<(u64, &str)> {
        match &self.kind {
            Kind::Report { exec, step, .. } | Kind::Commit { exec, step, .. } => Some((*exec, step)),
            Kind::Between { exec, step } => (*exec).zip(step.as_deref()),
            _ => None,
        }
    }
}
