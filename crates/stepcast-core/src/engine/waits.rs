use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::index::Index;
use super::small_map::SmallMap;
use super::{ExecKey, Filter, OpId, Time};
use crate::Payload;
use crate::definition::EventIx;

/// Executions that wait for events, and events that came before anybody waited.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Waits {
    pub(crate) waiters: SmallMap<u64, Waiter>,
    pub(crate) kept: SmallMap<EventIx, VecDeque<Kept>>,
    #[serde(skip)]
    pub(crate) index: Index,
}

impl Waits {
    /// Adds a waiter.
    pub(crate) fn add(&mut self, id: u64, waiter: Waiter) {
        self.index.insert(id, &waiter);
        self.waiters.insert(id, waiter);
    }

    /// Takes a waiter away.
    pub(crate) fn remove(&mut self, id: u64) -> Option<Waiter> {
        let waiter = self.waiters.remove(&id)?;
        self.index.remove(id, &waiter);
        Some(waiter)
    }

    /// Says whether a waiter's predicate exists. Gives what was the case before.
    pub(crate) fn set_armed(&mut self, id: u64, armed: bool) -> Option<bool> {
        let waiter = self.waiters.get_mut(&id)?;
        let was = waiter.armed;
        if was != armed {
            self.index.remove(id, waiter);
            waiter.armed = armed;
            self.index.insert(id, waiter);
        }
        Some(was)
    }

    /// Whether an event of this type is kept.
    pub(crate) fn keeps(&self, event: EventIx) -> bool {
        self.kept.contains_key(&event)
    }

    /// The kept event of this number.
    pub(crate) fn find_kept(&self, event: EventIx, serial: u64) -> Option<(usize, &Kept)> {
        let kept = self.kept.get(&event)?;
        let at = kept.binary_search_by_key(&serial, |kept| kept.serial).ok()?;
        Some((at, kept.get(at)?))
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
    /// Its step takes events of the type too.
    #[serde(skip)]
    pub(crate) own: bool,
}

/// An event that nobody waited for yet, or that an unarmed waiter must see first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) serial: u64,
    pub(crate) event: Payload,
    /// It came while a waiter was unarmed: waiters up to this one may have it although it has also run their step.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) held: u64,
    /// A step has had it, so that nothing is lost if it goes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) taken: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
