//! A run's stream, from any event on, as it comes.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use stepcast::{RunId, StreamItem, StreamStart};

use super::begin::accepts;
use super::json::{EventJson, Types};
use super::reply::named;
use super::texts::{After, wrong};
use super::views::{self, Modes, Shown};
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::error::extract::{Path, Query};
use crate::wire::stream::{NDJSON, SSE, respond_after, sse_frame};

/// How long a client waits before it comes back, and a comment that shows that the stream is open.
pub(super) const RETRY: &str = "retry: 1000\n\n";
pub(super) const HEARTBEAT: &str = ": heartbeat\n\n";

/// The form of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Sse,
    Ndjson,
}

impl Form {
    /// The form that a request asks for by its header `accept`.
    pub(super) fn asked(headers: &HeaderMap) -> Option<Self> {
        match () {
            () if accepts(headers, NDJSON) => Some(Form::Ndjson),
            () if accepts(headers, "text/event-stream") => Some(Form::Sse),
            () => None,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    after: After,
    types: Option<String>,
    #[serde(default)]
    internal: bool,
    modes: Option<String>,
}

/// The run's stream: what there is, then what comes, until the run's end.
///
/// Server-sent events with the event's number as `id:`, or lines of JSON with `Accept: application/x-ndjson`. The header
/// `Last-Event-ID` wins over `after`. Once a run has ended and all of its events were read, the reply is 204, upon which an
/// `EventSource` stays away.
///
/// With `modes` the stream shows views in place of events, in frames with `mode`, `step`, `seq` and `payload`: the whole
/// context of a graph after each step that changed it (`values`), what a step added (`updates`), that steps begin, wait for
/// a person and are over (`lifecycle`), and all else (`custom`). They are made of the same log and have its numbers.
#[utoipa::path(
    get, path = "/runs/{run_id}/stream", tag = "runs",
    params(
        ("run_id" = String, Path, description = "The run"),
        ("after" = Option<String>, Query, description = "Begin after this event; `now` with what comes. Default: the first"),
        ("types" = Option<String>, Query, description = "Only events of these types, with commas between them"),
        ("internal" = Option<bool>, Query, description = "With the runtime's own frames"),
        ("modes" = Option<String>, Query, description = "Views in place of events: of `values`, `updates`, `lifecycle`, `custom`, with commas between them. Not with `types`. Where the server has graphs"),
    ),
    responses(
        (status = 200, description = "The stream", body = EventJson<'static>, content_type = "text/event-stream"),
        (status = 204, description = "The run has ended and there is nothing more"),
        (status = 400, description = "`after`, `Last-Event-ID` or another value is none"),
        (status = 404, description = "There is no such run"),
    ),
)]
pub(super) async fn stream(
    State(app): State<App>,
    access: Access,
    Path(run): Path<RunId>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let last_seen = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let after = match last_seen.filter(|value| !value.is_empty()) {
        None => asked.after,
        Some(value) => After::of(value)
            .ok_or_else(|| wrong("Last-Event-ID", value, "the number of an event of this run").of_run(&run))?,
    };
    let shown = asked.views(access).map_err(|error| error.of_run(&run))?;
    if is_drained(&app, &run, after).await? {
        return Ok(named(&run, StatusCode::NO_CONTENT.into_response()));
    }
    let form = Form::asked(&headers).unwrap_or(Form::Sse);
    if let Some(mut shown) = shown {
        let start = shown.begin(&app, &run, after).await?;
        let follow = app.runs.follow(&run, start, shown.is_internal()).await?;
        return Ok(views::respond(&app, &run, follow, shown, form));
    }
    let types = Types::read(asked.types.as_deref());
    respond(&app, access, &run, after.start(false), types, asked.internal, form).await
}

impl Asked {
    fn views(&self, access: Access) -> Result<Option<Shown>, ApiError> {
        let Some(modes) = &self.modes else { return Ok(None) };
        if self.types.is_some() {
            let detail =
                "The query has `types` and `modes`; views are made of events of all types, so give one of them.";
            return Err(ApiError::bad_request("invalid_query_param", detail).with("param", "types"));
        }
        Ok(Some(Shown::new(Modes::read(modes)?, access, self.internal)))
    }
}

/// Whether nothing more will come after an event.
async fn is_drained(app: &App, run: &RunId, after: After) -> Result<bool, ApiError> {
    if !app.runs.find(run).await?.has_ended() {
        return Ok(false);
    }
    match after {
        After::Beginning => Ok(false),
        After::Now => Ok(true),
        After::Seq(seq) => Ok(app.runs.events(run, seq, 1).await?.is_empty()),
    }
}

/// The stream of a run as a response.
pub(super) async fn respond(
    app: &App,
    access: Access,
    run: &RunId,
    start: StreamStart,
    types: Types,
    internal: bool,
    form: Form,
) -> Result<Response, ApiError> {
    let follow = app.runs.follow(run, start, internal).await?;
    let id = run.clone();
    let response = match form {
        Form::Sse => respond_after(app, RETRY, follow, SSE, Some(HEARTBEAT), move |item, out| match item {
            StreamItem::Event(event) if types.take(&event.event) => {
                sse_frame(item.seq(), &EventJson::streamed(&id, event, access), out);
            }
            StreamItem::Event(_) => id_line(item, out),
            _ => lost(item, out),
        }),
        Form::Ndjson => respond_after(app, "", follow, NDJSON, None, move |item, out| match item {
            StreamItem::Event(event) if types.take(&event.event) => {
                line(&EventJson::streamed(&id, event, access), out);
            }
            _ => {}
        }),
    };
    Ok(named(run, response))
}

/// An id alone: a client that comes back need not read again what it did not want.
pub(super) fn id_line(item: &StreamItem, out: &mut Vec<u8>) {
    if let Some(seq) = item.seq() {
        out.extend_from_slice(format!("id: {seq}\n\n").as_bytes());
    }
}

/// The gap shows in the numbers; this is for who looks at the bytes.
pub(super) fn lost(item: &StreamItem, out: &mut Vec<u8>) {
    let text = match item {
        StreamItem::Event(_) => return,
        StreamItem::Lagged { from, to } => format!(": {from} to {to} are not kept any more\n\n"),
        StreamItem::Unreadable { from, to, .. } => format!(": {from} to {to} cannot be read\n\n"),
    };
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn line(data: &impl serde::Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    match serde_json::to_writer(&mut *out, data) {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(start),
    }
}
