use std::fmt;
use std::sync::Arc;

use crate::{Event, EventMeta, OnFailure, RunPolicy, StepSpec, WorkflowGraph};

/// A workflow: a set of steps between one start event and one stop event. Implemented by `#[workflow]` and `flow!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow",
    label = "not a workflow",
    note = "put `#[workflow(Start => Stop)]` above an impl block with `#[step]` methods, or list free steps with `flow!`"
)]
pub trait Workflow: Sized + Send + Sync + 'static {
    /// The event that begins a run.
    type Start: Event;
    /// The event that ends a run.
    type Stop: Event;
    /// Everything the macros know about the workflow, as a constant.
    const SPEC: WorkflowSpec;

    /// The workflow's graph as data, to draw or to send.
    fn graph() -> WorkflowGraph {
        WorkflowGraph::of(&Self::SPEC)
    }
}

/// A workflow as the macros see it.
#[derive(Clone, Copy)]
pub struct WorkflowSpec {
    /// The workflow's name.
    pub name: &'static str,
    /// Its start event.
    pub start: &'static EventMeta,
    /// Its stop event.
    pub stop: &'static EventMeta,
    /// Its steps, in source order.
    pub steps: &'static [StepSpec],
    /// What a step's final failure does where the step does not say.
    pub on_failure: OnFailure,
    /// Makes the bounds of its runs.
    pub policy: fn() -> RunPolicy,
    /// First line of its documentation.
    pub doc: &'static str,
}

impl fmt::Debug for WorkflowSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowSpec")
            .field("name", &self.name)
            .field("start", &self.start)
            .field("stop", &self.stop)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

/// A workflow, or an `Arc` of one: what a run can be started from.
pub trait SharedWorkflow: Sized {
    /// The workflow.
    type Flow: Workflow;

    /// The workflow behind an `Arc`.
    fn into_shared(self) -> Arc<Self::Flow>;
}

#[diagnostic::do_not_recommend]
impl<W: Workflow> SharedWorkflow for W {
    type Flow = W;

    fn into_shared(self) -> Arc<W> {
        Arc::new(self)
    }
}

impl<W: Workflow> SharedWorkflow for Arc<W> {
    type Flow = W;

    fn into_shared(self) -> Arc<W> {
        self
    }
}
