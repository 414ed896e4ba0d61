use std::any::Any;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use stepcast_core::{DefinitionError, Payload, SharedWorkflow, Workflow, WorkflowDef};
use tokio::runtime::Handle;

use super::{AnyRun, Message, Run, RunData, RunEnd, RunError, RunId, RunOptions, RunShared, lock};
use crate::clock;
use crate::dispatch::{Dispatch, RunCore};
use crate::program::Program;
use crate::runtime::RuntimeLink;
use crate::snapshot::{RestoreRunError, Restored, RunSnapshot};
use crate::stream::Frames;
use stepcast_core::engine::RunState;

/// Starts runs of a workflow, or of an `Arc` of one. In the prelude.
pub trait RunWorkflow: SharedWorkflow {
    /// Starts a run at once on the current tokio runtime. Never panics: what keeps it from starting is the error of
    /// awaiting it.
    fn run(self, start: <Self::Flow as Workflow>::Start) -> Run<<Self::Flow as Workflow>::Stop> {
        launch_workflow(self.into_shared(), start, None)
    }

    /// As [`run`](Self::run), with options.
    fn run_with(
        self,
        start: <Self::Flow as Workflow>::Start,
        options: RunOptions,
    ) -> Run<<Self::Flow as Workflow>::Stop> {
        launch_workflow(self.into_shared(), start, Some(options))
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
        let shared = launch(program, Some(flow), Begin::Restored(Box::new(restored)), Some(options), None, None);
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

pub(crate) fn launch_workflow<W: Workflow>(flow: Arc<W>, start: W::Start, options: Option<RunOptions>) -> Run<W::Stop> {
    let shared = match Program::of::<W>() {
        Ok(program) => launch(program, Some(flow), Begin::Start(Payload::new(start)), options, None, None),
        Err(error) => refused(W::SPEC.name, RunError::Definition(error)),
    };
    Run::new(AnyRun::first(shared))
}

/// A run that could not begin.
pub(crate) fn refused(workflow: &str, error: RunError) -> Arc<RunShared> {
    let program = Arc::new(Program::new(WorkflowDef::without_steps(workflow)));
    launch(program, None, Begin::Refused(error), None, None, None)
}

/// A child of a run: attached to if it lives, taken up from its snapshot if it was stored, else begun.
pub(crate) fn start_child<W: Workflow>(
    parent: &Arc<RunShared>,
    flow: Arc<W>,
    start: W::Start,
    mut options: RunOptions,
    id: RunId,
) -> Arc<RunShared> {
    let known =
        lock(&parent.extra().children).iter().filter_map(|child| child.upgrade()).find(|child| *child.id() == id);
    if let Some(child) = known {
        return child;
    }
    options.run_id = Some(id.clone());
    if options.resources.is_none() {
        options.resources = parent.options().and_then(|options| options.resources.clone());
    }
    let program = match Program::of::<W>() {
        Ok(program) => program,
        Err(error) => return refused(W::SPEC.name, RunError::Definition(error)),
    };
    let stored = {
        let mut stored = lock(&parent.extra().stored_children);
        let at = stored.iter().position(|(known, _)| known == id.as_str());
        at.map(|at| stored.swap_remove(at).1)
    };
    let begin = match stored.map(|snapshot| snapshot.restore(&program)) {
        Some(Ok(restored)) => Begin::Restored(Box::new(restored)),
        Some(Err(error)) => Begin::Refused(RunError::Restore(Arc::new(error))),
        None => Begin::Start(Payload::new(start)),
    };
    let instance = Some(flow as Arc<dyn Any + Send + Sync>);
    let child = launch(program, instance, begin, Some(options), Some(parent), None);
    lock(&parent.extra().children).push(Arc::downgrade(&child));
    // Nobody holds a handle of a child: it is sent to through its parent.
    child.drop_handle();
    child
}

/// Makes a run and sets its dispatcher to work.
pub(crate) fn launch(
    program: Arc<Program>,
    instance: Option<Arc<dyn Any + Send + Sync>>,
    begin: Begin,
    options: Option<RunOptions>,
    parent: Option<&Arc<RunShared>>,
    link: Option<RuntimeLink>,
) -> Arc<RunShared> {
    let tokio = Handle::try_current().ok();
    let stream_bound = options.as_ref().and_then(|options| options.stream_bound).unwrap_or(super::shared::STREAM_BOUND);
    let max_running =
        options.as_ref().and_then(|options| options.max_running).unwrap_or(program.def.policy().max_running);
    let timeout = options.as_ref().and_then(|options| options.timeout);
    let last_seq = if let Begin::Restored(restored) = &begin { restored.seq } else { 0 };
    let mut data = RunData::new(stream_bound, last_seq);
    if options.as_ref().is_some_and(|options| options.record_internal) {
        data.frames = Some(Box::new(Frames::recording()));
    }
    let mut id = options.as_ref().and_then(|options| options.run_id.clone());
    let mut core = None;
    let mut end = None;
    match begin {
        Begin::Start(start) => {
            if let Some(store) = options.as_ref().and_then(|options| options.store.clone()) {
                store.fill(&mut data);
            }
            let mut begun = RunCore::new(RunState::new(timeout), max_running);
            begun.start = Some(start);
            core = Some(begun);
        }
        Begin::Restored(restored) => {
            let restored = *restored;
            restored.store.fill(&mut data);
            id = Some(restored.run_id);
            match restored.end {
                Some(ended) => end = Some(ended),
                None => {
                    let mut begun = RunCore::new(restored.state, max_running);
                    if let Some(timeout) = timeout {
                        begun.state.set_timeout(timeout);
                    }
                    if !restored.records.is_empty() {
                        begun.more().restored = restored.records;
                    }
                    core = Some(begun);
                }
            }
            if !restored.children.is_empty() {
                let shared = RunShared::new(program, instance, tokio, data);
                *lock(&shared.extra().stored_children) = restored.children;
                return settle(shared, core, end, options, parent, link, id);
            }
        }
        Begin::Refused(error) => end = Some(RunEnd::refused(error, clock::now())),
    }
    settle(RunShared::new(program, instance, tokio, data), core, end, options, parent, link, id)
}

/// The last steps of making a run, in an order in which nobody sees a half-made one.
fn settle(
    shared: RunShared,
    core: Option<RunCore>,
    end: Option<RunEnd>,
    options: Option<RunOptions>,
    parent: Option<&Arc<RunShared>>,
    link: Option<RuntimeLink>,
    id: Option<RunId>,
) -> Arc<RunShared> {
    if let Some(id) = id {
        shared.set_id(id);
    }
    if let Some(parent) = parent {
        let _ = shared.extra().parent.set(Arc::downgrade(parent));
    }
    if options.as_ref().is_some_and(|options| options.record_internal) {
        shared.observe(1);
    }
    let has_options = options.is_some();
    if let Some(options) = options {
        let _ = shared.extra().options.set(options);
    }
    let linked = link.is_some();
    if let (Some(link), Some(_), Some(_)) = (link, &core, &shared.tokio) {
        // A run that ends here and now was never in its runtime's list, which is locked while it is made.
        let _ = shared.extra().runtime.set(link);
    }
    let shared = Arc::new(shared);
    #[cfg_attr(not(feature = "testing"), allow(unused_mut))]
    let (Some(mut core), Some(tokio)) = (core, shared.tokio.as_ref()) else {
        let end = end.unwrap_or_else(|| RunEnd::refused(RunError::NoRuntime, clock::now()));
        lock(&shared.inbox).task = super::Task::Ended;
        shared.finish(end);
        return shared;
    };
    #[cfg(feature = "testing")]
    if let Some(test) = shared.options().and_then(|options| options.test.clone()) {
        core.more().test = Some(test);
    }
    let core = Box::new(core);
    let needs_prelude = linked
        || (has_options && shared.options().is_some_and(|options| options.resources.is_some()))
        || !shared.def().needs().is_empty();
    if needs_prelude {
        tokio.spawn(prelude(Arc::clone(&shared), core));
    } else {
        tokio.spawn(Dispatch::new(Arc::clone(&shared), core));
    }
    shared
}

/// Waits for what has to be there before the first step. Meanwhile the run can be cancelled, stored and asked.
async fn prelude(shared: Arc<RunShared>, mut core: Box<RunCore>) {
    let mut ready = pin!(admit(&shared));
    let first = std::future::poll_fn(|cx| Poll::Ready(ready.as_mut().poll(cx))).await;
    match first {
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
    if let (true, Some(link)) = (shared.has_ended(), shared.extra().runtime.get()) {
        link.release();
    }
}

/// What has to be there before the first step: a place among the concurrent runs, and the resources.
async fn admit(shared: &RunShared) -> Result<(), RunError> {
    if let Some(link) = shared.extra().runtime.get() {
        link.admit().await;
    }
    let resources = shared.options().and_then(|options| options.resources.clone()).unwrap_or_default();
    let def = shared.def();
    let needs: Vec<_> = def.needs().iter().map(|(step, need)| (*need, def.step(*step).name())).collect();
    let resolved = resources.resolve_all(&needs).await.map_err(|error| RunError::Resources(Arc::new(error)))?;
    let _ = shared.extra().resolved.set(resolved);
    Ok(())
}

/// A definition that failed to build, as the run's error.
impl From<Arc<DefinitionError>> for RunError {
    fn from(error: Arc<DefinitionError>) -> Self {
        RunError::Definition(error)
    }
}
