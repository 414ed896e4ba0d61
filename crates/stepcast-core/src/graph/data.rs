use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::overlay::GraphOverlay;
use super::picture::Picture;
#[cfg(feature = "svg")]
use super::svg;
use super::{TextStyle, build, dot, mermaid, text};
use crate::WorkflowSpec;

/// A workflow's structure as data: steps, events, resources and the outside, with the edges between them.
///
/// Its JSON is the representation that LlamaIndex Workflows serves and its debugger reads. The same workflow gives the
/// same graph, byte for byte; a graph read from JSON can be drawn like one's own.
///
/// ```
/// use stepcast_core::WorkflowGraph;
///
/// let graph: WorkflowGraph = serde_json::from_str(r#"{
///     "name": "joke",
///     "nodes": [
///         { "id": "Topic", "label": "Topic", "node_type": "event",
///           "event_type": "Topic", "event_types": ["Topic", "StartEvent"] },
///         { "id": "write", "label": "write", "node_type": "step" }
///     ],
///     "edges": [{ "source": "Topic", "target": "write" }]
/// }"#)?;
/// assert_eq!(graph.to_mermaid().lines().nth(3), Some("    event_Topic --> step_write"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowGraph {
    /// The workflow's name.
    pub name: String,
    /// First line of its documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its parts. Ids are unique.
    pub nodes: Vec<GraphNode>,
    /// What leads where.
    pub edges: Vec<GraphEdge>,
}

/// A part of a [`WorkflowGraph`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphNode {
    /// What edges call it: the step's name or the event's tag, as far as that is free.
    pub id: String,
    /// What a drawing calls it.
    pub label: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: NodeKind,
}

/// What a [`GraphNode`] is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "node_type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeKind {
    /// A step.
    Step {
        /// First line of its documentation.
        #[serde(default)]
        description: Option<String>,
    },
    /// An event type.
    Event {
        /// Its tag.
        event_type: String,
        /// Its tag, then the name of its ancestor, if it has one: `StartEvent`, `StopEvent`, ..
        event_types: Vec<String>,
        /// JSON Schema of its value.
        #[serde(default)]
        event_schema: Option<Value>,
        /// The steps that return, send or stream it.
        #[serde(default)]
        produced_by: Vec<String>,
    },
    /// People and systems outside the run, who are asked and who send events.
    External,
    /// Something supplied to the run.
    Resource {
        /// Its Rust type.
        #[serde(default)]
        type_name: Option<String>,
    },
}

/// A way from one part of a [`WorkflowGraph`] to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GraphEdge {
    /// Id of the part it leaves.
    pub source: String,
    /// Id of the part it reaches.
    pub target: String,
    /// How: into a step `join`, `collect`, `take 3` or `waits`; out of one `optional`, `batch`, `optional batch`,
    /// `sends` or `streams`. None for the plain case: one event in, one event out.
    #[serde(default)]
    pub label: Option<String>,
}

impl WorkflowGraph {
    /// The graph of a workflow. One that does not pass the check is drawn as far as it goes.
    ///
    /// ```
    /// use stepcast_core::*;
    ///
    /// fn invoke(_: StepCall<'_>) -> Invocation {
    ///     Invocation::Refused(ExtractError::OutsideRun { what: "body" })
    /// }
    /// const START: ParamSpec = <StartEvent as StepParam>::PARAM;
    /// const GREET: StepSpec = StepSpec::new("greet", &[START], <StopEvent as IntoEvents>::OUT, invoke);
    /// let spec = WorkflowSpec {
    ///     name: "hello",
    ///     start: &StartEvent::META,
    ///     stop: &StopEvent::META,
    ///     steps: &[GREET],
    ///     on_failure: OnFailure::Fail,
    ///     policy: RunPolicy::new,
    ///     doc: "",
    /// };
    /// let graph = WorkflowGraph::of(&spec);
    /// let ids: Vec<&str> = graph.nodes.iter().map(|node| node.id.as_str()).collect();
    /// assert_eq!(ids, ["StartEvent", "greet", "StopEvent"]);
    /// ```
    pub fn of(spec: &WorkflowSpec) -> Self {
        build::graph(spec)
    }

    /// The graph as a Mermaid flowchart. Whatever the names are, it is valid; an edge to a part that is not there is
    /// left out.
    pub fn to_mermaid(&self) -> String {
        mermaid::render(&Picture::of(self, None))
    }

    /// The graph as a Mermaid flowchart with what a run did: its way bold, counts and times in the labels, the rest
    /// greyed.
    ///
    /// ```
    /// use stepcast_core::{GraphOverlay, StepOverlay, WorkflowGraph};
    ///
    /// let graph: WorkflowGraph = serde_json::from_str(r#"{
    ///     "name": "joke",
    ///     "nodes": [
    ///         { "id": "write", "label": "write", "node_type": "step" },
    ///         { "id": "review", "label": "review", "node_type": "step" }
    ///     ],
    ///     "edges": []
    /// }"#)?;
    /// let mut overlay = GraphOverlay::default();
    /// let written = StepOverlay { runs: 2, total_micros: 1_500_000, ..StepOverlay::default() };
    /// overlay.steps.insert("write".into(), written);
    /// let text = graph.to_mermaid_with(&overlay);
    /// assert!(text.contains(r#"step_write["write<br/>2 runs, 1.50 s"]"#));
    /// assert!(text.contains(r#"step_review["review"]:::unvisitedStyle"#));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn to_mermaid_with(&self, overlay: &GraphOverlay) -> String {
        mermaid::render(&Picture::of(self, Some(overlay)))
    }

    /// The graph in DOT, for Graphviz. Whatever the names are, it is valid.
    pub fn to_dot(&self) -> String {
        dot::render(&Picture::of(self, None))
    }

    /// The graph in DOT with what a run did, as [`to_mermaid_with`](WorkflowGraph::to_mermaid_with) draws it.
    pub fn to_dot_with(&self, overlay: &GraphOverlay) -> String {
        dot::render(&Picture::of(self, Some(overlay)))
    }

    /// The graph in text, for terminals: boxes and arrows, or a list of the steps where those need more columns.
    ///
    /// ```
    /// use stepcast_core::{TextStyle, WorkflowGraph};
    ///
    /// let graph: WorkflowGraph = serde_json::from_str(r#"{
    ///     "name": "joke",
    ///     "nodes": [
    ///         { "id": "write", "label": "write", "node_type": "step" },
    ///         { "id": "Joke", "label": "Joke", "node_type": "event", "event_type": "Joke", "event_types": ["Joke"] }
    ///     ],
    ///     "edges": [{ "source": "write", "target": "Joke" }]
    /// }"#)?;
    /// let text = graph.to_text(TextStyle { plain: true, ..TextStyle::default() });
    /// assert_eq!(text, "\
    /// +-------+
    /// | write |
    /// +---+---+
    ///     |
    ///     v
    ///   (Joke)
    /// ");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn to_text(&self, style: TextStyle) -> String {
        text::render(&Picture::of(self, None), style)
    }

    /// The graph in text with what a run did: the steps it came by have thick frames, with counts and times.
    pub fn to_text_with(&self, overlay: &GraphOverlay, style: TextStyle) -> String {
        text::render(&Picture::of(self, Some(overlay)), style)
    }

    /// The graph as an SVG image, complete in itself: no script, nothing from elsewhere, light or dark as the reader
    /// has it. Whatever the names are, it is valid. It may also stand within a page.
    #[cfg(feature = "svg")]
    pub fn to_svg(&self) -> String {
        svg::render(&Picture::of(self, None))
    }

    /// The graph as an SVG image with what a run did: its way in colour, counts and times in the labels, the rest faint.
    #[cfg(feature = "svg")]
    pub fn to_svg_with(&self, overlay: &GraphOverlay) -> String {
        svg::render(&Picture::of(self, Some(overlay)))
    }
}
