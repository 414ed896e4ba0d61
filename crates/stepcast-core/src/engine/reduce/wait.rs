//! Waits: how they begin, end, and lose their predicates.

use super::Engine;
use crate::definition::StepIx;
use crate::engine::exec::Exec;
use crate::engine::inputs::{Asked, Input};
use crate::engine::state::Timer;
use crate::engine::waits::Waiter;
use crate::engine::{Command, ExecKey, Filter, InputChange, OpResult, RunState, Time, WaitRequest};
use crate::{AnyEvent, InputExpiredEvent};

impl Engine<'_> {
    /// Registers a wait, or arms the one that an earlier attempt registered, and looks at what was kept.
    pub(crate) fn wait(&mut self, exec: ExecKey, wait: WaitRequest) {
        let (id, was_armed) = match self.state.waiter_of(exec, &wait.id) {
            Some(id) => (id, self.state.waits.as_deref_mut().and_then(|waits| waits.set_armed(id, true))),
            None => (self.register(exec, &wait), Some(true)),
        };
        let unarmed = was_armed == Some(false) && wait.filter == Filter::Code;
        self.offer_kept_to(wait.event, id, unarmed);
    }

    fn register(&mut self, exec: ExecKey, wait: &WaitRequest) -> u64 {
        self.state.next_id += 1;
        let id = self.state.next_id;
        let after = if wait.announce.is_some() { self.state.next_event + 1 } else { 0 };
        let mut input = None;
        if let Some(event) = &wait.announce {
            let event = AnyEvent::from_payload(event.clone());
            self.out.push(Command::Publish(event.clone()));
            self.state.next_id += 1;
            input = Some(self.state.next_id);
            let step = self.state.exec_ref(exec).map_or(0, |exec| exec.step);
            let asked = Asked::Wait { waiter: id, event };
            let pending = Input { asked, step, created: self.now };
            self.state.inputs.get_or_insert_default().0.insert(self.state.next_id, pending);
            self.input_changed(self.state.next_id, InputChange::Opened);
        }
        if let Some(deadline) = wait.deadline {
            self.state.timers.get_or_insert_default().0.insert((deadline, id), Timer::Wait(id));
        }
        if let Some(exec) = self.state.exec_mut(exec) {
            let open = &mut exec.more().open_waits;
            if open.is_empty() {
                open.reserve_exact(1);
            }
            open.push(id);
        }
        let own = self.state.exec_ref(exec).is_some_and(|exec| self.def.runs(exec.step, wait.event));
        let waiter = Waiter {
            exec,
            op: wait.id.clone(),
            event: wait.event,
            filter: wait.filter.clone(),
            shared: wait.shared,
            deadline: wait.deadline,
            after,
            input,
            armed: true,
            own,
        };
        self.state.waits.get_or_insert_default().add(id, waiter);
        id
    }

    /// Ends a wait with a result and lets its execution go on. Gives the execution's step.
    pub(crate) fn satisfy(&mut self, id: u64, result: OpResult) -> Option<StepIx> {
        let change = match &result {
            OpResult::TimedOut => InputChange::Expired,
            OpResult::Event(event) => InputChange::AnsweredBy(event.clone()),
            _ => InputChange::Withdrawn,
        };
        let waiter = self.remove_waiter(id, change)?;
        let exec = self.state.exec_mut(waiter.exec)?;
        let step = exec.step;
        if let Some(more) = &mut exec.more {
            more.open_waits.retain(|open| *open != id);
        }
        self.resume(waiter.exec, waiter.op, result);
        Some(step)
    }

    fn remove_waiter(&mut self, id: u64, change: InputChange) -> Option<Waiter> {
        let waiter = self.state.waits.as_deref_mut()?.remove(id)?;
        if let (Some(deadline), Some(timers)) = (waiter.deadline, self.state.timers.as_deref_mut()) {
            timers.0.remove(&(deadline, id));
        }
        if let (Some(input), Some(inputs)) = (waiter.input, self.state.inputs.as_deref_mut())
            && let Some(asked) = inputs.0.remove(&input)
        {
            if let InputChange::Expired = change {
                let step = self.def.step(asked.step).name.clone();
                self.out.push(Command::Publish(AnyEvent::new(InputExpiredEvent { input, step })));
            }
            self.input_changed(input, change);
        }
        if waiter.filter == Filter::Code && !waiter.armed {
            self.unarmed_gone(waiter.event);
        }
        Some(waiter)
    }

    /// An execution is over: what it still waits for is withdrawn.
    pub(crate) fn withdraw(&mut self, exec: &Exec) {
        let Some(more) = &exec.more else { return };
        for id in &more.open_waits {
            self.remove_waiter(*id, InputChange::Withdrawn);
        }
        if let (Some(timer), Some(timers)) = (more.retry_timer, self.state.timers.as_deref_mut()) {
            timers.0.remove(&timer);
        }
        if let (Some(input), Some(inputs)) = (more.asked, self.state.inputs.as_deref_mut())
            && inputs.0.remove(&input).is_some()
        {
            self.input_changed(input, InputChange::Withdrawn);
        }
    }

    /// An execution does not wait for this any more.
    pub(crate) fn withdraw_one(&mut self, key: ExecKey, op: &crate::engine::OpId) {
        let Some(id) = self.state.waiter_of(key, op) else { return };
        self.remove_waiter(id, InputChange::Withdrawn);
        if let Some(more) = self.state.exec_mut(key).and_then(|exec| exec.more.as_deref_mut()) {
            more.open_waits.retain(|open| *open != id);
        }
    }

    /// An attempt has ended: the predicates of its open waits are gone with it.
    pub(crate) fn disarm(&mut self, key: ExecKey) {
        let Some(more) = self.state.exec_ref(key).and_then(|exec| exec.more.as_deref()) else { return };
        let open = more.open_waits.clone();
        let Some(waits) = self.state.waits.as_deref_mut() else { return };
        for id in open {
            waits.set_armed(id, false);
        }
    }
}

impl RunState {
    /// The waiter that an earlier attempt registered for this operation.
    pub fn waiter_of(&self, exec: ExecKey, op: &crate::engine::OpId) -> Option<u64> {
        let waits = self.waits.as_deref()?;
        let more = self.exec_ref(exec)?.more.as_deref()?;
        more.open_waits.iter().copied().find(|id| waits.waiters.get(id).is_some_and(|waiter| waiter.op == *op))
    }

    /// The earliest moment at which a timer is due.
    pub fn next_timer(&self) -> Option<Time> {
        self.timers.as_deref().and_then(|timers| timers.0.first()).map(|((at, _), _)| *at)
    }

    /// When the run's time is used up, if it stays busy until then.
    pub fn timeout_at(&self, now: Time) -> Option<Time> {
        let limit = self.timeout_micros?;
        if !self.is_busy() {
            return None;
        }
        let used = self.busy_micros.saturating_add(now.0.saturating_sub(self.last_tick.0));
        Some(Time(now.0.saturating_add(limit.saturating_sub(used))))
    }
}
