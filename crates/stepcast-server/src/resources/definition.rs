//! What a run was started with.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use stepcast::RunId;
use utoipa::ToSchema;

use super::reply::about;
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::error::extract::Path;

/// What a run was started with.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DefinitionJson<'a> {
    run_id: &'a str,
    workflow: String,
    /// The document of the run's graph, with those of the graphs that it runs as `$graphs`; null of a compiled workflow.
    #[schema(value_type = Option<Object>)]
    document: Option<Value>,
    /// The workflow's structure: its steps and what they take, its events, its bounds. Steps name events by their places.
    #[schema(value_type = Object)]
    description: Value,
}

/// What a run was started with: its own document, whatever became of its graph since.
///
/// A document may hold what is secret, so a token that only looks does not get it.
#[utoipa::path(
    get, path = "/runs/{run_id}/definition", tag = "runs",
    params(("run_id" = String, Path, description = "The run")),
    responses(
        (status = 200, description = "The run's definition", body = DefinitionJson<'static>),
        (status = 403, description = "The token may not read documents"),
        (status = 404, description = "There is no such run"),
    ),
)]
pub(super) async fn show(State(app): State<App>, access: Access, Path(run): Path<RunId>) -> Result<Response, ApiError> {
    let found = app.runs.definition_of(&run).await?;
    if found.document.is_some() && !access.sees_secrets() {
        let detail = "This token may only look, and the run has a document, which may hold what is secret.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "token_read_only", detail).of_run(&run));
    }
    let json = DefinitionJson {
        run_id: run.as_str(),
        workflow: found.workflow,
        document: found.document,
        description: found.description,
    };
    Ok(about(&run, StatusCode::OK, &json))
}
