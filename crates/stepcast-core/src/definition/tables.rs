use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CatchDecl, RunPolicy, StepBody};
use crate::hash::ByHash;
use crate::{EventMeta, Need, OnFailure, RetryPolicy, WorkflowSpec};

/// Dense number of a step within its definition. Never leaves the process.
pub type StepIx = u32;
/// Dense number of an event type within its definition. Never leaves the process.
pub type EventIx = u32;

/// A checked workflow with its routes resolved to dense tables. Built once per workflow type, shared by all its runs.
#[derive(Debug)]
pub struct WorkflowDef {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) start: EventIx,
    pub(crate) stop: EventIx,
    pub(crate) steps: Vec<StepDef>,
    pub(crate) events: Vec<EventDef>,
    pub(crate) by_hash: ByHash<EventIx>,
    pub(crate) takes_from_outside: bool,
    pub(crate) has_joins: bool,
    pub(crate) needs: Vec<(StepIx, Need)>,
    pub(crate) policy: RunPolicy,
    /// The journal's number for its routes, once a journal has asked.
    pub(crate) fingerprint: std::sync::OnceLock<u64>,
    /// Its description, once a store has asked.
    pub(crate) description: std::sync::OnceLock<String>,
    /// The document that it was made of, if it is one of data.
    pub(crate) document: Option<Arc<str>>,
    /// What a workflow type was written as.
    pub(crate) spec: Option<&'static WorkflowSpec>,
    /// It was made from a description: it routes, and its events are what was written.
    pub(crate) past: bool,
}

/// An event type of a definition and where it goes.
#[derive(Debug)]
pub struct EventDef {
    pub(crate) meta: &'static EventMeta,
    pub(crate) takers: Vec<Taker>,
    pub(crate) waited: bool,
}

/// One step's interest in an event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taker {
    /// The step runs once per event.
    Single(StepIx),
    /// The event fills a slot of a join.
    Join(StepIx, u32),
    /// The event is collected until its batch closes.
    Collect(StepIx),
}

/// What a step waits for before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputShape {
    /// One event.
    Single,
    /// One event per slot.
    Join {
        /// How many slots.
        slots: u32,
    },
    /// All events of a batch.
    Collect,
    /// The first so many events of a batch.
    Take {
        /// How many.
        count: u32,
    },
}

/// One `Vec` in a step's return type and the collectors its members reach.
#[derive(Clone, Debug, Default)]
pub struct OpenerDef {
    /// [`OutSpec::kind`] of what a member gives.
    pub(crate) kind: u64,
    pub(crate) collectors: Vec<StepIx>,
}

/// A step of a definition.
#[derive(Debug)]
pub struct StepDef {
    pub(crate) name: String,
    pub(crate) shape: InputShape,
    pub(crate) inputs: Vec<EventIx>,
    pub(crate) outs: Vec<(u64, EventIx)>,
    pub(crate) sends: Vec<EventIx>,
    pub(crate) waits: Vec<EventIx>,
    pub(crate) openers: Vec<OpenerDef>,
    pub(crate) workers: Option<u32>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) on_failure: OnFailure,
    pub(crate) retry: Option<Arc<RetryPolicy>>,
    pub(crate) catch: Option<CatchDecl>,
    pub(crate) catch_last: bool,
    pub(crate) caught_by: Option<StepIx>,
    pub(crate) body: StepBody,
}
