//! The common start of a run: one step takes the event.

use crate::Payload;
use crate::definition::{Taker, WorkflowDef};
use crate::engine::exec::{Activity, Exec, Input, ROOT, Status};
use crate::engine::state::Phase;
use crate::engine::{Commands, ExecKey, RunState};

/// Applies the common start of a run: nobody watches, nobody limits its time, and one step takes the event.
///
/// It comes to what [`reduce`](super::reduce) does with a start, except that the execution is running at once, as
/// [`Commands::next`]. Gives the event back, and has changed nothing, if it is anything else.
pub fn begin(def: &WorkflowDef, state: &mut RunState, event: Payload, out: &mut Commands) -> Option<Payload> {
    if out.observe || state.timeout_micros.is_some() || state.phase != Phase::Created || def.policy.max_queued == 0 {
        return Some(event);
    }
    let Some(entry) = def.events.get(def.start as usize) else { return Some(event) };
    let [Taker::Single(step)] = entry.takers[..] else { return Some(event) };
    if entry.waited || entry.meta.hash != event.meta().hash || def.steps[step as usize].workers.is_some() {
        return Some(event);
    }
    state.phase = Phase::Running;
    state.next_event += 1;
    state.next_exec += 1;
    let serial = state.next_exec;
    let lane = state.execs.insert(Exec {
        serial,
        step,
        scope: ROOT,
        attempt: 1,
        commits: 0,
        status: Status::Active,
        activity: Activity::Running,
        cause: state.next_event,
        input: Input::One(event),
        more: None,
    });
    state.schedule.running += 1;
    out.next = Some(ExecKey { lane, serial });
    None
}
