use serde::{Deserialize, Serialize};

use super::{ExecKey, Time};
use crate::definition::StepIx;
use crate::{ErrorInfo, Payload};

/// Number of a batch member; executions outside every batch belong to `ROOT`.
pub(crate) type ScopeIx = u32;
/// The scope of everything outside any batch.
pub(crate) const ROOT: ScopeIx = 0;

/// One invocation of a step for one input, from its routing to its last attempt's end. A wide fan-out is bound by
/// memory, so it is kept within a cache line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Exec {
    pub(crate) serial: u64,
    pub(crate) step: StepIx,
    pub(crate) scope: ScopeIx,
    /// 1 for the first attempt.
    pub(crate) attempt: u32,
    pub(crate) commits: u32,
    pub(crate) status: Status,
    #[serde(skip)]
    pub(crate) activity: Activity,
    /// Serial of the event it runs for; the first one, for joins and collectors.
    pub(crate) cause: u64,
    pub(crate) input: Input,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) more: Option<Box<More>>,
}

/// What few executions need, kept out of the others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct More {
    /// Serials of the further events of a join or collector.
    pub(crate) causes: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<Box<Failed>>,
    /// The input that asks what becomes of its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asked: Option<u64>,
    /// Waits and children that are not resolved.
    pub(crate) open_waits: Vec<u64>,
    pub(crate) open_children: Vec<super::OpId>,
    /// The timer of a delayed retry.
    pub(crate) retry_timer: Option<(Time, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recovery: Recovery,
}

/// What is known of an execution's failed attempts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub(crate) first_started: Time,
    pub(crate) last_failed: Time,
    pub(crate) last_error: ErrorInfo,
}

/// What an execution waits for before its next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Nothing: it is queued or runs. After a restore it begins again.
    Active,
    /// Its retry is delayed.
    Delayed,
    /// A person decides what becomes of its failure.
    Asked,
}

/// Where an active execution is in this process; not serialized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Activity {
    /// In the run's queue; if its step limits workers, one is reserved for it.
    #[default]
    Queued,
    /// In its step's backlog, until a worker is free.
    Backlog,
    /// Handed to the step runner, holding a worker slot.
    Running,
    /// With the step runner, but holding no slot until something it waits for arrives.
    Parked,
    /// As `Parked`, and queued to take a slot again; as for `Queued`, a worker is reserved for it.
    Resuming,
    /// As `Resuming`, but until a worker is free.
    ResumingBacklog,
}

/// The events an execution runs for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Input {
    // Boxed: nearly every execution has one event, and many of them are queued at a time.
    #[allow(clippy::box_collection)]
    Many(Box<Vec<Payload>>),
    One(Payload),
}

impl Input {
    pub(crate) fn as_slice(&self) -> &[Payload] {
        match self {
            Input::One(payload) => std::slice::from_ref(payload),
            Input::Many(payloads) => payloads,
        }
    }

    /// The first event, without a copy: an event's `Clone` is user code, which the reducer does not run.
    pub(crate) fn into_first(self) -> Option<Payload> {
        match self {
            Input::One(payload) => Some(payload),
            Input::Many(payloads) => payloads.into_iter().next(),
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Payload] {
        match self {
            Input::One(payload) => std::slice::from_mut(payload),
            Input::Many(payloads) => payloads,
        }
    }
}

/// How often each `catch` step has recovered this lineage. Absent for almost every event.
pub(crate) type Recovery = Option<Box<Vec<(StepIx, u32)>>>;

/// The larger count per catch step, where two lineages meet.
pub(crate) fn merge_recovery(into: &mut Recovery, other: &Recovery) {
    let Some(other) = other else { return };
    let counts = into.get_or_insert_default();
    for (step, count) in other.iter() {
        match counts.iter_mut().find(|(known, _)| known == step) {
            Some((_, known)) => *known = (*known).max(*count),
            None => counts.push((*step, *count)),
        }
    }
}

impl More {
    /// The same without its open waits, if anything else is left.
    pub(crate) fn without_waits(mut self: Box<Self>) -> Option<Box<Self>> {
        self.open_waits = Vec::new();
        let More { causes, failed, asked, open_waits: _, open_children, retry_timer, recovery } = &*self;
        let some = !causes.is_empty()
            || failed.is_some()
            || asked.is_some()
            || !open_children.is_empty()
            || retry_timer.is_some()
            || recovery.is_some();
        some.then_some(self)
    }
}

impl Exec {
    pub(crate) fn key(&self, lane: u32) -> ExecKey {
        ExecKey { lane, serial: self.serial }
    }

    pub(crate) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// The recoveries of its lineage.
    pub(crate) fn recovery(&self) -> &Recovery {
        self.more.as_ref().map_or(&None, |more| &more.recovery)
    }

    /// The same, of an execution that is over.
    pub(crate) fn take_recovery(&mut self) -> Recovery {
        self.more.as_mut().and_then(|more| more.recovery.take())
    }

    pub(crate) fn causes(&self) -> Vec<u64> {
        let further = self.more.as_ref().map_or(&[][..], |more| &more.causes);
        std::iter::once(self.cause).chain(further.iter().copied()).collect()
    }
}

const _: () = assert!(size_of::<Option<Exec>>() <= 64);
