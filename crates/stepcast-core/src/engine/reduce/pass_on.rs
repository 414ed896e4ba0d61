//! The common end of an attempt, which is most of what a run does.

use super::Engine;
use crate::definition::{InputShape, StepIx, Taker, WorkflowDef};
use crate::engine::exec::{Activity, Input, ROOT};
use crate::engine::scopes::{Collected, Member};
use crate::engine::state::Phase;
use crate::engine::{Commands, ExecKey, RunState, Time};
use crate::{Payload, Role};

/// Applies the common end of an attempt: one event, for one step or the run's last, nothing to wait for and nobody
/// watching.
///
/// It comes to what [`reduce`](super::reduce) does with such a report, and spares the host the making of a tick. An
/// execution that would be the only ready one is not queued: it is running at once, as [`Commands::next`], and whoever
/// does not run it puts it back. Gives the event back, and has changed nothing, if it is anything else.
pub fn pass_on(
    def: &WorkflowDef,
    state: &mut RunState,
    now: Time,
    key: ExecKey,
    attempt: u32,
    event: Payload,
    out: &mut Commands,
) -> Option<Payload> {
    if out.observe || state.timeout_micros.is_some() || state.phase != Phase::Running {
        return Some(event);
    }
    let alone = !state.has_ready();
    let full = state.schedule.queued >= def.policy.max_queued;
    let Some(exec) = state.execs.get_mut(key.lane).filter(|exec| exec.serial == key.serial) else {
        return Some(event);
    };
    let plain = exec.attempt == attempt && exec.more.is_none() && exec.commits == 0 && !full;
    if !plain || exec.activity != Activity::Running {
        return Some(event);
    }
    let ended = exec.step;
    let step = &def.steps[ended as usize];
    let hash = event.meta().hash;
    let Some((_, ix)) = step.outs.iter().find(|(known, _)| *known == hash) else { return Some(event) };
    let entry = &def.events[*ix as usize];
    if entry.meta.role == Role::Stop && *ix == def.stop && !entry.waited && exec.scope == ROOT {
        // The whole state is forgotten, so the execution need not be taken out of it first.
        state.next_event += 1;
        Engine { def, state, out, now }.complete(event);
        return None;
    }
    if entry.waited || entry.meta.role != Role::Plain {
        return Some(event);
    }
    let next = match entry.takers[..] {
        [Taker::Single(next)] => next,
        [Taker::Collect(collector)] if exec.scope != ROOT => {
            return Engine { def, state, out, now }.collect_in_place(key, collector, event);
        }
        _ => return Some(event),
    };
    // Its place is used for the next execution, which is what taking it out and putting the next one in would come to.
    state.next_event += 1;
    state.next_exec += 1;
    exec.serial = state.next_exec;
    exec.step = next;
    exec.attempt = 1;
    exec.cause = state.next_event;
    exec.input = Input::One(event);
    let key = ExecKey { lane: key.lane, serial: exec.serial };
    if !alone || step.workers.is_some() || def.steps[next as usize].workers.is_some() {
        exec.activity = Activity::Queued;
        state.free_slot(def, ended);
        state.enqueue(def, key, next);
        return None;
    }
    // It takes over the slot too.
    out.next = Some(key);
    None
}

impl RunState {
    /// Queues an execution that was to run next and that is not to run now after all, ahead of the others.
    pub fn put_back(&mut self, key: ExecKey) {
        let Some(exec) = self.exec_mut(key).filter(|exec| exec.activity == Activity::Running) else { return };
        exec.activity = Activity::Queued;
        self.schedule.running -= 1;
        self.schedule.queued += 1;
        self.schedule.ready.push_front(key);
    }
}

impl Engine<'_> {
    /// One event, kept by the one step that collects it.
    fn collect_in_place(&mut self, key: ExecKey, collector: StepIx, event: Payload) -> Option<Payload> {
        let state = &mut *self.state;
        let scope = state.execs.get(key.lane).map_or(ROOT, |exec| exec.scope);
        let Some(scopes) = state.scopes.as_deref_mut() else { return Some(event) };
        let Some(&Member { batch, index, .. }) = scopes.member(scope) else { return Some(event) };
        let Some(batch) = scopes.batches.get_mut(batch) else { return Some(event) };
        let list = batch.collectors.iter_mut().find(|list| list.step == collector);
        // A `Take` may have to run at this very event.
        let collects = matches!(self.def.steps[collector as usize].shape, InputShape::Collect);
        let Some(list) = list.filter(|_| collects) else { return Some(event) };
        let Some(exec) = state.execs.remove(key.lane) else { return Some(event) };
        if list.items.is_empty() {
            list.items.reserve_exact(batch.open as usize);
        }
        state.next_event += 1;
        list.items.push(Collected { member: index, serial: state.next_event, event });
        state.free_slot(self.def, exec.step);
        self.release(scope);
        self.settle();
        None
    }
}
