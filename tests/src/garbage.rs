//! Ticks that no host would make, and a host that brings any run to its end.

use std::time::Duration;

use stepcast::engine::{
    Answer, CollectRequest, Commands, Commit, ExecKey, External, Failure, FailureChoice, Filter, InputReason, Matches,
    OpId, OpKind, Operation, Report, RunState, SenderSeq, Tick, TickKind, Time, WaitRequest, reduce,
};
use stepcast::{ErrorInfo, Outputs, Payload, StopEvent, WorkflowDef};

use crate::{POOL, Rng, make};

/// Any number at all, small and true ones more often.
fn number(rng: &mut Rng, near: u64) -> u64 {
    match rng.below(8) {
        0 => 0,
        1 => u64::MAX,
        2 => u64::from(u32::MAX),
        3 => rng.number(),
        4 => near.wrapping_add(1),
        _ => near,
    }
}

fn small(rng: &mut Rng, near: u32) -> u32 {
    u32::try_from(number(rng, u64::from(near))).unwrap_or(u32::MAX)
}

fn event(rng: &mut Rng) -> Payload {
    match rng.below(10) {
        0 => Payload::new(StopEvent::new("of another workflow")),
        1 => make(rng.below(5), rng.number()),
        _ => make(rng.below(POOL.len().min(14)), rng.number()),
    }
}

fn exec(rng: &mut Rng, state: &RunState) -> (ExecKey, u32, u32) {
    let keys: Vec<ExecKey> = state.exec_keys().collect();
    let key = if keys.is_empty() { ExecKey { lane: 0, serial: 1 } } else { *rng.pick(&keys) };
    let view = state.exec(key);
    let (attempt, commits) = view.map_or((1, 0), |view| (view.attempt, view.commits));
    let key = match rng.below(6) {
        0 => ExecKey { lane: small(rng, key.lane), serial: number(rng, key.serial) },
        _ => key,
    };
    (key, small(rng, attempt), small(rng, commits + 1))
}

/// Any tokens in any order: batches that are not closed, closed ones that were not opened, members of nothing.
fn outputs(rng: &mut Rng) -> Outputs {
    let mut outputs = Outputs::default();
    for _ in 0..rng.below(7) {
        match rng.below(5) {
            0 => outputs.open_batch(rng.number(), rng.below(3)),
            1 => outputs.close_batch(),
            2 => outputs.begin_member(),
            _ => outputs.push_payload(event(rng)),
        }
    }
    outputs
}

fn matches(rng: &mut Rng) -> Matches {
    let mut matches = Matches::default();
    for _ in 0..rng.below(3) {
        matches.accept(u64::from(small(rng, 0)), number(rng, 1));
        if rng.percent(30) {
            matches.field(u64::from(small(rng, 0)), ["", "..", "odd"][rng.below(3)], &rng.percent(50).into());
        }
    }
    matches
}

fn id(rng: &mut Rng) -> OpId {
    let kind = *rng.pick(&[OpKind::Wait, OpKind::Collect, OpKind::Child, OpKind::SendNow, OpKind::Stream]);
    OpId { kind, label: ["", "Poke", "child", "now"][rng.below(4)].into(), ordinal: small(rng, 0) }
}

fn operation(rng: &mut Rng) -> Operation {
    let id = id(rng);
    match rng.below(7) {
        0 => Operation::Deliver { id },
        1 => Operation::Withdraw { id },
        2 => Operation::Child { id },
        3 => Operation::ChildDone { id },
        4 => {
            let expected = (0..rng.below(3)).map(|_| small(rng, 3)).collect();
            Operation::Collect(CollectRequest { id, buffer: "x".repeat(rng.below(3)), event: event(rng), expected })
        }
        _ => Operation::Wait(WaitRequest {
            id,
            event: small(rng, 3),
            filter: [Filter::Any, Filter::Code, Filter::Field { path: "..".into(), value: 1.into() }][rng.below(3)]
                .clone(),
            shared: rng.percent(50),
            announce: rng.percent(30).then(|| event(rng)),
            deadline: rng.percent(30).then(|| Time(number(rng, 5))),
        }),
    }
}

/// A tick of which hardly anything has to fit the state.
pub fn garbage(rng: &mut Rng, state: &RunState, now: u64) -> Tick {
    let (exec, attempt, seq) = exec(rng, state);
    let kind = match rng.below(13) {
        0 => TickKind::Start { event: event(rng) },
        1 => TickKind::External(Box::new(External {
            event: event(rng),
            to: rng.percent(50).then(|| small(rng, 2)),
            id: rng.percent(50).then(|| SenderSeq { sender: number(rng, 1), seq: number(rng, 2) }),
            matches: matches(rng),
        })),
        2..5 => {
            let error = ErrorInfo { exception_type: String::new(), exception_message: String::new(), causes: vec![] };
            let delays = [None, Some(Duration::ZERO), Some(Duration::MAX), Some(Duration::from_micros(5))];
            let failure = Failure { error, retry_after: delays[rng.below(4)] };
            let outcome = if rng.percent(70) { Ok(outputs(rng)) } else { Err(Box::new(failure)) };
            TickKind::Report(Report { exec, attempt, started: Time(number(rng, now)), outcome, matches: matches(rng) })
        }
        5..9 => {
            let outputs = if rng.percent(40) { outputs(rng) } else { Outputs::default() };
            let (matches, op) = (matches(rng), operation(rng));
            TickKind::Commit(Box::new(Commit { exec, attempt, seq, outputs, matches, op }))
        }
        9 => TickKind::Parked { exec },
        10 => TickKind::Timers,
        11 => TickKind::Kept { event: small(rng, 3), matches: matches(rng) },
        _ => {
            let choices = [FailureChoice::Retry, FailureChoice::Skip, FailureChoice::Continue];
            let answer = match rng.below(3) {
                0 => Answer::Failure(choices[rng.below(3)]),
                _ => Answer::Event { event: event(rng), matches: matches(rng) },
            };
            TickKind::Answer { input: number(rng, state.last_id()), answer }
        }
    };
    Tick { at: Time(number(rng, now)), kind }
}

/// Brings a run to its end: everything is taken and ends without giving anything, every question is passed over, and
/// then nobody is left outside. Gives how often it ended.
///
/// # Panics
/// When the run cannot be brought to an end so.
pub fn wind_up(def: &WorkflowDef, state: &mut RunState) -> usize {
    let mut out = Commands::new(false);
    let mut ends = 0;
    for _ in 0..200 {
        while state.take_ready(|_| 0).is_some() {}
        assert!(!state.has_ready(), "something is ready but cannot be taken");
        let keys: Vec<ExecKey> = state.exec_keys().collect();
        for exec in keys {
            let Some(attempt) = state.exec(exec).map(|view| view.attempt) else { continue };
            let (started, outcome, matches) = (Time(0), Ok(Outputs::default()), Matches::default());
            let report = Report { exec, attempt, started, outcome, matches };
            reduce(def, state, Tick { at: Time(0), kind: TickKind::Report(report) }, &mut out);
        }
        reduce(def, state, Tick { at: Time(u64::MAX), kind: TickKind::Timers }, &mut out);
        for input in state.pending_inputs(def).into_iter().filter(|input| input.reason == InputReason::StepFailure) {
            let answer = Answer::Failure(FailureChoice::Skip);
            reduce(def, state, Tick { at: Time(0), kind: TickKind::Answer { input: input.id, answer } }, &mut out);
        }
        if state.exec_keys().next().is_none() {
            reduce(def, state, Tick { at: Time(0), kind: TickKind::SendersGone }, &mut out);
        }
        ends += out.drain().filter(|command| matches!(command, stepcast::engine::Command::Finish(_))).count();
        if state.has_ended() {
            return ends;
        }
    }
    panic!("the run is wedged: {}", crate::state_text(state));
}
