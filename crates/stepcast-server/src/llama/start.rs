//! Starting runs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};
use stepcast::{RunId, RunOptions};
use utoipa::ToSchema;

use super::body::{Body, object};
use super::handler::Handler;
use super::{given, in_their_words};
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::runs::HeldStart;

/// The longest id that a caller may choose, in bytes.
const LONGEST_ID: usize = 256;

/// What starts a run.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(crate) struct Start {
    /// The start event: its fields alone, in an envelope, or as a text of JSON.
    #[schema(value_type = Object)]
    start_event: Option<Value>,
    /// The start event's fields, where `start_event` is not given.
    #[schema(value_type = Object)]
    kwargs: Option<Value>,
    /// The id of the run. That of a run that has ended is used anew; its state goes over.
    handler_id: Option<String>,
    /// Not taken; an empty one is as none.
    #[schema(value_type = Object)]
    context: Option<Value>,
}

/// Starts a run and waits for its end.
#[utoipa::path(
    post, path = "/workflows/{name}/run", tag = "llamaindex", params(("name" = String, Path)), request_body = Start,
    responses(
        (status = 200, body = Handler), (status = 400, description = "The body or the start event does not fit"),
        (status = 404, description = "No such workflow"), (status = 409, description = "The id is in use"),
        (status = 415, description = "The body says that it is no JSON"),
        (status = 500, body = Handler, description = "The run failed, was cancelled or timed out")
    )
)]
pub(crate) async fn run(
    State(app): State<App>,
    Path(name): Path<String>,
    access: Access,
    body: Body,
) -> Result<Response, ApiError> {
    let begun = begin(&app, &name, body).await?.begin_here();
    // How it ended is in its record.
    begun.run.ended().await;
    let view = app.runs.view(&begun).await.map_err(in_their_words)?;
    let handler = Handler::of(view, access);
    let status = handler.outcome();
    Ok(handler.respond(status))
}

/// Starts a run.
#[utoipa::path(
    post, path = "/workflows/{name}/run-nowait", tag = "llamaindex", params(("name" = String, Path)), request_body = Start,
    responses(
        (status = 200, body = Handler), (status = 400, description = "The body or the start event does not fit"),
        (status = 404, description = "No such workflow"), (status = 409, description = "The id is in use"),
        (status = 415, description = "The body says that it is no JSON")
    )
)]
pub(crate) async fn run_nowait(
    State(app): State<App>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let begun = begin(&app, &name, body).await?.begin();
    let view = app.runs.view(&begun).await.map_err(in_their_words)?;
    Ok(Handler::begun(view).respond(StatusCode::OK))
}

async fn begin(app: &App, name: &str, body: Body) -> Result<HeldStart, ApiError> {
    let def = app.runs.definition(name).map_err(in_their_words)?;
    let mut fields = object(body, "Invalid JSON body", "Error processing request body")?;
    let given = take(&mut fields, "start_event").or_else(|| take(&mut fields, "kwargs"));
    let start = given::start_event(&def, given.unwrap_or_else(|| Value::Object(Map::new())))?;
    if fields.get("context").is_some_and(is_something) {
        let detail = "Context API is disabled. Give the `handler_id` of an earlier run to go on with its state.";
        return Err(ApiError::bad_request("context_not_taken", detail));
    }
    let mut options = app.run_options();
    let chosen = chosen_id(&fields)?;
    if let Some(id) = &chosen {
        // Boxed, as is all that few requests come to: what a request holds is moved more than once.
        options = Box::pin(anew(app, name, id, options)).await?.run_id(id.clone());
    }
    let held = app.runs.hold(name, start, options).await;
    held.map_err(|error| match (error.code(), &chosen) {
        ("run_exists", Some(id)) => error.saying(in_use(id)),
        _ => in_their_words(error),
    })
}

/// Makes an id free that a run had which has ended; that run's state goes on.
async fn anew(app: &App, workflow: &str, id: &RunId, options: RunOptions) -> Result<RunOptions, ApiError> {
    let former = match app.runs.find(id).await {
        Ok(former) => former,
        Err(error) if error.code() == "run_not_found" => return Ok(options),
        Err(error) => return Err(error),
    };
    if !former.has_ended() {
        return Err(ApiError::conflict("run_exists", in_use(id)).of_run(id));
    }
    let options = match app.runs.attach(id).await {
        Ok(run) if former.workflow == workflow => options.state_from(&run),
        _ => options,
    };
    match app.runs.purge(id).await {
        // Somebody else was faster; only one of us gets the id.
        Err(error) if error.code() != "run_not_found" => Err(error),
        _ => Ok(options),
    }
}

fn in_use(id: &RunId) -> String {
    format!("Handler '{id}' is already running")
}

fn chosen_id(fields: &Map<String, Value>) -> Result<Option<RunId>, ApiError> {
    let refused = |detail: &str| Err(ApiError::bad_request("invalid_handler_id", detail));
    match fields.get("handler_id").filter(|id| is_something(id)) {
        None => Ok(None),
        Some(Value::String(id)) if id.len() > LONGEST_ID || id.chars().any(char::is_control) => {
            refused("A handler_id has at most 256 bytes, and no control characters.")
        }
        Some(Value::String(id)) => Ok(Some(RunId::from(id.as_str()))),
        Some(_) => refused("A handler_id is a text."),
    }
}

fn take(fields: &mut Map<String, Value>, name: &str) -> Option<Value> {
    fields.remove(name).filter(|value| !value.is_null())
}

/// Whether Python calls it true.
pub(super) fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}
