//! Stored runs on their way into a runtime's memory.

use std::sync::Arc;

use stepcast_core::Payload;
use stepcast_core::backend::*;
use stepcast_core::engine::Time;
use stepcast_core::journal::{Checkpoint, Kept, Logs, describe};

use super::{AttachError, Found, Host, Keeping, ask, claim, load, load_claimed, new_run};
use crate::dispatch::Journal;
use crate::exec::OpLog;
use crate::program::Program;
use crate::run::{AnyRun, Begin, NewChild, RunError, RunId, RunOptions, RunShared, SharedError, refused};
use crate::runtime::{Registered, Runtime, RuntimeLink};
use crate::snapshot::Restored;

impl Runtime {
    /// A handle of a run, live or stored: one that sleeps is brought back to memory, one that has ended shows its end.
    ///
    /// # Errors
    /// When there is no such run, another process holds it, its workflow is not registered here, or it does not fit that
    /// any more.
    pub async fn attach(&self, run: &RunId) -> Result<AnyRun, AttachError> {
        if let Some(live) = self.get(run) {
            return Ok(live);
        }
        let Some(host) = self.host() else { return Err(AttachError::NoBackend { run: run.clone() }) };
        host.start(self.inner());
        let _one_at_a_time = host.taking_up.lock().await;
        if let Some(live) = self.get(run) {
            return Ok(live);
        }
        let record = self.find_run(run).await?;
        let record = record.ok_or_else(|| ClaimError::UnknownRun { run: Arc::from(run.as_str()) })?;
        let parent = self.parent_of(&record);
        let found = self.find(&record.workflow).ok();
        let registered = found.as_ref().map(|found| Arc::clone(&found.program));
        let (its, id, changed) = (Arc::clone(host), run.clone(), record.changed);
        let loaded = ask(host.backend(), move |backend| {
            let program = its.program(&record, registered.as_ref(), true)?;
            read(backend, &program, &id, &record).map(|loaded| (program, loaded))
        });
        let loaded = loaded.await.unwrap_or(Err(AttachError::ShuttingDown));
        let (program, loaded) = loaded.inspect_err(|error| host.note_refusal(run, changed, error))?;
        let found = Registered::with(found, program);
        Ok(self.go_on(host, found, run, loaded, RunOptions::default(), parent.as_ref()))
    }

    /// Claims runs and goes on with those that were to be had.
    pub(super) async fn adopt(&self, host: &Arc<Host>, records: Vec<RunRecord>) {
        let _one_at_a_time = host.taking_up.lock().await;
        let mut wanted: Vec<Wanted> = Vec::with_capacity(records.len());
        let mut asked: Vec<(RunRecord, Option<Arc<Program>>)> = Vec::with_capacity(records.len());
        for record in records {
            let id = RunId::from(Arc::clone(&record.run));
            let found = self.find(&record.workflow).ok();
            let may_be = found.is_some() || host.may_define(&record);
            if may_be && !host.refused(&id, record.changed) && self.get(&id).is_none() {
                let program = found.as_ref().map(|found| Arc::clone(&found.program));
                let parent = self.parent_of(&record);
                wanted.push(Wanted { id, found, parent, changed: record.changed });
                asked.push((record, program));
            }
        }
        if wanted.is_empty() {
            return;
        }
        let its = Arc::clone(host);
        let loaded = ask(host.backend(), move |backend| claim_and_load(&its, backend, &asked));
        let loaded = loaded.await.unwrap_or_default();
        for (Wanted { id, found, parent, changed }, loaded) in wanted.into_iter().zip(loaded) {
            match loaded {
                Ok((program, loaded)) => {
                    let found = Registered::with(found, program);
                    drop(self.go_on(host, found, &id, loaded, RunOptions::default(), parent.as_ref()));
                }
                Err(AttachError::Claim(_)) => {}
                Err(error) => {
                    host.note_refusal(&id, changed, &error);
                    tracing::error!(target: "stepcast", run = %id, %error, "a stored run cannot go on; it is left as it is");
                }
            }
        }
    }

    fn go_on(
        &self,
        host: &Arc<Host>,
        found: Registered,
        id: &RunId,
        loaded: Found,
        options: RunOptions,
        parent: Option<&Arc<RunShared>>,
    ) -> AnyRun {
        let (restored, journal) = match loaded {
            Found::Ended(restored) => (*restored, None),
            Found::Alive(loaded) => (loaded.restored, Some(loaded.journal)),
        };
        let keeping = Keeping::taken_up(host, journal);
        let _ = keeping.recorded.set(Ok(()));
        let begin = Begin::Restored(Box::new(restored));
        let run = self.launch_kept(found, begin, options, id, Some(keeping), parent);
        if let Some(parent) = parent {
            parent.take_child(run.shared());
        }
        run
    }

    /// The record of a run's parent, if that is live.
    pub(super) fn parent_of(&self, record: &RunRecord) -> Option<Arc<RunShared>> {
        record.parent.as_ref().and_then(|parent| self.shared_of(&RunId::from(Arc::clone(parent))))
    }

    /// Begins a run that its backend keeps.
    pub(crate) fn begin_kept(
        &self,
        host: &Arc<Host>,
        found: (&str, Registered),
        start: Payload,
        options: RunOptions,
        id: &RunId,
        parent: Option<&Arc<RunShared>>,
    ) -> AnyRun {
        let (name, found) = found;
        host.start(self.inner());
        let new = match new_run(name, &found.program, parent.map(|parent| parent.id()), &start) {
            Ok(new) => new,
            Err(source) => {
                let source = SharedError::new(Box::new(source));
                return AnyRun::first(refused(name, RunError::NotKept { source }));
            }
        };
        let journal = Journal::create(Arc::clone(id.shared()), new);
        let keeping = Keeping::new(host, Some(journal));
        self.launch_kept(found, Begin::Start(start), options, id, Some(keeping), parent)
    }

    /// Goes on with a run from its snapshot, in a store that does not have it yet.
    pub(crate) fn restore_kept(
        &self,
        host: &Arc<Host>,
        found: Registered,
        mut restored: Box<Restored>,
        options: RunOptions,
        id: &RunId,
    ) -> AnyRun {
        host.start(self.inner());
        let def = Arc::clone(&found.program.def);
        // The store has nothing of the stream before.
        restored.seq = 0;
        let (store, states) = restored.store.cells();
        let logs = restored.records.iter().map(|(serial, log)| (*serial, log.snapshot())).collect();
        let kept = Kept { logs: Logs(logs), store, states, seq: 0 };
        let checkpoint = match serde_json::to_vec(&Checkpoint::of(&def, 0, &restored.state, kept)) {
            Ok(checkpoint) => checkpoint,
            Err(source) => {
                let source = SharedError::new(Box::new(source));
                return AnyRun::first(refused(def.name(), RunError::NotKept { source }));
            }
        };
        restored.records.values_mut().for_each(OpLog::all_told);
        let (workflow, description) = (def.name().to_owned(), describe(&def));
        // What it was started with is not in a snapshot.
        let definition = found.program.definition().cloned();
        let new = Box::new(NewRun { workflow, description, parent: None, start: "null".to_owned(), definition });
        let journal = Journal::restored(Arc::clone(id.shared()), new, checkpoint, &def, &restored.state);
        let keeping = Keeping::taken_up(host, Some(journal));
        self.launch_kept(found, Begin::Restored(restored), options, id, Some(keeping), None)
    }

    /// A child of a kept run: attached to if it lives, taken up if it is stored, else begun. Gives it back if another living
    /// process holds it.
    pub(crate) async fn child(&self, parent: &Arc<RunShared>, new: NewChild) -> Result<Arc<RunShared>, NewChild> {
        let name = Arc::clone(&new.flow.name);
        let program = match &new.flow.program {
            Ok(program) => Arc::clone(program),
            Err(error) => return Ok(refused(&name, RunError::Definition(Arc::clone(error)))),
        };
        let Some(host) = self.host() else { return Ok(refused(&name, RunError::Dropped)) };
        let _one_at_a_time = host.taking_up.lock().await;
        let live = self.shared_of(&new.id);
        if let Some(live) = &live {
            parent.adopt_child(live);
        }
        // From here on, one that is in memory stays there for its parent.
        let run = match live.filter(|live| !live.has_left()) {
            Some(live) => live,
            None => {
                let (its, given, wanted) = (Arc::clone(host), Arc::clone(&program), new.id.clone());
                let stored = ask(host.backend(), move |backend| match backend.run(wanted.as_str())? {
                    None => Ok(None),
                    Some(record) => {
                        let program = its.program(&record, Some(&given), true)?;
                        read(backend, &program, &wanted, &record).map(|loaded| Some((program, loaded)))
                    }
                });
                let stored = match stored.await.unwrap_or(Err(AttachError::ShuttingDown)) {
                    Err(AttachError::Claim(ClaimError::Held { .. })) => return Err(new),
                    stored => stored,
                };
                let NewChild { flow, start, options, id } = new;
                let run = match stored {
                    Ok(None) => {
                        let found = Registered::new(program, flow.instance);
                        let run = self.begin_kept(host, (&name, found), start, options, &id, Some(parent));
                        parent.take_child(run.shared());
                        run
                    }
                    Ok(Some((program, loaded))) => {
                        let found = Registered::new(program, flow.instance);
                        self.go_on(host, found, &id, loaded, options, Some(parent))
                    }
                    Err(error) => AnyRun::first(refused(&name, not_had(error))),
                };
                Arc::clone(run.shared())
            }
        };
        Ok(run)
    }
}

/// Why a stored child cannot be had: what may pass is not the child's failure.
fn not_had(error: AttachError) -> RunError {
    match error {
        AttachError::ShuttingDown => RunError::ShuttingDown,
        AttachError::Storage(source)
        | AttachError::Claim(ClaimError::Storage(source))
        | AttachError::Load(LoadError::Storage(source)) => {
            RunError::Storage { source: Arc::new(WriteError::Storage(source)) }
        }
        error => RunError::NotKept { source: SharedError::new(Box::new(error)) },
    }
}

/// A stored run that is to go on here.
struct Wanted {
    id: RunId,
    found: Option<Registered>,
    parent: Option<Arc<RunShared>>,
    changed: Time,
}

type Taken = Result<(Arc<Program>, Found), AttachError>;

/// Claims runs, those whose workflow there is, and reads them. Blocks.
fn claim_and_load(host: &Host, backend: &dyn Backend, asked: &[(RunRecord, Option<Arc<Program>>)]) -> Vec<Taken> {
    let program =
        |(record, registered): &(RunRecord, Option<Arc<Program>>)| host.program(record, registered.as_ref(), false);
    let programs: Vec<_> = asked.iter().map(program).collect();
    let ready = asked.iter().zip(&programs).filter(|(_, program)| program.is_ok());
    let ids: Vec<&str> = ready.map(|((record, _), _)| &*record.run).collect();
    let mut leases = backend.claim(&ids).into_iter();
    let load = |((record, _), program): (&(RunRecord, _), Result<Arc<Program>, AttachError>)| {
        let program = program?;
        let lease = leases.next().unwrap_or(Err(ClaimError::Storage(StorageError::Closed)))?;
        let id = RunId::from(Arc::clone(&record.run));
        load_claimed(backend, &program, &id, lease).map(|loaded| (program, loaded))
    };
    asked.iter().zip(programs).map(load).collect()
}

/// Claims and reads a run, unless it has ended. Blocks.
fn read(backend: &dyn Backend, program: &Program, id: &RunId, record: &RunRecord) -> Result<Found, AttachError> {
    if record.status.is_end() {
        let lease = Lease { fence: record.fence };
        return load(backend, program, id, lease);
    }
    if record.holder == Holder::Other {
        return Err(ClaimError::Held { run: Arc::clone(&record.run) }.into());
    }
    match claim(backend, id) {
        // It came to its end while it was asked for.
        Err(ClaimError::Ended { .. }) => load(backend, program, id, Lease { fence: record.fence }),
        lease => load_claimed(backend, program, id, lease?),
    }
}

impl RuntimeLink {
    /// Takes a run that nobody else holds out of the runtime's list.
    pub(crate) fn forget_idle(&self, run: &Arc<RunShared>) -> Option<AnyRun> {
        let inner = self.inner()?;
        let idle = |known: &AnyRun| Arc::ptr_eq(known.shared(), run) && run.handles() == 1 && !run.is_watched();
        let gone = inner.runs.remove_if(run.id(), |_, known| idle(known)).map(|(_, run)| run);
        inner.drained.notify_waiters();
        gone
    }

    /// A run rests, for who waits until all do.
    pub(crate) fn tell_rest(&self) {
        if let Some(inner) = self.inner() {
            inner.drained.notify_waiters();
        }
    }

    /// The run will not come back.
    pub(crate) fn has_ended(&self, run: &RunId) {
        if let Some(host) = self.inner().and_then(|inner| inner.host.clone()) {
            host.has_ended(run);
        }
    }

    /// The run leaves memory, and perhaps gives its lease back.
    pub(crate) fn leaves(&self, run: &RunId) {
        if let Some(host) = self.inner().and_then(|inner| inner.host.clone()) {
            host.leaves(run);
        }
    }

    /// The run is to be taken up again then.
    pub(crate) fn sleeps_until(&self, run: &RunId, due: stepcast_core::engine::Time) {
        if let Some(host) = self.inner().and_then(|inner| inner.host.clone()) {
            host.sleeps_until(run, due);
        }
    }
}
