//! Documents written in Rust.

use serde_json::Value;

use crate::document::{Action, Document, Edge, Failure, GraphStep, Retry, Route, StepType, Wanted, When};
use crate::graph::{Graph, GraphError};
use crate::host::Host;

/// Writes a document, step by step. Made by [`Graph::builder`].
///
/// ```
/// use serde_json::json;
/// use stepcast_graph::{Graph, GraphOutput, GraphStep, Host};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let graph = Graph::builder("sizes")
///     .step(GraphStep::switch("size", "input.n"))
///     .step(GraphStep::template("large", "{{input.n}} is large"))
///     .step(GraphStep::template("small", "{{input.n}} is small"))
///     .edge_when("size", "large", "size.value > 10")
///     .edge_when("size", "small", "otherwise")
///     .build(&Host::new())?;
/// let stop = graph.run(json!({ "n": 7 })).await?;
/// let small: Option<String> = stop.output("small")?;
/// assert_eq!(small.as_deref(), Some("7 is small"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder makes no graph until it is built"]
pub struct GraphBuilder {
    document: Document,
}

impl GraphBuilder {
    pub(crate) fn new(id: String) -> Self {
        GraphBuilder { document: Document { id, version: 1, ..Document::default() } }
    }

    /// Sets the version.
    pub fn version(mut self, version: u64) -> Self {
        self.document.version = version;
        self
    }

    /// Sets how many edges of a step are taken. Default: the first that applies.
    pub fn route(mut self, route: Route) -> Self {
        self.document.route = Some(route);
        self
    }

    /// Sets how often steps are tried.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.document.retry = Some(retry);
        self
    }

    /// Sets what the final failure of a step does.
    pub fn on_failure(mut self, on_failure: Failure) -> Self {
        self.document.on_failure = Some(on_failure);
        self
    }

    /// Adds a step.
    pub fn step(mut self, step: GraphStep) -> Self {
        self.document.steps.push(step);
        self
    }

    /// Adds an edge that is taken after success.
    pub fn edge(self, source: impl Into<String>, target: impl Into<String>) -> Self {
        self.add(source.into(), target.into(), None)
    }

    /// Adds an edge with a condition: a word, an expression, or an object.
    pub fn edge_when(self, source: impl Into<String>, target: impl Into<String>, when: impl Into<When>) -> Self {
        self.add(source.into(), target.into(), Some(when.into()))
    }

    fn add(mut self, source: String, target: String, when: Option<When>) -> Self {
        self.document.edges.push(Edge { source, target, when, ..Edge::default() });
        self
    }

    /// The document so far.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Checks the document and makes a graph of it.
    ///
    /// # Errors
    /// As for [`Graph::new`].
    pub fn build(self, host: &Host) -> Result<Graph, GraphError> {
        let source = serde_json::to_value(&self.document).map_err(|source| GraphError::NotJson { source })?;
        Graph::new(&source, host)
    }
}

impl Graph {
    /// Begins a graph in Rust.
    pub fn builder(id: impl Into<String>) -> GraphBuilder {
        GraphBuilder::new(id.into())
    }
}

impl GraphStep {
    /// The start.
    pub fn start(id: impl Into<String>) -> Self {
        GraphStep::new(id, StepType::Start)
    }

    /// An end; with an input, that is the run's result.
    pub fn end(id: impl Into<String>) -> Self {
        GraphStep::new(id, StepType::End)
    }

    /// A call of a `#[step]` function.
    pub fn call(id: impl Into<String>, function: impl Into<String>) -> Self {
        GraphStep { uses: Some(function.into()), ..GraphStep::new(id, StepType::Step) }
    }

    /// Work for a runner.
    pub fn agent(id: impl Into<String>, runner: impl Into<String>, prompt: impl Into<String>) -> Self {
        GraphStep { agent: Some(runner.into()), prompt: Some(prompt.into()), ..GraphStep::new(id, StepType::Agent) }
    }

    /// A question to a person.
    pub fn human(id: impl Into<String>, prompt: impl Into<String>) -> Self {
        GraphStep { prompt: Some(prompt.into()), ..GraphStep::new(id, StepType::Human) }
    }

    /// JSON with its placeholders filled in.
    pub fn template(id: impl Into<String>, template: impl Into<Value>) -> Self {
        let action = Some(Action::Template);
        GraphStep { action, template: Some(template.into()), ..GraphStep::new(id, StepType::Function) }
    }

    /// A wait, as `"30m"`.
    pub fn delay(id: impl Into<String>, delay: impl Into<String>) -> Self {
        let action = Some(Action::Delay);
        GraphStep { action, delay: Some(delay.into()), ..GraphStep::new(id, StepType::Function) }
    }

    /// A condition.
    pub fn condition(id: impl Into<String>, condition: impl Into<Value>) -> Self {
        GraphStep { condition: Some(condition.into()), ..GraphStep::new(id, StepType::Condition) }
    }

    /// The value at a path.
    pub fn switch(id: impl Into<String>, path: impl Into<String>) -> Self {
        GraphStep { path: Some(path.into()), ..GraphStep::new(id, StepType::Switch) }
    }

    /// A line on the run's stream.
    pub fn log(id: impl Into<String>, message: impl Into<String>) -> Self {
        GraphStep { message: Some(message.into()), ..GraphStep::new(id, StepType::Log) }
    }

    /// A step that runs others, and how many of them have to succeed.
    pub fn parallel(id: impl Into<String>, join: Wanted) -> Self {
        GraphStep { join: Some(join), ..GraphStep::new(id, StepType::Parallel) }
    }

    /// A wait for the steps before: for all, unless `join` is set to `any` or a number.
    pub fn join(id: impl Into<String>) -> Self {
        GraphStep::new(id, StepType::Join)
    }

    /// Another graph.
    pub fn subgraph(id: impl Into<String>, graph: impl Into<String>) -> Self {
        GraphStep { graph: Some(graph.into()), ..GraphStep::new(id, StepType::Subgraph) }
    }

    /// The same step with an input: JSON with placeholders.
    #[must_use]
    pub fn with_input(mut self, input: impl Into<Value>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// The same step, run by a parallel one.
    #[must_use]
    pub fn inside(mut self, parent: impl Into<String>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// The same step, whose output is kept under another key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.output_key = Some(key.into());
        self
    }

    /// The same question with the answers that there are.
    #[must_use]
    pub fn with_choices<C: Into<String>>(mut self, choices: impl IntoIterator<Item = C>) -> Self {
        self.choices = choices.into_iter().map(Into::into).collect();
        self
    }

    /// The same step, tried so often, with so many milliseconds in between.
    #[must_use]
    pub fn with_retry(mut self, max_attempts: u32, backoff_ms: u64) -> Self {
        let backoff_ms = Some(backoff_ms).filter(|wait| *wait > 0);
        self.retry = Some(Retry { max_attempts, backoff_ms, factor: None, max_backoff_ms: None });
        self
    }

    /// The same step with what its final failure does.
    #[must_use]
    pub fn with_on_failure(mut self, on_failure: Failure) -> Self {
        self.on_failure = Some(on_failure);
        self
    }
}
