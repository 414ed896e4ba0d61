//! Graphs and what is wrong with them, as JSON.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use stepcast::RuntimeError;
use stepcast_graph::{Graph, GraphError, GraphInfo, Graphs, Issue, PutGraphError, Report};
use utoipa::ToSchema;

use crate::error::ApiError;

/// All graphs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GraphList {
    graphs: Vec<GraphItem>,
}

/// A graph in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GraphItem {
    id: String,
    name: Option<String>,
    /// The version that runs of this id begin with.
    version: u64,
    /// All versions that there are; each is the workflow `id@version` too.
    versions: Vec<u64>,
}

/// A version of a graph.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GraphJson {
    id: String,
    name: Option<String>,
    version: u64,
    versions: Vec<u64>,
    /// What is strange about it.
    warnings: Vec<IssueJson>,
    /// The document, as it was put. Not in the reply to `PUT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    document: Option<Value>,
}

/// What a check found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckJson {
    /// Whether a graph can be made of the document.
    ok: bool,
    errors: Vec<IssueJson>,
    warnings: Vec<IssueJson>,
}

/// One thing that is wrong with a document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IssueJson {
    /// What it is about, in a word that stays the same.
    #[schema(value_type = String)]
    code: stepcast_graph::Code,
    /// Where in the document: a JSON pointer, empty for the whole.
    pointer: String,
    message: String,
    /// What to do.
    hint: String,
}

/// A graph was removed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Removed {
    pub(super) id: String,
    /// `removed`.
    pub(super) status: &'static str,
}

impl GraphList {
    pub(super) fn of(graphs: Vec<GraphInfo>) -> Self {
        let item = |info: GraphInfo| GraphItem {
            id: info.id,
            name: info.name,
            version: info.version,
            versions: info.versions,
        };
        GraphList { graphs: graphs.into_iter().map(item).collect() }
    }
}

impl GraphJson {
    pub(super) fn of(graphs: &Graphs, graph: &Graph, document: bool) -> Self {
        GraphJson {
            id: graph.id().to_owned(),
            name: graph.document().name.clone(),
            version: graph.version(),
            versions: graphs.versions(graph.id()),
            warnings: issues(graph.report().warnings()),
            document: document.then(|| graph.source().clone()),
        }
    }
}

impl CheckJson {
    pub(super) fn of(report: &Report) -> Self {
        CheckJson { ok: report.is_ok(), errors: issues(report.errors()), warnings: issues(report.warnings()) }
    }
}

fn issues<'a>(issues: impl Iterator<Item = &'a Issue>) -> Vec<IssueJson> {
    let json = |issue: &Issue| IssueJson {
        code: issue.code,
        pointer: issue.pointer.clone(),
        message: issue.message.clone(),
        hint: issue.hint.clone(),
    };
    issues.map(json).collect()
}

impl ApiError {
    pub(super) fn no_graph(id: &str, versions: &[u64]) -> Self {
        match versions.is_empty() {
            true => ApiError::not_found("graph_not_found", format!("There is no graph `{id}`.")),
            false => {
                let detail = format!("The graph `{id}` has no such version; there are: {versions:?}.");
                ApiError::not_found("graph_not_found", detail).with("versions", versions)
            }
        }
    }

    pub(super) fn not_put(error: PutGraphError) -> Self {
        let detail = error.to_string();
        match error {
            PutGraphError::Graph(GraphError::Refused { id, report }) => {
                let count = report.errors().count();
                let errors = if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
                let detail = format!("The graph `{id}` has {errors}; `errors` lists all of them.");
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "graph_refused", detail)
                    .with("errors", json!(issues(report.errors())))
                    .with("warnings", json!(issues(report.warnings())))
            }
            PutGraphError::Graph(GraphError::TooManyNames) => ApiError::conflict("too_many_graphs", detail),
            PutGraphError::Graph(_) => {
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "graph_refused", detail).with("errors", json!([]))
            }
            PutGraphError::SameVersion { version, .. } => {
                ApiError::conflict("graph_version_exists", detail).with("version", version)
            }
            PutGraphError::Runtime(RuntimeError::DuplicateWorkflow { name }) => {
                ApiError::conflict("workflow_exists", detail).with("workflow", name)
            }
            PutGraphError::Runtime(error) => ApiError::from(error),
            PutGraphError::Folder(error) => ApiError::not_kept(&error),
            _ => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail),
        }
    }

    /// What the system says, with the path, is for the log of whoever runs the server.
    pub(super) fn not_kept(error: &stepcast_graph::GraphFolderError) -> Self {
        tracing::error!(target: "stepcast", %error, "the folder of graphs failed");
        let detail = "The server could not write its folder of graphs; nothing has changed.";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "store_failed", detail)
    }
}
