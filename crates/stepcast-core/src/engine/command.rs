use serde::{Deserialize, Serialize};

use super::{ExecKey, OpId};
use crate::{AnyEvent, ErrorInfo, Payload};

/// What the host has to do after a tick, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// Append an event to the run's stream; it gets the next sequence number.
    Publish(AnyEvent),
    /// Show an internal frame to those who look; it gets no sequence number.
    Frame(AnyEvent),
    /// Hand an operation's result to its execution, and let it go on.
    Resume {
        /// The execution.
        exec: ExecKey,
        /// The operation.
        op: OpId,
        /// What came of it.
        result: OpResult,
    },
    /// Drop an execution: nobody waits for what it does.
    Abort {
        /// The execution.
        exec: ExecKey,
    },
    /// An execution is over; its records can go.
    Forget {
        /// The execution.
        exec: ExecKey,
    },
    /// Find out, before any other tick, which kept events of this type the waits may have now, and say it in a
    /// [`TickKind::Kept`](super::TickKind::Kept): filters are user code.
    OfferKept {
        /// The type.
        event: crate::definition::EventIx,
        /// Only this waiter's filter is new.
        waiter: Option<u64>,
    },
    /// A question to a person was asked, or is not asked any more.
    Input {
        /// Its id within the run.
        id: u64,
        /// What became of it.
        change: InputChange,
    },
    /// Record the run's end and wake who awaits it.
    Finish(Outcome),
}

/// What became of a question to a person.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum InputChange {
    /// It is asked.
    Opened,
    /// Somebody answered it by its id.
    Answered,
    /// An event that named no input was taken as its answer.
    AnsweredBy(Payload),
    /// Nobody answered before its deadline.
    Expired,
    /// The run does not ask any more.
    Withdrawn,
}

/// What came of an operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OpResult {
    /// A wait got its event.
    Event(Payload),
    /// A wait reached its deadline.
    TimedOut,
    /// A collection is complete: its events in declared order.
    Collected(Vec<Payload>),
    /// The event was added; the set is not complete yet.
    Kept,
    /// The collection's buffer is full; the event was not added.
    BufferFull,
    /// What was sent is delivered.
    Delivered,
    /// The run's queue is full and nobody else can make room; nothing was delivered.
    NoRoom,
    /// The child run may begin.
    ChildStarted,
    /// The child run's end is recorded.
    ChildEnded,
}

/// How a run ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A stop event was given.
    Completed {
        /// The stop event.
        stop: Payload,
        /// Executions that failed for good under `on_failure = "continue"`.
        failures: u32,
    },
    /// The run failed.
    Failed(RunFailure),
    /// The run used up its time.
    TimedOut {
        /// Steps queued or running at that moment.
        active_steps: Vec<String>,
    },
    /// The run was cancelled.
    Cancelled,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunFailure {
    /// A step failed for good.
    Step {
        /// The step.
        step: String,
        /// Its last error.
        error: ErrorInfo,
        /// Attempts made.
        attempts: u32,
        /// Microseconds from the first attempt's start to the last failure.
        elapsed_micros: u64,
        /// Serial number of the execution.
        execution: u64,
    },
    /// Nothing is left to do and nobody is waited for, but no stop event came.
    Stuck {
        /// What was missing.
        reason: StuckReason,
    },
    /// More executions were queued than the run's bound allows.
    QueueFull {
        /// The step that had no room.
        step: String,
        /// Tag of the event.
        event: String,
        /// The bound.
        bound: usize,
    },
}

/// Why a run can never end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StuckReason {
    /// Every execution ended without a stop event.
    NoStopEvent {
        /// Joins that had got only a part of their events: step and tags still missing.
        waiting_joins: Vec<(String, Vec<String>)>,
        /// The last event that no step took, if any.
        last_unhandled: Option<String>,
        /// Executions given up under `on_failure = "continue"`.
        failures: u32,
    },
    /// Executions or inputs wait, but nobody is left who could send.
    NobodyCanSend {
        /// Waiting step and the tag of the event it waits for.
        waiting: Vec<(String, String)>,
    },
}

/// So many places stay in a list that was emptied.
const ROOM: usize = 8;

/// Where the engine puts what the host has to do.
#[derive(Debug, Default)]
pub struct Commands {
    pub(crate) list: Vec<Command>,
    /// Whether internal frames are wanted; they cost nothing where nobody looks.
    pub observe: bool,
    /// An execution that runs next, without having been queued; see [`pass_on`](super::pass_on).
    pub next: Option<ExecKey>,
}

impl Commands {
    /// An empty list that wants internal frames or not.
    pub fn new(observe: bool) -> Self {
        Commands { observe, ..Commands::default() }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes the commands out, in order, and keeps the room.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Command> {
        self.list.drain(..)
    }

    /// Empties the list; a little room stays.
    pub fn clear(&mut self) {
        self.list.clear();
        self.list.shrink_to(ROOM);
        self.observe = false;
    }

    pub(crate) fn push(&mut self, command: Command) {
        if self.list.capacity() == 0 {
            // Most runs see one command, their end; the default growth would reserve four.
            self.list.reserve_exact(1);
        }
        self.list.push(command);
    }
}
