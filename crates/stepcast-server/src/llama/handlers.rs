//! Runs as handlers: listing them, reading one, ending one.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use stepcast::RunId;
use utoipa::ToSchema;

use super::handler::{Handler, named, statuses};
use super::in_their_words;
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::runs::RunQuery;

/// How many runs are listed at most.
const MOST: usize = 1_000;
/// How long a request to end a run waits for its end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks where the run is not here.
const LOOK: Duration = Duration::from_millis(20);

/// Pairs of a query string, as they come.
pub(super) type Pairs = Query<Vec<(String, String)>>;

/// The last value of a parameter.
pub(super) fn param<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Whether a parameter says `true`, in whatever case; `default` where there is none.
pub(super) fn flag(pairs: &[(String, String)], name: &str, default: bool) -> bool {
    param(pairs, name).map_or(default, |value| value.eq_ignore_ascii_case("true"))
}

/// Runs as handlers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Handlers {
    handlers: Vec<Handler>,
}

/// What became of a request to end a run.
#[derive(Serialize, ToSchema)]
pub(crate) struct Cancelled {
    /// `cancelled`, or `deleted` where it was to be removed.
    status: &'static str,
}

/// Lists runs, the newest first, at most 1,000.
#[utoipa::path(
    get, path = "/handlers", tag = "llamaindex", responses((status = 200, body = Handlers)),
    params(
        ("status" = Option<Vec<String>>, Query, description = "`running`, `completed`, `failed`, `cancelled`; may repeat"),
        ("workflow_name" = Option<Vec<String>>, Query, description = "May repeat")
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    access: Access,
    Query(pairs): Pairs,
) -> Result<Json<Handlers>, ApiError> {
    let values = |name: &str| -> Vec<String> {
        let values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.trim());
        values.filter(|value| !value.is_empty()).map(str::to_owned).collect()
    };
    let words = values("status");
    let statuses: Vec<_> = words.iter().flat_map(|word| statuses(word)).copied().collect();
    if !words.is_empty() && statuses.is_empty() {
        return Ok(Json(Handlers { handlers: Vec::new() }));
    }
    let query = RunQuery { workflows: values("workflow_name"), statuses, parent: None };
    let runs = app.runs.list(&query, None, MOST).await?;
    // What a run starts itself is its own affair.
    let own = runs.into_iter().filter(|run| run.parent.is_none());
    Ok(Json(Handlers { handlers: own.map(|run| Handler::of(run, access)).collect() }))
}

/// Tells how a run stands.
#[utoipa::path(
    get, path = "/handlers/{handler_id}", tag = "llamaindex", params(("handler_id" = String, Path)),
    responses((status = 200, body = Handler), (status = 404, description = "No such run"))
)]
pub(crate) async fn get(State(app): State<App>, access: Access, Path(id): Path<String>) -> Result<Response, ApiError> {
    let view = app.runs.find(&RunId::from(id)).await.map_err(in_their_words)?;
    let handler = Handler::of(view, access);
    let status = if app.options.mirror_outcome { handler.outcome() } else { StatusCode::OK };
    Ok(handler.respond(status))
}

/// Gives a run's result without its envelope. Whoever still uses it reads the status code: 202 until there is a result,
/// 500 if there will be none.
#[utoipa::path(
    get, path = "/results/{handler_id}", tag = "llamaindex", params(("handler_id" = String, Path)),
    responses(
        (status = 200, description = "It has completed"), (status = 202, description = "It is running"),
        (status = 404, description = "No such run"), (status = 500, description = "It failed or was cancelled")
    )
)]
#[deprecated]
pub(crate) async fn result(
    State(app): State<App>,
    access: Access,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let view = app.runs.find(&RunId::from(id)).await.map_err(in_their_words)?;
    let handler = Handler::of(view, access);
    let status = handler.outcome();
    Ok(handler.bare().respond(status))
}

/// Ends a run; with `purge=true` everything of it is removed, also of one that has ended.
#[utoipa::path(
    post, path = "/handlers/{handler_id}/cancel", tag = "llamaindex",
    params(("handler_id" = String, Path), ("purge" = Option<bool>, Query)),
    responses((status = 200, body = Cancelled), (status = 404, description = "No such run, or it has ended"))
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(pairs): Pairs,
) -> Result<Response, ApiError> {
    let run = RunId::from(id.as_str());
    let status = if flag(&pairs, "purge", false) {
        app.runs.purge(&run).await.map_err(in_their_words)?;
        "deleted"
    } else {
        let cancelled = app.runs.cancel(&run).await;
        cancelled.map_err(|error| match error.code() {
            // Here an ended run is one that there is no more.
            "run_ended" => ApiError::not_found("run_ended", "Handler not found").of_run(&run),
            _ => in_their_words(error),
        })?;
        until_ended(&app, &run).await;
        "cancelled"
    };
    Ok(named(&id, Json(Cancelled { status }).into_response()))
}

/// Waits until the run has ended, so that whoever asks next sees it; not for ever.
async fn until_ended(app: &App, run: &RunId) {
    let ended = async {
        if let Ok(here) = app.runs.attach(run).await {
            let _ = here.outcome().await;
            return;
        }
        while app.runs.find(run).await.is_ok_and(|view| !view.has_ended()) {
            tokio::time::sleep(LOOK).await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, ended).await;
}
