use serde::{Deserialize, Serialize};
use std::time::Duration;

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
    /// Which filtered waiters it satisfies, as the step runner found.
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

/// The ids of the filtered waiters that an event satisfies, by the position of the event in its tick.
#[derive(Clone, Debug, Default)]
// Boxed: almost every tick has none, and ticks are moved several times.
#[allow(clippy::box_collection)]
pub struct Matches(Option<Box<Vec<(u32, u64)>>>);

impl Matches {
    /// The event at this position satisfies this waiter's filter.
    pub fn push(&mut self, position: u32, waiter: u64) {
        self.0.get_or_insert_default().push((position, waiter));
    }

    /// Positions and waiters, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.0.iter().flat_map(|matches| matches.iter().copied())
    }

    pub(crate) fn contains(&self, position: u32, waiter: u64) -> bool {
        self.iter().any(|found| found == (position, waiter))
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
    /// Which filtered waiters the outputs satisfy.
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
    /// Which filtered waiters the outputs satisfy.
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
    /// Which kept early events satisfy which filtered waiter, as the step runner found: the event's number and the
    /// waiter's id, 0 for this wait.
    pub kept_matches: Vec<(u64, u64)>,
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
        /// Which filtered waiters it satisfies.
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
