//! Events of a run: read a page at a time, and sent to it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stepcast::{AnyEvent, EventEnvelope, RunId};
use utoipa::ToSchema;

use super::begin::envelope_tag;
use super::json::{EventJson, Types};
use super::listed::Done;
use super::reply::about;
use super::texts::page;
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::error::extract::{JsonBody, Path, Query};

/// How many events one request looks through for those of the types that it wants.
const SCAN: usize = 10_000;
/// How many are read at once.
const READ: usize = 1_000;
/// The longest id of an event, in bytes.
const MAX_ID: usize = 256;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
    types: Option<String>,
}

/// A page of a run's events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventPage<'a> {
    run_id: &'a str,
    events: Vec<EventJson<'a>>,
    /// `after` of the next page.
    next_after: u64,
    /// Whether nothing will ever come after this page.
    drained: bool,
}

/// Logged events of a run.
#[utoipa::path(
    get, path = "/runs/{run_id}/events", tag = "runs",
    params(
        ("run_id" = String, Path, description = "The run"),
        ("after" = Option<u64>, Query, description = "Only events with a greater number"),
        ("limit" = Option<usize>, Query, description = "1 to 1,000; default 100"),
        ("types" = Option<String>, Query, description = "Only events of these types, with commas between them"),
    ),
    responses(
        (status = 200, description = "A page of events", body = EventPage<'static>),
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
    let limit = page(asked.limit).map_err(|error| error.of_run(&run))?;
    let types = Types::read(asked.types.as_deref());
    // Asked first: what is written before an end is then read with it.
    let ended = app.runs.find(&run).await?.has_ended();
    let (mut events, mut next_after, mut scanned, mut drained) = (Vec::new(), asked.after, 0, false);
    while events.len() < limit && scanned < SCAN && !drained {
        let wanted = if types.is_all() { limit - events.len() } else { READ };
        let read = app.runs.events(&run, next_after, wanted).await?;
        drained = read.len() < wanted;
        for logged in read {
            if events.len() == limit {
                drained = false;
                break;
            }
            scanned += 1;
            next_after = logged.seq;
            if types.take(&logged.event) {
                events.push(EventJson::logged(&run, &logged, access));
            }
        }
    }
    let drained = drained && ended;
    Ok(about(&run, StatusCode::OK, &EventPage { run_id: run.as_str(), events, next_after, drained }))
}

/// An event for a run.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) event: AnyEvent,
    /// Sent twice under one id, it is delivered once.
    pub(crate) id: Option<String>,
    /// The only step that it is for.
    pub(crate) step: Option<String>,
}

/// Sends an event to a run. It is recorded when the reply comes, where the run is in a store.
///
/// The body is the event, `{"type", "value"}`, or `{"event": .., "id"?, "step"?}`. Sent again under the same `id`, it is
/// delivered once; a run remembers the last 1,024 ids.
#[utoipa::path(
    post, path = "/runs/{run_id}/events", tag = "runs",
    params(("run_id" = String, Path, description = "The run")),
    request_body = Object,
    responses(
        (status = 202, description = "The run has the event", body = Done<'static>),
        (status = 400, description = "The body is no event that the run takes"),
        (status = 404, description = "There is no such run"),
        (status = 409, description = "The run has ended"),
        (status = 429, description = "The run's mailbox is full"),
    ),
)]
pub(super) async fn send(
    State(app): State<App>,
    access: Access,
    Path(run): Path<RunId>,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, ApiError> {
    access.may_change().map_err(|error| error.of_run(&run))?;
    let outside = Outside::of(body).map_err(|error| error.of_run(&run))?;
    app.runs.send_once(&run, outside.event, outside.step.as_deref(), outside.id).await?;
    Ok(about(&run, StatusCode::ACCEPTED, &Done { run_id: run.as_str(), status: "accepted" }))
}

impl Outside {
    fn of(body: Value) -> Result<Self, ApiError> {
        let refused = |detail: String| Err(ApiError::bad_request("invalid_request", detail));
        let mut members = match body {
            Value::Object(members) if members.contains_key("event") => members,
            Value::Object(members) => return Ok(Outside { event: event_of(members)?, id: None, step: None }),
            _ => return refused("The body must be an event, `{\"type\": .., \"value\": ..}`.".into()),
        };
        let event = members.remove("event").unwrap_or_default();
        let id = text_of(members.remove("id"), "id")?;
        let step = text_of(members.remove("step"), "step")?;
        if let Some(other) = members.keys().next() {
            return refused(format!("Beside `event` the body takes `id` and `step`, not `{other}`."));
        }
        Outside::new(event, id, step)
    }

    pub(crate) fn new(event: Value, id: Option<String>, step: Option<String>) -> Result<Self, ApiError> {
        let refused = |detail: &str| Err(ApiError::bad_request("invalid_request", detail));
        let Value::Object(event) = event else {
            return refused("`event` must be an event, `{\"type\": .., \"value\": ..}`.");
        };
        match &id {
            Some(id) if id.is_empty() || id.len() > MAX_ID => refused("The id of an event has 1 to 256 bytes."),
            Some(_) if step.is_some() => refused("An event for one step takes no `id`."),
            _ => Ok(Outside { event: event_of(event)?, id, step }),
        }
    }
}

/// An event from its envelope; without `value` it has no fields.
fn event_of(mut members: Map<String, Value>) -> Result<AnyEvent, ApiError> {
    members.entry("value").or_insert_with(|| Value::Object(Map::new()));
    if envelope_tag(&members).is_none() {
        let detail =
            "An event is `{\"type\": .., \"value\": ..}`: the event's tag as a text and its data, nothing else.";
        return Err(ApiError::bad_request("invalid_event", detail));
    }
    let envelope: EventEnvelope = serde_json::from_value(members.into())
        .map_err(|error| ApiError::bad_request("invalid_event", format!("The event cannot be read: {error}.")))?;
    Ok(AnyEvent::from_envelope(envelope))
}

fn text_of(given: Option<Value>, name: &str) -> Result<Option<String>, ApiError> {
    match given {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ApiError::bad_request("invalid_request", format!("`{name}` must be a text."))),
    }
}
