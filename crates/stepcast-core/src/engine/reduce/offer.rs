//! Offers events to the waiters, and keeps what may be awaited later.

use std::collections::BTreeSet;

use super::Engine;
use crate::definition::{EventIx, StepIx, Taker};
use crate::engine::choose::{Choice, Offer};
use crate::engine::state::Phase;
use crate::engine::waits::Kept;
use crate::engine::{Command, Matches, OpResult};
use crate::{Payload, Role};

/// Nobody is gone before the reducer looks.
static NOBODY: BTreeSet<u64> = BTreeSet::new();

/// What became of an event that was offered to the waiters.
pub(crate) enum Offered {
    /// Executions of these steps have it.
    Taken(Vec<StepIx>),
    /// It goes to the mailbox, if only for a wait that is unarmed.
    Keep {
        /// Waiters up to this one may have it although it runs their step.
        held: u64,
    },
    /// No wait can ever have it.
    Unwanted,
}

impl Engine<'_> {
    /// Offers a new event to the waiters of its type.
    pub(crate) fn offer(&mut self, ix: EventIx, serial: u64, event: &Payload, at: u32, matches: &Matches) -> Offered {
        match self.choose_new(ix, serial, at, matches) {
            Choice::Waiters(chosen) => {
                let got = chosen.into_iter().filter_map(|waiter| self.satisfy(waiter, OpResult::Event(event.clone())));
                Offered::Taken(got.collect())
            }
            Choice::Hold => Offered::Keep { held: self.state.next_id },
            Choice::Keep if self.may_be_awaited(ix) => Offered::Keep { held: 0 },
            Choice::Keep => Offered::Unwanted,
        }
    }

    /// Whether an event that comes now, alone in its tick, would satisfy no wait.
    pub(crate) fn no_wait_wants(&self, ix: EventIx, matches: &Matches) -> bool {
        self.choose_new(ix, self.state.next_event + 1, 0, matches) == Choice::Keep
    }

    fn choose_new(&self, event: EventIx, serial: u64, at: u32, matches: &Matches) -> Choice {
        let verdict = matches.get(at.into());
        let offer = Offer { event, serial, own_up_to: u64::MAX, verdict, gone: &NOBODY };
        self.state.choose(&offer, |id, _| verdict.is_some_and(|verdict| verdict.accepts(id)))
    }

    /// Whether an event of this type that no wait took may satisfy a later one.
    fn may_be_awaited(&self, ix: EventIx) -> bool {
        let mut steps = (0..).zip(&self.def.steps);
        steps.any(|(step, def)| def.waits.contains(&ix) && !self.def.runs(step, ix))
    }

    /// Keeps an event that no wait took. `taken` tells that a step has it.
    pub(crate) fn keep(&mut self, ix: EventIx, kept: Kept) {
        // It may have filled the run's queue.
        if self.state.phase == Phase::Ended {
            return;
        }
        let bound = self.def.policy.max_mailbox;
        let mailbox = self.state.waits.get_or_insert_default().kept.or_default(ix);
        mailbox.push_back(kept);
        if mailbox.len() > bound
            && let Some(oldest) = mailbox.pop_front()
            && !oldest.taken
            && self.def.event(ix).role != Role::InputRequired
        {
            self.unhandled(ix, None);
        }
    }

    /// A wait has begun, or its predicate exists again: it may have what is kept.
    pub(crate) fn offer_kept_to(&mut self, ix: EventIx, waiter: u64, was_unarmed: bool) {
        let Some(waits) = self.state.waits.as_deref().filter(|waits| waits.keeps(ix)) else { return };
        let Some(found) = waits.waiters.get(&waiter) else { return };
        if was_unarmed {
            // What was held for it may be for others now.
            return self.out.push(Command::OfferKept { event: ix, waiter: None });
        }
        if found.filter != crate::engine::Filter::Any {
            return self.out.push(Command::OfferKept { event: ix, waiter: Some(waiter) });
        }
        let kept = waits.kept.get(&ix).into_iter().flatten();
        let mut fitting = kept.filter(|kept| found.may_have(waiter, kept.serial, kept.held)).map(|kept| kept.serial);
        let none = Matches::default();
        let first = fitting.find(|serial| matches!(self.choose_kept(ix, *serial, &none), Some(Choice::Waiters(_))));
        if let Some(serial) = first {
            self.hand_out(ix, serial, &none);
        }
    }

    /// An unarmed wait is gone: what was held for it may be for others.
    pub(crate) fn unarmed_gone(&mut self, ix: EventIx) {
        if self.state.waits.as_deref().is_some_and(|waits| waits.keeps(ix)) {
            self.out.push(Command::OfferKept { event: ix, waiter: None });
        }
    }

    /// The host has found out what the filters say to kept events: they are offered, oldest first.
    pub(crate) fn offer_kept(&mut self, ix: EventIx, matches: &Matches) {
        for serial in matches.places() {
            self.hand_out(ix, serial, matches);
        }
    }

    fn choose_kept(&self, event: EventIx, serial: u64, matches: &Matches) -> Option<Choice> {
        let (_, kept) = self.state.waits.as_deref()?.find_kept(event, serial)?;
        let verdict = matches.get(serial);
        let offer = Offer { event, serial, own_up_to: kept.held, verdict, gone: &NOBODY };
        Some(self.state.choose(&offer, |id, _| verdict.is_some_and(|verdict| verdict.accepts(id))))
    }

    fn hand_out(&mut self, ix: EventIx, serial: u64, matches: &Matches) {
        let Some(Choice::Waiters(chosen)) = self.choose_kept(ix, serial, matches) else { return };
        let Some(waits) = self.state.waits.as_deref_mut() else { return };
        let Some((at, _)) = waits.find_kept(ix, serial) else { return };
        let Some(mailbox) = waits.kept.get_mut(&ix) else { return };
        let Some(kept) = mailbox.remove(at) else { return };
        if mailbox.is_empty() {
            waits.kept.remove(&ix);
        }
        for waiter in chosen {
            self.satisfy(waiter, OpResult::Event(kept.event.clone()));
        }
    }
}

impl crate::WorkflowDef {
    /// Whether every event of this type that no wait took runs the step, or fills a slot of it.
    pub(crate) fn runs(&self, step: StepIx, event: EventIx) -> bool {
        let mut takers = self.events[event as usize].takers.iter();
        takers.any(|taker| matches!(taker, Taker::Single(taker) | Taker::Join(taker, _) if *taker == step))
    }
}
