//! A run's stream through the views of graphs: `modes` of a query or of a frame.

use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use stepcast::{AnyEvent, Event, EventKind, Role, RunId, StepStateChanged, StreamEvent, StreamItem, StreamStart};
use stepcast_graph::{Mode, ViewItem, Views};

use super::reply::named;
use super::stream::{Form, HEARTBEAT, RETRY, id_line, line, lost};
use super::texts::{After, list, shortened, wrong};
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::runs::Follow;
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
    /// Another view of the same event follows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

impl ViewJson<'_> {
    fn all(run: &RunId, views: Vec<ViewItem>) -> impl Iterator<Item = ViewJson<'_>> {
        let last = views.len();
        views.into_iter().enumerate().map(move |(at, view)| ViewJson {
            run_id: run.as_str(),
            mode: view.mode,
            step: view.step,
            seq: view.seq,
            payload: view.payload,
            more: at + 1 < last,
        })
    }
}

/// The views that a reader asks for.
#[derive(Clone, Debug)]
pub(crate) struct Modes(Vec<Mode>);

const EXPECTED: &str = "one or more of `values`, `updates`, `lifecycle` and `custom`";

impl Modes {
    /// The views that a query names.
    pub(crate) fn read(text: &str) -> Result<Self, ApiError> {
        let wrong = |found: &str| wrong("modes", found, &format!("{EXPECTED}, with commas between them"));
        Modes::of(list([text])).map_err(|found| wrong(found.unwrap_or(text)))
    }

    /// The views that a frame names.
    pub(crate) fn listed(words: &[String]) -> Result<Self, ApiError> {
        Modes::of(words.iter().map(String::as_str)).map_err(|found| {
            let found = found.map_or_else(|| "nothing".to_owned(), |found| format!("`{}`", shortened(found)));
            ApiError::bad_request("invalid_frame", format!("`modes` must be a list of {EXPECTED}, not {found}."))
        })
    }

    /// `Err` with the word that is none; without one where there are no words.
    fn of<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, Option<&'a str>> {
        let mode = |word: &'a str| match word {
            "values" => Ok(Mode::Values),
            "updates" => Ok(Mode::Updates),
            "lifecycle" => Ok(Mode::Lifecycle),
            "custom" => Ok(Mode::Custom),
            other => Err(Some(other)),
        };
        let modes = words.map(mode).collect::<Result<Vec<_>, _>>()?;
        if modes.is_empty() { Err(None) } else { Ok(Modes(modes)) }
    }

    /// Whether they are made of the runtime's own frames too.
    pub(crate) fn are_internal(&self) -> bool {
        self.0.contains(&Mode::Lifecycle)
    }
}

/// The views of one reader.
#[derive(Debug)]
pub(crate) struct Shown {
    views: Views,
    modes: Modes,
    access: Access,
    /// Whether the runtime's own frames are asked for.
    internal: bool,
}

impl Shown {
    pub(crate) fn new(modes: Modes, access: Access, internal: bool) -> Self {
        Shown { views: Views::new(modes.0.iter().copied()), modes, access, internal }
    }

    /// Whether the run has to be followed with the runtime's own frames.
    pub(crate) fn is_internal(&self) -> bool {
        self.internal || self.modes.are_internal()
    }

    /// Where to begin after an event: with the beginnings of steps behind it that are still known, so that who was cut off
    /// misses none. The values are those of the whole run, so what was before is read for them.
    pub(crate) async fn begin(&mut self, app: &App, run: &RunId, after: After) -> Result<StreamStart, ApiError> {
        let end = match after {
            After::Beginning => return Ok(StreamStart::Beginning),
            After::Seq(0) => return Ok(StreamStart::Again(0)),
            After::Seq(seq) if !self.modes.0.contains(&Mode::Values) => return Ok(StreamStart::Again(seq)),
            After::Now if !self.modes.0.contains(&Mode::Values) => return Ok(after.start(false)),
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
        Ok(if after == After::Now { StreamStart::After(seen) } else { StreamStart::Again(end) })
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

    /// The views of an event, in their order.
    pub(crate) fn item<'a>(&mut self, run: &'a RunId, item: &StreamEvent) -> impl Iterator<Item = impl Serialize + 'a> {
        ViewJson::all(run, self.see(&item.event, item.seq, item.kind))
    }
}

/// The views of a run as a response. Several may be of one event: only the last has its number as an id, so that a client
/// that comes back in between sees all of them.
pub(super) fn respond(app: &App, run: &RunId, follow: Follow, mut shown: Shown, form: Form) -> Response {
    let id = run.clone();
    let response = match form {
        Form::Sse => respond_after(app, RETRY, follow, SSE, Some(HEARTBEAT), move |item, out| match item {
            StreamItem::Event(event) => {
                let mut views = shown.item(&id, event).peekable();
                if views.peek().is_none() {
                    id_line(item, out);
                }
                while let Some(view) = views.next() {
                    sse_frame(item.seq().filter(|_| views.peek().is_none()), &view, out);
                }
            }
            _ => lost(item, out),
        }),
        Form::Ndjson => respond_after(app, "", follow, NDJSON, None, move |item, out| {
            let StreamItem::Event(event) = item else { return };
            shown.item(&id, event).for_each(|view| line(&view, out));
        }),
    };
    named(run, response)
}
