//! Runs: listed, looked at, woken, ended, removed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use stepcast::RunId;
use utoipa::ToSchema;

use super::json::RunJson;
use super::reply::about;
use super::texts::{cursor_of, cursor_text, page, statuses, wrong};
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::error::extract::{Path, Query};
use crate::runs::RunQuery;

/// A page of runs, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunPage {
    runs: Vec<RunJson>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// Something was done to a run.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done<'a> {
    pub(super) run_id: &'a str,
    /// What was done.
    pub(super) status: &'static str,
}

/// Runs, the newest first.
#[utoipa::path(
    get, path = "/runs", tag = "runs",
    params(
        ("status" = Option<Vec<String>>, Query, description = "Only runs of these statuses; repeatable"),
        ("workflow" = Option<Vec<String>>, Query, description = "Only runs of these workflows; repeatable"),
        ("parent" = Option<String>, Query, description = "Only children of this run"),
        ("limit" = Option<usize>, Query, description = "1 to 1,000; default 100"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of runs", body = RunPage),
        (status = 400, description = "A value of the query is none"),
    ),
)]
pub(super) async fn list(
    State(app): State<App>,
    access: Access,
    Query(given): Query<Vec<(String, String)>>,
) -> Result<Json<RunPage>, ApiError> {
    let all = |name: &'static str| given.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str());
    let one = |name: &'static str| all(name).next_back();
    let limit = one("limit").map(|text| text.parse().map_err(|_| wrong("limit", text, "a number from 1 to 1000")));
    let limit = page(limit.transpose()?)?;
    let after = one("cursor").map(|text| cursor_of('r', text)).transpose()?;
    let query = RunQuery {
        workflows: all("workflow").map(str::to_owned).collect(),
        statuses: statuses(all("status"))?,
        parent: one("parent").map(str::to_owned),
    };
    let mut runs = app.runs.list(&query, after, limit + 1).await?;
    let more = runs.len() > limit;
    runs.truncate(limit);
    let next_cursor = runs.last().filter(|_| more).map(|run| cursor_text('r', run.cursor));
    Ok(Json(RunPage { runs: runs.into_iter().map(|run| RunJson::of(run, access)).collect(), next_cursor }))
}

/// A run.
#[utoipa::path(
    get, path = "/runs/{run_id}", tag = "runs",
    params(("run_id" = String, Path, description = "The run")),
    responses(
        (status = 200, description = "The run", body = RunJson),
        (status = 404, description = "There is no such run"),
    ),
)]
pub(super) async fn show(State(app): State<App>, access: Access, Path(run): Path<RunId>) -> Result<Response, ApiError> {
    let view = app.runs.find(&run).await?;
    Ok(about(&run, StatusCode::OK, &RunJson::of(view, access)))
}

/// Asks a run to end. It ends soon after, wherever it sleeps or runs.
#[utoipa::path(
    post, path = "/runs/{run_id}/cancel", tag = "runs",
    params(("run_id" = String, Path, description = "The run")),
    responses(
        (status = 202, description = "The request is recorded", body = Done<'static>),
        (status = 404, description = "There is no such run"),
        (status = 409, description = "The run has ended"),
    ),
)]
pub(super) async fn cancel(
    State(app): State<App>,
    access: Access,
    Path(run): Path<RunId>,
) -> Result<Response, ApiError> {
    access.may_change().map_err(|error| error.of_run(&run))?;
    app.runs.cancel(&run).await?;
    Ok(about(&run, StatusCode::ACCEPTED, &Done { run_id: run.as_str(), status: "cancelling" }))
}

/// Brings a sleeping run back to memory. One that is there already goes on as it does.
#[utoipa::path(
    post, path = "/runs/{run_id}/resume", tag = "runs",
    params(("run_id" = String, Path, description = "The run")),
    responses(
        (status = 200, description = "The run is in memory", body = RunJson),
        (status = 404, description = "There is no such run"),
        (status = 409, description = "The run has ended, another process holds it, or it cannot go on here"),
    ),
)]
pub(super) async fn resume(
    State(app): State<App>,
    access: Access,
    Path(run): Path<RunId>,
) -> Result<Response, ApiError> {
    access.may_change().map_err(|error| error.of_run(&run))?;
    let handle = app.runs.attach(&run).await?;
    if handle.is_done() {
        let detail = format!("The run `{run}` has ended; `rerun` starts another one like it.");
        return Err(ApiError::conflict("run_ended", detail).of_run(&run));
    }
    let view = app.runs.find(&run).await?;
    Ok(about(&run, StatusCode::OK, &RunJson::of(view, access)))
}

/// Removes everything of a run; one that has not ended is cancelled first.
#[utoipa::path(
    delete, path = "/runs/{run_id}", tag = "runs",
    params(("run_id" = String, Path, description = "The run")),
    responses(
        (status = 200, description = "Nothing of it is left", body = Done<'static>),
        (status = 404, description = "There is no such run"),
        (status = 409, description = "Another process holds it"),
    ),
)]
pub(super) async fn purge(
    State(app): State<App>,
    access: Access,
    Path(run): Path<RunId>,
) -> Result<Response, ApiError> {
    access.may_change().map_err(|error| error.of_run(&run))?;
    app.runs.purge(&run).await?;
    Ok(about(&run, StatusCode::OK, &Done { run_id: run.as_str(), status: "purged" }))
}
