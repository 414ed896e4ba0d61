//! A whole run as data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stepcast_core::engine::{Commands, Difference, RestoreError, RunState, StateSnapshot, Tick, TickKind, reduce};
use stepcast_core::store::{CellMap, StoreError};
use stepcast_core::{DefinitionError, ErrorInfo, Payload, StepError, WorkflowDef};

use crate::dispatch::{Dispatch, RunCore, panicked};
use crate::exec::{ExecLog, OpLog};
use crate::program::Program;
use crate::run::{AnyCell, Message, RunData, RunEnd, RunError, RunId, RunShared, SharedError, StoredError, lock};

/// The version of the format that this crate writes and reads.
const FORMAT: u32 = 1;

/// A run as data, taken between two ticks: its state, the records of its running executions, its store and typed
/// state, its place in the stream, and its children. Serialize it, keep it, and go on from it with
/// [`RunWorkflow::restore`](crate::RunWorkflow::restore).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunSnapshot {
    format: u32,
    workflow: String,
    run_id: RunId,
    state: StateSnapshot,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    records: Vec<(u64, ExecLog)>,
    #[serde(flatten)]
    store: StoreSnapshot,
    seq: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    children: Vec<(String, RunSnapshot)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<Result<Value, ErrorInfo>>,
    /// Executions given up, of a run that has ended.
    #[serde(default, skip_serializing_if = "is_zero")]
    failures: u32,
}

/// A run's store and typed state, as data.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StoreSnapshot {
    #[serde(default)]
    store: Value,
    #[serde(default)]
    cells: Map<String, Value>,
}

/// A run could not be taken as data.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A state cell could not be serialized.
    #[error("The state `{name}` cannot be serialized: {source}.")]
    State {
        /// The state's name.
        name: String,
        /// What serde found.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// The stop event could not be serialized.
    #[error("The stop event cannot be serialized: {source}.")]
    Stop {
        /// What serde found.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// The code of an event or a state panicked while it was copied; the run goes on.
    #[error("The code of an event or a state panicked while it was copied: {message}.")]
    Panicked {
        /// The panic's message, where it has one.
        message: String,
    },
    /// The run's dispatcher is gone with its tokio runtime.
    #[error("The run was dropped with its tokio runtime; there is nothing left to take.")]
    Dropped,
}

/// A run cannot go on from a snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreRunError {
    /// The text is not a snapshot.
    #[error("This is not a run's snapshot: {source}. Give the text that `RunSnapshot` was serialized to, unedited.")]
    Malformed {
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
    /// The snapshot was written in another format.
    #[error(
        "The snapshot has the format {found}; this version reads format {FORMAT}. Restore it with the version that wrote it."
    )]
    Version {
        /// The format found.
        found: u64,
    },
    /// The snapshot is of another workflow.
    #[error("The snapshot is of a run of `{found}`, not of `{expected}`.")]
    Workflow {
        /// The snapshot's workflow.
        found: String,
        /// The workflow at hand.
        expected: String,
    },
    /// The workflow's definition does not check.
    #[error("{0}")]
    Definition(#[source] Arc<DefinitionError>),
    /// The state does not fit the workflow any more, or contradicts itself.
    #[error("{0}")]
    State(#[from] RestoreError),
    /// The store is not one: it was edited by hand.
    #[error("The stored run's store cannot be read: {0}")]
    Store(#[from] StoreError),
    /// A store of runs takes no snapshot with children inside: they are runs of their own there.
    #[error(
        "The snapshot holds {} of the run `{run}`, and a runtime with a backend takes up only runs without: {}. Restore it with a runtime in memory, or store it once they have ended.",
        if children.len() == 1 { "a child" } else { "children" },
        children.join(", ")
    )]
    Children {
        /// The run.
        run: RunId,
        /// Ids of its children.
        children: Vec<String>,
    },
    /// The stored end does not fit the workflow any more.
    #[error("The stored stop event does not fit the workflow any more: {source}.")]
    Stop {
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
}

/// A snapshot with its types resolved.
pub(crate) struct Restored {
    pub(crate) run_id: RunId,
    pub(crate) state: RunState,
    pub(crate) records: BTreeMap<u64, OpLog>,
    pub(crate) store: StoreSnapshot,
    pub(crate) seq: u64,
    pub(crate) children: Vec<(String, RunSnapshot)>,
    pub(crate) end: Option<RunEnd>,
}

impl RunSnapshot {
    /// Reads a snapshot from JSON text.
    ///
    /// # Errors
    /// When the text is not a snapshot, or one of an unknown format.
    pub fn from_json(text: &str) -> Result<Self, RestoreRunError> {
        Self::from_json_with(text, |_| {})
    }

    /// As [`from_json`](Self::from_json); `migrate` may rewrite the data first, where a workflow has changed in what
    /// the run depends on.
    ///
    /// # Errors
    /// As for [`from_json`](Self::from_json).
    pub fn from_json_with(text: &str, migrate: impl FnOnce(&mut Value)) -> Result<Self, RestoreRunError> {
        let malformed = |source| RestoreRunError::Malformed { source };
        let mut value: Value = serde_json::from_str(text).map_err(malformed)?;
        match value.get("format").and_then(Value::as_u64) {
            Some(found) if found != u64::from(FORMAT) => return Err(RestoreRunError::Version { found }),
            _ => migrate(&mut value),
        }
        serde_json::from_value(value).map_err(malformed)
    }

    /// The snapshot as JSON.
    ///
    /// # Errors
    /// When an event of the run cannot be serialized.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The id of the run.
    pub fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// The name of the run's workflow.
    pub fn workflow(&self) -> &str {
        &self.workflow
    }

    pub(crate) fn restore(self, program: &Program) -> Result<Restored, RestoreRunError> {
        let def = &program.def;
        if self.format != FORMAT {
            return Err(RestoreRunError::Version { found: u64::from(self.format) });
        }
        if self.workflow != def.name() {
            return Err(RestoreRunError::Workflow { found: self.workflow, expected: def.name().to_owned() });
        }
        if self.seq > u64::MAX / 2 {
            return Err(RestoreError::Inconsistent { what: "the place in the stream" }.into());
        }
        let store = self.store.checked()?;
        let mut differences = Vec::new();
        let mut records = BTreeMap::new();
        for (serial, mut log) in self.records {
            for payload in log.payloads_mut() {
                differences.extend(def.resolve_stored(payload).err());
            }
            let log = OpLog::restore(log).ok_or(RestoreError::Inconsistent { what: "the record of an execution" })?;
            records.insert(serial, log);
        }
        let end = match self.end {
            None => None,
            Some(Ok(stop)) => {
                let stop = def.event(def.stop()).decode(stop).map_err(|source| RestoreRunError::Stop { source })?;
                Some(RunEnd::completed(Payload::from_box(stop), self.failures, crate::clock::now()))
            }
            Some(Err(info)) => {
                let source = SharedError::new(Box::new(StoredError { info }));
                Some(RunEnd::refused(RunError::EndedBefore { source }, crate::clock::now()))
            }
        };
        let state = match end {
            Some(_) => RunState::default(),
            None => restore_state(self.state, def, differences)?,
        };
        Ok(Restored { run_id: self.run_id, state, records, store, seq: self.seq, children: self.children, end })
    }
}

/// The state, unless it or the records of its executions differ from the definition; then every difference.
fn restore_state(
    stored: StateSnapshot,
    def: &WorkflowDef,
    recorded: Vec<Difference>,
) -> Result<RunState, RestoreError> {
    let differences = match stored.restore(def) {
        Ok(state) if recorded.is_empty() => {
            let alive = state.has_begun() && !state.has_ended();
            return if alive {
                Ok(state)
            } else {
                Err(RestoreError::Inconsistent { what: "whether the run has ended" })
            };
        }
        Ok(_) => recorded,
        Err(RestoreError::Refused { mut differences, .. }) => {
            for difference in recorded {
                let text = difference.to_string();
                if !differences.iter().any(|known| known.to_string() == text) {
                    differences.push(difference);
                }
            }
            differences
        }
        Err(error) => return Err(error),
    };
    Err(RestoreError::Refused { workflow: def.name().to_owned(), differences })
}

impl StoreSnapshot {
    /// The same, if its store can be read.
    fn checked(self) -> Result<Self, RestoreRunError> {
        if !self.store.is_null() {
            CellMap::from_json(self.store.clone())?;
        }
        Ok(self)
    }

    /// Of the store by top-level key, and the typed state by name.
    pub(crate) fn of_parts(store: Map<String, Value>, cells: Map<String, Value>) -> Self {
        StoreSnapshot { store: Value::Object(store), cells }
    }

    /// The store by top-level key, and the typed state by name.
    pub(crate) fn cells(&self) -> (BTreeMap<String, Value>, BTreeMap<String, Value>) {
        let named = |map: &Map<String, Value>| map.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        (self.store.as_object().map(named).unwrap_or_default(), named(&self.cells))
    }

    /// The same without one of its states.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.cells.remove(name);
        self
    }

    pub(crate) fn of(run: &RunShared) -> Self {
        let data = run.data();
        let mut cells = Map::new();
        let all = data.cells();
        for cell in all {
            cell.while_locked(&mut |locked| {
                cells.insert(cell.name().to_owned(), locked.value().unwrap_or(Value::Null));
            });
        }
        cells.extend(data.stored_cells());
        StoreSnapshot { store: store_json(&data), cells }
    }

    pub(crate) fn fill(self, data: &mut RunData) {
        if let Ok(store) = CellMap::from_json(self.store) {
            data.store = (!store.is_empty()).then(|| Box::new(store));
        }
        data.set_stored_cells(self.cells.into_iter());
    }
}

/// The run's state. Of a run that waits for its turn: as it will be once its start event is in it.
fn begun<'a>(def: &WorkflowDef, core: &'a RunCore) -> Cow<'a, RunState> {
    let Some(start) = &core.start else { return Cow::Borrowed(&core.state) };
    let mut state = core.state.clone();
    let kind = TickKind::Start { event: start.clone() };
    reduce(def, &mut state, Tick { at: core.now, kind }, &mut Commands::new(false));
    Cow::Owned(state)
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn store_json(data: &RunData) -> Value {
    data.store.as_deref().map_or_else(|| Value::Object(Map::new()), CellMap::to_json)
}

impl Dispatch {
    /// As `snapshot`; a panic in users' code is its error.
    pub(crate) fn take_snapshot(&self, core: &RunCore) -> Result<RunSnapshot, SnapshotError> {
        let taken = catch_unwind(AssertUnwindSafe(|| self.snapshot(core)));
        taken.unwrap_or_else(|panic| Err(SnapshotError::Panicked { message: panicked(&*panic).to_string() }))
    }

    /// One moment of the run: store, cells and records are locked together while they are copied.
    pub(crate) fn snapshot(&self, core: &RunCore) -> Result<RunSnapshot, SnapshotError> {
        let run = self.shared();
        let data = run.data();
        let all = data.cells();
        let mut cells: Vec<(String, Result<Value, serde_json::Error>)> = Vec::new();
        let mut records = Vec::new();
        while_all_locked(&all, &mut cells, &mut || {
            for entry in core.entries.iter().flatten() {
                if let Some(shared) = &entry.shared {
                    records.push((entry.key.serial, shared.log().snapshot()));
                }
            }
        });
        for (serial, log) in core.more.iter().flat_map(|more| &more.restored) {
            records.push((*serial, log.snapshot()));
        }
        records.retain(|(_, log)| !log.is_empty());
        let mut named = Map::new();
        for (name, value) in cells {
            let value =
                value.map_err(|source| SnapshotError::State { name: name.clone(), source: Arc::new(source) })?;
            named.insert(name, value);
        }
        named.extend(data.stored_cells());
        let end = match run.outcome().map(RunEnd::result) {
            None => None,
            Some(Ok(stop)) => Some(Ok(stop
                .as_erased()
                .to_value()
                .map_err(|source| SnapshotError::Stop { source: Arc::new(source) })?)),
            Some(Err(RunError::EndedBefore { source })) if source.downcast_ref::<StoredError>().is_some() => {
                source.downcast_ref::<StoredError>().map(|stored| Err(stored.info.clone()))
            }
            Some(Err(error)) => Some(Err(StepError::from(error.clone()).info())),
        };
        Ok(RunSnapshot {
            format: FORMAT,
            workflow: run.def().name().to_owned(),
            run_id: run.id().clone(),
            state: StateSnapshot::of(run.def(), &begun(run.def(), core)),
            records,
            store: StoreSnapshot { store: store_json(&data), cells: named },
            seq: data.log.last(),
            children: Vec::new(),
            end,
            failures: run.outcome().map_or(0, |end| end.failures),
        })
    }
}

fn while_all_locked(
    cells: &[Arc<dyn AnyCell>],
    values: &mut Vec<(String, Result<Value, serde_json::Error>)>,
    then: &mut dyn FnMut(),
) {
    match cells.split_first() {
        None => then(),
        Some((first, rest)) => first.while_locked(&mut |locked| {
            values.push((first.name().to_owned(), locked.value()));
            while_all_locked(rest, values, then);
        }),
    }
}

impl RunShared {
    pub(crate) async fn take_snapshot(self: &Arc<Self>) -> Result<RunSnapshot, SnapshotError> {
        let _held = self.bring_children().await;
        let (reply, taken) = tokio::sync::oneshot::channel();
        let mut snapshot = match self.post(Message::Snapshot(reply)) {
            None => taken.await.unwrap_or(Err(SnapshotError::Dropped))?,
            // The dispatcher is gone with the run's end: what is left is the end itself.
            Some(_) => Dispatch::new(Arc::clone(self), Box::new(RunCore::ended())).snapshot_ended()?,
        };
        for child in self.children().into_iter().filter(|child| !child.has_left()) {
            let taken = Box::pin(child.take_snapshot()).await?;
            snapshot.children.push((child.id().to_string(), taken));
        }
        // Children of a restored run that its executions have not come back to yet.
        snapshot.children.extend(self.rare_if_any().iter().flat_map(|rare| lock(&rare.stored_children).clone()));
        Ok(snapshot)
    }
}

impl Dispatch {
    fn snapshot_ended(&mut self) -> Result<RunSnapshot, SnapshotError> {
        let core = self.core.take().unwrap_or_else(|| Box::new(RunCore::ended()));
        self.snapshot(&core)
    }
}
