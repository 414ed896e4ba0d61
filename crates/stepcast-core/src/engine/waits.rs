use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{ExecKey, Filter, OpId, Time};
use crate::Payload;
use crate::definition::EventIx;

/// Executions that wait for events, and events that came before anybody waited.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Waits {
    #[serde(with = "super::pairs")]
    pub(crate) waiters: BTreeMap<u64, Waiter>,
    /// Waiter ids by event type, in order of registration.
    #[serde(with = "super::pairs")]
    pub(crate) by_event: BTreeMap<EventIx, VecDeque<u64>>,
    #[serde(with = "super::pairs")]
    pub(crate) kept: BTreeMap<EventIx, VecDeque<Kept>>,
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
}
