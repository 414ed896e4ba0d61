//! From what is stored of a run to what goes on in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use stepcast_core::backend::*;
use stepcast_core::engine::RunState;
use stepcast_core::journal::{Checkpoint, JournalError, Kept, Opened, described, open};
use stepcast_core::{AnyEvent, ErrorInfo, Payload, WorkflowDef};

use super::AttachError;
use super::aside::release;
use crate::dispatch::{Journal, Place, StoredFailure, room_for_new};
use crate::exec::OpLog;
use crate::program::Program;
use crate::run::{RunEnd, RunError, RunId, RunShared, SharedError, StoredError};
use crate::snapshot::{Restored, StoreSnapshot};

/// A stored run that goes on here.
pub(crate) struct Loaded {
    pub(crate) restored: Restored,
    pub(crate) journal: Box<Journal>,
}

/// What was found of a stored run.
pub(crate) enum Found {
    /// It goes on.
    Alive(Box<Loaded>),
    /// It has ended.
    Ended(Box<Restored>),
}

/// What the store keeps of a run from its first moment on.
pub(crate) fn new_run(
    name: &str,
    program: &Program,
    parent: Option<&RunId>,
    start: &Payload,
) -> Result<Box<NewRun>, serde_json::Error> {
    let start = start.to_json()?;
    let mut new = room_for_new();
    name.clone_into(&mut new.workflow);
    described(&program.def).clone_into(&mut new.description);
    new.parent = parent.map(|parent| Arc::from(parent.as_str()));
    new.start = start;
    new.definition = program.definition().cloned();
    Ok(new)
}

/// Reads a run that is claimed under this lease, and gives the lease back if it cannot go on here. Blocks.
pub(crate) fn load_claimed(
    backend: &dyn Backend,
    program: &Program,
    run: &RunId,
    lease: Lease,
) -> Result<Found, AttachError> {
    let loaded = load(backend, program, run, lease);
    if loaded.is_err()
        && let Err(error) = release(backend, run, lease)
    {
        tracing::warn!(target: "stepcast", %run, %error, "a run that cannot go on here could not be released");
    }
    loaded
}

/// Reads a run that has ended, or is claimed under this lease. Blocks.
pub(crate) fn load(backend: &dyn Backend, program: &Program, run: &RunId, lease: Lease) -> Result<Found, AttachError> {
    let stored = backend.load(run.as_str())?;
    let letters = backend.mail(run.as_str(), 0)?;
    if stored.record.status.is_end() {
        // What the stream's last event says of a failure is nowhere else.
        let last = backend.events(run.as_str(), stored.last_seq.saturating_sub(1), 1).ok();
        let last = last.and_then(|mut rows| serde_json::from_str(&rows.pop()?.json).ok());
        return Ok(Found::Ended(Box::new(ended(program, run, &stored, last.as_ref()))));
    }
    let journal_error = |source| AttachError::Journal { run: run.clone(), source };
    let since = stored.rows.iter().map(|row| row.data.len()).sum();
    let Opened { folded, checkpoint, .. } = opened(&program.def, &stored).map_err(journal_error)?;
    if folded.outcome.is_some() {
        let what = "its rows end the run, which the store says goes on";
        return Err(journal_error(JournalError::Inconsistent { row: folded.row, what }));
    }
    let changed = checkpoint.as_ref().map(serde_json::to_vec).transpose();
    let changed = changed.map_err(|source| journal_error(JournalError::Undecodable { after: folded.row, source }))?;
    let mut folded = folded.take_over(&program.def);
    let mut records = std::collections::BTreeMap::new();
    let store = state_of(&mut folded.kept);
    for (serial, log) in folded.kept.logs.0 {
        let row = folded.row;
        let mut log = OpLog::restore(log)
            .ok_or_else(|| journal_error(JournalError::Inconsistent { row, what: "the record of an execution" }))?;
        log.all_told();
        records.insert(serial, log);
    }
    let place = Place {
        fence: lease.fence,
        parent: stored.record.parent.clone(),
        row: folded.row,
        seq: stored.last_seq,
        waits: stored.record.status == RunStatus::Waiting,
        due: stored.record.due,
        letters,
        since,
        snapshot: changed.map(|data| Box::new(SnapshotRow { covers: folded.row, data })),
    };
    let restored = Restored {
        run_id: run.clone(),
        state: folded.state,
        records,
        store,
        seq: stored.last_seq,
        children: Vec::new(),
        end: None,
    };
    let journal = Box::new(Journal::go_on(Arc::clone(run.shared()), place));
    Ok(Found::Alive(Box::new(Loaded { restored, journal })))
}

fn opened(def: &WorkflowDef, stored: &StoredRun) -> Result<Opened, JournalError> {
    let checkpoint = match &stored.snapshot {
        None => None,
        Some(row) => Some(Checkpoint::decode(&row.data, row.covers)?),
    };
    let rows: Vec<&[u8]> = stored.rows.iter().map(|row| row.data.as_slice()).collect();
    open(def, &stored.description, checkpoint, &rows)
}

/// The run's store and typed state, out of what was kept.
fn state_of(kept: &mut Kept) -> StoreSnapshot {
    let (store, states) = (std::mem::take(&mut kept.store), std::mem::take(&mut kept.states));
    StoreSnapshot::of_parts(store.into_iter().collect(), states.into_iter().collect())
}

/// A run that had ended, as its handle shows it.
fn ended(program: &Program, run: &RunId, stored: &StoredRun, last: Option<&AnyEvent>) -> Restored {
    let (record, last_seq) = (&stored.record, stored.last_seq);
    let at = record.changed;
    let end = match (record.status, &record.result) {
        (RunStatus::Completed | RunStatus::CompletedWithFailures, Some(result)) => {
            let meta = program.def.event(program.def.stop());
            let stop = serde_json::from_str(result).and_then(|value| meta.decode(value));
            match stop {
                Ok(stop) => RunEnd::completed(Payload::from_box(stop), record.failures, at),
                Err(source) => {
                    let source = crate::snapshot::RestoreRunError::Stop { source };
                    RunEnd::refused(RunError::Restore(Arc::new(source)), at)
                }
            }
        }
        _ => RunEnd::failed(error_of(record), last.and_then(|last| last.decode().ok()), at),
    };
    // A journal that does not fit any more takes nothing from the run's end, nor does a panic in an event's drop.
    let state = || opened(&program.def, stored).map(|mut opened| state_of(&mut opened.folded.kept));
    let store = catch_unwind(AssertUnwindSafe(state)).ok().and_then(Result::ok).unwrap_or_default();
    Restored {
        run_id: run.clone(),
        state: RunState::default(),
        records: Default::default(),
        store,
        // The last event is made of the end.
        seq: last_seq.saturating_sub(1),
        children: Vec::new(),
        end: Some(end),
    }
}

fn error_of(record: &RunRecord) -> RunError {
    let stored: Option<StoredFailure> = record.error.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let unknown = || ErrorInfo {
        exception_type: "Unknown".to_owned(),
        exception_message: record.error.clone().unwrap_or_default(),
        causes: Vec::new(),
    };
    match (record.status, stored) {
        (RunStatus::Cancelled, _) => RunError::Cancelled,
        (RunStatus::TimedOut, Some(stored)) => RunError::TimedOut {
            after: std::time::Duration::from_micros(stored.timeout.unwrap_or(0)),
            active_steps: stored.active_steps,
        },
        (_, Some(StoredFailure { error: info, step: Some(step), attempts, .. })) => RunError::StepFailed {
            step,
            attempts: attempts.unwrap_or(1),
            source: SharedError::new(Box::new(StoredError { info })),
        },
        (_, stored) => {
            let info = stored.map_or_else(unknown, |stored| stored.error);
            RunError::EndedBefore { source: SharedError::new(Box::new(StoredError { info })) }
        }
    }
}

/// Takes the lease of one run. Blocks.
pub(crate) fn claim(backend: &dyn Backend, run: &RunId) -> Result<Lease, ClaimError> {
    backend.claim(&[run.as_str()]).pop().unwrap_or(Err(ClaimError::Storage(StorageError::Closed)))
}

/// Claims and reads a run anew for its own dispatcher, and leaves it there.
pub(crate) async fn read_anew(run: Arc<RunShared>) {
    let Some(keeping) = run.keeping() else { return };
    let (program, id) = (Arc::clone(&run.program), run.id().clone());
    let loaded =
        super::ask(keeping.backend(), move |backend| load_claimed(backend, &program, &id, claim(backend, &id)?));
    let loaded = match loaded.await {
        Some(Ok(Found::Alive(loaded))) => Ok(*loaded),
        Some(Ok(Found::Ended(_))) => Err(AttachError::Claim(ClaimError::Ended { run: Arc::from(run.id().as_str()) })),
        Some(Err(error)) => Err(error),
        None => Err(AttachError::ShuttingDown),
    };
    keeping.put_reloaded(loaded);
    run.nudge();
}
