use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::exec::{Recovery, ScopeIx};
use crate::Payload;
use crate::definition::StepIx;

/// Events that wait in the slots of joins, by step and batch member.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Joins(#[serde(with = "super::pairs")] pub(crate) BTreeMap<(StepIx, ScopeIx), Vec<Slot>>);

/// One slot's events, first in, first out.
pub(crate) type Slot = VecDeque<Waiting>;

/// An event in a slot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) serial: u64,
    pub(crate) event: Payload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recovery: Recovery,
}
