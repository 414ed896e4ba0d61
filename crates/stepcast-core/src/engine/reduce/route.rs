//! Routing: one event to every step with a parameter for it, and to one waiter.

use super::Engine;
use super::offer::Offered;
use crate::definition::{EventIx, StepIx, Taker};
use crate::engine::exec::{Activity, Exec, Input, More, ROOT, Recovery, ScopeIx, Status, merge_recovery};
use crate::engine::inputs::{Asked, Input as PendingInput};
use crate::engine::joins::Waiting;
use crate::engine::state::Phase;
use crate::engine::waits::Kept;
use crate::engine::{Command, InputChange, Matches};
use crate::{AnyEvent, Payload, Role};

/// Where an event comes from: its batch member, and how often its lineage was recovered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lineage {
    pub(crate) scope: ScopeIx,
    pub(crate) recovery: Recovery,
    /// The step that gave it; `None` from outside.
    pub(crate) step: Option<StepIx>,
}

impl Lineage {
    pub(crate) fn root() -> Self {
        Lineage { scope: ROOT, recovery: None, step: None }
    }
}

impl Engine<'_> {
    /// Delivers an event to whoever takes it. `position` is its place in the tick, for the filters' verdicts.
    pub(crate) fn deliver(&mut self, event: Payload, from: &Lineage, position: u32, matches: &Matches) {
        let hash = event.meta().hash;
        if let Some(ix) = self.def.event_by_hash(hash) {
            self.deliver_known(ix, event, from, position, matches);
        }
    }

    /// As `deliver`, for an event type that is already resolved.
    pub(crate) fn deliver_known(
        &mut self,
        ix: EventIx,
        event: Payload,
        from: &Lineage,
        position: u32,
        matches: &Matches,
    ) -> u64 {
        self.state.next_event += 1;
        let serial = self.state.next_event;
        let def = self.def;
        let entry = &def.events[ix as usize];
        // The common case first: nobody can wait for it and one step takes it.
        if let ([Taker::Single(step)], false, Role::Plain | Role::Start) =
            (&entry.takers[..], entry.waited, entry.meta.role)
        {
            self.run_single(*step, serial, event, from);
            return serial;
        }
        // Several may have it from here on, and an event's own `Clone` is user code, which the reducer does not run.
        let event = if entry.waited || entry.meta.role == Role::InputRequired { event.into_shared() } else { event };
        match entry.meta.role {
            Role::Stop => {
                if ix == def.stop {
                    self.complete(event);
                }
                return serial;
            }
            Role::InputRequired => {
                let shared = AnyEvent::from_payload(event.clone());
                self.out.push(Command::Publish(shared));
                self.ask(event.clone(), serial, from);
            }
            _ => {}
        }
        let asks = entry.meta.role == Role::InputRequired;
        let offered = match entry.waited {
            true => self.offer(ix, serial, &event, position, matches),
            false => Offered::Unwanted,
        };
        match offered {
            Offered::Taken(steps) => drop(self.route(ix, serial, event, from, &steps, true)),
            Offered::Keep { held } => {
                let taken = self.route(ix, serial, event.clone(), from, &[], true);
                self.keep(ix, Kept { serial, event, held, taken });
            }
            Offered::Unwanted => {
                if !self.route(ix, serial, event, from, &[], asks) && !asks {
                    self.unhandled(ix, None);
                }
            }
        }
        serial
    }

    /// Gives the event to the steps that take it, but for those that have it in a wait. Whether one has it, or what
    /// became of it is reported.
    fn route(
        &mut self,
        ix: EventIx,
        serial: u64,
        event: Payload,
        from: &Lineage,
        skip: &[StepIx],
        elsewhere: bool,
    ) -> bool {
        let def = self.def;
        let takers = &def.events[ix as usize].takers;
        let mut taken = false;
        let mut event = Some(if takers.len() > 1 { event.into_shared() } else { event });
        for (at, taker) in takers.iter().enumerate() {
            // The taker before may have found the queue full.
            if self.state.phase == Phase::Ended {
                return true;
            }
            let last = at + 1 == takers.len();
            let Some(copy) = (if last { event.take() } else { event.clone() }) else { break };
            match *taker {
                Taker::Single(step) | Taker::Join(step, _) if skip.contains(&step) => {}
                Taker::Single(step) => {
                    self.run_single(step, serial, copy, from);
                    taken = true;
                }
                Taker::Join(step, slot) => {
                    self.fill_slot(step, slot, serial, copy, from);
                    taken = true;
                }
                Taker::Collect(step) => {
                    taken |= self.collect_into_batch(step, serial, copy, from);
                    if last && !taken && !elsewhere {
                        self.unhandled(ix, Some(step));
                        return true;
                    }
                }
            }
        }
        taken
    }

    pub(crate) fn run_single(&mut self, step: StepIx, serial: u64, event: Payload, from: &Lineage) {
        self.hold(from.scope);
        let recovery = from.recovery.clone();
        let more = recovery.is_some().then(|| Box::new(More { recovery, ..More::default() }));
        self.spawn(Exec {
            serial: 0,
            step,
            scope: from.scope,
            attempt: 1,
            commits: 0,
            status: Status::Active,
            activity: Activity::Queued,
            cause: serial,
            input: Input::One(event),
            more,
        });
    }

    /// Runs a step for several events, whose serials are `causes`.
    pub(crate) fn run_many(
        &mut self,
        step: StepIx,
        causes: Vec<u64>,
        events: Vec<Payload>,
        scope: ScopeIx,
        recovery: Recovery,
    ) {
        self.hold(scope);
        let cause = causes.first().copied().unwrap_or_default();
        let causes: Vec<_> = causes.into_iter().skip(1).collect();
        let rare = !causes.is_empty() || recovery.is_some();
        let more = rare.then(|| Box::new(More { causes, recovery, ..More::default() }));
        self.spawn(Exec {
            serial: 0,
            step,
            scope,
            attempt: 1,
            commits: 0,
            status: Status::Active,
            activity: Activity::Queued,
            cause,
            input: Input::Many(Box::new(events)),
            more,
        });
    }

    fn fill_slot(&mut self, step: StepIx, slot: u32, serial: u64, event: Payload, from: &Lineage) {
        let crate::definition::InputShape::Join { slots } = self.def.steps[step as usize].shape else { return };
        let joins = self.state.joins.get_or_insert_default();
        let waiting = joins.0.entry((step, from.scope)).or_insert_with(|| vec![Default::default(); slots as usize]);
        waiting[slot as usize].push_back(Waiting { serial, event, recovery: from.recovery.clone() });
        if waiting.iter().any(|slot| slot.is_empty()) {
            return;
        }
        let mut recovery = None;
        let mut serials = Vec::with_capacity(slots as usize);
        let mut events = Vec::with_capacity(slots as usize);
        for slot in waiting.iter_mut() {
            if let Some(first) = slot.pop_front() {
                merge_recovery(&mut recovery, &first.recovery);
                serials.push(first.serial);
                events.push(first.event);
            }
        }
        if waiting.iter().all(|slot| slot.is_empty()) {
            joins.0.remove(&(step, from.scope));
        }
        self.run_many(step, serials, events, from.scope, recovery);
    }

    fn ask(&mut self, event: Payload, cause: u64, from: &Lineage) {
        self.hold(from.scope);
        self.state.next_id += 1;
        let id = self.state.next_id;
        let asked = Asked::Event { event, scope: from.scope, recovery: from.recovery.clone(), cause };
        let input = PendingInput { asked, step: from.step.unwrap_or_default(), created: self.now };
        self.state.inputs.get_or_insert_default().0.insert(id, input);
        self.input_changed(id, InputChange::Opened);
    }
}
