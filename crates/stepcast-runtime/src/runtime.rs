//! A runtime owns named workflows and live runs.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use serde_json::Value;
use stepcast_core::backend::Backend;
use stepcast_core::{EventMeta, Payload, SharedWorkflow, Workflow, WorkflowDef};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::durable::AttachError;
use crate::program::Program;
use crate::resources::Resources;
use crate::run::{AnyRun, Begin, Run, RunError, RunId, RunOptions, launch, lock, refused};
use crate::snapshot::{RestoreRunError, RunSnapshot};

/// Owns named workflows and the live runs started through it.
///
/// A run started here lives without a handle, can be found by its id until it ends, and counts against its workflow's
/// bound of concurrent runs. Clones are the same runtime.
#[derive(Clone, Debug, Default)]
pub struct Runtime {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    workflows: DashMap<String, Registered>,
    runs: DashMap<RunId, AnyRun>,
    resources: Mutex<Option<Resources>>,
    backend: Option<Arc<dyn Backend>>,
    closing: AtomicBool,
    drained: Notify,
}

/// A workflow of a runtime.
struct Registered {
    program: Arc<Program>,
    instance: Arc<dyn Any + Send + Sync>,
    limit: Option<Arc<Semaphore>>,
}

/// A workflow could not be registered or started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// No workflow of this name is registered.
    #[error("There is no workflow `{name}`; registered are: {}.", known.join(", "))]
    UnknownWorkflow {
        /// The name.
        name: String,
        /// The registered ones.
        known: Vec<String>,
    },
    /// A workflow of this name is registered already.
    #[error("A workflow `{name}` is registered already; give one of them another name.")]
    DuplicateWorkflow {
        /// The name.
        name: String,
    },
    /// The workflow's definition does not check.
    #[error("{0}")]
    Definition(#[source] Arc<stepcast_core::DefinitionError>),
    /// The start event's data does not fit its type.
    #[error("The start event `{event}` of `{workflow}` does not fit its type: {source}.")]
    Start {
        /// The workflow.
        workflow: String,
        /// Tag of its start event.
        event: &'static str,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
    /// The snapshot cannot go on.
    #[error("{0}")]
    Restore(#[from] RestoreRunError),
}

/// Ties a run to its runtime.
pub(crate) struct RuntimeLink {
    runtime: Weak<Inner>,
    limit: Option<Arc<Semaphore>>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl RuntimeLink {
    /// Waits for a place among the workflow's concurrent runs.
    pub(crate) async fn admit(&self) {
        if let Some(limit) = &self.limit
            && let Ok(permit) = Arc::clone(limit).acquire_owned().await
        {
            *lock(&self.permit) = Some(permit);
        }
    }

    /// Gives the place back.
    pub(crate) fn release(&self) {
        drop(lock(&self.permit).take());
    }

    pub(crate) fn ended(&self, id: &RunId) {
        self.release();
        if let Some(runtime) = self.runtime.upgrade() {
            // Its id may belong to another run by now.
            let gone = runtime.runs.remove_if(id, |_, run| run.is_done());
            runtime.drained.notify_waiters();
            drop(gone);
        }
    }
}

impl std::fmt::Debug for RuntimeLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuntimeLink").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("workflows", &self.workflows.len())
            .field("runs", &self.runs.len())
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// The runs that have not ended. One that has just ended may still be in the list for a moment.
    fn live(&self) -> impl Iterator<Item = AnyRun> + '_ {
        self.runs.iter().map(|entry| entry.value().clone()).filter(|run| !run.is_done())
    }
}

impl Runtime {
    /// An empty runtime.
    pub fn new() -> Self {
        Runtime::default()
    }

    /// A runtime whose runs are kept by a backend: they survive their process, and go on as soon as their workflow is
    /// registered with a runtime on the same store.
    pub fn on(backend: impl Into<Arc<dyn Backend>>) -> Self {
        Runtime { inner: Arc::new(Inner { backend: Some(backend.into()), ..Inner::default() }) }
    }

    /// What keeps the runs, if it is not only memory.
    pub fn backend(&self) -> Option<&Arc<dyn Backend>> {
        self.inner.backend.as_ref()
    }

    /// A handle of a run, live or stored: one that sleeps is brought back to memory, one that has ended shows its end.
    ///
    /// # Errors
    /// When there is no such run, another process holds it, or it does not fit its workflow here.
    pub async fn attach(&self, run: &RunId) -> Result<AnyRun, AttachError> {
        match self.get(run) {
            Some(live) => Ok(live),
            None => Err(AttachError::NoBackend { run: run.clone() }),
        }
    }

    /// Supplies the `Res<T>` parameters of every run that has no resources of its own.
    #[must_use]
    pub fn with_resources(self, resources: Resources) -> Self {
        *lock(&self.inner.resources) = Some(resources);
        self
    }

    /// Registers a workflow under its own name.
    ///
    /// # Errors
    /// When the name is taken or the definition does not check.
    pub fn register<T: SharedWorkflow>(&self, flow: T) -> Result<(), RuntimeError> {
        self.register_as(T::Flow::SPEC.name, flow, None)
    }

    /// Registers a workflow under a name of choice, with a bound of concurrent runs: a run past it waits for its turn.
    ///
    /// # Errors
    /// As for [`register`](Self::register).
    pub fn register_as<T: SharedWorkflow>(
        &self,
        name: impl Into<String>,
        flow: T,
        num_concurrent_runs: Option<usize>,
    ) -> Result<(), RuntimeError> {
        let name = name.into();
        let program = Program::of::<T::Flow>().map_err(RuntimeError::Definition)?;
        let limit = num_concurrent_runs.map(|runs| Arc::new(Semaphore::new(runs.clamp(1, Semaphore::MAX_PERMITS))));
        let instance: Arc<dyn Any + Send + Sync> = flow.into_shared();
        match self.inner.workflows.entry(name) {
            Entry::Occupied(taken) => Err(RuntimeError::DuplicateWorkflow { name: taken.key().clone() }),
            Entry::Vacant(free) => {
                free.insert(Registered { program, instance, limit });
                Ok(())
            }
        }
    }

    /// Names of the registered workflows, sorted.
    pub fn workflows(&self) -> Vec<String> {
        let mut names: Vec<String> = self.inner.workflows.iter().map(|entry| entry.key().clone()).collect();
        names.sort();
        names
    }

    /// The definition of a registered workflow.
    pub fn definition(&self, name: &str) -> Option<Arc<WorkflowDef>> {
        self.inner.workflows.get(name).map(|entry| Arc::clone(&entry.program.def))
    }

    /// Starts a run of a registered workflow from the JSON form of its start event.
    ///
    /// # Errors
    /// When there is no such workflow or the data does not fit its start event. What goes wrong later is the run's error.
    pub fn start(&self, name: &str, start: Value, options: RunOptions) -> Result<AnyRun, RuntimeError> {
        let found = self.find(name)?;
        let def = &found.program.def;
        let meta: &'static EventMeta = def.event(def.start());
        let event = meta.decode(start).map_err(|source| RuntimeError::Start {
            workflow: name.to_owned(),
            event: meta.tag,
            source,
        })?;
        Ok(self.launch(found, Begin::Start(Payload::from_box(event)), options, None))
    }

    /// Starts a run of a workflow that need not be registered, typed.
    pub fn run<F: SharedWorkflow>(
        &self,
        flow: F,
        start: <F::Flow as Workflow>::Start,
        options: RunOptions,
    ) -> Run<<F::Flow as Workflow>::Stop> {
        let program = match Program::of::<F::Flow>() {
            Ok(program) => program,
            Err(error) => return Run::new(AnyRun::first(refused(F::Flow::SPEC.name, RunError::Definition(error)))),
        };
        let instance: Arc<dyn Any + Send + Sync> = flow.into_shared();
        let limit = self.inner.workflows.get(F::Flow::SPEC.name).and_then(|entry| entry.limit.clone());
        let found = Registered { program, instance, limit };
        Run::new(self.launch(found, Begin::Start(Payload::new(start)), options, None))
    }

    /// Goes on with a run of a registered workflow from its snapshot, under its own id.
    ///
    /// # Errors
    /// When the workflow is not registered, or the snapshot does not fit it.
    pub fn restore(&self, snapshot: RunSnapshot, options: RunOptions) -> Result<AnyRun, RuntimeError> {
        let found = self.find(snapshot.workflow())?;
        let id = snapshot.run_id().clone();
        let restored = snapshot.restore(&found.program)?;
        Ok(self.launch(found, Begin::Restored(Box::new(restored)), options, Some(id)))
    }

    fn find(&self, name: &str) -> Result<Registered, RuntimeError> {
        match self.inner.workflows.get(name) {
            Some(entry) => Ok(Registered {
                program: Arc::clone(&entry.program),
                instance: Arc::clone(&entry.instance),
                limit: entry.limit.clone(),
            }),
            None => Err(RuntimeError::UnknownWorkflow { name: name.to_owned(), known: self.workflows() }),
        }
    }

    fn launch(&self, found: Registered, begin: Begin, mut options: RunOptions, id: Option<RunId>) -> AnyRun {
        let name = found.program.def.name().to_owned();
        if self.inner.closing.load(Ordering::Acquire) {
            return AnyRun::first(refused(&name, RunError::ShuttingDown));
        }
        let id = id.or_else(|| options.run_id.clone()).unwrap_or_else(RunId::random);
        options.run_id = Some(id.clone());
        if options.resources.is_none() {
            options.resources = lock(&self.inner.resources).clone();
        }
        match self.inner.runs.entry(id) {
            Entry::Occupied(taken) if !taken.get().is_done() => {
                AnyRun::first(refused(&name, RunError::DuplicateRunId { id: taken.key().to_string() }))
            }
            free => {
                let link =
                    RuntimeLink { runtime: Arc::downgrade(&self.inner), limit: found.limit, permit: Mutex::new(None) };
                let run =
                    AnyRun::first(launch(found.program, Some(found.instance), begin, Some(options), None, Some(link)));
                // A run that ended while it was made has removed nothing yet.
                if !run.is_done() {
                    free.insert(run.clone());
                }
                run
            }
        }
    }

    /// A live run.
    pub fn get(&self, id: &RunId) -> Option<AnyRun> {
        self.inner.runs.get(id).map(|entry| entry.value().clone()).filter(|run| !run.is_done())
    }

    /// Ids of the live runs, sorted.
    pub fn runs(&self) -> Vec<RunId> {
        let mut ids: Vec<RunId> = self.inner.live().map(|run| run.run_id().clone()).collect();
        ids.sort();
        ids
    }

    /// Begins no new runs and waits until the live ones have ended, at most so long; then cancels the rest and waits
    /// for their end. Gives how many were cancelled.
    pub async fn shutdown(&self, deadline: Duration) -> usize {
        self.inner.closing.store(true, Ordering::Release);
        if tokio::time::timeout(deadline, self.drain()).await.is_ok() {
            return 0;
        }
        let rest: Vec<AnyRun> = self.inner.live().collect();
        rest.iter().for_each(AnyRun::cancel);
        for run in &rest {
            let _ = run.outcome().await;
        }
        rest.len()
    }

    async fn drain(&self) {
        loop {
            let drained = self.inner.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            if self.inner.live().next().is_none() {
                return;
            }
            drained.await;
        }
    }
}
