//! A run's events, out and in.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use stepcast::{AnyEvent, EventEnvelope, RunId, StreamItem, StreamStart, WorkflowDef};
use utoipa::ToSchema;

use super::body::{Body, object};
use super::envelope::Envelope;
use super::handler::named;
use super::handlers::{Pairs, flag, param};
use super::start::is_something;
use super::{given, in_their_words};
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::wire::stream::{NDJSON, SSE, respond, sse_frame};

/// The comment that keeps a silent connection open.
const HEARTBEAT: &str = ": heartbeat\n\n";

/// An event for a run.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(crate) struct Sent {
    /// `{"type", "value"}`, or that as a text of JSON.
    #[schema(value_type = Object)]
    event: Value,
    /// The one step that it is for.
    step: Option<String>,
}

/// That an event was sent.
#[derive(Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// Always `sent`: on a store, the event is in it.
    status: &'static str,
}

/// Streams a run's events as server-sent events, or as lines of JSON with `sse=false`.
#[utoipa::path(
    get, path = "/events/{handler_id}", tag = "llamaindex",
    params(
        ("handler_id" = String, Path),
        ("sse" = Option<bool>, Query, description = "`false` for lines of JSON"),
        ("after_sequence" = Option<String>, Query, description = "`now`, `-1` for all events, or the `id` of the last one seen"),
        ("include_internal" = Option<bool>, Query, description = "With the runtime's own frames"),
        ("include_qualified_name" = Option<bool>, Query, description = "`false` for `null` in its place"),
        ("Last-Event-ID" = Option<String>, Header, description = "Wins over `after_sequence` where it is a number")
    ),
    responses(
        (status = 200, description = "The events", content_type = "text/event-stream", body = Envelope),
        (status = 204, description = "The run has ended and no event is left"),
        (status = 400, description = "No such place"), (status = 404, description = "No such run")
    )
)]
pub(crate) async fn stream(
    State(app): State<App>,
    Path(id): Path<String>,
    access: Access,
    Query(pairs): Pairs,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let run = RunId::from(id.as_str());
    let sse = flag(&pairs, "sse", true);
    let mut start = place(&app, param(&pairs, "after_sequence"))?;
    if let Some(last) = headers.get("last-event-id").and_then(|last| last.to_str().ok()).and_then(number)
        && sse
    {
        start = after(last);
    }
    let view = app.runs.find(&run).await.map_err(in_their_words)?;
    if view.has_ended() && nothing_left(&app, &run, start).await? {
        return Ok(named(&id, StatusCode::NO_CONTENT.into_response()));
    }
    let internal = flag(&pairs, "include_internal", false);
    let qualified = flag(&pairs, "include_qualified_name", true);
    let follow = app.runs.follow(&run, start, internal).await.map_err(in_their_words)?;
    let response = if sse {
        respond(&app, follow, SSE, Some(HEARTBEAT), move |item, out| {
            sse_frame(item.seq(), &Envelope::of_item(item, access, qualified), out);
        })
    } else {
        respond(&app, follow, NDJSON, None, move |item, out| line(item, access, qualified, out))
    };
    Ok(named(&id, response))
}

fn line(item: &StreamItem, access: Access, qualified: bool, out: &mut Vec<u8>) {
    let start = out.len();
    match serde_json::to_writer(&mut *out, &Envelope::of_item(item, access, qualified)) {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(start),
    }
}

/// Where a stream begins: `now`, or after a number, where anything below 0 is before the first.
fn place(app: &App, given: Option<&str>) -> Result<StreamStart, ApiError> {
    match given {
        None if app.options.default_cursor_start => Ok(StreamStart::Beginning),
        None => Ok(StreamStart::Now),
        Some(given) if given.eq_ignore_ascii_case("now") => Ok(StreamStart::Now),
        Some(given) => match number(given) {
            Some(number) => Ok(after(number)),
            None => Err(ApiError::bad_request("invalid_cursor", format!("Invalid after_sequence: '{given}'"))),
        },
    }
}

fn number(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

fn after(number: i64) -> StreamStart {
    u64::try_from(number).map_or(StreamStart::Beginning, StreamStart::After)
}

/// Whether a run that has ended has no event beyond this place.
async fn nothing_left(app: &App, run: &RunId, start: StreamStart) -> Result<bool, ApiError> {
    let after = match start {
        StreamStart::Beginning => 0,
        StreamStart::After(seq) => seq,
        _ => return Ok(true),
    };
    Ok(app.runs.events(run, after, 1).await.map_err(in_their_words)?.is_empty())
}

/// Sends an event to a run.
#[utoipa::path(
    post, path = "/events/{handler_id}", tag = "llamaindex", params(("handler_id" = String, Path)), request_body = Sent,
    responses(
        (status = 200, body = Receipt), (status = 400, description = "The event or the step does not fit"),
        (status = 404, description = "No such run"), (status = 409, description = "The run has ended"),
        (status = 415, description = "The body says that it is no JSON")
    )
)]
pub(crate) async fn send(State(app): State<App>, Path(id): Path<String>, body: Body) -> Result<Response, ApiError> {
    let run = RunId::from(id.as_str());
    let mut fields = object(body, "Error processing request", "Error processing request")?;
    let Some(given) = fields.remove("event").filter(is_something) else {
        return Err(ApiError::bad_request("event_missing", "Event data is required").of_run(&run));
    };
    let step = match fields.get("step") {
        Some(Value::String(step)) if !step.is_empty() => Some(step.as_str()),
        None | Some(Value::Null | Value::String(_)) => None,
        Some(_) => return Err(ApiError::bad_request("invalid_step", "A step is named by a text.").of_run(&run)),
    };
    let view = app.runs.find(&run).await.map_err(in_their_words)?;
    if view.has_ended() {
        return Err(ApiError::conflict("run_ended", "Workflow already completed").of_run(&run));
    }
    let def = app.runs.runtime().definition(&view.workflow);
    let (tag, value) = given::sent_event(def.as_deref(), given).map_err(|error| error.of_run(&run))?;
    let step = match (step, def.as_deref()) {
        (Some(step), Some(def)) => addressee(def, step, &tag).map_err(|error| error.of_run(&run))?,
        (step, _) => step,
    };
    let event = AnyEvent::from_envelope(EventEnvelope { value, qualified_name: None, tag, types: None });
    app.runs.send(&run, event, step).await.map_err(in_their_words)?;
    Ok(named(&id, Json(Receipt { status: "sent" }).into_response()))
}

/// The step that an event is for; `None` where it is for a wait of that step, which hears of it anyway.
fn addressee<'a>(def: &WorkflowDef, step: &'a str, tag: &str) -> Result<Option<&'a str>, ApiError> {
    let refused =
        |what: String| ApiError::bad_request("step_not_found", format!("Failed to send event: Step {step} {what}"));
    let ix = def.step_named(step).ok_or_else(|| refused("does not exist".to_owned()))?;
    let event = def.event_by_tag(tag).ok_or_else(|| refused(format!("does not accept {tag}")))?;
    let waiting = || (0u32..).zip(def.steps()).filter(|(_, step)| step.may_wait_for(event)).map(|(ix, _)| ix);
    if def.step(ix).inputs().contains(&event) {
        return Ok(Some(step));
    }
    // Without an addressee it reaches this wait, and nobody else.
    match def.takers(event).is_empty() && waiting().eq([ix]) {
        true => Ok(None),
        false => Err(refused(format!("does not accept {tag}"))),
    }
}
