use std::any::Any;
use std::future::Future;
use std::mem::{needs_drop, size_of};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use stepcast_core::{DefinitionError, Payload, SharedWorkflow, Workflow, WorkflowDef};
use tokio::runtime::Handle;

use super::shared::STREAM_BOUND;
use super::{AnyRun, Held, Message, Run, RunEnd, RunError, RunId, RunOptions, RunShared, Task, lock};
use crate::clock;
use crate::context::set_up_calls;
use crate::dispatch::{Dispatch, First, RunCore, RunTask};
use crate::durable::Keeping;
use crate::program::Program;
use crate::runtime::RuntimeLink;
use crate::snapshot::{RestoreRunError, Restored, RunSnapshot};
use crate::stream::{Frames, Times};
use crate::telemetry::TraceContext;

/// Starts runs of a workflow, or of an `Arc` of one. In the prelude.
pub trait RunWorkflow: SharedWorkflow {
    /// Starts a run at once on the current tokio runtime. Never panics: what keeps it from starting is the error of
    /// awaiting it.
    fn run(self, start: <Self::Flow as Workflow>::Start) -> Run<<Self::Flow as Workflow>::Stop> {
        launch_workflow(self, start, None)
    }

    /// As [`run`](Self::run), with options.
    fn run_with(
        self,
        start: <Self::Flow as Workflow>::Start,
        options: RunOptions,
    ) -> Run<<Self::Flow as Workflow>::Stop> {
        launch_workflow(self, start, Some(options))
    }

    /// Goes on with a run from its snapshot, in this process or another.
    ///
    /// # Errors
    /// When the snapshot is damaged, of an unknown version, of another workflow, or does not fit this one any more.
    fn restore(self, snapshot: RunSnapshot) -> Result<Run<<Self::Flow as Workflow>::Stop>, RestoreRunError> {
        self.restore_with(snapshot, RunOptions::default())
    }

    /// As [`restore`](Self::restore), with options. The run keeps its id.
    ///
    /// # Errors
    /// As for [`restore`](Self::restore).
    fn restore_with(
        self,
        snapshot: RunSnapshot,
        options: RunOptions,
    ) -> Result<Run<<Self::Flow as Workflow>::Stop>, RestoreRunError> {
        let flow = self.into_shared();
        let program = Program::of::<Self::Flow>().map_err(RestoreRunError::Definition)?;
        let restored = snapshot.restore(&program)?;
        let shared = launch(program, Some(flow), Begin::Restored(Box::new(restored)), Some(options), Ties::default());
        Ok(Run::new(AnyRun::first(shared)))
    }
}

impl<T: SharedWorkflow> RunWorkflow for T {}

/// How a run begins.
pub(crate) enum Begin {
    Start(Payload),
    Restored(Box<Restored>),
    Refused(RunError),
}

fn launch_workflow<T: SharedWorkflow>(
    flow: T,
    start: <T::Flow as Workflow>::Start,
    options: Option<RunOptions>,
) -> Run<<T::Flow as Workflow>::Stop> {
    let shared = match Program::of::<T::Flow>() {
        Ok(program) => {
            let flow = instance(&program, flow);
            launch(program, flow, Begin::Start(Payload::new(start)), options, Ties::default())
        }
        Err(error) => refused(T::Flow::SPEC.name, RunError::Definition(error)),
    };
    Run::new(AnyRun::first(shared))
}

/// The workflow as its run holds it; one without fields is kept by its program, once for all runs.
fn instance<T: SharedWorkflow>(program: &Program, flow: T) -> Option<Arc<dyn Any + Send + Sync>> {
    if size_of::<T>() > 0 || needs_drop::<T>() {
        return Some(flow.into_shared());
    }
    program.unit.get_or_init(|| flow.into_shared());
    None
}

/// As [`instance`], for whom it does not matter where it is kept.
pub(crate) fn shared_instance<T: SharedWorkflow>(program: &Program, flow: T) -> Arc<dyn Any + Send + Sync> {
    match size_of::<T>() > 0 || needs_drop::<T>() {
        true => flow.into_shared(),
        false => Arc::clone(program.unit.get_or_init(|| flow.into_shared())) as _,
    }
}

/// A run that could not begin.
pub(crate) fn refused(workflow: &str, error: RunError) -> Arc<RunShared> {
    let program = Arc::new(Program::new(WorkflowDef::without_steps(workflow)));
    launch(program, None, Begin::Refused(error), None, Ties::default())
}

/// What a child is begun with.
pub(crate) struct NewChild {
    pub(crate) flow: ChildFlow,
    pub(crate) start: Payload,
    pub(crate) options: RunOptions,
    pub(crate) id: RunId,
}

/// The workflow of a child.
#[derive(Clone)]
pub(crate) struct ChildFlow {
    pub(crate) name: Arc<str>,
    pub(crate) program: Result<Arc<Program>, Arc<DefinitionError>>,
    pub(crate) instance: Arc<dyn Any + Send + Sync>,
}

impl ChildFlow {
    pub(crate) fn of<W: Workflow>(flow: Arc<W>) -> Self {
        ChildFlow { name: W::SPEC.name.into(), program: Program::of::<W>(), instance: flow }
    }
}

/// A child of a run: attached to if it lives, taken up from where it was stored, else begun. Gives it back if another
/// living process has it.
pub(crate) async fn start_child(parent: &Arc<RunShared>, mut new: NewChild) -> Result<Arc<RunShared>, NewChild> {
    // Of a run that a backend keeps, the runtime's list knows which record of a child is the one that goes on.
    if parent.keeping().is_none() {
        let children = lock(&parent.rare().children);
        let known = children.iter().filter_map(|child| child.upgrade()).find(|child| *child.id() == new.id);
        if let Some(child) = known {
            return Ok(child);
        }
    }
    new.options.run_id = Some(new.id.clone());
    // Who keeps the frames of a run keeps those of what it runs.
    new.options.record_internal |= parent.options().is_some_and(|options| options.record_internal);
    new.options.record_times |= parent.options().is_some_and(|options| options.record_times);
    if new.options.resources.is_none() {
        new.options.resources = parent.options().and_then(|options| options.resources.clone());
    }
    if parent.keeping().is_some() {
        let runtime = parent.link().and_then(RuntimeLink::runtime);
        return match runtime {
            Some(runtime) => runtime.child(parent, new).await,
            None => Ok(refused(&new.flow.name, RunError::ShuttingDown)),
        };
    }
    let NewChild { flow, start, options, id } = new;
    let program = match flow.program {
        Ok(program) => program,
        Err(error) => return Ok(refused(&flow.name, RunError::Definition(error))),
    };
    let stored = {
        let mut stored = lock(&parent.rare().stored_children);
        let at = stored.iter().position(|(known, _)| known == id.as_str());
        at.map(|at| stored.swap_remove(at).1)
    };
    let begin = match stored.map(|snapshot| snapshot.restore(&program)) {
        Some(Ok(restored)) => Begin::Restored(Box::new(restored)),
        Some(Err(error)) => Begin::Refused(RunError::Restore(Arc::new(error))),
        None => Begin::Start(start),
    };
    let instance = Some(flow.instance);
    let child = launch(program, instance, begin, Some(options), Ties { parent: Some(parent), ..Ties::default() });
    parent.take_child(&child);
    child.tell_watches();
    // Nobody holds a handle of a child: it is sent to through its parent.
    child.drop_handle();
    Ok(child)
}

/// What a run belongs to.
#[derive(Default)]
pub(crate) struct Ties<'a> {
    pub(crate) parent: Option<&'a Arc<RunShared>>,
    pub(crate) link: Option<RuntimeLink>,
    pub(crate) keeping: Option<Keeping>,
}

/// Makes a run and sets its dispatcher to work.
pub(crate) fn launch(
    program: Arc<Program>,
    instance: Option<Arc<dyn Any + Send + Sync>>,
    begin: Begin,
    options: Option<RunOptions>,
    ties: Ties<'_>,
) -> Arc<RunShared> {
    let Ties { parent, link, keeping } = ties;
    let tokio = Handle::try_current().ok();
    let stream_bound = options.as_ref().and_then(|options| options.stream_bound).unwrap_or(STREAM_BOUND);
    // What a backend keeps begins with a write.
    let held = keeping.is_none() && options.as_ref().is_some_and(|options| options.held);
    let shared = RunShared::new(program, instance, stream_bound, keeping);
    if let Some(parent) = parent {
        *lock(&shared.rare().parent) = Arc::downgrade(parent);
    }
    let needs_prelude = link.as_ref().is_some_and(RuntimeLink::is_bounded) || !shared.def().needs().is_empty();
    let mut options = options;
    if let Some(options) = &mut options {
        options.held = false;
    }
    let given = options.as_mut().and_then(|options| options.trace.take()).map(|trace| *trace);
    if let Some(options) = options {
        set_options(&shared, options, &begin);
    }
    let first = match begin {
        Begin::Start(start) => {
            shared.started_by(given.or_else(TraceContext::current).as_ref());
            Ok(First::Start(start))
        }
        Begin::Restored(restored) => take_up(&shared, *restored),
        Begin::Refused(error) => Err(RunEnd::refused(error, clock::now())),
    };
    if let Some(options) = shared.options() {
        set_up_calls(&shared, options);
    }
    let (first, tokio) = match (first, tokio) {
        (Ok(first), Some(tokio)) => (first, tokio),
        (first, _) => {
            let end = first.err().unwrap_or_else(|| RunEnd::refused(RunError::NoRuntime, clock::now()));
            lock(&shared.inbox).task = Task::Ended;
            shared.finish(end);
            return Arc::new(shared);
        }
    };
    if let Some(link) = link {
        // A run that ends here and now was never in its runtime's list, which is locked while it is made.
        let _ = shared.extra().runtime.set(link);
    }
    let shared = Arc::new(shared);
    match first {
        First::Start(start) if held && !needs_prelude => {
            lock(&shared.inbox).task = Task::Held(Box::new(Held { start, tokio }));
        }
        first if needs_prelude => drop(tokio.spawn(prelude(Arc::clone(&shared), first))),
        first => drop(tokio.spawn(RunTask::new(Arc::clone(&shared), first))),
    }
    shared
}

fn set_options(shared: &RunShared, mut options: RunOptions, begin: &Begin) {
    // A restored run keeps its id and its store.
    let new = !matches!(begin, Begin::Restored(_));
    if let (true, Some(id)) = (new, options.run_id.take()) {
        shared.set_id(id);
    }
    let (store, record, times) = (options.store.take(), options.record_internal, options.record_times);
    if options.stepwise {
        shared.extra().still.store(true, Ordering::Relaxed);
    }
    if !options.is_default() {
        let _ = shared.extra().options.set(Box::new(options));
    }
    if let (true, Some(store)) = (new, store) {
        store.fill(&mut shared.data());
    }
    shared.data().times = Times(times);
    if record {
        shared.data().frames = Some(Box::new(Frames::recording()));
        shared.observe(1);
    }
}

/// Puts into a run what its snapshot brought: what it goes on with, or how it had ended.
fn take_up(shared: &RunShared, restored: Restored) -> Result<First, RunEnd> {
    let mut data = shared.data();
    restored.store.fill(&mut data);
    data.log.begin_after(restored.seq);
    drop(data);
    shared.set_id(restored.run_id);
    if !restored.children.is_empty() {
        *lock(&shared.rare().stored_children) = restored.children;
    }
    if let Some(end) = restored.end {
        return Err(end);
    }
    Ok(First::Core(RunCore::restored(shared, restored.state, restored.records)))
}

/// Waits for what has to be there before the first step. Meanwhile the run can be cancelled, stored and asked.
async fn prelude(shared: Arc<RunShared>, first: First) {
    let mut core = first.into_core(&shared);
    let mut ready = pin!(admit(&shared));
    let admitted = std::future::poll_fn(|cx| Poll::Ready(ready.as_mut().poll(cx))).await;
    match admitted {
        Poll::Ready(Ok(())) => Dispatch::new(Arc::clone(&shared), core).await,
        Poll::Ready(Err(error)) => {
            let mut dispatch = Dispatch::new(Arc::clone(&shared), core);
            dispatch.refuse(error);
            dispatch.await;
        }
        Poll::Pending => {
            let max_running = std::mem::replace(&mut core.max_running, 0);
            tokio::spawn(Dispatch::new(Arc::clone(&shared), core));
            tokio::select! {
                biased;
                () = shared.ended() => {}
                ready = ready => drop(shared.post(match ready {
                    Ok(()) => Message::Admitted { max_running },
                    Err(error) => Message::Refused(error),
                })),
            }
        }
    }
    // A place that came too late for the run is free again.
    if let (true, Some(link)) = (shared.has_ended(), shared.link()) {
        link.release();
    }
}

/// What has to be there before the first step: a place among the concurrent runs, and the resources.
async fn admit(shared: &RunShared) -> Result<(), RunError> {
    if let Some(link) = shared.link() {
        link.admit().await;
    }
    let def = shared.def();
    if def.needs().is_empty() {
        return Ok(());
    }
    let resources = shared.options().and_then(|options| options.resources.clone()).unwrap_or_default();
    let needs: Vec<_> = def.needs().iter().map(|(step, need)| (*need, def.step(*step).name())).collect();
    let resolved = resources.resolve_all(&needs).await.map_err(|error| RunError::Resources(Arc::new(error)))?;
    let _ = shared.rare().resolved.set(resolved);
    Ok(())
}

/// A definition that failed to build, as the run's error.
impl From<Arc<DefinitionError>> for RunError {
    fn from(error: Arc<DefinitionError>) -> Self {
        RunError::Definition(error)
    }
}
