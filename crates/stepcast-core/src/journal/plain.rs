//! The rows of common ticks, a run's start and an attempt that gave one event, written without a serializer in between: the
//! same bytes as [`Row`](super::borrowed::Row) gives, in half the time.

use super::fingerprint;
use super::scan::{self, Fault};
use super::write::Unfit;
use crate::definition::{StepIx, WorkflowDef};
use crate::engine::{ExecKey, Report, RunState, Tick, TickKind, Time};
use crate::guard::serde_code;
use crate::json::{put_number, put_str};
use crate::{OutToken, Payload};

/// The levels around the value of an event that an attempt gave.
const AROUND_GIVEN: usize = 6;
/// The levels around the value of a start event.
const AROUND_START: usize = 4;

/// Adds the row, unless the tick is another one. Only for a row that brings nothing but its tick, and a state that takes
/// it.
pub(super) fn put(
    out: &mut Vec<u8>,
    def: &WorkflowDef,
    state: &RunState,
    row: u64,
    tick: &Tick,
) -> Option<Result<(), Unfit>> {
    if !is_short(def, state) {
        return None;
    }
    let written = match &tick.kind {
        TickKind::Start { event } => put_start(out, def, row, tick.at, event)?,
        TickKind::Report(report) => put_report(out, def, state, row, tick.at, report)?,
        _ => return None,
    };
    Some(match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(fault)) => Err(Unfit::Unreadable(fault)),
        Err(source) => Err(Unfit::Serde(source)),
    })
}

/// Adds the row of a report of one flat event that the definition declares. Whether it is one.
pub(super) fn put_gave(
    out: &mut Vec<u8>,
    def: &WorkflowDef,
    state: &RunState,
    row: u64,
    at: Time,
    (exec, started): (ExecKey, Time),
    event: &Payload,
) -> bool {
    let gives = |step: StepIx| {
        let hash = event.meta().hash;
        let step = &def.steps[step as usize];
        step.outs.iter().any(|(known, _)| *known == hash).then_some(step)
    };
    if !event.as_erased_event().is_flat() || !is_short(def, state) {
        return false;
    }
    let Some(step) = state.active_first(exec).and_then(gives) else { return false };
    let before = out.len();
    put_report_head(out, row, at, exec, &step.name, started);
    put_tag(out, event);
    if !event.as_erased_event().put_flat(out) {
        out.truncate(before);
        return false;
    }
    out.extend_from_slice(REPORT_END);
    true
}

/// Whether a row says nothing of the queue's length and of the time counted.
fn is_short(def: &WorkflowDef, state: &RunState) -> bool {
    let near_bound = state.queued().saturating_add(2 * def.steps.len()) >= def.policy.max_queued / 2;
    !near_bound && state.timeout().is_none()
}

type Written = Result<Result<(), Fault>, serde_json::Error>;

fn put_start(out: &mut Vec<u8>, def: &WorkflowDef, row: u64, at: Time, event: &Payload) -> Option<Written> {
    def.event_by_hash(event.meta().hash)?;
    Some(serde_code(|| {
        put_head(out, row, at);
        out.extend_from_slice(b"{\"start\":{\"event\":[");
        let fault = put_event(out, event, AROUND_START)?;
        out.extend_from_slice(b"],\"def\":");
        put_number(out, fingerprint(def));
        out.extend_from_slice(b"}}}");
        Ok(fault)
    }))
}

fn put_head(out: &mut Vec<u8>, row: u64, at: Time) {
    out.extend_from_slice(b"{\"v\":1,\"n\":");
    put_number(out, row);
    out.extend_from_slice(b",\"at\":");
    put_number(out, at.0);
    out.extend_from_slice(b",\"do\":");
}

/// Adds what stands before an event's value.
fn put_tag(out: &mut Vec<u8>, event: &Payload) {
    put_str(out, event.meta().tag);
    out.push(b',');
}

/// Adds the tag and the value of an event.
fn put_event(out: &mut Vec<u8>, event: &Payload, around: usize) -> Written {
    put_tag(out, event);
    let value = out.len();
    event.as_erased().write_json(out)?;
    // What cannot be otherwise is not looked through.
    if event.as_erased_event().is_flat() {
        return Ok(Ok(()));
    }
    Ok(scan::readable_within(&out[value..], around))
}

fn put_report(
    out: &mut Vec<u8>,
    def: &WorkflowDef,
    state: &RunState,
    row: u64,
    at: Time,
    report: &Report,
) -> Option<Written> {
    let Report { exec, attempt: 1, started, outcome: Ok(outputs), matches } = report else { return None };
    let event = only_event(outputs.iter())?;
    if !matches.is_empty() {
        return None;
    }
    def.event_by_hash(event.meta().hash)?;
    let step = def.step(state.exec(*exec)?.step).name();
    Some(serde_code(|| {
        put_report_head(out, row, at, *exec, step, *started);
        let fault = put_event(out, event, AROUND_GIVEN)?;
        out.extend_from_slice(REPORT_END);
        Ok(fault)
    }))
}

/// Adds what stands before the event.
fn put_report_head(out: &mut Vec<u8>, row: u64, at: Time, exec: ExecKey, step: &str, started: Time) {
    put_head(out, row, at);
    out.extend_from_slice(b"{\"report\":{\"exec\":");
    put_number(out, exec.serial);
    out.extend_from_slice(b",\"step\":");
    put_str(out, step);
    out.extend_from_slice(b",\"took\":");
    put_number(out, at.0.wrapping_sub(started.0));
    out.extend_from_slice(b",\"out\":[[[");
}

const REPORT_END: &[u8] = b"]]]}}}";

fn only_event<'a>(mut tokens: impl Iterator<Item = &'a OutToken>) -> Option<&'a Payload> {
    match (tokens.next(), tokens.next()) {
        (Some(OutToken::Event(event)), None) if !event.begins_member => Some(&event.payload),
        _ => None,
    }
}
