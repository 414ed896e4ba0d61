//! What an execution has done through its context, as data: the form in which a snapshot holds it whole, and a journal
//! row what is new of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::{OpKind, OpResult};
use crate::{CallReason, ErrorInfo, Payload, Usage};

/// The recorded result of an operation: a repeated execution gets it instead of doing the operation again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Recorded {
    /// A wait's event.
    Event(Payload),
    /// A wait's deadline passed.
    TimedOut,
    /// A collection's full set.
    Set(Vec<Payload>),
    /// A collection that went on.
    Kept,
    /// A collection whose buffer was full.
    Full,
    /// The result of a plain call or an edit.
    Json(Value),
    /// The result of a call that has a key or is metered.
    Call {
        /// The result.
        value: Value,
        /// How it was come by.
        about: Box<CallRecord>,
    },
    /// A child run.
    Child {
        /// Its id.
        run_id: String,
        /// Its end, once it is known.
        end: Option<Result<Value, ErrorInfo>>,
    },
    /// Done, without a result.
    Done,
}

/// How a recorded call came by its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Why it ran, or where its result is from.
    #[serde(rename = "why")]
    pub reason: CallReason,
    /// What the cross-run cache knows it by, if it has a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What it used up, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

impl Recorded {
    /// What an operation's result leaves on record. It follows from the ticks, so no row carries it.
    pub fn of(result: &OpResult) -> Option<Self> {
        Some(match result {
            OpResult::Event(event) => Recorded::Event(event.clone()),
            OpResult::TimedOut => Recorded::TimedOut,
            OpResult::Collected(set) => Recorded::Set(set.clone()),
            OpResult::Kept => Recorded::Kept,
            OpResult::BufferFull => Recorded::Full,
            OpResult::Delivered => Recorded::Done,
            OpResult::NoRoom | OpResult::ChildStarted | OpResult::ChildEnded => return None,
        })
    }

    /// The events inside, whose types a restore has to resolve.
    pub fn payloads_mut(&mut self) -> &mut [Payload] {
        match self {
            Recorded::Event(event) => std::slice::from_mut(event),
            Recorded::Set(events) => events,
            _ => &mut [],
        }
    }
}

/// The record of an execution, whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ExecLog {
    /// What it did, by kind and label, in the order in which they came up.
    pub labels: Vec<LabelLog>,
}

/// What an execution did under one kind and label.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LabelLog {
    /// The kind.
    pub kind: OpKind,
    /// The label.
    pub label: String,
    /// Operations done, in this attempt or an earlier one.
    pub done: u32,
    /// Operations done up to the last commit point.
    pub committed: u32,
    /// The results of those that leave one, by ordinal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Option<Recorded>>,
}

/// What is new under one kind and label since the last row that told of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LabelDelta {
    /// The kind.
    #[serde(rename = "k")]
    pub kind: OpKind,
    /// The label.
    #[serde(rename = "l")]
    pub label: String,
    /// Operations done by now.
    #[serde(rename = "n")]
    pub done: u32,
    /// New results, by ordinal. Those of waits and collections need not be here: a fold finds them by itself.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<(u32, Recorded)>,
}

impl ExecLog {
    /// Whether nothing is on record.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The events on record, whose types a restore has to resolve.
    pub fn payloads_mut(&mut self) -> impl Iterator<Item = &mut Payload> {
        let results = self.labels.iter_mut().flat_map(|label| label.results.iter_mut().flatten());
        results.flat_map(Recorded::payloads_mut)
    }

    fn label(&mut self, kind: OpKind, label: &str) -> &mut LabelLog {
        let at = self.labels.iter().position(|known| known.kind == kind && known.label == label);
        let at = at.unwrap_or_else(|| {
            let (label, results) = (label.to_owned(), Vec::new());
            self.labels.push(LabelLog { kind, label, done: 0, committed: 0, results });
            self.labels.len() - 1
        });
        &mut self.labels[at]
    }

    /// Records a result. `false` if its place is not one that a record has.
    pub(super) fn record(
        &mut self,
        (kind, label): (OpKind, &str),
        ordinal: u32,
        result: Recorded,
        bound: usize,
    ) -> bool {
        let at = ordinal as usize;
        if at >= bound {
            return false;
        }
        let known = self.label(kind, label);
        known.done = known.done.max(ordinal + 1);
        if !matches!(result, Recorded::Done) {
            if known.results.len() <= at {
                known.results.resize_with(at + 1, || None);
            }
            known.results[at] = Some(result);
        }
        true
    }

    /// Adds what a row brought. `false` if it names places that a record does not have.
    pub(super) fn add(&mut self, delta: LabelDelta, bound: usize) -> bool {
        let LabelDelta { kind, label, done, results } = delta;
        if done > u32::MAX / 2 {
            return false;
        }
        for (ordinal, result) in results {
            if !self.record((kind, &label), ordinal, result, bound) {
                return false;
            }
        }
        let known = self.label(kind, &label);
        known.done = known.done.max(done);
        true
    }

    /// Everything done so far is behind a commit point.
    pub(super) fn commit(&mut self) {
        self.labels.iter_mut().for_each(|label| label.committed = label.done);
    }

    /// The next attempt begins. What it has to do anew is forgotten: what was only put in the outbox, and after a
    /// failure also what was written behind the last commit point.
    pub(super) fn rewind(&mut self, failed: bool) {
        for label in &mut self.labels {
            let again = match label.kind {
                OpKind::Send => true,
                OpKind::Stream | OpKind::Edit => failed,
                _ => false,
            };
            if again {
                label.done = label.committed;
                label.results.truncate(label.committed as usize);
            }
        }
    }
}
