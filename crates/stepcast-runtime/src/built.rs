//! Workflows that were put together at run time.

use std::marker::PhantomData;
use std::sync::Arc;

use stepcast_core::{Event, Payload, WorkflowDef};

use crate::program::Program;
use crate::run::{AnyRun, Begin, ChildFlow, Run, RunOptions, Ties, launch};
use crate::snapshot::{RestoreRunError, RunSnapshot};

/// A workflow made by [`WorkflowBuilder`](stepcast_core::WorkflowBuilder), ready to run. Clones share the definition.
///
/// ```
/// use stepcast_core::{StartEvent, StopEvent, WorkflowBuilder};
/// use stepcast_runtime::BuiltWorkflow;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let def = WorkflowBuilder::new::<StartEvent, StopEvent>("echo")
///     .step_fn("echo", async |start: StartEvent| StopEvent::new(start.get("text").cloned()))
///     .build()?;
/// let echo = BuiltWorkflow::<StartEvent, StopEvent>::new(def)?;
/// let stop = echo.run(StartEvent::default().with("text", "hi")).await?;
/// assert_eq!(stop.result(), Some(&"hi".into()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct BuiltWorkflow<Start, Stop> {
    program: Arc<Program>,
    ends: PhantomData<fn(Start) -> Stop>,
}

/// A workflow that was put together at run time, whatever its ends.
#[derive(Clone, Debug)]
pub struct AnyWorkflow {
    pub(crate) program: Arc<Program>,
}

impl<Start, Stop> From<&BuiltWorkflow<Start, Stop>> for AnyWorkflow {
    fn from(flow: &BuiltWorkflow<Start, Stop>) -> Self {
        AnyWorkflow { program: Arc::clone(&flow.program) }
    }
}

/// A definition does not begin or end with the events asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The workflow `{workflow}` goes from `{start}` to `{stop}`, not from `{wanted_start}` to `{wanted_stop}`.")]
pub struct WrongEnds {
    workflow: String,
    start: &'static str,
    stop: &'static str,
    wanted_start: &'static str,
    wanted_stop: &'static str,
}

impl<Start: Event, Stop: Event> BuiltWorkflow<Start, Stop> {
    /// Takes a definition whose start and stop events are these.
    ///
    /// # Errors
    /// When they are others.
    pub fn new(def: WorkflowDef) -> Result<Self, WrongEnds> {
        let (start, stop) = (def.event(def.start()), def.event(def.stop()));
        if start.type_id() != Start::META.type_id() || stop.type_id() != Stop::META.type_id() {
            return Err(WrongEnds {
                workflow: def.name().to_owned(),
                start: start.tag,
                stop: stop.tag,
                wanted_start: Start::META.tag,
                wanted_stop: Stop::META.tag,
            });
        }
        Ok(BuiltWorkflow { program: Arc::new(Program::new(def)), ends: PhantomData })
    }

    /// The definition.
    pub fn definition(&self) -> &WorkflowDef {
        &self.program.def
    }

    /// Starts a run at once on the current tokio runtime; what keeps it from starting is the error of awaiting it.
    pub fn run(&self, start: Start) -> Run<Stop> {
        self.run_with(start, RunOptions::default())
    }

    /// As [`run`](Self::run), with options.
    pub fn run_with(&self, start: Start, options: RunOptions) -> Run<Stop> {
        self.launch(Begin::Start(Payload::new(start)), options)
    }

    /// Goes on with a run from its snapshot.
    ///
    /// # Errors
    /// When the snapshot is of another workflow or does not fit this one any more.
    pub fn restore(&self, snapshot: RunSnapshot, options: RunOptions) -> Result<Run<Stop>, RestoreRunError> {
        let restored = snapshot.restore(&self.program)?;
        Ok(self.launch(Begin::Restored(Box::new(restored)), options))
    }

    pub(crate) fn as_child(&self) -> ChildFlow {
        let name = self.program.def.name().into();
        ChildFlow { name, program: Ok(Arc::clone(&self.program)), instance: Arc::new(()) }
    }

    pub(crate) fn program(&self) -> &Arc<Program> {
        &self.program
    }

    fn launch(&self, begin: Begin, options: RunOptions) -> Run<Stop> {
        Run::new(AnyRun::first(launch(Arc::clone(&self.program), None, begin, Some(options), Ties::default())))
    }
}

impl<Start, Stop> Clone for BuiltWorkflow<Start, Stop> {
    fn clone(&self) -> Self {
        BuiltWorkflow { program: Arc::clone(&self.program), ends: PhantomData }
    }
}
