//! A runtime owns named workflows and live runs.

mod counts;
mod error;
mod held;
mod link;
mod shutdown;
mod watch;

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use foldhash::fast::RandomState;
use serde_json::Value;
use stepcast_core::backend::Backend;
use stepcast_core::engine::Time;
use stepcast_core::{CatalogueWorkflow, Event, EventMeta, Payload, SharedWorkflow, StepError, Workflow, WorkflowDef};
use tokio::sync::{Notify, Semaphore};

use self::counts::Tally;
pub use self::counts::{RunCounts, WorkflowCounts};
pub use self::error::RuntimeError;
use self::error::unfit;
pub use self::held::{HeldRun, StartWith};
pub(crate) use self::link::RuntimeLink;
pub use self::watch::RunWatch;

use crate::built::BuiltWorkflow;
use crate::durable::{Host, Keeping};
use crate::named::NamedWorkflow;
use crate::program::Program;
use crate::resources::Resources;
use crate::run::{
    AnyRun, Begin, Run, RunError, RunId, RunOptions, RunShared, Ties, launch, lock, refused, shared_instance,
};
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
pub(crate) struct Inner {
    workflows: DashMap<String, Registered, RandomState>,
    pub(crate) runs: DashMap<RunId, AnyRun, RandomState>,
    resources: Mutex<Option<Resources>>,
    pub(crate) host: Option<Arc<Host>>,
    closing: AtomicBool,
    pub(crate) drained: Notify,
    watches: watch::Watches,
}

/// A workflow of a runtime.
pub(crate) struct Registered {
    pub(crate) program: Arc<Program>,
    instance: Arc<dyn Any + Send + Sync>,
    limit: Option<Arc<Semaphore>>,
    tally: Arc<Tally>,
    /// Runs are stored under the definition's own name, whatever name they were started by.
    own_name: bool,
    /// Its runs go on, and no new ones begin.
    retired: bool,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("workflows", &self.workflows.len())
            .field("runs", &self.runs.len())
            .finish_non_exhaustive()
    }
}

impl Registered {
    /// A workflow that is not registered: its runs have no bound.
    pub(crate) fn new(program: Arc<Program>, instance: Arc<dyn Any + Send + Sync>) -> Self {
        Registered { program, instance, limit: None, tally: Arc::default(), own_name: false, retired: false }
    }
}

impl Registered {
    /// What was found under a stored run's name, with the program that it goes on with.
    pub(crate) fn with(found: Option<Registered>, program: Arc<Program>) -> Self {
        match found {
            Some(found) => Registered { program, ..found },
            None => Registered::built(&program),
        }
    }

    fn kept_name(&self, name: &str) -> String {
        if self.own_name { self.program.def.name() } else { name }.to_owned()
    }

    fn start_meta(&self) -> &'static EventMeta {
        let def = &self.program.def;
        def.event(def.start())
    }

    /// A workflow that was put together at run time.
    fn built(program: &Arc<Program>) -> Self {
        Registered { own_name: true, ..Registered::new(Arc::clone(program), Arc::new(())) }
    }
}

impl Inner {
    /// A compiled workflow that is registered.
    pub(crate) fn compiled(&self, name: &str) -> Option<NamedWorkflow> {
        let found = self.workflows.get(name).filter(|known| !known.own_name)?;
        Some(NamedWorkflow::registered(name, Arc::clone(&found.program), Arc::clone(&found.instance)))
    }

    pub(crate) fn compiled_names(&self) -> Vec<String> {
        let compiled = self.workflows.iter().filter(|entry| !entry.own_name);
        let mut names: Vec<String> = compiled.map(|entry| entry.key().clone()).collect();
        names.sort();
        names
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

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
        let inner = Arc::new(Inner { host: Some(Host::new(backend.into())), ..Inner::default() });
        Runtime { inner }
    }

    /// What keeps the runs, if it is not only memory.
    pub fn backend(&self) -> Option<&Arc<dyn Backend>> {
        self.inner.host.as_ref().map(|host| host.backend())
    }

    /// How long a run of a backend rests before it leaves memory, unless somebody reads its stream with what is only shown
    /// in passing, or holds a handle of it while it goes step by step. It comes back when an event, an answer, the end of a child, a deadline or somebody
    /// with a handle calls; its steps begin again up to where they waited. Default 60 s.
    #[must_use]
    pub fn with_idle(self, idle: Duration) -> Self {
        if let Some(host) = &self.inner.host {
            host.set_idle(idle);
        }
        self
    }

    /// Takes up no stored run by itself: only those that are started here or [attached](Self::attach) to, with what
    /// they started themselves. All others are left to whoever else opens the store.
    #[must_use]
    pub fn only_attached(self) -> Self {
        if let Some(host) = &self.inner.host {
            host.take_up_only_asked();
        }
        self
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
        self.enter(name, Registered { limit, ..Registered::new(program, instance) })
    }

    /// Registers a workflow that was put together at run time, under the name of its definition. With `alias`, runs are
    /// started under that name too, which may have stood for another such workflow until now: their stored records have
    /// the definition's name all the same, so that each goes on with the definition that it began with. One that was
    /// [retired](Self::retire_built) gives up its name.
    ///
    /// # Errors
    /// When one of the names is taken: the definition's by any workflow, the alias by one that is not an alias.
    pub fn register_built<Start: Event, Stop: Event>(
        &self,
        flow: &BuiltWorkflow<Start, Stop>,
        alias: Option<&str>,
    ) -> Result<(), RuntimeError> {
        let own = flow.definition().name().to_owned();
        if let Some(alias) = alias {
            self.check_alias(alias, &own)?;
        }
        self.enter(own, Registered::built(flow.program()))?;
        match alias {
            Some(alias) => self.alias_built(flow, alias),
            None => Ok(()),
        }
    }

    /// Lets an alias stand for a workflow that was put together at run time, and is registered.
    ///
    /// # Errors
    /// When the alias is the name of a workflow that is not an alias.
    pub fn alias_built<Start: Event, Stop: Event>(
        &self,
        flow: &BuiltWorkflow<Start, Stop>,
        alias: &str,
    ) -> Result<(), RuntimeError> {
        self.check_alias(alias, flow.definition().name())?;
        self.inner.workflows.insert(alias.to_owned(), Registered::built(flow.program()));
        Ok(())
    }

    /// Takes back a workflow that was put together at run time: no new runs of it begin, and its names are free. Runs of it
    /// go on, stored ones too. Gives whether there was one under this name, which is that of its definition.
    pub fn retire_built(&self, name: &str) -> bool {
        let Some(program) = self.inner.workflows.get_mut(name).and_then(|mut known| {
            let own = known.own_name && !known.retired && known.program.def.name() == name;
            known.retired |= own;
            own.then(|| Arc::clone(&known.program))
        }) else {
            return false;
        };
        self.inner.workflows.retain(|alias, known| alias == name || !Arc::ptr_eq(&known.program, &program));
        true
    }

    /// Whether an alias is free, or is one already.
    fn check_alias(&self, alias: &str, own: &str) -> Result<(), RuntimeError> {
        let taken = self.inner.workflows.get(alias).is_some_and(|known| {
            // An alias is told by another name than that of its definition.
            !known.own_name || known.program.def.name() == alias
        });
        match taken || alias == own {
            true => Err(RuntimeError::DuplicateWorkflow { name: alias.to_owned() }),
            false => Ok(()),
        }
    }

    /// Registers a workflow of the catalogue: one that is `Default`, or names its constructor with `new = ..`.
    ///
    /// # Errors
    /// As for [`register`](Self::register), and when no value of it can be made.
    pub async fn register_linked(&self, workflow: &CatalogueWorkflow) -> Result<(), RuntimeError> {
        let name = workflow.name.to_owned();
        let Some(create) = workflow.create else { return Err(RuntimeError::NotCreatable { name }) };
        let def = (workflow.define)().map_err(|error| RuntimeError::Definition(Arc::new(error)))?;
        let made = create().await.map_err(|error| failed_to_make(&name, error))?;
        self.enter(name, Registered::new(Arc::new(Program::new(def)), Arc::from(made)))
    }

    fn enter(&self, name: String, workflow: Registered) -> Result<(), RuntimeError> {
        match self.inner.workflows.entry(name) {
            Entry::Occupied(taken) if !taken.get().retired => {
                return Err(RuntimeError::DuplicateWorkflow { name: taken.key().clone() });
            }
            Entry::Occupied(mut retired) => {
                let tally = Arc::clone(&retired.get().tally);
                retired.insert(Registered { tally, ..workflow });
            }
            Entry::Vacant(free) => drop(free.insert(workflow)),
        }
        if let Some(host) = &self.inner.host {
            host.start(&self.inner);
            host.define_anew();
            host.look();
        }
        Ok(())
    }

    /// Names of the registered workflows, sorted.
    pub fn workflows(&self) -> Vec<String> {
        let open = self.inner.workflows.iter().filter(|entry| !entry.retired);
        let mut names: Vec<String> = open.map(|entry| entry.key().clone()).collect();
        names.sort();
        names
    }

    /// The definition of a registered workflow, or of a retired one.
    pub fn definition(&self, name: &str) -> Option<Arc<WorkflowDef>> {
        self.inner.workflows.get(name).map(|entry| Arc::clone(&entry.program.def))
    }

    /// The name under which runs of a workflow are kept: of an [alias](Self::register_built) that of its definition.
    pub fn kept_name(&self, name: &str) -> Option<String> {
        self.inner.workflows.get(name).map(|entry| entry.kept_name(name))
    }

    /// Starts a run of a registered workflow from the JSON form of its start event.
    ///
    /// # Errors
    /// When there is no such workflow, or no more, or the data does not fit its start event. What goes wrong later is the
    /// run's error.
    pub fn start(&self, name: &str, start: Value, options: RunOptions) -> Result<AnyRun, RuntimeError> {
        let found = self.find_open(name)?;
        let meta = found.start_meta();
        let event = meta.decode(start).map_err(|source| unfit(name, meta, source))?;
        let stored_as = found.kept_name(name);
        Ok(self.launch(&stored_as, found, Begin::Start(Payload::from_box(event)), options, None))
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
        let instance = shared_instance(&program, flow);
        let known = self.inner.workflows.get(F::Flow::SPEC.name);
        let known = known.map(|entry| (entry.limit.clone(), Arc::clone(&entry.tally)));
        let (limit, tally) = known.unwrap_or_default();
        let found = Registered { program, instance, limit, tally, own_name: false, retired: false };
        Run::new(self.launch(F::Flow::SPEC.name, found, Begin::Start(Payload::new(start)), options, None))
    }

    /// Goes on with a run of a registered workflow from its snapshot, under its own id.
    ///
    /// A backend keeps it from there on: as a run of its own, whose stream is numbered anew from 1, and whose start event
    /// is not known. A run that had ended is shown, but not kept.
    ///
    /// # Errors
    /// When the workflow is not registered, or the snapshot does not fit it; with a backend, also when it holds children.
    pub fn restore(&self, snapshot: RunSnapshot, options: RunOptions) -> Result<AnyRun, RuntimeError> {
        let found = self.find(snapshot.workflow())?;
        let id = snapshot.run_id().clone();
        let restored = snapshot.restore(&found.program)?;
        let name = found.program.def.name().to_owned();
        if self.inner.host.is_some() && restored.end.is_none() && !restored.children.is_empty() {
            let children = restored.children.into_iter().map(|(child, _)| child).collect();
            return Err(RestoreRunError::Children { run: id, children }.into());
        }
        Ok(self.launch(&name, found, Begin::Restored(Box::new(restored)), options, Some(id)))
    }

    /// A workflow that new runs may be of.
    fn find_open(&self, name: &str) -> Result<Registered, RuntimeError> {
        match self.find(name)? {
            found if found.retired => Err(RuntimeError::Retired { name: name.to_owned() }),
            found => Ok(found),
        }
    }

    pub(crate) fn find(&self, name: &str) -> Result<Registered, RuntimeError> {
        match self.inner.workflows.get(name) {
            Some(entry) => Ok(Registered {
                program: Arc::clone(&entry.program),
                instance: Arc::clone(&entry.instance),
                limit: entry.limit.clone(),
                tally: Arc::clone(&entry.tally),
                own_name: entry.own_name,
                retired: entry.retired,
            }),
            None => Err(RuntimeError::UnknownWorkflow { name: name.to_owned(), known: self.workflows() }),
        }
    }

    fn launch(
        &self,
        name: &str,
        found: Registered,
        begin: Begin,
        mut options: RunOptions,
        id: Option<RunId>,
    ) -> AnyRun {
        let id = id.or_else(|| options.run_id.clone()).unwrap_or_else(RunId::random);
        options.run_id = Some(id.clone());
        match (&self.inner.host, begin) {
            (Some(host), Begin::Start(start)) => self.begin_kept(host, (name, found), start, options, &id, None),
            (Some(host), Begin::Restored(restored)) if restored.end.is_none() => {
                self.restore_kept(host, found, restored, options, &id)
            }
            (_, begin) => self.launch_kept(found, begin, options, &id, None, None),
        }
    }

    /// Launches a run into the list of live ones.
    pub(crate) fn launch_kept(
        &self,
        found: Registered,
        begin: Begin,
        mut options: RunOptions,
        id: &RunId,
        keeping: Option<Keeping>,
        parent: Option<&Arc<RunShared>>,
    ) -> AnyRun {
        if self.inner.closing.load(Ordering::Acquire) {
            return AnyRun::first(refused(found.program.def.name(), RunError::ShuttingDown));
        }
        options.run_id = Some(id.clone());
        if options.resources.is_none() {
            options.resources = lock(&self.inner.resources).clone();
        }
        match self.inner.runs.entry(id.clone()) {
            Entry::Occupied(taken) if !taken.get().is_done() => {
                let name = found.program.def.name();
                AnyRun::first(refused(name, RunError::DuplicateRunId { id: taken.key().to_string() }))
            }
            free => {
                if matches!(begin, Begin::Start(_)) {
                    found.tally.begun();
                }
                let link = RuntimeLink::new(&self.inner, found.limit, found.tally);
                let ties = Ties { parent, link: Some(link), keeping };
                let run = AnyRun::first(launch(found.program, Some(found.instance), begin, Some(options), ties));
                // A run that ended while it was made has removed nothing yet.
                if !run.is_done() {
                    free.insert(run.clone());
                }
                run
            }
        }
    }

    /// A runtime of what is behind another one.
    pub(crate) fn of(inner: Arc<Inner>) -> Self {
        Runtime { inner }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(crate) fn host(&self) -> Option<&Arc<Host>> {
        self.inner.host.as_ref()
    }

    /// A live run, without a handle of it.
    pub(crate) fn shared_of(&self, id: &RunId) -> Option<Arc<RunShared>> {
        let run = self.inner.runs.get(id).map(|entry| Arc::clone(entry.value().shared()))?;
        (!run.has_ended()).then_some(run)
    }

    /// Live runs that rest since then, and that can leave memory: none is woken only to find that it cannot.
    pub(crate) fn resting_since(&self, then: Time) -> Vec<Arc<RunShared>> {
        let all = self.inner.runs.iter().map(|entry| Arc::clone(entry.value().shared()));
        let rests = |run: &Arc<RunShared>| run.rests_since().is_some_and(|since| since <= then.0);
        all.filter(rests).filter(|run| run.may_go_away()).collect()
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
}

fn failed_to_make(name: &str, error: StepError) -> RuntimeError {
    RuntimeError::Create { name: name.to_owned(), source: error.into_source() }
}
