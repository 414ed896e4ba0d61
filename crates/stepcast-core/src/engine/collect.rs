use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{ExecKey, OpId};
use crate::Payload;
use crate::definition::{EventIx, StepIx};

/// The buffers of `ctx.collect_events`, by step and buffer id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Buffers(#[serde(with = "super::pairs")] pub(crate) BTreeMap<(StepIx, String), Buffer>);

/// One buffer: a queue per event type, so that a surplus stays for the next round.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Buffer {
    #[serde(with = "super::pairs")]
    pub(crate) queues: BTreeMap<EventIx, VecDeque<Entry>>,
    pub(crate) len: usize,
}

/// An event and the operation that added it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) exec: ExecKey,
    pub(crate) op: OpId,
    pub(crate) event: Payload,
}
