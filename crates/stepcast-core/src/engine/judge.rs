//! What a host finds out before it makes a tick: filters of waits are user code, or read users' events.

use std::collections::BTreeSet;

use serde_json::Value;

use super::choose::{Choice, Offer};
use super::index::{Lane, canonical};
use super::tick::{Matches, Verdict};
use super::waits::{Kept, Waiter};
use super::{ExecKey, Filter, OpId, RunState};
use crate::Payload;
use crate::definition::EventIx;
use crate::store::StorePath;

/// A wait whose filter the host has to ask.
#[derive(Clone, Debug)]
pub struct FilterQuery<'a> {
    /// The waiter's id.
    pub waiter: u64,
    /// Its execution.
    pub exec: ExecKey,
    /// The wait, by which the runner finds the predicate.
    pub op: &'a OpId,
    /// The filter.
    pub filter: &'a Filter,
}

/// Asks the filters about the events of one tick. Each field is read once per event, however many waits look at it;
/// predicates are asked in order of registration until it is decided who gets the event.
#[derive(Debug)]
pub struct Judge<V, P> {
    value: V,
    predicate: P,
    matches: Matches,
    /// Waiters that have got an earlier event of the tick.
    gone: BTreeSet<u64>,
}

impl<V: FnMut(&Payload) -> Option<Value>, P: FnMut(FilterQuery<'_>, &Payload) -> bool> Judge<V, P> {
    /// `value` serializes an event, `predicate` asks a wait's.
    pub fn new(value: V, predicate: P) -> Self {
        Judge { value, predicate, matches: Matches::default(), gone: BTreeSet::new() }
    }

    /// The execution is over before the events are delivered, and so are its waits.
    pub fn leaving(&mut self, state: &RunState, exec: ExecKey) {
        let more = state.exec_ref(exec).and_then(|exec| exec.more.as_deref());
        self.gone.extend(more.iter().flat_map(|more| &more.open_waits));
    }

    /// Judges a new event at a position of the tick. Positions come in order.
    pub fn new_event(&mut self, state: &RunState, event: EventIx, position: u64, payload: &Payload) {
        let Some(waits) = state.waits.as_deref() else { return };
        let verdict = self.fields(state, event, payload);
        if waits.index.ids(&Lane::predicates(event)).next().is_some() {
            self.ask(state, event, (u64::MAX, u64::MAX), verdict, position, payload);
        } else if let Some(verdict) = verdict {
            self.matches.set(position, verdict);
        }
    }

    /// Judges the kept events of a type, for all waits or for one: what
    /// [`Command::OfferKept`](super::Command::OfferKept) asks for.
    pub fn kept(&mut self, state: &RunState, event: EventIx, waiter: Option<u64>) {
        let Some(waits) = state.waits.as_deref() else { return };
        for kept in waits.kept.get(&event).into_iter().flatten() {
            match waiter {
                None => {
                    let verdict = self.fields(state, event, &kept.event);
                    self.ask(state, event, (kept.serial, kept.held), verdict, kept.serial, &kept.event);
                }
                Some(id) => {
                    let Some(waiter) = waits.waiters.get(&id) else { return };
                    if self.may_get(state, id, waiter, kept) {
                        return;
                    }
                }
            }
        }
    }

    /// What was found.
    pub fn into_matches(self) -> Matches {
        self.matches
    }

    /// Whether the event satisfies one wait's filter.
    pub fn passes(&mut self, query: FilterQuery<'_>, payload: &Payload) -> bool {
        match query.filter {
            Filter::Any => true,
            Filter::Code => (self.predicate)(query, payload),
            Filter::Field { path, value } => {
                let found = (self.value)(payload);
                found.as_ref().and_then(|found| StorePath::new(path.as_str()).ok()?.get(found)) == Some(value)
            }
        }
    }

    fn fields(&mut self, state: &RunState, event: EventIx, payload: &Payload) -> Option<Verdict> {
        let paths = state.waits.as_deref()?.index.paths(event);
        if paths.is_empty() {
            return None;
        }
        let value = (self.value)(payload)?;
        let found = paths.into_iter().filter_map(|path| Some((path, StorePath::new(path).ok()?.get(&value)?)));
        Some(Verdict::of(found.map(|(path, value)| (path.into(), canonical(value))).collect()))
    }

    fn ask(
        &mut self,
        state: &RunState,
        event: EventIx,
        (serial, own_up_to): (u64, u64),
        verdict: Option<Verdict>,
        place: u64,
        payload: &Payload,
    ) {
        let mut accepted = Vec::new();
        let offer = Offer { event, serial, own_up_to, verdict: verdict.as_ref(), gone: &self.gone };
        let choice = state.choose(&offer, |id, waiter| {
            let accepts = (self.predicate)(FilterQuery::of(id, waiter), payload);
            if accepts {
                accepted.push(id);
            }
            accepts
        });
        // A new event is offered whatever it comes to; of the kept ones only those that somebody gets.
        if let Choice::Waiters(chosen) = &choice {
            self.gone.extend(chosen);
        } else if serial != u64::MAX {
            return;
        }
        let mut verdict = verdict.unwrap_or_default();
        verdict.accept_all(accepted);
        self.matches.set(place, verdict);
    }

    /// Whether this wait gets the kept event; what its filter says is noted then.
    fn may_get(&mut self, state: &RunState, id: u64, waiter: &Waiter, kept: &Kept) -> bool {
        if !waiter.may_have(id, kept.serial, kept.held) || !self.passes(FilterQuery::of(id, waiter), &kept.event) {
            return false;
        }
        let mut verdict = Verdict::default();
        match &waiter.filter {
            Filter::Field { path, value } => verdict = Verdict::of(vec![(path.as_str().into(), canonical(value))]),
            _ => verdict.accept_all([id]),
        }
        let (event, serial, own_up_to) = (waiter.event, kept.serial, kept.held);
        let offer = Offer { event, serial, own_up_to, verdict: Some(&verdict), gone: &self.gone };
        let gets = state.choose(&offer, |other, _| verdict.accepts(other)) != Choice::Hold;
        if gets {
            self.matches.set(kept.serial, verdict);
        }
        gets
    }
}

impl<'a> FilterQuery<'a> {
    fn of(id: u64, waiter: &'a Waiter) -> Self {
        FilterQuery { waiter: id, exec: waiter.exec, op: &waiter.op, filter: &waiter.filter }
    }
}

impl RunState {
    /// A wait's filter.
    pub fn filter_of(&self, waiter: u64) -> Option<FilterQuery<'_>> {
        let found = self.waits.as_deref()?.waiters.get(&waiter)?;
        Some(FilterQuery::of(waiter, found))
    }

    /// The events of a type that are kept for later waits, oldest first.
    pub fn kept_events(&self, event: EventIx) -> impl Iterator<Item = &Payload> {
        let kept = self.waits.as_deref().and_then(|waits| waits.kept.get(&event));
        kept.into_iter().flatten().map(|kept| &kept.event)
    }
}
