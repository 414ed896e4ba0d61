use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::index::canonical;
use super::{ExecKey, OpId, Time};
use crate::{ErrorInfo, Outputs, Payload};

/// Something that happened, as the pure engine is told of it. Whoever makes a tick stamps it.
#[derive(Debug)]
pub struct Tick {
    /// When it happened.
    pub at: Time,
    /// What happened.
    pub kind: TickKind,
}

/// The kinds of ticks.
#[derive(Debug)]
#[non_exhaustive]
pub enum TickKind {
    /// The run begins.
    Start {
        /// The start event.
        event: Payload,
    },
    /// An event came from outside.
    External(Box<External>),
    /// An attempt ended.
    Report(Report),
    /// An execution reached a commit point, or delivers at once.
    Commit(Box<Commit>),
    /// An execution has nothing to do until something it waits for arrives; it gives up its worker slot.
    Parked {
        /// The execution.
        exec: ExecKey,
    },
    /// Time has passed; whatever is due, is done.
    Timers,
    /// What [`Command::OfferKept`](super::Command::OfferKept) asked for: kept events that waits may have now.
    Kept {
        /// Their type.
        event: crate::definition::EventIx,
        /// What the filters say to them.
        matches: Matches,
    },
    /// A pending input is answered.
    Answer {
        /// The input's id.
        input: u64,
        /// The answer.
        answer: Answer,
    },
    /// The run is to end.
    Cancel,
    /// Nobody outside can send to the run any more.
    SendersGone,
}

/// An event from outside the run.
#[derive(Debug)]
pub struct External {
    /// The event.
    pub event: Payload,
    /// Only to this step, if given.
    pub to: Option<crate::definition::StepIx>,
    /// The sender's own number for this event: a number at or below the last one of that sender is a repetition.
    pub id: Option<SenderSeq>,
    /// What the filters say to it, as the step runner found.
    pub matches: Matches,
}

/// A sender and its own running number, so that a repeated delivery is recognised without a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderSeq {
    /// The sender.
    pub sender: u64,
    /// Its number for this event; each is higher than the one before.
    pub seq: u64,
}

/// What the filters of waits say to the events of a tick, as far as it matters: by the event's position in the tick, or
/// by its number if it is a kept one.
#[derive(Clone, Debug, Default)]
// Boxed: almost every tick has none, and ticks are moved several times.
#[allow(clippy::box_collection)]
pub struct Matches(Option<Box<BTreeMap<u64, Verdict>>>);

/// What the filters say to one event.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Verdict {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<(Box<str>, Box<str>)>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    waiters: BTreeSet<u64>,
}

impl Verdict {
    pub(crate) fn of(fields: Vec<(Box<str>, Box<str>)>) -> Self {
        Verdict { fields, waiters: BTreeSet::new() }
    }

    pub(crate) fn accept_all(&mut self, waiters: impl IntoIterator<Item = u64>) {
        self.waiters.extend(waiters);
    }

    /// The value at a path, as the index of waits writes it.
    pub(crate) fn field(&self, path: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| **known == *path).map(|(_, value)| &**value)
    }

    pub(crate) fn accepts(&self, waiter: u64) -> bool {
        self.waiters.contains(&waiter)
    }
}

impl Matches {
    /// The event at this place satisfies this waiter's predicate.
    pub fn accept(&mut self, place: u64, waiter: u64) {
        self.at(place).waiters.insert(waiter);
    }

    /// The event at this place has this value at this path.
    pub fn field(&mut self, place: u64, path: &str, value: &serde_json::Value) {
        self.at(place).fields.push((path.into(), canonical(value)));
    }

    fn at(&mut self, place: u64) -> &mut Verdict {
        self.0.get_or_insert_default().entry(place).or_default()
    }

    pub(crate) fn get(&self, place: u64) -> Option<&Verdict> {
        self.0.as_deref()?.get(&place)
    }

    pub(crate) fn set(&mut self, place: u64, verdict: Verdict) {
        self.0.get_or_insert_default().insert(place, verdict);
    }

    /// The places of the events, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = u64> + '_ {
        self.iter().map(|(place, _)| place)
    }

    /// The places of the events with what is said to them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Verdict)> {
        self.0.iter().flat_map(|verdicts| verdicts.iter().map(|(place, verdict)| (*place, verdict)))
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

// Pairs, not a map: JSON makes text of a map's keys, and not every reader makes numbers of it again.
impl Serialize for Matches {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Matches {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let verdicts = Vec::<(u64, Verdict)>::deserialize(deserializer)?;
        Ok(Matches((!verdicts.is_empty()).then(|| Box::new(verdicts.into_iter().collect()))))
    }
}

/// How an attempt ended.
#[derive(Debug)]
pub struct Report {
    /// The execution.
    pub exec: ExecKey,
    /// Which attempt; a report of another one is stale.
    pub attempt: u32,
    /// When the attempt began.
    pub started: Time,
    /// What it gave, or why it failed.
    pub outcome: Result<Outputs, Box<Failure>>,
    /// What the filters say to the outputs.
    pub matches: Matches,
}

/// Why an attempt failed, and what the step's policy says to that.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The error.
    pub error: ErrorInfo,
    /// Repeat after so long, or give up. User code decided it in the step runner, before the tick.
    pub retry_after: Option<Duration>,
}

/// An execution's commit point: what it sent so far is delivered, and an operation begins.
#[derive(Debug)]
pub struct Commit {
    /// The execution.
    pub exec: ExecKey,
    /// Which attempt.
    pub attempt: u32,
    /// One more than the execution's last commit; any other number is a repetition.
    pub seq: u32,
    /// What it sent since its last commit point.
    pub outputs: Outputs,
    /// What the filters say to the outputs.
    pub matches: Matches,
    /// The operation.
    pub op: Operation,
}

/// What an execution asks of its run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Operation {
    /// `ctx.send_now`: deliver, and go on.
    Deliver {
        /// The operation; a repetition is recognised by its ordinal.
        id: OpId,
    },
    /// `ctx.send_now` for which there will never be room: nothing is delivered.
    Refuse {
        /// The operation.
        id: OpId,
    },
    /// `ctx.wait_for_event`.
    Wait(WaitRequest),
    /// `ctx.collect_events`.
    Collect(CollectRequest),
    /// The execution does not wait any more: the future of the wait was dropped.
    Withdraw {
        /// The wait.
        id: OpId,
    },
    /// `ctx.run_child`: a child run begins.
    Child {
        /// The operation.
        id: OpId,
    },
    /// The child of an earlier `Child` has ended.
    ChildDone {
        /// The operation.
        id: OpId,
    },
}

/// A wait for one event.
#[derive(Debug)]
pub struct WaitRequest {
    /// The operation.
    pub id: OpId,
    /// The awaited event type.
    pub event: crate::definition::EventIx,
    /// Which events satisfy it.
    pub filter: Filter,
    /// Whether other shared waiters may get the same event.
    pub shared: bool,
    /// Published once when the wait begins; makes a pending input of it.
    pub announce: Option<Payload>,
    /// When it gives up.
    pub deadline: Option<Time>,
}

/// Which events satisfy a wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Every event of the type.
    Any,
    /// Those whose field at this path equals this value.
    Field {
        /// Dot path into the event's value.
        path: String,
        /// The value.
        value: serde_json::Value,
    },
    /// Those that a predicate of the step accepts; it exists only while the execution is alive in a process.
    Code,
}

/// A dynamic collection of events.
#[derive(Debug)]
pub struct CollectRequest {
    /// The operation.
    pub id: OpId,
    /// Buffer id, and correlation key if any.
    pub buffer: String,
    /// The event to add.
    pub event: Payload,
    /// What a full set consists of, in the order in which it is handed out.
    pub expected: Vec<crate::definition::EventIx>,
}

/// A person's answer.
#[derive(Debug)]
pub enum Answer {
    /// The event that the input asked for.
    Event {
        /// The event.
        event: Payload,
        /// What the filters say to it.
        matches: Matches,
    },
    /// What to do about a failed step.
    Failure(FailureChoice),
}

/// What a person may say to a step's final failure under `on_failure = "pause"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureChoice {
    /// One more attempt.
    Retry,
    /// As if the step had returned `None`.
    Skip,
    /// Give the execution up; the run ends `completed_with_failures`.
    Continue,
    /// Fail the run.
    Fail,
}
