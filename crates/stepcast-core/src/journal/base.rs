//! A run at one row of its journal: rows up to it can go, later ones are folded onto it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::JournalError;
use super::{ExecLog, Shape, VERSION, describe};
use crate::definition::WorkflowDef;
use crate::engine::{Difference, RestoreError, RunState, StateSnapshot};
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
    /// The same as data. Without it, a changed definition reads no rows after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shape: Option<Box<Shape>>,
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
        let shape = Some(Box::new(Shape::of(def)));
        let state = StateSnapshot::of(def, state);
        Checkpoint { version: VERSION, row, def: fingerprint(def), shape, state, armed, kept }
    }

    /// Reads a checkpoint's bytes, which are said to hold the rows up to this one.
    ///
    /// # Errors
    /// When they are not a checkpoint, or one of another row.
    pub fn decode(bytes: &[u8], row: u64) -> Result<Self, JournalError> {
        let checkpoint: Checkpoint =
            serde_json::from_slice(bytes).map_err(|source| JournalError::Undecodable { after: row, source })?;
        match checkpoint.row == row {
            true => Ok(checkpoint),
            false => Err(JournalError::Inconsistent { row, what: "the checkpoint is of another row" }),
        }
    }

    /// What it holds under a definition, with every event in its type.
    /// `beside` are differences that were found already.
    pub(super) fn resolve(
        self,
        def: &WorkflowDef,
        mut beside: Vec<Difference>,
    ) -> Result<(RunState, Kept), RestoreError> {
        let Checkpoint { state, armed, mut kept, .. } = self;
        let clock = state.last_tick();
        let recorded = kept.logs.0.values_mut().flat_map(|log| log.payloads_mut());
        beside.extend(recorded.filter_map(|payload| def.resolve_stored(payload).err()));
        let mut state = state.restore_with(def, beside)?;
        state.set_last_tick(clock);
        state.set_armed(&armed, true);
        Ok((state, kept))
    }

    /// The last row that is in it.
    pub fn row(&self) -> u64 {
        self.row
    }
}

/// A number for everything in a definition that decides where a tick leads. Policies that a tick brings the verdict of
/// (retries, timeouts), and those that only schedule (workers), are not in it.
pub fn fingerprint(def: &WorkflowDef) -> u64 {
    *def.fingerprint.get_or_init(|| hash::fnv1a(&describe(def)))
}
