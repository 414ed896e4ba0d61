use serde::{Deserialize, Serialize};

use super::exec::{Recovery, ScopeIx};
use super::slab::Slab;
use crate::Payload;
use crate::definition::StepIx;

/// The open batches of a run and their members.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Scopes {
    pub(crate) batches: Slab<Batch>,
    /// A member's scope number is its place here plus one; 0 is the root.
    pub(crate) members: Slab<Member>,
}

/// One member of a batch: it stays open while anything of it is queued, running, waiting or delayed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) batch: u32,
    /// Position in the producer's list.
    pub(crate) index: u32,
    /// Work items and inner batches that keep it open.
    pub(crate) open: u32,
}

/// A batch: opened by a `Vec` that a step returned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// The member that it was opened in.
    pub(crate) parent: ScopeIx,
    pub(crate) next_index: u32,
    /// Open members, and one more until the producer's list is complete.
    pub(crate) open: u32,
    pub(crate) collectors: Vec<Collector>,
    /// The step that returned the `Vec`.
    pub(crate) opener: StepIx,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recovery: Recovery,
}

/// What one collecting step has of a batch so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Collector {
    pub(crate) step: StepIx,
    pub(crate) items: Vec<Collected>,
    /// A `Take` that has run: late events go nowhere.
    pub(crate) fired: bool,
    /// The recoveries of the lineages of its events, merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recovery: Recovery,
}

/// An event in a collector: the position of the member that led to it, its serial, and itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Collected {
    pub(crate) member: u32,
    pub(crate) serial: u64,
    pub(crate) event: Payload,
}

impl Scopes {
    pub(crate) fn member(&self, scope: ScopeIx) -> Option<&Member> {
        self.members.get(scope.checked_sub(1)?)
    }

    pub(crate) fn member_mut(&mut self, scope: ScopeIx) -> Option<&mut Member> {
        self.members.get_mut(scope.checked_sub(1)?)
    }
}
