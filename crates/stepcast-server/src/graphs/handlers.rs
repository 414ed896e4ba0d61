use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use stepcast_graph::Graphs;

use super::document::Document;
use super::json::{CheckJson, GraphJson, GraphList, Removed};
use super::named::Named;
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::error::extract::Query;

/// Which version is meant.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    version: Option<u64>,
}

/// Graphs, by their names, with their versions.
#[utoipa::path(
    get, path = "/graphs", tag = "graphs",
    responses((status = 200, description = "All graphs", body = GraphList)),
)]
pub(super) async fn list(State(app): State<App>) -> Result<Json<GraphList>, ApiError> {
    with(&app, |graphs| Ok(Json(GraphList::of(graphs.list())))).await
}

/// A version of a graph, with its document.
///
/// Without `version` the one that its id stands for. A document may hold what is secret, so a token that only looks does
/// not get it.
#[utoipa::path(
    get, path = "/graphs/{id}", tag = "graphs",
    params(
        ("id" = String, Path, description = "The graph"),
        ("version" = Option<u64>, Query, description = "The version"),
    ),
    responses(
        (status = 200, description = "The graph", body = GraphJson),
        (status = 403, description = "The token may not read documents"),
        (status = 404, description = "There is no such graph or version"),
    ),
)]
pub(super) async fn show(
    State(app): State<App>,
    access: Access,
    Named(id): Named,
    Query(which): Query<Which>,
) -> Result<Json<GraphJson>, ApiError> {
    if !access.sees_secrets() {
        let detail =
            "This token may only look, and a graph's document may hold what is secret. `GET /graphs` lists them.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "token_read_only", detail));
    }
    let find = move |graphs: &Graphs| {
        let found = match which.version {
            Some(version) => graphs.version(&id, version),
            None => graphs.get(&id),
        };
        let graph = found.ok_or_else(|| ApiError::no_graph(&id, &graphs.versions(&id)))?;
        Ok(Json(GraphJson::of(graphs, &graph, true)))
    };
    with(&app, find).await
}

/// Registers a graph, or a version of one, which its id stands for from now on.
///
/// The body is the document, JSON or (with `Content-Type: application/yaml`) YAML; its `id` is that of the path, or is
/// left out. Runs go on with the version that they began with. What is there already, word for word, is not added again,
/// but its id stands for it again.
#[utoipa::path(
    put, path = "/graphs/{id}", tag = "graphs",
    params(("id" = String, Path, description = "The graph")),
    request_body = Object,
    responses(
        (status = 200, description = "This version was there already; the id stands for it", body = GraphJson),
        (status = 201, description = "The graph is there", body = GraphJson),
        (status = 400, description = "The body is no object, or of another id"),
        (status = 409, description = "The version is there and says something else, or a workflow has the name"),
        (status = 415, description = "The body is neither JSON nor YAML"),
        (status = 422, description = "The document has errors; `errors` lists all of them, each with `code`, `pointer`, `message` and `hint`"),
    ),
)]
pub(super) async fn put(
    State(app): State<App>,
    access: Access,
    Named(id): Named,
    Document(mut document): Document,
) -> Result<Response, ApiError> {
    access.may_change()?;
    match document.get("id") {
        None => document["id"] = id.clone().into(),
        Some(given) if given.as_str() == Some(&id) => {}
        Some(given) => {
            let detail =
                format!("The document's `id` is {given}, the path's `{id}`; write one of them twice, or no `id`.");
            return Err(ApiError::bad_request("invalid_request", detail));
        }
    }
    let put = move |graphs: &Graphs| {
        let before = graphs.versions(&id);
        let graph = graphs.put(&document).map_err(ApiError::not_put)?;
        let status = if before.contains(&graph.version()) { StatusCode::OK } else { StatusCode::CREATED };
        Ok((status, Json(GraphJson::of(graphs, &graph, false))).into_response())
    };
    with(&app, put).await
}

/// Removes a graph with all its versions. No new runs of it begin; those that began go on.
#[utoipa::path(
    delete, path = "/graphs/{id}", tag = "graphs",
    params(("id" = String, Path, description = "The graph")),
    responses(
        (status = 200, description = "It is removed", body = Removed),
        (status = 404, description = "There is no such graph"),
    ),
)]
pub(super) async fn remove(
    State(app): State<App>,
    access: Access,
    Named(id): Named,
) -> Result<Json<Removed>, ApiError> {
    access.may_change()?;
    let remove = move |graphs: &Graphs| match graphs.remove(&id) {
        Ok(true) => Ok(Json(Removed { id, status: "removed" })),
        Ok(false) => Err(ApiError::no_graph(&id, &[])),
        Err(error) => Err(ApiError::not_kept(&error)),
    };
    with(&app, remove).await
}

/// Checks a document as `PUT` would, and changes nothing: everything that is wrong with it, and everything that is strange.
#[utoipa::path(
    post, path = "/graphs/validate", tag = "graphs",
    request_body = Object,
    responses(
        (status = 200, description = "What was found, be it errors or nothing", body = CheckJson),
        (status = 400, description = "The body is no object"),
        (status = 415, description = "The body is neither JSON nor YAML"),
    ),
)]
pub(super) async fn validate(
    State(app): State<App>,
    access: Access,
    Document(document): Document,
) -> Result<Json<CheckJson>, ApiError> {
    access.may_change()?;
    with(&app, move |graphs| Ok(Json(CheckJson::of(&graphs.check(&document))))).await
}

/// Works with the graphs on a thread that may take its time: a large document is checked for many milliseconds, and the
/// others wait for it.
async fn with<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Graphs) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let Some(graphs) = app.options.graphs.clone() else {
        return Err(ApiError::not_found("path_not_found", "This server has no graphs."));
    };
    let done = tokio::task::spawn_blocking(move || work(&graphs)).await;
    done.unwrap_or_else(|error| {
        tracing::error!(target: "stepcast", %error, "work on graphs was not finished");
        Err(ApiError::internal())
    })
}
