//! A run at one row of its journal: rows up to it can go, later ones are folded onto it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ExecLog, VERSION};
use crate::definition::WorkflowDef;
use crate::engine::{RunState, StateSnapshot};
use crate::hash;

/// A run at one row of its journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    #[serde(rename = "v")]
    pub(super) version: u64,
    /// The last row that is in it.
    pub(super) row: u64,
    /// The definition that its rows were written under.
    pub(super) def: u64,
    pub(super) state: StateSnapshot,
    /// Waiters whose predicates existed in the process that wrote this, and exist for the rows it wrote afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) armed: Vec<u64>,
    pub(super) kept: Kept,
}

/// What a journal keeps of a run beside its state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// What live executions have done through their contexts, by serial number.
    #[serde(default, skip_serializing_if = "Logs::is_empty")]
    pub logs: Logs,
    /// The cells of the run's store, by top-level key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub store: BTreeMap<String, Value>,
    /// The run's typed state, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub states: BTreeMap<String, Value>,
    /// The last sequence number of the run's stream.
    #[serde(default)]
    pub seq: u64,
}

/// The records of executions, by serial number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Logs(pub BTreeMap<u64, ExecLog>);

impl Logs {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Logs {
    /// Events have no equality, so their text decides.
    fn eq(&self, other: &Self) -> bool {
        let text = |logs: &Logs| serde_json::to_value(logs).ok();
        text(self) == text(other)
    }
}

impl Checkpoint {
    /// A run after this row of its journal, in the process that applied the row.
    pub fn of(def: &WorkflowDef, row: u64, state: &RunState, kept: Kept) -> Self {
        let armed = state.armed();
        Checkpoint { version: VERSION, row, def: fingerprint(def), state: StateSnapshot::of(def, state), armed, kept }
    }

    /// The last row that is in it.
    pub fn row(&self) -> u64 {
        self.row
    }
}

/// A number for everything in a definition that decides where a tick leads. Policies that a tick brings the verdict of
/// (retries, timeouts), and those that only schedule (workers), are not in it.
pub fn fingerprint(def: &WorkflowDef) -> u64 {
    *def.fingerprint.get_or_init(|| fingerprint_of(def))
}

fn fingerprint_of(def: &WorkflowDef) -> u64 {
    let mut sum = hash::fnv1a(&def.name);
    let mut add = |text: &str| {
        sum = hash::extend(sum, text.as_bytes());
        sum = hash::extend(sum, b"\n");
    };
    let tag = |ix: &u32| def.event(*ix).tag;
    for step in &def.steps {
        add(&format!("step {} {:?} {:?}", step.name, step.shape, step.on_failure));
        add(&format!("takes {:?}", step.inputs.iter().map(tag).collect::<Vec<_>>()));
        add(&format!("waits {:?}", step.waits.iter().map(tag).collect::<Vec<_>>()));
        for opener in &step.openers {
            let collectors = opener.collectors.iter().map(|step| &def.steps[*step as usize].name);
            add(&format!("opens {} {:?}", opener.kind, collectors.collect::<Vec<_>>()));
        }
        let budget = step.catch.as_ref().map(|catch| catch.max_recoveries);
        let caught_by = step.caught_by.map(|step| &def.steps[step as usize].name);
        add(&format!("catches {budget:?}, caught by {caught_by:?}"));
    }
    for event in &def.events {
        add(&format!("event {} {:?} {}", event.meta.tag, event.meta.role, event.waited));
    }
    let policy = &def.policy;
    add(&format!(
        "start {} stop {} keeps {} {}",
        tag(&def.start),
        tag(&def.stop),
        policy.max_mailbox,
        policy.max_collect
    ));
    sum
}
