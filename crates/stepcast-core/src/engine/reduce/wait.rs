//! Waiters and early events: an event goes to one waiter, or is kept until somebody waits.

use super::Engine;
use crate::definition::{EventIx, StepIx, Taker};
use crate::engine::exec::Exec;
use crate::engine::inputs::{Asked, Input};
use crate::engine::state::Timer;
use crate::engine::waits::{Kept, Waiter};
use crate::engine::{Command, ExecKey, Filter, Matches, OpResult, RunState, Time, WaitRequest};
use crate::{AnyEvent, Payload};

/// What became of an event that was offered to the waiters.
pub(crate) struct Taken {
    /// A waiter has it, or it is kept.
    pub(crate) handled: bool,
    /// The steps of the executions that got it.
    pub(crate) steps: Vec<StepIx>,
}

impl Engine<'_> {
    /// Offers an event to the waiters of its type; keeps it if none takes it.
    pub(crate) fn offer_to_waiters(
        &mut self,
        ix: EventIx,
        serial: u64,
        event: &Payload,
        position: u32,
        matches: &Matches,
    ) -> Taken {
        let chosen = match self.choose(ix, serial, true, |waiter| matches.contains(position, waiter)) {
            Choice::Waiters(chosen) => chosen,
            keep => {
                let held = matches!(keep, Choice::Hold);
                let handled = held || self.may_be_awaited(ix);
                if handled {
                    self.keep(ix, Kept { serial, event: event.clone(), held });
                }
                return Taken { handled, steps: Vec::new() };
            }
        };
        let got = chosen.into_iter().filter_map(|waiter| self.satisfy(waiter, OpResult::Event(event.clone())));
        Taken { handled: true, steps: got.collect() }
    }

    /// Whether an event that comes now, alone in its tick, would satisfy no wait.
    pub(crate) fn no_wait_wants(&self, ix: EventIx, matches: &Matches) -> bool {
        let serial = self.state.next_event + 1;
        matches!(self.choose(ix, serial, true, |waiter| matches.contains(0, waiter)), Choice::Keep)
    }

    /// The first matching waiter decides: exclusive, it alone; shared, every shared matching one.
    ///
    /// An event that is not `new` has run the steps that take it, so their own waits do not get it as well.
    fn choose(&self, ix: EventIx, serial: u64, new: bool, filter: impl Fn(u64) -> bool) -> Choice {
        let Some(waits) = self.state.waits.as_deref() else { return Choice::Keep };
        let mut chosen = Vec::new();
        for id in waits.of(ix) {
            let Some(waiter) = waits.waiters.get(&id) else { continue };
            if serial < waiter.after || (!chosen.is_empty() && !waiter.shared) {
                continue;
            }
            if !new && self.has_run(ix, waiter.exec) {
                continue;
            }
            match waiter.filter {
                // Its predicate does not exist yet, so nobody after it may have the event either.
                Filter::Code if !waiter.armed && chosen.is_empty() => return Choice::Hold,
                Filter::Code if !waiter.armed => continue,
                Filter::Any => {}
                Filter::Field { .. } | Filter::Code => {
                    if !filter(id) {
                        continue;
                    }
                }
            }
            chosen.push(id);
            if !waiter.shared {
                break;
            }
        }
        if chosen.is_empty() { Choice::Keep } else { Choice::Waiters(chosen) }
    }

    /// Whether the execution's step takes events of this type, so that every one that no wait took has run it.
    fn has_run(&self, ix: EventIx, exec: ExecKey) -> bool {
        self.state.exec_ref(exec).is_some_and(|exec| self.takes(exec.step, ix))
    }

    /// Whether an event of this type that no wait took may satisfy a later one.
    fn may_be_awaited(&self, ix: EventIx) -> bool {
        let mut steps = (0..).zip(&self.def.steps);
        steps.any(|(step, def)| def.waits.contains(&ix) && !self.takes(step, ix))
    }

    fn takes(&self, step: StepIx, ix: EventIx) -> bool {
        let mut takers = self.def.events[ix as usize].takers.iter();
        takers.any(|taker| matches!(taker, Taker::Single(taker) | Taker::Join(taker, _) if *taker == step))
    }

    fn keep(&mut self, ix: EventIx, event: Kept) {
        let bound = self.def.policy.max_mailbox;
        let kept = self.state.waits.get_or_insert_default().kept.or_default(ix);
        kept.push_back(event);
        if kept.len() > bound {
            kept.pop_front();
            // One that a step took was no loss.
            if self.def.events[ix as usize].takers.iter().all(|taker| matches!(taker, Taker::Collect(_))) {
                self.unhandled(ix, None);
            }
        }
    }

    /// Registers a wait, or arms the one that an earlier attempt registered, and looks at what was kept.
    pub(crate) fn wait(&mut self, exec: ExecKey, wait: WaitRequest) {
        let known = self.state.waiter_of(exec, &wait.id);
        let waiters = self.state.waits.as_deref_mut().map(|waits| &mut waits.waiters);
        let id = match known.zip(waiters) {
            Some((id, waiters)) => {
                if let Some(waiter) = waiters.get_mut(&id) {
                    waiter.armed = true;
                }
                id
            }
            None => self.register(exec, &wait),
        };
        let verdict = |kept: u64, waiter: u64| {
            let waiter = if waiter == id { 0 } else { waiter };
            wait.kept_matches.contains(&(kept, waiter))
        };
        self.offer_kept(wait.event, verdict);
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
        let waits = self.state.waits.get_or_insert_default();
        waits.by_event.insert((wait.event, id), ());
        waits.waiters.insert(
            id,
            Waiter {
                exec,
                op: wait.id.clone(),
                event: wait.event,
                filter: wait.filter.clone(),
                shared: wait.shared,
                deadline: wait.deadline,
                after,
                input,
                armed: true,
            },
        );
        id
    }

    /// Offers the kept events of a type to its waiters again, oldest first.
    fn offer_kept(&mut self, ix: EventIx, verdict: impl Fn(u64, u64) -> bool) {
        let mut at = 0;
        loop {
            let waits = self.state.waits.as_deref();
            let Some(kept) = waits.and_then(|waits| waits.kept.get(&ix)).and_then(|kept| kept.get(at)) else { break };
            let (serial, held) = (kept.serial, kept.held);
            match self.choose(ix, serial, held, |waiter| verdict(serial, waiter)) {
                Choice::Keep | Choice::Hold => at += 1,
                Choice::Waiters(chosen) => {
                    let kept = self.state.waits.as_deref_mut().and_then(|waits| waits.kept.get_mut(&ix));
                    let Some(taken) = kept.and_then(|kept| kept.remove(at)) else { break };
                    for waiter in chosen {
                        self.satisfy(waiter, OpResult::Event(taken.event.clone()));
                    }
                }
            }
        }
        if let Some(waits) = self.state.waits.as_deref_mut()
            && waits.kept.get(&ix).is_some_and(|kept| kept.is_empty())
        {
            waits.kept.remove(&ix);
        }
    }

    /// Ends a wait with a result and lets its execution go on. Gives the execution's step.
    pub(crate) fn satisfy(&mut self, id: u64, result: OpResult) -> Option<StepIx> {
        let waiter = self.remove_waiter(id)?;
        let exec = self.state.exec_mut(waiter.exec)?;
        let step = exec.step;
        if let Some(more) = &mut exec.more {
            more.open_waits.retain(|open| *open != id);
        }
        self.resume(waiter.exec, waiter.op, result);
        Some(step)
    }

    fn remove_waiter(&mut self, id: u64) -> Option<Waiter> {
        let waits = self.state.waits.as_deref_mut()?;
        let waiter = waits.waiters.remove(&id)?;
        waits.by_event.remove(&(waiter.event, id));
        if let (Some(deadline), Some(timers)) = (waiter.deadline, self.state.timers.as_deref_mut()) {
            timers.0.remove(&(deadline, id));
        }
        if let (Some(input), Some(inputs)) = (waiter.input, self.state.inputs.as_deref_mut()) {
            inputs.0.remove(&input);
        }
        Some(waiter)
    }

    /// An execution is over: what it still waits for is withdrawn.
    pub(crate) fn withdraw(&mut self, exec: &Exec) {
        let Some(more) = &exec.more else { return };
        for id in &more.open_waits {
            self.remove_waiter(*id);
        }
        if let (Some(timer), Some(timers)) = (more.retry_timer, self.state.timers.as_deref_mut()) {
            timers.0.remove(&timer);
        }
        if let (Some(input), Some(inputs)) = (more.asked, self.state.inputs.as_deref_mut()) {
            inputs.0.remove(&input);
        }
    }

    /// An execution does not wait for this any more.
    pub(crate) fn withdraw_one(&mut self, key: ExecKey, op: &crate::engine::OpId) {
        let Some(id) = self.state.waiter_of(key, op) else { return };
        self.remove_waiter(id);
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
            if let Some(waiter) = waits.waiters.get_mut(&id) {
                waiter.armed = false;
            }
        }
    }
}

enum Choice {
    /// Nobody wants it now.
    Keep,
    /// Whether the first to ask wants it is not known yet.
    Hold,
    /// These get it.
    Waiters(Vec<u64>),
}

/// A filtered waiter whose verdict the host has to find before it makes a tick.
#[derive(Clone, Debug)]
pub struct FilterQuery<'a> {
    /// The waiter's id.
    pub waiter: u64,
    /// Its execution.
    pub exec: ExecKey,
    /// The wait, by which the runner finds the predicate.
    pub op: &'a crate::engine::OpId,
    /// The filter.
    pub filter: &'a Filter,
}

impl RunState {
    /// The armed waiters of an event type that have a filter.
    pub fn filtered_waiters(&self, event: EventIx) -> impl Iterator<Item = FilterQuery<'_>> {
        let waits = self.waits.as_deref();
        let ids = waits.into_iter().flat_map(move |waits| waits.of(event));
        ids.filter_map(move |id| {
            let waiter = waits?.waiters.get(&id)?;
            let wanted = match waiter.filter {
                Filter::Any => false,
                Filter::Field { .. } => true,
                Filter::Code => waiter.armed,
            };
            wanted.then_some(FilterQuery { waiter: id, exec: waiter.exec, op: &waiter.op, filter: &waiter.filter })
        })
    }

    /// The events of a type that are kept for later waits, with their numbers.
    pub fn kept_events(&self, event: EventIx) -> impl Iterator<Item = (u64, &Payload)> {
        let kept = self.waits.as_deref().and_then(|waits| waits.kept.get(&event));
        kept.into_iter().flatten().map(|kept| (kept.serial, &kept.event))
    }

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
