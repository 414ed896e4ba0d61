//! Ticks as data that can be kept, printed and applied again.

use std::time::Duration;

use stepcast::engine::{
    Answer, CollectRequest, Commands, Commit, ExecKey, External, Failure, FailureChoice, Filter, Matches, OpId,
    Operation, Report, RunState, SenderSeq, Tick, TickKind, Time, WaitRequest, reduce,
};
use stepcast::{ErrorInfo, Outputs, WorkflowDef};

use crate::{Kind, POOL, identify, make};

/// What an execution gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Out {
    /// An event.
    Event(Kind, u64),
    /// A batch: what its members can give, and what each gives.
    Batch(u64, Vec<Vec<Out>>),
}

/// Something done to a run's state.
#[derive(Clone, Debug)]
pub struct Act {
    /// When.
    pub at: u64,
    /// What.
    pub what: What,
}

/// What is done to a run's state: a tick, or a worker slot given to the execution at this place among the ready ones.
#[derive(Clone, Debug)]
pub enum What {
    /// The next execution starts.
    Take(usize),
    /// The run begins.
    Start(u64),
    /// An event comes from outside; the sender's number for it makes a repetition known.
    External { event: (Kind, u64), to: Option<u32>, sender: Option<(u64, u64)>, matches: Matches },
    /// An attempt ends.
    Report { exec: ExecKey, attempt: u32, started: u64, outcome: Result<Vec<Out>, Option<Duration>>, matches: Matches },
    /// A commit point.
    Commit { exec: ExecKey, attempt: u32, seq: u32, outputs: Vec<Out>, matches: Matches, op: Op },
    /// An execution waits and gives up its slot.
    Parked(ExecKey),
    /// Time has passed.
    Timers,
    /// Kept events are offered again, as the reducer asked.
    Kept { event: u32, matches: Matches },
    /// A person answers.
    Answer { input: u64, answer: Given },
    /// The run is to end.
    Cancel,
    /// Nobody can send any more.
    SendersGone,
}

/// An operation of an execution.
#[derive(Clone, Debug)]
pub enum Op {
    /// Deliver at once.
    Deliver(OpId),
    /// Wait for an event.
    Wait { id: OpId, kind: Kind, filter: Filter, shared: bool, announce: Option<(Kind, u64)>, deadline: Option<u64> },
    /// Add an event to a buffer.
    Collect { id: OpId, buffer: String, event: (Kind, u64), expected: Vec<Kind> },
    /// Do not wait any more.
    Withdraw(OpId),
    /// A child run begins.
    Child(OpId),
    /// A child run has ended.
    ChildDone(OpId),
}

/// A person's answer.
#[derive(Clone, Debug)]
pub enum Given {
    /// An event.
    Event((Kind, u64), Matches),
    /// What becomes of a failed step.
    Choice(FailureChoice),
}

/// The engine's form of what an execution gives.
pub fn outputs(outs: &[Out]) -> Outputs {
    let mut all = Outputs::default();
    give(outs, &mut all);
    all
}

fn give(outs: &[Out], all: &mut Outputs) {
    for out in outs {
        match out {
            Out::Event(kind, id) => all.push_payload(make(*kind, *id)),
            Out::Batch(kind, members) => {
                all.open_batch(*kind, members.len());
                for member in members {
                    all.begin_member();
                    give(member, all);
                }
                all.close_batch();
            }
        }
    }
}

/// The events of a list of outputs, in the order of their positions.
pub fn flat(outs: &[Out]) -> Vec<(Kind, u64)> {
    outs.iter()
        .flat_map(|out| match out {
            Out::Event(kind, id) => vec![(*kind, *id)],
            Out::Batch(_, members) => members.iter().flat_map(|member| flat(member)).collect(),
        })
        .collect()
}

/// The number of a pool type in a definition; one that it does not declare gets a number that it does not have.
pub fn number(def: &WorkflowDef, kind: Kind) -> u32 {
    def.event_by_tag(POOL[kind].meta.tag).unwrap_or(u32::MAX)
}

impl Act {
    /// The tick, unless it is something else.
    pub fn tick(&self, def: &WorkflowDef) -> Option<Tick> {
        let kind = match self.what.clone() {
            What::Take(_) => return None,
            What::Start(id) => TickKind::Start { event: make(crate::BEGIN, id) },
            What::External { event, to, sender, matches } => TickKind::External(Box::new(External {
                event: make(event.0, event.1),
                to,
                id: sender.map(|(sender, seq)| SenderSeq { sender, seq }),
                matches,
            })),
            What::Report { exec, attempt, started, outcome, matches } => TickKind::Report(Report {
                exec,
                attempt,
                started: Time(started),
                outcome: outcome
                    .map(|outs| outputs(&outs))
                    .map_err(|retry_after| Box::new(Failure { error: error(), retry_after })),
                matches,
            }),
            What::Commit { exec, attempt, seq, outputs: outs, matches, op } => {
                let (outputs, op) = (outputs(&outs), op.operation(def));
                TickKind::Commit(Box::new(Commit { exec, attempt, seq, outputs, matches, op }))
            }
            What::Parked(exec) => TickKind::Parked { exec },
            What::Timers => TickKind::Timers,
            What::Kept { event, matches } => TickKind::Kept { event, matches },
            What::Answer { input, answer: Given::Choice(choice) } => {
                TickKind::Answer { input, answer: Answer::Failure(choice) }
            }
            What::Answer { input, answer: Given::Event(event, matches) } => {
                let answer = Answer::Event { event: make(event.0, event.1), matches };
                TickKind::Answer { input, answer }
            }
            What::Cancel => TickKind::Cancel,
            What::SendersGone => TickKind::SendersGone,
        };
        Some(Tick { at: Time(self.at), kind })
    }

    /// Does it. Gives the execution that started, if one did.
    pub fn apply(&self, def: &WorkflowDef, state: &mut RunState, out: &mut Commands) -> Option<ExecKey> {
        match (&self.what, self.tick(def)) {
            (What::Take(pick), _) => state.take_ready(|ready| pick % ready),
            (_, Some(tick)) => {
                reduce(def, state, tick, out);
                None
            }
            (_, None) => None,
        }
    }
}

impl Op {
    /// The operation's id.
    pub fn id(&self) -> &OpId {
        match self {
            Op::Deliver(id) | Op::Withdraw(id) | Op::Child(id) | Op::ChildDone(id) => id,
            Op::Wait { id, .. } | Op::Collect { id, .. } => id,
        }
    }

    fn operation(self, def: &WorkflowDef) -> Operation {
        match self {
            Op::Deliver(id) => Operation::Deliver { id },
            Op::Withdraw(id) => Operation::Withdraw { id },
            Op::Child(id) => Operation::Child { id },
            Op::ChildDone(id) => Operation::ChildDone { id },
            Op::Wait { id, kind, filter, shared, announce, deadline } => Operation::Wait(WaitRequest {
                id,
                event: number(def, kind),
                filter,
                shared,
                announce: announce.map(|(kind, id)| make(kind, id)),
                deadline: deadline.map(Time),
            }),
            Op::Collect { id, buffer, event, expected } => Operation::Collect(CollectRequest {
                id,
                buffer,
                event: make(event.0, event.1),
                expected: expected.iter().map(|kind| number(def, *kind)).collect(),
            }),
        }
    }
}

fn error() -> ErrorInfo {
    ErrorInfo { exception_type: "Refused".into(), exception_message: "not this time".into(), causes: Vec::new() }
}

/// Step and events of every execution that there is, sorted.
pub fn executions(state: &RunState) -> Vec<(u32, Vec<u64>)> {
    let mut all: Vec<_> = state
        .exec_keys()
        .filter_map(|key| state.exec(key))
        .map(|view| (view.step, view.input.iter().map(|event| identify(event).1).collect()))
        .collect();
    all.sort();
    all
}
