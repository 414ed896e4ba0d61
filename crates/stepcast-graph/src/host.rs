//! What the graphs of a program may use: functions, runners, other workflows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};
use stepcast_core::{BoxFuture, Catalogue, SharedWorkflow, Step, StepError, StepSpec, Workflow};
use stepcast_runtime::{Context, NamedWorkflow, NamedWorkflows, Runtime};

use crate::graph::Graph;

/// Does the work of `agent`, `orchestration` and `notification` steps. What it returns is the step's output.
///
/// One that panics or fails fails the step, with its retries and its `on_failure`.
pub trait Runner: Send + Sync + 'static {
    /// Does a piece of work.
    fn run(&self, job: Job, ctx: Context) -> BoxFuture<'static, Result<Value, StepError>>;
}

impl<F, Fut> Runner for F
where
    F: Fn(Job, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Value, StepError>> + Send + 'static,
{
    fn run(&self, job: Job, ctx: Context) -> BoxFuture<'static, Result<Value, StepError>> {
        Box::pin(self(job, ctx))
    }
}

impl fmt::Debug for dyn Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runner")
    }
}

/// A piece of work for a [`Runner`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Job {
    /// The step.
    pub step: String,
    /// Its type: `agent`, `orchestration` or `notification`.
    pub kind: &'static str,
    /// The runner's name.
    pub target: String,
    /// What the runner is told, where the step says something.
    pub prompt: Option<String>,
    /// What it works on.
    pub input: Value,
    /// The step's `config`.
    pub config: Map<String, Value>,
    /// 1 for the first attempt.
    pub attempt: u32,
}

/// A function of the host, for `custom` functions and transforms: from a value and the step's `config` to a value.
pub trait Function: Send + Sync + 'static {
    /// Calls it.
    fn call(&self, input: Value, config: Map<String, Value>) -> BoxFuture<'static, Result<Value, StepError>>;
}

impl<F, Fut> Function for F
where
    F: Fn(Value, Map<String, Value>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Value, StepError>> + Send + 'static,
{
    fn call(&self, input: Value, config: Map<String, Value>) -> BoxFuture<'static, Result<Value, StepError>> {
        Box::pin(self(input, config))
    }
}

impl fmt::Debug for dyn Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Function")
    }
}

type RunFlow = Arc<dyn Fn(Context, Value) -> BoxFuture<'static, Result<Value, StepError>> + Send + Sync>;

/// Another workflow that a graph may run to its end.
#[derive(Clone)]
pub(crate) struct ChildFlow(pub(crate) RunFlow);

impl ChildFlow {
    fn named(flow: NamedWorkflow) -> Self {
        ChildFlow(Arc::new(move |ctx: Context, input: Value| {
            let flow = flow.clone();
            Box::pin(async move { Ok(ctx.run_named(&flow, input).await?) })
        }))
    }
}

impl fmt::Debug for ChildFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChildFlow")
    }
}

#[derive(Clone, Debug)]
pub(crate) struct KnownRunner {
    pub(crate) name: String,
    pub(crate) capabilities: BTreeSet<String>,
    pub(crate) runner: Arc<dyn Runner>,
}

/// What the graphs of a program may use by name. Free `#[step]` functions and workflows that are linked into the program are
/// there by themselves, and so are the compiled workflows of the runtime that the graphs are of; runners, functions and
/// other workflows are added.
///
/// ```
/// use serde_json::{Value, json};
/// use stepcast_graph::{Host, Job};
/// use stepcast_runtime::Context;
///
/// let host = Host::new()
///     .runner("writer", ["write"], |job: Job, _: Context| async move { Ok(json!({ "text": job.prompt })) })
///     .function("double", |n: Value, _| async move { Ok(json!(n.as_i64().unwrap_or(0) * 2)) });
/// # let _ = host;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Host {
    steps: BTreeMap<String, &'static StepSpec>,
    runners: BTreeMap<String, KnownRunner>,
    functions: BTreeMap<String, Arc<dyn Function>>,
    workflows: BTreeMap<String, ChildFlow>,
    /// Those of runtimes, looked up when they are named.
    registered: Vec<NamedWorkflows>,
    /// Linked ones that were named: each is made once for all graphs of the host.
    linked: Arc<Mutex<BTreeMap<&'static str, NamedWorkflow>>>,
    graphs: BTreeMap<String, Graph>,
    /// References are not looked up.
    anything: bool,
}

impl Host {
    /// A host with nothing but the linked steps and workflows.
    pub fn new() -> Self {
        Host::default()
    }

    /// A host for which every name of a function, runner or workflow is right: for looking at a document alone. Its
    /// graphs cannot run.
    pub fn any() -> Self {
        Host { anything: true, ..Host::default() }
    }

    /// Adds a `#[step]` function under its own name, by the type that carries it.
    #[must_use]
    pub fn step<S: Step>(mut self) -> Self {
        self.steps.insert(S::NAME.to_owned(), const { &S::SPEC });
        self
    }

    /// Adds a runner, with what it is capable of.
    #[must_use]
    pub fn runner<C: Into<String>>(
        mut self,
        name: impl Into<String>,
        capabilities: impl IntoIterator<Item = C>,
        runner: impl Runner,
    ) -> Self {
        let name = name.into();
        let capabilities = capabilities.into_iter().map(Into::into).collect();
        self.runners.insert(name.clone(), KnownRunner { name, capabilities, runner: Arc::new(runner) });
        self
    }

    /// Adds a function, for `custom` functions and transforms.
    #[must_use]
    pub fn function(mut self, name: impl Into<String>, function: impl Function) -> Self {
        self.functions.insert(name.into(), Arc::new(function));
        self
    }

    /// Adds a compiled workflow, which `subgraph` steps may run under this name. Their input is its start event as JSON,
    /// its stop event is their output.
    #[must_use]
    pub fn workflow<T: SharedWorkflow>(mut self, name: impl Into<String>, flow: T) -> Self {
        let flow = flow.into_shared();
        let run = move |ctx: Context, input: Value| -> BoxFuture<'static, Result<Value, StepError>> {
            let flow = Arc::clone(&flow);
            Box::pin(async move {
                let start: <T::Flow as Workflow>::Start = serde_json::from_value(input)?;
                let stop = ctx.run_child(flow, start).await?;
                Ok(serde_json::to_value(stop)?)
            })
        };
        self.workflows.insert(name.into(), ChildFlow(Arc::new(run)));
        self
    }

    /// Adds the compiled workflows of a runtime, also those that are registered later, under the names that they are
    /// registered by. It does not hold the runtime. [`Graphs`](crate::Graphs) do so by themselves.
    #[must_use]
    pub fn workflows_of(mut self, runtime: &Runtime) -> Self {
        self.registered.push(runtime.named());
        self
    }

    /// Adds a graph, which `subgraph` steps may run.
    #[must_use]
    pub fn graph(mut self, graph: &Graph) -> Self {
        self.add_graph(graph);
        self
    }

    pub(crate) fn add_graph(&mut self, graph: &Graph) {
        self.graphs.insert(graph.id().to_owned(), graph.clone());
    }

    pub(crate) fn remove_graph(&mut self, id: &str) {
        self.graphs.remove(id);
    }

    pub(crate) fn allows_anything(&self) -> bool {
        self.anything
    }

    /// A step by its name: one that was added, else a linked one by its path, or by its name where that is only there
    /// once.
    pub(crate) fn step_named(&self, name: &str) -> Result<&'static StepSpec, Lookup> {
        if let Some(spec) = self.steps.get(name) {
            return Ok(spec);
        }
        let Ok(catalogue) = Catalogue::global() else { return Err(Lookup::Unknown) };
        if let Some(step) = catalogue.step(name) {
            return Ok(step.spec);
        }
        let mut same = catalogue.steps().filter(|step| step.spec.name == name);
        match (same.next(), same.next()) {
            (Some(step), None) => Ok(step.spec),
            (None, _) => Err(Lookup::Unknown),
            (Some(a), Some(b)) => Err(Lookup::Several(vec![a.qualified_name.to_owned(), b.qualified_name.to_owned()])),
        }
    }

    pub(crate) fn step_names(&self) -> Vec<String> {
        let linked = Catalogue::global().ok().into_iter().flat_map(|catalogue| catalogue.steps());
        self.steps.keys().cloned().chain(linked.map(|step| step.spec.name.to_owned())).collect()
    }

    pub(crate) fn runner_named(&self, name: &str) -> Option<&KnownRunner> {
        self.runners.get(name)
    }

    pub(crate) fn runner_names(&self) -> impl Iterator<Item = &String> {
        self.runners.keys()
    }

    /// The one runner that has all of these capabilities.
    pub(crate) fn runner_capable(&self, wanted: &[String]) -> Result<&KnownRunner, Lookup> {
        let mut fit = self.runners.values().filter(|known| wanted.iter().all(|need| known.capabilities.contains(need)));
        match (fit.next(), fit.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(Lookup::Unknown),
            (Some(a), Some(b)) => Err(Lookup::Several(vec![a.name.clone(), b.name.clone()])),
        }
    }

    pub(crate) fn function_named(&self, name: &str) -> Option<&Arc<dyn Function>> {
        self.functions.get(name)
    }

    pub(crate) fn function_names(&self) -> impl Iterator<Item = &String> {
        self.functions.keys()
    }

    /// A workflow by its name: one that was added, else one of a runtime, else a linked one that can be made.
    pub(crate) fn workflow_named(&self, name: &str) -> Option<ChildFlow> {
        if let Some(flow) = self.workflows.get(name) {
            return Some(flow.clone());
        }
        self.registered.iter().find_map(|known| known.get(name)).or_else(|| self.linked(name)).map(ChildFlow::named)
    }

    fn linked(&self, name: &str) -> Option<NamedWorkflow> {
        let entry = Catalogue::global().ok()?.workflow(name)?;
        let mut linked = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = linked.get(name) {
            return Some(known.clone());
        }
        let flow = NamedWorkflow::linked(entry).ok()?;
        linked.insert(entry.name, flow.clone());
        Some(flow)
    }

    /// Whether a workflow of this name is linked that nobody can make by its name.
    pub(crate) fn is_only_linked(&self, name: &str) -> bool {
        Catalogue::global().ok().and_then(|all| all.workflow(name)).is_some_and(|flow| flow.create.is_none())
    }

    pub(crate) fn workflow_names(&self) -> BTreeSet<String> {
        let linked = Catalogue::global().ok().into_iter().flat_map(Catalogue::workflows);
        let linked = linked.filter(|flow| flow.create.is_some()).map(|flow| flow.name.to_owned());
        let registered = self.registered.iter().flat_map(NamedWorkflows::names);
        self.workflows.keys().cloned().chain(registered).chain(linked).collect()
    }

    pub(crate) fn graph_named(&self, name: &str) -> Option<&Graph> {
        self.graphs.get(name)
    }

    pub(crate) fn graph_names(&self) -> impl Iterator<Item = &String> {
        self.graphs.keys()
    }
}

/// Why a name stands for nothing.
#[derive(Debug)]
pub(crate) enum Lookup {
    Unknown,
    Several(Vec<String>),
}
