//! Questions to people, and their answers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepcast::RunId;
use utoipa::ToSchema;

use super::json::InputJson;
use super::reply::about;
use super::texts::{cursor_of, cursor_text, input_number, list as words, page, wrong};
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::error::extract::{JsonBody, Path, Query};
use crate::runs::{InputQuery, InputView};

const STATUSES: [&str; 4] = ["pending", "answered", "withdrawn", "expired"];
/// How many questions one request looks through for those that it wants.
const SCAN: usize = 10_000;
/// How many are read at once.
const READ: usize = 1_000;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    pub(crate) run_id: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) workflow: Option<String>,
    pub(crate) limit: Option<usize>,
    pub(crate) cursor: Option<String>,
}

/// A page of questions, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InputPage {
    pub(crate) inputs: Vec<InputJson>,
    /// Where the next page begins; null on the last one.
    pub(crate) next_cursor: Option<String>,
}

/// Questions of all runs, the oldest first; those without an answer unless `status` says otherwise.
#[utoipa::path(
    get, path = "/inputs", tag = "inputs",
    params(
        ("status" = Option<String>, Query, description = "`pending` (default), `answered`, `withdrawn`, `expired`, or `all`"),
        ("workflow" = Option<String>, Query, description = "Only of runs of this workflow"),
        ("limit" = Option<usize>, Query, description = "1 to 1,000; default 100"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of questions", body = InputPage),
        (status = 400, description = "A value of the query is none"),
    ),
)]
pub(super) async fn list_all(
    State(app): State<App>,
    access: Access,
    Query(asked): Query<Asked>,
) -> Result<Json<InputPage>, ApiError> {
    let asked = Asked { run_id: None, ..asked };
    Ok(Json(page_of(&app, access, asked, "pending").await?))
}

/// Questions of a run, the oldest first; all of them unless `status` says otherwise.
#[utoipa::path(
    get, path = "/runs/{run_id}/inputs", tag = "inputs",
    params(
        ("run_id" = String, Path, description = "The run"),
        ("status" = Option<String>, Query, description = "`pending`, `answered`, `withdrawn`, `expired`, or `all` (default)"),
        ("limit" = Option<usize>, Query, description = "1 to 1,000; default 100"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of questions", body = InputPage),
        (status = 400, description = "A value of the query is none"),
        (status = 404, description = "There is no such run"),
    ),
)]
pub(super) async fn list(
    State(app): State<App>,
    access: Access,
    Path(run): Path<RunId>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    app.runs.find(&run).await?;
    let asked = Asked { run_id: Some(run.to_string()), ..asked };
    let page = page_of(&app, access, asked, "all").await.map_err(|error| error.of_run(&run))?;
    Ok(about(&run, StatusCode::OK, &page))
}

/// A page of questions.
pub(crate) async fn page_of(app: &App, access: Access, asked: Asked, default: &str) -> Result<InputPage, ApiError> {
    let limit = page(asked.limit)?;
    let mut after = asked.cursor.as_deref().map(|text| cursor_of('i', text)).transpose()?;
    let wanted = statuses_of(asked.status.as_deref().unwrap_or(default))?;
    let pending = wanted == ["pending"];
    let query = InputQuery { run: asked.run_id, input: None, workflow: asked.workflow, pending };
    let takes = |input: &InputView| wanted.contains(&input.state.word());
    let (mut found, mut scanned, mut more) = (Vec::new(), 0, true);
    while found.len() <= limit && scanned < SCAN && more {
        let size = if pending || wanted.len() == STATUSES.len() { limit + 1 - found.len() } else { READ };
        let read = app.runs.inputs(&query, after, size).await?;
        more = read.len() == size;
        scanned += read.len();
        after = read.last().map(|last| last.cursor).or(after);
        found.extend(read.into_iter().filter(|input| takes(input)));
    }
    let next = match found.len() > limit {
        true => found.get(limit - 1).map(|last| last.cursor),
        // Looked through as many as one request may.
        false => after.filter(|_| more),
    };
    found.truncate(limit);
    let inputs = found.into_iter().map(|input| InputJson::of(app, input, access)).collect();
    Ok(InputPage { inputs, next_cursor: next.map(|cursor| cursor_text('i', cursor)) })
}

fn statuses_of(text: &str) -> Result<Vec<&'static str>, ApiError> {
    let mut wanted = Vec::new();
    for word in words([text]) {
        match STATUSES.into_iter().find(|status| *status == word) {
            Some(status) if !wanted.contains(&status) => wanted.push(status),
            Some(_) => {}
            None if word == "all" => return Ok(STATUSES.to_vec()),
            None => return Err(wrong("status", word, "one of `pending`, `answered`, `withdrawn`, `expired`, `all`")),
        }
    }
    Ok(if wanted.is_empty() { STATUSES.to_vec() } else { wanted })
}

/// An answer to a question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    /// The data of the event that answers; for a step that failed one of the choices.
    response: Value,
    /// Who answers.
    by: Option<String>,
}

/// Answers a question. The first answer wins, and is recorded when the reply comes.
#[utoipa::path(
    post, path = "/runs/{run_id}/inputs/{input}", tag = "inputs",
    params(
        ("run_id" = String, Path, description = "The run"),
        ("input" = String, Path, description = "The question's number in the run"),
    ),
    request_body = Answer,
    responses(
        (status = 200, description = "The question with its answer", body = InputJson),
        (status = 404, description = "There is no such run or question"),
        (status = 409, description = "It has its answer, or is not asked any more; `by` and `at` say whose and when"),
        (status = 422, description = "The answer does not fit; `faults` or `choices` say why"),
    ),
)]
pub(super) async fn answer(
    State(app): State<App>,
    access: Access,
    Path((run, input)): Path<(RunId, String)>,
    JsonBody(answer): JsonBody<Answer>,
) -> Result<Response, ApiError> {
    access.may_change().map_err(|error| error.of_run(&run))?;
    let view = give(&app, &run, &input, answer.response, answer.by).await?;
    Ok(about(&run, StatusCode::OK, &InputJson::of(&app, view, access)))
}

/// Answers a question that is named by its number, or by the run and its number.
pub(crate) async fn give(
    app: &App,
    run: &RunId,
    input: &str,
    response: Value,
    by: Option<String>,
) -> Result<InputView, ApiError> {
    // Told before what is wrong with the input's name.
    app.runs.find(run).await?;
    let number = input_number(run, input)?;
    app.runs.answer(run, number, response, by).await
}
