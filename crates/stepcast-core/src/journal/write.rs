//! From a tick, before it is applied, to a row's bytes. Nothing is copied on the way: events are serialized where they
//! are.

use serde::Serialize;
use serde_json::Value;

use super::borrowed::{AnswerRow, Kind, OpRow, OutRow, Row, SetRow, TagValue};
use super::error::WriteRowError;
use super::plain;
use super::scan::{self, Fault};
use super::{LabelDelta, VERSION, fingerprint};
use crate::Payload;
use crate::definition::{Taker, WorkflowDef};
use crate::engine::{Answer, Commit, ExecKey, External, Operation, Report, RunState, Tick, TickKind, Time};
use crate::guard::serde_code;

/// What a row carries beside its tick: what has happened since the row before.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowExtras<'a> {
    /// What the execution of the row did through its context. Of an execution that is over with this row nothing need be
    /// given.
    pub ops: &'a [LabelDelta],
    /// Changed cells of the store with their values; without one, the cell was removed.
    pub store: &'a [(&'a str, Option<&'a Value>)],
    /// Changed typed states with their values.
    pub states: &'a [(&'a str, &'a Value)],
    /// The stream's last sequence number, if anything came onto it otherwise than by applying a tick.
    pub seq: Option<u64>,
}

impl RowExtras<'_> {
    fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.store.is_empty() && self.states.is_empty() && self.seq.is_none()
    }

    fn set(&self) -> Option<SetRow<'_>> {
        let any = !self.store.is_empty() || !self.states.is_empty();
        any.then_some(SetRow { store: self.store, states: self.states })
    }
}

/// Adds the row of a tick that is about to be applied to this state. `false`, and nothing is added, for a tick that needs
/// no row: it changes nothing that lasts.
///
/// # Errors
/// [`WriteRowError`] if something in it cannot be written, or could not be read back. Nothing is added then.
pub fn write_tick(
    out: &mut Vec<u8>,
    def: &WorkflowDef,
    state: &RunState,
    row: u64,
    tick: &Tick,
    extras: &RowExtras<'_>,
) -> Result<bool, WriteRowError> {
    let mut queued = None;
    let takes = state.takes(def, &tick.kind);
    if takes && extras.is_empty() {
        let before = out.len();
        if let Some(written) = plain::put(out, def, state, row, tick) {
            return fit(out, before, row, written).map(|()| true);
        }
    }
    let kind = if takes { kind_of(def, state, tick, &mut queued) } else { None };
    let kind = match kind {
        Some(kind) => kind,
        // What else would have been passed over ends a run whose time is used up.
        None if state.runs_out_at(tick.at) => Kind::Time,
        None => return Ok(false),
    };
    let busy = state.busy_at(tick.at);
    put(
        out,
        row,
        &Row {
            v: VERSION,
            n: row,
            at: tick.at.0,
            busy,
            queued,
            seq: extras.seq,
            kind,
            ops: extras.ops,
            set: extras.set(),
        },
    )?;
    Ok(true)
}

/// As [`write_tick`], for a report that is not made yet: the first attempt of an execution that has a worker slot gave
/// this one event, of which no filter says anything, and nothing else has happened. `false`, and nothing is added, if that
/// is not written as easily.
pub fn write_gave(
    out: &mut Vec<u8>,
    def: &WorkflowDef,
    state: &RunState,
    row: u64,
    at: Time,
    attempt: (ExecKey, Time),
    event: &Payload,
) -> bool {
    plain::put_gave(out, def, state, row, at, attempt, event)
}

/// Adds a row for what happened between two ticks: an execution did something that must not wait for its report, or,
/// without one, cells or the stream changed. `false` if the execution is over.
///
/// # Errors
/// As for [`write_tick`].
pub fn write_between(
    out: &mut Vec<u8>,
    def: &WorkflowDef,
    state: &RunState,
    row: u64,
    at: Time,
    exec: Option<ExecKey>,
    extras: &RowExtras<'_>,
) -> Result<bool, WriteRowError> {
    let step = exec.map(|exec| step_name(def, state, exec));
    let (exec, step) = match (exec, step) {
        (Some(exec), Some(Some(step))) => (Some(exec.serial), Some(step)),
        (Some(_), _) => return Ok(false),
        (None, _) => (None, None),
    };
    let kind = Kind::Between { exec, step };
    let (busy, set) = (state.busy_at(at), extras.set());
    put(
        out,
        row,
        &Row { v: VERSION, n: row, at: at.0, busy, queued: None, seq: extras.seq, kind, ops: extras.ops, set },
    )?;
    Ok(true)
}

/// Adds the row with which a process takes over a run that it has folded, or that left its memory: what only existed in
/// the process before (predicates of waits, what was sent but not delivered) is gone for the rows that follow.
///
/// # Errors
/// As for [`write_tick`].
pub fn write_takeover(
    out: &mut Vec<u8>,
    def: &WorkflowDef,
    state: &RunState,
    row: u64,
    at: Time,
) -> Result<(), WriteRowError> {
    let kind = Kind::TakenOver { def: fingerprint(def), timeout: micros(state) };
    put(out, row, &Row { v: VERSION, n: row, at: at.0, busy: None, queued: None, seq: None, kind, ops: &[], set: None })
}

fn put(out: &mut Vec<u8>, number: u64, row: &Row<'_>) -> Result<(), WriteRowError> {
    let before = out.len();
    let written = serde_code(|| row.serialize(&mut serde_json::Serializer::new(&mut *out)));
    let written = match written {
        Err(source) => Err(Unfit::Serde(source)),
        Ok(()) => scan::readable(&out[before..]).map_err(Unfit::Unreadable),
    };
    fit(out, before, number, written)
}

/// Why a row cannot be.
pub(super) enum Unfit {
    Serde(serde_json::Error),
    Unreadable(Fault),
}

/// Takes back a row that cannot be.
fn fit(out: &mut Vec<u8>, before: usize, row: u64, written: Result<(), Unfit>) -> Result<(), WriteRowError> {
    written.map_err(|unfit| {
        out.truncate(before);
        match unfit {
            Unfit::Serde(source) => WriteRowError::Serialize { row, source },
            Unfit::Unreadable(Fault::TooDeep) => WriteRowError::TooDeep { row, bound: scan::MAX_DEPTH },
            Unfit::Unreadable(Fault::Number(digits)) => WriteRowError::Number { row, number: digits },
        }
    })
}

fn micros(state: &RunState) -> Option<u64> {
    state.timeout().map(|timeout| u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX))
}

fn step_name<'a>(def: &'a WorkflowDef, state: &RunState, exec: ExecKey) -> Option<&'a str> {
    state.exec(exec).map(|view| def.step(view.step).name())
}

/// The row's own part; `None` for a tick that changes nothing that lasts.
fn kind_of<'a>(def: &'a WorkflowDef, state: &RunState, tick: &'a Tick, queued: &mut Option<usize>) -> Option<Kind<'a>> {
    // A fold gives out no slots, so its queue is longer; near the bound it has to know the true length.
    let mut gives = |events: usize| {
        let most = events.saturating_add(1).saturating_mul(def.steps.len());
        let near = state.queued().saturating_add(most) >= def.policy.max_queued / 2;
        *queued = near.then(|| state.queued());
    };
    Some(match &tick.kind {
        TickKind::Start { event } => {
            gives(1);
            let event = TagValue::of(def, event)?;
            Kind::Start { event, def: fingerprint(def), timeout: micros(state) }
        }
        TickKind::External(external) => {
            gives(1);
            let (event, to) = destination(def, external);
            if event.is_none() && external.id.is_none() {
                return None;
            }
            Kind::External { event, to, id: external.id, matches: &external.matches }
        }
        TickKind::Report(Report { exec, attempt, started, outcome, matches }) => {
            let step = step_name(def, state, *exec)?;
            let (out, failed) = match outcome {
                Ok(outputs) => {
                    gives(outputs.len());
                    (OutRow::of(def, outputs, matches), None)
                }
                Err(failure) => (None, Some((&failure.error, failure.retry_after))),
            };
            // Any two times give back each other, in whatever order they are.
            let took = tick.at.0.wrapping_sub(started.0);
            Kind::Report { exec: exec.serial, attempt: *attempt, step, took, out, failed }
        }
        TickKind::Commit(commit) => {
            let Commit { exec, attempt, seq, outputs, matches, op } = &**commit;
            gives(outputs.len());
            let step = step_name(def, state, *exec)?;
            let (out, op) = (OutRow::of(def, outputs, matches), operation(def, op));
            Kind::Commit { exec: exec.serial, attempt: *attempt, step, seq: *seq, out, op }
        }
        TickKind::Kept { event, matches } => Kind::Kept { event: def.event(*event).tag, matches },
        TickKind::Answer { input, answer } => {
            gives(1);
            let answer = match answer {
                Answer::Failure(choice) => AnswerRow::Choice(*choice),
                Answer::Event { event, matches } => AnswerRow::Event(TagValue::of(def, event)?, matches),
            };
            Kind::Answer { input: *input, answer }
        }
        TickKind::Timers => Kind::Timers,
        TickKind::Cancel => Kind::Cancel,
        // A host that has something to do would not ask, and the tick would change nothing.
        TickKind::SendersGone if state.is_busy() => return None,
        TickKind::SendersGone => Kind::SendersGone,
        TickKind::Parked { .. } => return None,
    })
}

/// The event and the step it is for; no event if it goes nowhere. That its sender's number was seen lasts all the same.
fn destination<'a>(def: &'a WorkflowDef, external: &'a External) -> (Option<TagValue<'a>>, Option<&'a str>) {
    let Some(event) = TagValue::of(def, &external.event) else { return (None, None) };
    let Some(step) = external.to else { return (Some(event), None) };
    let takers = def.event_by_hash(external.event.meta().hash).map_or(&[][..], |ix| def.takers(ix));
    if takers.contains(&Taker::Single(step)) { (Some(event), Some(def.step(step).name())) } else { (None, None) }
}

fn operation<'a>(def: &'a WorkflowDef, op: &'a Operation) -> OpRow<'a> {
    match op {
        Operation::Deliver { id } => OpRow::Deliver(id),
        Operation::Refuse { id } => OpRow::Refuse(id),
        Operation::Withdraw { id } => OpRow::Withdraw(id),
        Operation::Child { id } => OpRow::Child(id),
        Operation::ChildDone { id } => OpRow::ChildDone(id),
        Operation::Wait(wait) => OpRow::wait(def.event(wait.event).tag, wait),
        Operation::Collect(collect) => match TagValue::of(def, &collect.event) {
            Some(event) => OpRow::collect(def, collect, event),
            // Collecting what no step may give does nothing, like withdrawing what does not wait.
            None => OpRow::Withdraw(&collect.id),
        },
    }
}
