//! A run's stream through the views of graphs: `?modes=`.

use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use stepcast::{AnyEvent, Event, EventKind, Role, RunId, StepStateChanged, StreamEvent, StreamItem, StreamStart};
use stepcast_graph::{Mode, ViewItem, Views};

use super::reply::named;
use super::stream::{Form, HEARTBEAT, RETRY, id_line, line, lost};
use super::texts::{After, list, wrong};
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::wire::envelope;
use crate::wire::stream::{NDJSON, SSE, respond_after, sse_frame};

/// How many events are read at once on the way to where a stream begins.
const PAGE: usize = 256;

/// What a view shows.
#[derive(Debug, Serialize)]
pub(super) struct ViewJson<'a> {
    run_id: &'a str,
    /// `values`, `updates`, `lifecycle` or `custom`.
    mode: Mode,
    /// The step that it is about.
    step: Option<String>,
    /// The number of the event that it was made of; of what is not in the log, that of the event before it.
    seq: u64,
    payload: Value,
}

impl<'a> ViewJson<'a> {
    fn of(run: &'a RunId, view: ViewItem) -> Self {
        ViewJson { run_id: run.as_str(), mode: view.mode, step: view.step, seq: view.seq, payload: view.payload }
    }
}

/// The views of one reader.
#[derive(Debug)]
pub(super) struct Shown {
    views: Views,
    modes: Vec<Mode>,
    access: Access,
    /// Whether the runtime's own frames are asked for.
    internal: bool,
}

impl Shown {
    /// The views that a query names.
    pub(super) fn read(text: &str, access: Access, internal: bool) -> Result<Self, ApiError> {
        let expected = "one or more of `values`, `updates`, `lifecycle` and `custom`, with commas between them";
        let mode = |word: &str| match word {
            "values" => Ok(Mode::Values),
            "updates" => Ok(Mode::Updates),
            "lifecycle" => Ok(Mode::Lifecycle),
            "custom" => Ok(Mode::Custom),
            other => Err(wrong("modes", other, expected)),
        };
        let modes = list([text]).map(mode).collect::<Result<Vec<_>, _>>()?;
        match modes.is_empty() {
            true => Err(wrong("modes", text, expected)),
            false => Ok(Shown { views: Views::new(modes.iter().copied()), modes, access, internal }),
        }
    }

    /// Where to begin after an event. The values are those of the whole run, so what was before is read for them.
    pub(super) async fn begin(&mut self, app: &App, run: &RunId, after: After) -> Result<StreamStart, ApiError> {
        let end = match after {
            After::Beginning | After::Seq(0) => return Ok(StreamStart::Beginning),
            _ if !self.modes.contains(&Mode::Values) => return Ok(after.start(false)),
            After::Seq(seq) => seq,
            After::Now => u64::MAX,
        };
        let mut seen = 0;
        while seen < end {
            let limit = usize::try_from(end - seen).unwrap_or(PAGE).min(PAGE);
            let page = app.runs.events(run, seen, limit).await?;
            let Some(last) = page.last() else { break };
            seen = last.seq;
            for logged in &page {
                self.see(&logged.event, logged.seq, EventKind::Logged);
            }
        }
        Ok(StreamStart::After(if after == After::Now { seen } else { end }))
    }

    fn see(&mut self, event: &AnyEvent, seq: u64, kind: EventKind) -> Vec<ViewItem> {
        let is_end = event.meta().is_some_and(|meta| meta.role == Role::Stop);
        // Beginnings of steps are among the runtime's own frames, all others are custom.
        let unasked = kind == EventKind::Internal && !self.internal && event.tag() != StepStateChanged::META.tag;
        if is_end || unasked {
            return Vec::new();
        }
        match self.access.sees_secrets() || event.tag() == stepcast_graph::StepOver::META.tag {
            true => self.views.see(event, seq),
            false => self.views.see(&AnyEvent::from_envelope(envelope(event, self.access)), seq),
        }
    }

    fn item(&mut self, item: &StreamEvent) -> Vec<ViewItem> {
        self.see(&item.event, item.seq, item.kind)
    }
}

/// The views of a run as a response. Several may be of one event: only the last has its number as an id, so that a client
/// that comes back in between sees all of them.
pub(super) async fn respond(
    app: &App,
    run: &RunId,
    start: StreamStart,
    mut shown: Shown,
    form: Form,
) -> Result<Response, ApiError> {
    let internal = shown.internal || shown.modes.contains(&Mode::Lifecycle);
    let follow = app.runs.follow(run, start, internal).await?;
    let id = run.clone();
    let response = match form {
        Form::Sse => respond_after(app, RETRY, follow, SSE, Some(HEARTBEAT), move |item, out| match item {
            StreamItem::Event(event) => {
                let views = shown.item(event);
                let last = views.len();
                if last == 0 {
                    id_line(item, out);
                }
                for (at, view) in views.into_iter().enumerate() {
                    sse_frame(item.seq().filter(|_| at + 1 == last), &ViewJson::of(&id, view), out);
                }
            }
            _ => lost(item, out),
        }),
        Form::Ndjson => respond_after(app, "", follow, NDJSON, None, move |item, out| {
            let StreamItem::Event(event) = item else { return };
            for view in shown.item(event) {
                line(&ViewJson::of(&id, view), out);
            }
        }),
    };
    Ok(named(run, response))
}
