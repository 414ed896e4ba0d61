//! The row of the common tick, an attempt that gave one event, written without a serializer in between: the same bytes as
//! [`Row`](super::borrowed::Row) gives, in half the time.

use super::scan;
use super::write::Unfit;
use crate::definition::WorkflowDef;
use crate::engine::{Report, RunState, Tick, TickKind};
use crate::guard::serde_code;
use crate::{OutToken, Payload};

/// The levels around the value of an event.
const AROUND: usize = 6;

/// Adds the row, unless the tick is another one. Only for a row that brings nothing but its tick, and a state that takes
/// it.
pub(super) fn put_report(
    out: &mut Vec<u8>,
    def: &WorkflowDef,
    state: &RunState,
    row: u64,
    tick: &Tick,
) -> Option<Result<(), Unfit>> {
    let TickKind::Report(Report { exec, attempt: 1, started, outcome: Ok(outputs), matches }) = &tick.kind else {
        return None;
    };
    let event = only_event(outputs.iter())?;
    let near_bound = state.queued().saturating_add(2 * def.steps.len()) >= def.policy.max_queued / 2;
    if !matches.is_empty() || near_bound || state.timeout().is_some() || def.event_by_hash(event.meta().hash).is_none()
    {
        return None;
    }
    let step = def.step(state.exec(*exec)?.step).name();
    let took = tick.at.0.wrapping_sub(started.0);
    let written = serde_code(|| {
        out.extend_from_slice(b"{\"v\":1,\"n\":");
        number(out, row)?;
        out.extend_from_slice(b",\"at\":");
        number(out, tick.at.0)?;
        out.extend_from_slice(b",\"do\":{\"report\":{\"exec\":");
        number(out, exec.serial)?;
        out.extend_from_slice(b",\"step\":");
        serde_json::to_writer(&mut *out, step)?;
        out.extend_from_slice(b",\"took\":");
        number(out, took)?;
        out.extend_from_slice(b",\"out\":[[[");
        serde_json::to_writer(&mut *out, event.meta().tag)?;
        out.push(b',');
        let value = out.len();
        event.as_erased().write_json(out)?;
        let fault = scan::readable_within(&out[value..], AROUND);
        out.extend_from_slice(b"]]]}}}");
        Ok(fault)
    });
    Some(match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(fault)) => Err(Unfit::Unreadable(fault)),
        Err(source) => Err(Unfit::Serde(source)),
    })
}

fn number(out: &mut Vec<u8>, number: u64) -> Result<(), serde_json::Error> {
    serde_json::to_writer(out, &number)
}

fn only_event<'a>(mut tokens: impl Iterator<Item = &'a OutToken>) -> Option<&'a Payload> {
    match (tokens.next(), tokens.next()) {
        (Some(OutToken::Event(event)), None) if !event.begins_member => Some(&event.payload),
        _ => None,
    }
}
