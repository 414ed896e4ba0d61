//! Which waiters get an event. The reducer decides by it, and hosts find out by it what they have to ask before a tick.

use std::collections::BTreeSet;

use super::RunState;
use super::index::Lane;
use super::tick::Verdict;
use super::waits::{Waiter, Waits};
use crate::definition::EventIx;

/// Who gets an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Nobody wants it now.
    Keep,
    /// Whether one that would have a part in it wants it is not known yet.
    Hold,
    /// These get it, in order of registration.
    Waiters(Vec<u64>),
}

/// An event that is offered to the waiters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer<'a> {
    pub(crate) event: EventIx,
    pub(crate) serial: u64,
    /// It has run the steps that take it, so that of their own waits only those up to this one may have it.
    pub(crate) own_up_to: u64,
    pub(crate) verdict: Option<&'a Verdict>,
    /// Waiters that are gone when it is offered.
    pub(crate) gone: &'a BTreeSet<u64>,
}

impl RunState {
    /// The first matching waiter decides: exclusive, it alone; shared, every shared matching one. An unarmed waiter that
    /// this may include holds the event.
    ///
    /// Predicates are asked one by one, in order of registration, and no more than it takes.
    pub(crate) fn choose(&self, offer: &Offer<'_>, mut accepts: impl FnMut(u64, &Waiter) -> bool) -> Choice {
        let Some(waits) = self.waits.as_deref() else { return Choice::Keep };
        let lanes = waits.index.lanes(offer.event, |path| offer.verdict.and_then(|verdict| verdict.field(path)));
        let first = |lane: &Lane| waits.eligible(lane, offer).next();
        let (unarmed, armed): (Vec<Lane>, Vec<Lane>) = lanes.into_iter().partition(Lane::is_unarmed);
        let (code, sure): (Vec<Lane>, Vec<Lane>) = armed.into_iter().partition(Lane::is_code);
        let first_unarmed = unarmed.iter().filter_map(first).min().unwrap_or(u64::MAX);
        let first_sure = sure.iter().filter_map(first).min().unwrap_or(u64::MAX);
        let mut asked = |id: u64| waits.waiters.get(&id).is_some_and(|waiter| accepts(id, waiter));
        let mut predicates = code.iter().flat_map(|lane| waits.eligible(lane, offer)).peekable();
        let mut decides = first_sure;
        while let Some(id) = predicates.next_if(|id| *id < first_unarmed.min(first_sure)) {
            if asked(id) {
                decides = id;
                break;
            }
        }
        if first_unarmed < decides {
            return Choice::Hold;
        }
        let Some(decider) = waits.waiters.get(&decides) else { return Choice::Keep };
        if !decider.shared {
            return Choice::Waiters(vec![decides]);
        }
        if unarmed.iter().any(|lane| lane.is_shared() && first(lane).is_some()) {
            return Choice::Hold;
        }
        let mut chosen: BTreeSet<u64> = [decides].into();
        chosen.extend(sure.iter().filter(|lane| lane.is_shared()).flat_map(|lane| waits.eligible(lane, offer)));
        for id in predicates {
            if waits.waiters.get(&id).is_some_and(|waiter| waiter.shared) && asked(id) {
                chosen.insert(id);
            }
        }
        Choice::Waiters(chosen.into_iter().collect())
    }
}

impl Waits {
    /// The waiters of a lane that may have the event as far as its number tells.
    fn eligible<'a>(&'a self, lane: &Lane, offer: &Offer<'a>) -> impl Iterator<Item = u64> + use<'a> {
        let mixed = lane.is_code();
        let Offer { serial, own_up_to, gone, .. } = *offer;
        let fits = move |id: &u64| {
            let waiter = self.waiters.get(id);
            waiter.is_some_and(|waiter| waiter.may_have(*id, serial, own_up_to))
        };
        let ids = self.index.ids(lane).filter(move |id| !gone.contains(id));
        // Those of one lane are of one kind: the first that is too late, or too new, is not the last.
        ids.take_while(move |id| mixed || fits(id)).filter(move |id| !mixed || fits(id))
    }
}

impl Waiter {
    /// Whether the wait may have an event of this number that has run the steps that take it, if its filter accepts it.
    pub(crate) fn may_have(&self, id: u64, serial: u64, own_up_to: u64) -> bool {
        serial >= self.after && (!self.own || id <= own_up_to)
    }
}
