//! A graph as people, editors and models write it.

mod edge;
mod policy;
mod read;
mod schema;
mod step;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use edge::{Edge, When};
pub use policy::{Failure, Retry, Wanted};
pub(crate) use read::{escape, read};
pub use schema::json_schema;
pub use step::{Action, GraphStep, StepType, Target, Task};

/// How many edges of a step are taken when it is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Route {
    /// The first that applies. The graph has one token, and may have loops.
    #[default]
    First,
    /// All that apply. The graph has no loops; a step runs when all steps before it are over, and is skipped if none of the
    /// edges into it applied.
    All,
}

/// A graph: steps, and edges between them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Document {
    /// The graph's name, under which it is registered.
    pub id: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Which version of the graph this is. A run goes on with the version that it began with.
    #[serde(default = "first_version")]
    pub version: u64,
    /// How many edges of a step are taken. Without it: `all` if the document writes `kind` or `transition`, else `first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// The step that a run begins with, where no step is of the type `start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// How often a step that fails is tried, where neither the step nor its task says.
    #[serde(default, alias = "retry_policy", skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What a step's final failure does, where neither the step nor its task says.
    #[serde(default, alias = "failure_policy", skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<Failure>,
    /// What a missing path in a template does: `error`, or `empty` for an empty text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// Tasks that steps name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Task>,
    /// What starts the graph, for whoever starts it. It means nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Value>,
    /// Anything, for whoever keeps the graph.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The steps.
    #[serde(alias = "nodes")]
    pub steps: Vec<GraphStep>,
    /// The edges.
    #[serde(default)]
    pub edges: Vec<Edge>,
}

/// What a path that leads nowhere does to a template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Missing {
    /// The step fails.
    #[default]
    Error,
    /// An empty text; `null` where the placeholder is all there is.
    Empty,
}

fn first_version() -> u64 {
    1
}

/// A text is neither a JSON nor a YAML document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// It is not JSON.
    #[error("The graph is not JSON: {0}.")]
    Json(#[source] serde_json::Error),
    /// It is not YAML.
    #[error("The graph is not YAML: {0}.")]
    Yaml(#[source] serde_norway::Error),
}

/// Reads a document that begins with `{` as JSON, and any other as YAML.
///
/// # Errors
/// When it is neither.
pub fn parse(text: &str) -> Result<Value, ParseError> {
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(ParseError::Json)
    } else {
        serde_norway::from_str(text).map_err(ParseError::Yaml)
    }
}
