//! What became of a `ctx.call`, and why.

use serde::{Deserialize, Serialize};

use super::builtin::builtin_event;
use crate::Usage;

/// An internal frame: how a `ctx.call` came by its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEvent {
    /// The call's label.
    pub label: String,
    /// The step.
    pub step: String,
    /// Serial number of the execution.
    pub execution: u64,
    /// 1 for the first attempt.
    #[serde(default)]
    pub attempt: u32,
    /// Whether the closure ran, and what became of it.
    pub status: CallStatus,
    /// Why, in a sentence.
    pub reason: String,
    /// What the cross-run cache knows the call by, if it has a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What it used up, if it says so; asked for, of one that was refused. A hit uses up nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// How long it took, in microseconds.
    #[serde(default)]
    pub took: u64,
}

/// How a `ctx.call` came by its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallStatus {
    /// From the execution's record.
    Hit,
    /// From the cache that runs share.
    Cached,
    /// The closure ran, as no result was there, or a new one was asked for.
    Miss,
    /// The closure ran although a result was or could have been there.
    Bypass,
    /// The closure ran, and the cache was not to be used.
    Disabled,
    /// The closure did not run: the budget does not allow it.
    Refused,
    /// The closure ran and failed; nothing was recorded.
    Failed,
}

/// Why a `ctx.call` came by its result in the way it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallReason {
    /// The execution has its result on record.
    Recorded,
    /// The cache has its result.
    Cached,
    /// Nothing is recorded, and it has no key to be cached under.
    NotRecorded,
    /// Nothing is recorded or cached.
    NotCached,
    /// Nothing is recorded or cached, and nothing may be added to the cache.
    NotAdded,
    /// The policy asks for a new result.
    Refresh,
    /// What the cache has does not fit the type.
    Unfit,
    /// It asks to be repeated with its execution.
    Rerun,
    /// It changes something.
    Writes,
    /// The run has no cache.
    NoCache,
    /// The cache could not be asked.
    CacheFailed,
    /// The policy keeps it out of the cache.
    Disabled,
    /// The budget does not allow it.
    OverBudget,
    /// Its closure failed.
    Failed,
}

impl CallReason {
    /// What it comes to.
    pub fn status(self) -> CallStatus {
        match self {
            CallReason::Recorded => CallStatus::Hit,
            CallReason::Cached => CallStatus::Cached,
            CallReason::NotRecorded
            | CallReason::NotCached
            | CallReason::NotAdded
            | CallReason::Refresh
            | CallReason::Unfit => CallStatus::Miss,
            CallReason::Rerun | CallReason::Writes | CallReason::NoCache | CallReason::CacheFailed => {
                CallStatus::Bypass
            }
            CallReason::Disabled => CallStatus::Disabled,
            CallReason::OverBudget => CallStatus::Refused,
            CallReason::Failed => CallStatus::Failed,
        }
    }

    /// The same for people.
    pub fn sentence(self) -> &'static str {
        match self {
            CallReason::Recorded => "an earlier attempt of this execution recorded its result",
            CallReason::Cached => "the cache has its result",
            CallReason::NotRecorded => "no result was recorded yet, and without a key no cache is asked",
            CallReason::NotCached => "neither this execution nor the cache had a result",
            CallReason::NotAdded => "the cache had no result, and its policy `read_only` adds none",
            CallReason::Refresh => "its policy `refresh` asks for a new result, which replaces the cached one",
            CallReason::Unfit => "the cached result does not fit the type that it is asked for now",
            CallReason::Rerun => "the call asks to be repeated with its execution",
            CallReason::Writes => "it changes something, so its result serves no other run",
            CallReason::NoCache => "it has a key, but the run has no cache",
            CallReason::CacheFailed => "the cache could not be asked",
            CallReason::Disabled => "its policy `disabled` keeps it out of the cache",
            CallReason::OverBudget => "the budget does not allow it",
            CallReason::Failed => "the closure failed",
        }
    }
}

builtin_event!(
    CallEvent,
    Runtime,
    ["label", "step", "execution", "attempt", "status", "reason", "key", "usage", "took"]
);
