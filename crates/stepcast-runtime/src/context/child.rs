use std::future::IntoFuture;
use std::sync::Arc;

use serde_json::Value;
use stepcast_core::engine::{OpId, OpKind, OpResult};
use stepcast_core::{BoxFuture, ErrorInfo, Event, EventMeta, Payload, SharedWorkflow, Workflow};

use super::call::{child_ended, tell_parent};
use super::op::{Gone, OpFuture};
use super::{Context, SendSet};
use crate::built::BuiltWorkflow;
use crate::durable::{BeginsChild, Keeping};
use crate::exec::{ExecShared, Recorded};
use crate::named::NamedWorkflow;
use crate::run::{ChildFlow, Message, NewChild, Request, RunEnd, RunError, RunId, RunOptions, RunShared, start_child};
use crate::runtime::RuntimeLink;
use crate::telemetry::TraceContext;

/// A child run, made by [`Context::run_child`]. Await it.
#[must_use = "a child run does nothing until it is awaited"]
pub struct RunChild<W: Workflow> {
    exec: Arc<ExecShared>,
    flow: Arc<W>,
    event: W::Start,
    options: RunOptions,
}

/// A child run gave no stop event.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChildError {
    /// The child failed, timed out or was cancelled.
    #[error("The child run `{run_id}` of `{workflow}` failed: {}", error.exception_message)]
    Failed {
        /// The child's workflow.
        workflow: String,
        /// The child's id.
        run_id: String,
        /// Why.
        error: ErrorInfo,
    },
    /// The child's recorded stop event does not fit its type any more.
    #[error("The stop event of the child run `{run_id}` does not fit `{workflow}` any more: {source}.")]
    Result {
        /// The child's workflow.
        workflow: String,
        /// The child's id.
        run_id: String,
        /// What serde found.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// The data is no start event of the workflow.
    #[error("The data does not fit `{event}`, the start event of `{workflow}`: {source}.")]
    Start {
        /// The child's workflow.
        workflow: String,
        /// Tag of its start event.
        event: &'static str,
        /// What serde found.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// A linked workflow could not be made.
    #[error("No value of the workflow `{workflow}` could be made: {}", error.exception_message)]
    NotMade {
        /// The child's workflow.
        workflow: String,
        /// What its constructor said.
        error: ErrorInfo,
    },
    /// The execution has recorded as many results as it may.
    #[error("The execution has recorded {bound} results, the most it may; split the step.")]
    RecordFull {
        /// The bound.
        bound: usize,
    },
    /// The run has ended.
    #[error("The run has ended; no child is started.")]
    RunEnded,
    /// The execution that this context belongs to is over.
    #[error("The execution that this context belongs to is over; start children inside the step's own body.")]
    ExecutionEnded,
}

impl From<Gone> for ChildError {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Run => ChildError::RunEnded,
            Gone::Execution => ChildError::ExecutionEnded,
        }
    }
}

impl<S: SendSet> Context<S> {
    /// Runs another workflow to its end, as a child of this run: with an id of its own, cancelled with this run, its
    /// questions to people visible on this run. Its failure is an error value here. It is a commit point. On
    /// re-execution an ended child is not run again, and a running one is taken up again.
    pub fn run_child<F: SharedWorkflow>(&self, flow: F, event: <F::Flow as Workflow>::Start) -> RunChild<F::Flow> {
        RunChild { exec: Arc::clone(&self.exec), flow: flow.into_shared(), event, options: RunOptions::default() }
    }

    /// As [`run_child`](Self::run_child), for a workflow that was put together at run time. Its name, that of its
    /// definition, is the label of the operation.
    ///
    /// # Errors
    /// As the error values of a child: when it failed, timed out or was cancelled, or the run has ended.
    pub async fn run_built<Start: Event, Stop: Event>(
        &self,
        flow: &BuiltWorkflow<Start, Stop>,
        event: Start,
    ) -> Result<Stop, ChildError> {
        let flow = flow.as_child();
        let name = Arc::clone(&flow.name);
        let ended_as = run_child(Arc::clone(&self.exec), flow, Payload::new(event), RunOptions::default()).await?;
        ended(&name, ended_as.0, ended_as.1)
    }

    /// As [`run_child`](Self::run_child), for a workflow that is known by its name: from the JSON form of its start event
    /// to that of its stop event.
    ///
    /// ```
    /// # use stepcast_core::StepError;
    /// # use stepcast_runtime::{Context, NamedWorkflows};
    /// async fn ask(ctx: Context, known: NamedWorkflows) -> Result<serde_json::Value, StepError> {
    ///     let Some(flow) = known.get("echo") else { return Err(StepError::msg("there is no echo")) };
    ///     Ok(ctx.run_named(&flow, serde_json::json!({ "n": 7 })).await?)
    /// }
    /// ```
    ///
    /// # Errors
    /// When the data does not fit the start event, the workflow cannot be made, or as the error values of a child.
    pub async fn run_named(&self, flow: &NamedWorkflow, start: Value) -> Result<Value, ChildError> {
        let workflow = || flow.name().to_owned();
        let def = flow.definition();
        let meta: &'static EventMeta = def.event(def.start());
        let start = meta.decode(start).map_err(|source| ChildError::Start {
            workflow: workflow(),
            event: meta.tag,
            source: Arc::new(source),
        })?;
        let child =
            flow.as_child().await.map_err(|error| ChildError::NotMade { workflow: workflow(), error: error.info() })?;
        let start = Payload::from_box(start);
        let (run_id, end) = run_child(Arc::clone(&self.exec), child, start, RunOptions::default()).await?;
        end.map_err(|error| ChildError::Failed { workflow: workflow(), run_id, error })
    }
}

impl<W: Workflow> RunChild<W> {
    /// Runs the child with other options than the default ones. A run id given here is not used: a child's id follows
    /// from its parent.
    pub fn options(mut self, options: RunOptions) -> Self {
        self.options = options;
        self
    }

    async fn run(self) -> Result<W::Stop, ChildError> {
        let RunChild { exec, flow, event, options } = self;
        let (run_id, end) = run_child(exec, ChildFlow::of(flow), Payload::new(event), options).await?;
        ended::<W::Stop>(W::SPEC.name, run_id, end)
    }
}

/// Runs a child to its end, whatever its workflow is.
async fn run_child(
    exec: Arc<ExecShared>,
    flow: ChildFlow,
    start: Payload,
    options: RunOptions,
) -> Result<(String, Result<Value, ErrorInfo>), ChildError> {
    if let Some(gone) = Gone::check(&exec) {
        return Err(gone.into());
    }
    let workflow = Arc::clone(&flow.name);
    let (id, recorded) = {
        let mut log = exec.log();
        let ordinal = log.next(OpKind::Child, &workflow);
        let id = OpId { kind: OpKind::Child, label: (*workflow).into(), ordinal };
        let recorded = log.recorded(OpKind::Child, &workflow, ordinal).cloned();
        let bound = exec.run.def().policy().max_records;
        if recorded.is_none() && log.is_full(bound) {
            return Err(ChildError::RecordFull { bound });
        }
        (id, recorded)
    };
    let again = recorded.is_some();
    if let Some(Recorded::Child { run_id, end: Some(end) }) = recorded {
        child_ended(&exec.run, &run_id);
        return Ok((run_id, end));
    }
    let begins = BeginsChild::of(&exec.run);
    let run_id = match recorded {
        Some(Recorded::Child { run_id, .. }) => run_id,
        _ => {
            let run_id = format!("{}.{}.{}{}", exec.run.id(), exec.key.serial, workflow, suffix(id.ordinal));
            let child = Recorded::Child { run_id: run_id.clone(), end: None };
            exec.log().record(OpKind::Child, &workflow, id.ordinal, child, usize::MAX);
            OpFuture::begin(&exec, id.clone(), Request::Child { id: id.clone() }).await?;
            run_id
        }
    };
    let waiting = OpFuture::join(&exec, id.clone());
    let mut options = options;
    if options.trace.is_none() {
        let of_span = TraceContext::current().or_else(|| exec.run.trace_from_outside());
        options.trace = of_span.map(Box::new);
    }
    let new = NewChild { flow, start, options, id: RunId::from(run_id.as_str()) };
    match start_child(&exec.run, new).await {
        Ok(child) => {
            if again {
                tell_parent(&exec.run, &child);
            }
            tokio::spawn(report(Arc::clone(&exec), child, id.clone(), run_id, begins));
        }
        Err(new) => {
            // Another process has it, and so has the store.
            drop(begins);
            tokio::spawn(report_from_elsewhere(Arc::clone(&exec), new, id.clone()));
        }
    }
    match waiting.await? {
        OpResult::ChildEnded => {}
        _ => return Err(ChildError::ExecutionEnded),
    }
    let recorded = exec.log().recorded(OpKind::Child, &workflow, id.ordinal).cloned();
    match recorded {
        Some(Recorded::Child { run_id, end: Some(end) }) => {
            child_ended(&exec.run, &run_id);
            Ok((run_id, end))
        }
        _ => Err(ChildError::ExecutionEnded),
    }
}

fn suffix(ordinal: u32) -> String {
    if ordinal == 0 { String::new() } else { format!(".{}", ordinal + 1) }
}

/// Waits for a child that another living process has, until that ends or is to be had here.
async fn report_from_elsewhere(exec: Arc<ExecShared>, mut new: NewChild, id: OpId) {
    let run_id = new.id.to_string();
    let Some(runtime) = exec.run.link().and_then(RuntimeLink::runtime) else { return };
    let Some(host) = runtime.host().cloned() else { return };
    // The run holds its runtime by a weak reference only, and so does whoever waits for it.
    drop(runtime);
    // Nobody else may know the child's workflow, so somebody has to be there when its holder is gone.
    let stays = exec.run.keeping().map(Keeping::stay);
    let gone = exec.cancel_token();
    let child = loop {
        let stirs = host.stirs();
        new = match start_child(&exec.run, new).await {
            Ok(child) => break child,
            Err(new) => new,
        };
        tokio::select! {
            () = stirs => {}
            () = gone.cancelled() => return,
        }
    };
    drop(stays);
    tell_parent(&exec.run, &child);
    report(exec, child, id, run_id, None).await;
}

/// Brings the child's end to its parent's dispatcher.
async fn report(exec: Arc<ExecShared>, child: Arc<RunShared>, id: OpId, run_id: String, begins: Option<BeginsChild>) {
    // A parent that leaves memory asks anew when it is back.
    let gone = exec.cancel_token();
    let ended = async {
        if let Some(begins) = begins {
            begins.until_recorded(&child).await;
        }
        child.ended().await;
    };
    tokio::select! {
        () = ended => {}
        () = gone.cancelled() => return,
    }
    let end = match child.outcome().map(RunEnd::result) {
        Some(Ok(stop)) => stop.as_erased().to_value().map_err(|error| stepcast_core::StepError::from(error).info()),
        // It has not ended, it only goes on no longer here; and so it is with its parent.
        Some(Err(error @ (RunError::Storage { .. } | RunError::ShuttingDown))) if exec.run.keeping().is_some() => {
            exec.run.post(Message::Stop(error.clone()));
            return;
        }
        Some(Err(error)) => Err(stepcast_core::StepError::from(error.clone()).info()),
        None => return,
    };
    exec.run.woken_by_child(&child);
    let request = Request::ChildDone { id, run_id, end };
    exec.run.post(Message::Operation { exec: exec.key, attempt: exec.attempt, request });
}

fn ended<Stop: Event>(workflow: &str, run_id: String, end: Result<Value, ErrorInfo>) -> Result<Stop, ChildError> {
    let workflow = workflow.to_owned();
    match end {
        Ok(value) => serde_json::from_value::<Stop>(value).map_err(|source| ChildError::Result {
            workflow,
            run_id,
            source: Arc::new(source),
        }),
        Err(error) => Err(ChildError::Failed { workflow, run_id, error }),
    }
}

impl<W: Workflow> IntoFuture for RunChild<W>
where
    W::Start: Event,
{
    type Output = Result<W::Stop, ChildError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<W: Workflow> std::fmt::Debug for RunChild<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunChild").field("workflow", &W::SPEC.name).finish_non_exhaustive()
    }
}
