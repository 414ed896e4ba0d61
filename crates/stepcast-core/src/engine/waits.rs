use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::small_map::SmallMap;
use super::{ExecKey, Filter, OpId, Time};
use crate::Payload;
use crate::definition::EventIx;

/// Executions that wait for events, and events that came before anybody waited.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Waits {
    pub(crate) waiters: SmallMap<u64, Waiter>,
    /// Event types and waiter ids: those of one type lie together, in order of registration.
    pub(crate) by_event: SmallMap<(EventIx, u64), ()>,
    pub(crate) kept: SmallMap<EventIx, VecDeque<Kept>>,
}

impl Waits {
    /// Adds a waiter.
    pub(crate) fn add(&mut self, id: u64, waiter: Waiter) {
        self.by_event.insert((waiter.event, id), ());
        self.waiters.insert(id, waiter);
    }

    /// The ids of the waiters for an event type, in order of registration.
    pub(crate) fn of(&self, event: EventIx) -> impl Iterator<Item = u64> + '_ {
        self.by_event.range((event, 0), (event, u64::MAX)).map(|((_, id), ())| *id)
    }
}

/// One execution's wait.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Waiter {
    pub(crate) exec: ExecKey,
    pub(crate) op: OpId,
    pub(crate) event: EventIx,
    pub(crate) filter: Filter,
    pub(crate) shared: bool,
    pub(crate) deadline: Option<Time>,
    /// Only events numbered from here on satisfy it: what came before its announcement does not answer it.
    pub(crate) after: u64,
    /// The pending input that its announcement made.
    pub(crate) input: Option<u64>,
    /// A wait with a predicate is unarmed until the execution has come to it again in this process.
    #[serde(skip)]
    pub(crate) armed: bool,
}

/// An event that nobody waited for yet, or that an unarmed waiter must see first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) serial: u64,
    pub(crate) event: Payload,
    /// It came while a waiter was unarmed, which may have it although the event has also run a step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) held: bool,
}
