//! Graphs that have been checked and can run.

use std::sync::Arc;

use serde_json::{Map, Value};
use stepcast_core::{DefinitionError, StartEvent, StepError, StopEvent, StoreError, WorkflowDef};
use stepcast_runtime::{BuiltWorkflow, Context, RestoreRunError, Run, RunOptions, RunSnapshot, WrongEnds};

use crate::check::{self, Report};
use crate::compile::compile;
use crate::document::{Document, ParseError, parse};
use crate::host::{ChildFlow, Host};
use crate::snapshot;

/// A graph that has been checked for a host, ready to run. Clones share it.
///
/// ```
/// use serde_json::json;
/// use stepcast_graph::{Graph, Host};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let graph = Graph::new(&json!({
///     "id": "greet",
///     "steps": [
///         { "id": "hello", "type": "function", "template": "Hello, {{input.name}}!" },
///         { "id": "end", "type": "end", "input": "{{hello}}" }
///     ],
///     "edges": [{ "source": "hello", "target": "end" }]
/// }), &Host::new())?;
/// let stop = graph.run(json!({ "name": "Ada" })).await?;
/// assert_eq!(stop.result(), Some(&json!("Hello, Ada!")));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Graph {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: Value,
    document: Document,
    report: Report,
    /// The documents of the graphs that it runs, each after those that it runs itself.
    uses: Vec<Value>,
    flow: BuiltWorkflow<StartEvent, StopEvent>,
}

/// No graph can be made of a document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The text is neither JSON nor YAML.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The document has errors; the report lists all of them.
    #[error("The graph `{id}` cannot run:{report}")]
    Refused {
        /// The graph.
        id: String,
        /// What is wrong.
        report: Report,
    },
    /// The steps that the document comes to do not fit together.
    #[error(transparent)]
    Definition(DefinitionError),
    /// A step's key is no key of a store.
    #[error("A step's output cannot be kept under its key: {source}")]
    Key {
        /// Why.
        #[source]
        source: StoreError,
    },
    /// A document that was written in Rust is no JSON.
    #[error("The graph cannot be written as JSON: {source}.")]
    NotJson {
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
    /// The ends of the definition are others.
    #[error(transparent)]
    Ends(#[from] WrongEnds),
    /// The process has made events for as many different names of steps as it may.
    #[error("This process has read graphs with more than 262,144 different steps and edges; start another one.")]
    TooManyNames,
    /// The host is one for looking at documents.
    #[error(
        "The graph `{id}` was read with `Host::any()`, which knows no functions; read it with the host that runs it."
    )]
    NoHost {
        /// The graph.
        id: String,
    },
}

impl Graph {
    /// Makes a graph of a document.
    ///
    /// # Errors
    /// When the document has errors. The report in the error lists all of them.
    pub fn new(source: &Value, host: &Host) -> Result<Self, GraphError> {
        let (report, document, plan) = check::check(source, host);
        let id = document.id.clone();
        if host.allows_anything() && report.is_ok() {
            return Err(GraphError::NoHost { id });
        }
        let Some(plan) = plan else { return Err(GraphError::Refused { id, report }) };
        let uses = snapshot::uses(&document, host);
        let flow = BuiltWorkflow::new(compile(plan, snapshot::text(source, &uses))?)?;
        Ok(Graph { inner: Arc::new(Inner { source: source.clone(), document, report, uses, flow }) })
    }

    /// Makes a graph of a text: JSON if it begins with `{`, else YAML.
    ///
    /// # Errors
    /// When it is neither, or the document has errors.
    pub fn parse(text: &str, host: &Host) -> Result<Self, GraphError> {
        Graph::new(&parse(text)?, host)
    }

    /// Everything that is wrong with a document, and everything that is strange.
    pub fn check(source: &Value, host: &Host) -> Report {
        check::report(source, host)
    }

    /// The graph of a document as a stored run keeps it (`Runtime::run_definition`): with the documents of the graphs that it
    /// ran then, in place of those of the host.
    ///
    /// # Errors
    /// When the host does not have what the document needs, or it is no such document.
    pub fn stored(document: &str, host: Host) -> Result<Self, GraphError> {
        snapshot::read(document, host)
    }

    /// The graph's name.
    pub fn id(&self) -> &str {
        &self.inner.document.id
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.inner.document.version
    }

    /// The document as it was given, word for word.
    pub fn source(&self) -> &Value {
        &self.inner.source
    }

    pub(crate) fn uses(&self) -> &[Value] {
        &self.inner.uses
    }

    /// The document, in the words of this crate.
    pub fn document(&self) -> &Document {
        &self.inner.document
    }

    /// What is strange about it.
    pub fn report(&self) -> &Report {
        &self.inner.report
    }

    /// The definition that it comes to: its name is `id@version`.
    pub fn definition(&self) -> &WorkflowDef {
        self.inner.flow.definition()
    }

    /// The same as a workflow.
    pub fn workflow(&self) -> &BuiltWorkflow<StartEvent, StopEvent> {
        &self.inner.flow
    }

    /// Starts a run in memory. An input that is no object is the field `value` of one.
    pub fn run(&self, input: Value) -> Run<StopEvent> {
        self.run_with(input, RunOptions::default())
    }

    /// As [`run`](Self::run), with options.
    pub fn run_with(&self, input: Value, options: RunOptions) -> Run<StopEvent> {
        self.inner.flow.run_with(start_event(input), options)
    }

    /// Goes on with a run from its snapshot, in this process or another.
    ///
    /// # Errors
    /// When the snapshot is of another graph or version, or is damaged.
    pub fn restore(&self, snapshot: RunSnapshot, options: RunOptions) -> Result<Run<StopEvent>, RestoreRunError> {
        self.inner.flow.restore(snapshot, options)
    }

    /// Runs the graph to its end as a child of a step of another workflow, and gives its result.
    ///
    /// # Errors
    /// When the child fails, or cannot be started any more.
    pub async fn run_in(&self, ctx: &Context, input: Value) -> Result<Value, StepError> {
        let stop = ctx.run_built(&self.inner.flow, start_event(input)).await?;
        Ok(stop.result().cloned().unwrap_or_default())
    }

    pub(crate) fn child_flow(&self) -> ChildFlow {
        let graph = self.clone();
        ChildFlow(Arc::new(move |ctx, input| {
            let graph = graph.clone();
            Box::pin(async move { graph.run_in(&ctx, input).await })
        }))
    }
}

/// The input of a run as its start event.
pub(crate) fn start_event(input: Value) -> StartEvent {
    match input {
        Value::Object(fields) => StartEvent::from(fields),
        Value::Null => StartEvent::default(),
        value => StartEvent::from(Map::from_iter([("value".to_owned(), value)])),
    }
}
