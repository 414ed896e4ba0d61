//! What the workflows are.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use stepcast::{NodeKind, WorkflowDef, WorkflowGraph};
use utoipa::ToSchema;

use super::schema::Schema;
use super::{in_their_words, schema as schemas};
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;

/// The names of the workflows.
#[derive(Serialize, ToSchema)]
pub(crate) struct Workflows {
    workflows: Vec<String>,
}

/// What starts a workflow and what it ends with.
#[derive(Serialize, ToSchema)]
pub(crate) struct Schemas {
    /// JSON schema of the start event.
    #[schema(value_type = Object)]
    start: Schema,
    /// JSON schema of the stop event.
    #[schema(value_type = Object)]
    stop: Schema,
}

/// The events of a workflow.
#[derive(Serialize, ToSchema)]
pub(crate) struct Events {
    /// Their JSON schemas.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Schema>,
}

/// A workflow as a graph.
#[derive(Serialize, ToSchema)]
pub(crate) struct Representation {
    /// `{"name", "description", "nodes", "edges"}`.
    #[schema(value_type = Object)]
    graph: WorkflowGraph,
}

/// Lists the workflows.
#[utoipa::path(get, path = "/workflows", tag = "llamaindex", responses((status = 200, body = Workflows)))]
pub(crate) async fn list(State(app): State<App>) -> Json<Workflows> {
    Json(Workflows { workflows: app.runs.runtime().workflows() })
}

/// Gives the schemas of a workflow's start and stop event.
#[utoipa::path(
    get, path = "/workflows/{name}/schema", tag = "llamaindex", params(("name" = String, Path)),
    responses((status = 200, body = Schemas), (status = 404, description = "No such workflow"))
)]
pub(crate) async fn schema(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Schemas>, ApiError> {
    let def = app.runs.definition(&name).map_err(in_their_words)?;
    let of = |event| schemas::of_event(def.event(event));
    Ok(Json(Schemas { start: of(def.start()), stop: of(def.stop()) }))
}

/// Gives the schemas of all of a workflow's events.
#[utoipa::path(
    get, path = "/workflows/{name}/events", tag = "llamaindex", params(("name" = String, Path)),
    responses((status = 200, body = Events), (status = 404, description = "No such workflow"))
)]
pub(crate) async fn events(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Events>, ApiError> {
    let unknown = |error: ApiError| error.saying(format!("Workflow '{name}' not found"));
    let def = app.runs.definition(&name).map_err(unknown)?;
    let mut events: BTreeMap<&str, Schema> = def.events().map(|meta| (meta.tag, schemas::of_event(meta))).collect();
    // What is only shown on a stream is routed nowhere, and is known to the graph alone.
    let graph = def.graph();
    for node in graph.iter().flat_map(|graph| &graph.nodes) {
        if let NodeKind::Event { event_type, event_schema: Some(schema), .. } = &node.kind {
            events.entry(event_type).or_insert_with(|| schemas::of_json(schema.clone(), event_type).into());
        }
    }
    Ok(Json(Events { events: events.into_values().collect() }))
}

/// Gives a workflow as a graph of steps and events.
#[utoipa::path(
    get, path = "/workflows/{name}/representation", tag = "llamaindex", params(("name" = String, Path)),
    responses((status = 200, body = Representation), (status = 404, description = "No such workflow"))
)]
pub(crate) async fn representation(
    State(app): State<App>,
    access: Access,
    Path(name): Path<String>,
) -> Result<Json<Representation>, ApiError> {
    let def = app.runs.definition(&name).map_err(in_their_words)?;
    let Some(mut graph) = def.graph().or_else(|| of_document(&def, access)) else {
        return Err(ApiError::not_found(
            "graph_not_found",
            "The workflow has no graph: it was put together at run time.",
        ));
    };
    for node in &mut graph.nodes {
        if let NodeKind::Event { event_type, event_schema, .. } = &mut node.kind {
            *event_schema = event_schema.take().map(|schema| schemas::of_json(schema, event_type));
        }
    }
    Ok(Json(Representation { graph }))
}

/// The steps and edges of the document that a workflow was made of. Conditions may hold what is secret.
#[cfg(feature = "graphs")]
fn of_document(def: &WorkflowDef, access: Access) -> Option<WorkflowGraph> {
    let document = serde_json::from_str(def.document()?).ok()?;
    let mut graph = stepcast_graph::Document::drawing(&document);
    if !access.sees_secrets() {
        graph.edges.iter_mut().for_each(|edge| edge.label = None);
    }
    Some(graph)
}

#[cfg(not(feature = "graphs"))]
fn of_document(_: &WorkflowDef, _: Access) -> Option<WorkflowGraph> {
    None
}
