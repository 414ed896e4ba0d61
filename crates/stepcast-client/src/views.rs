//! What the steps of a graph do, over connections that break.

use std::collections::VecDeque;

use reqwest::Response;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{RequestError, StreamError};
use crate::frames::Frames;
use crate::run::RemoteRun;

/// A view of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ViewMode {
    /// The whole context of a graph, after every step that changed it.
    Values,
    /// What a step added to it.
    Updates,
    /// That steps begin, wait for a person, and are over.
    Lifecycle,
    /// Everything else that is on the stream.
    Custom,
}

impl ViewMode {
    fn word(self) -> &'static str {
        match self {
            ViewMode::Values => "values",
            ViewMode::Updates => "updates",
            ViewMode::Lifecycle => "lifecycle",
            ViewMode::Custom => "custom",
        }
    }

    /// As a query has them.
    pub(crate) fn words(modes: &[ViewMode]) -> String {
        modes.iter().map(|mode| mode.word()).collect::<Vec<_>>().join(",")
    }
}

/// What a view shows.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct RemoteView {
    /// The view.
    pub mode: ViewMode,
    /// The step that it is about, where it is about one.
    #[serde(default)]
    pub step: Option<String>,
    /// The number of the event in the run's log; of one that is not in the log, that of the one before it.
    pub seq: u64,
    /// What is shown.
    pub payload: Value,
}

/// Views of a run as they come, from [`RemoteRun::stream_views`]. It connects again when a connection breaks.
pub struct RemoteViews {
    frames: Frames,
    /// How many views of the event after the last whole one were handed out.
    given: Part,
    /// How many of them this connection has shown.
    shown: Part,
    /// The connection that `shown` is of.
    connection: u64,
    /// Beginnings of steps that were handed out since the last whole event. They have no numbers of their own, and come
    /// again with a new connection, where the server still has them.
    begun: Vec<RemoteView>,
    /// Those that this connection may show again.
    again: VecDeque<RemoteView>,
}

/// So many views of one event.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    seq: u64,
    views: usize,
}

impl Part {
    /// Counts one more of an event.
    fn count(&mut self, seq: u64) -> usize {
        self.views = if self.seq == seq { self.views + 1 } else { 1 };
        self.seq = seq;
        self.views
    }
}

impl RemoteViews {
    pub(crate) fn of(run: RemoteRun, after: u64, modes: &[ViewMode]) -> Self {
        let frames = Frames::of(run, after, vec![("modes", ViewMode::words(modes))]);
        RemoteViews {
            frames,
            given: Part::default(),
            shown: Part::default(),
            connection: 0,
            begun: Vec::new(),
            again: VecDeque::new(),
        }
    }

    /// Of a run that was just started, over the response to that.
    pub(crate) fn begun(run: RemoteRun, modes: &[ViewMode], response: Response) -> Self {
        let mut views = RemoteViews::of(run, 0, modes);
        views.frames.begin_with(response);
        views
    }

    /// The run.
    pub fn run(&self) -> &RemoteRun {
        &self.frames.run
    }

    /// The number of the last event of which everything was handed out: where another stream may go on.
    pub fn last_seq(&self) -> u64 {
        self.frames.last
    }

    /// The next view; `None` after the run's last event. An error is an end.
    pub async fn next(&mut self) -> Option<Result<RemoteView, StreamError>> {
        loop {
            let frame = match self.frames.next().await? {
                Ok(frame) => frame,
                Err(error) => return Some(Err(error)),
            };
            if self.connection != self.frames.connections {
                (self.connection, self.shown) = (self.frames.connections, Part::default());
                self.again = self.begun.iter().cloned().collect();
            }
            let whole = frame.id.as_deref().and_then(|id| id.parse().ok());
            let view = match frame.data.filter(|data| !data.is_empty()).map(|data| serde_json::from_str(&data)) {
                None => None,
                Some(Ok(view)) => self.new_view(view),
                Some(Err(source)) => {
                    self.frames.ended = true;
                    return Some(Err(RequestError::Answer { what: "a stream", source }.into()));
                }
            };
            // The last frame of an event has its number.
            if let Some(seq) = whole.filter(|seq| *seq > self.frames.last) {
                self.frames.last = seq;
                self.frames.works();
                self.begun.clear();
                self.again.clear();
            }
            if let Some(view) = view {
                self.frames.works();
                return Some(Ok(view));
            }
        }
    }

    /// The view, unless it was handed out before the connection broke.
    fn new_view(&mut self, view: RemoteView) -> Option<RemoteView> {
        if view.seq <= self.frames.last {
            return self.new_passing(view);
        }
        let shown = self.shown.count(view.seq);
        if self.given.seq == view.seq && shown <= self.given.views {
            return None;
        }
        self.given = self.shown;
        Some(view)
    }
}

impl RemoteViews {
    /// The view of a passing frame, unless it is a beginning that was handed out before the connection broke. Its step, its
    /// attempt and its time tell it from others; of those that are alike, as many are shown as there are.
    fn new_passing(&mut self, view: RemoteView) -> Option<RemoteView> {
        if view.mode != ViewMode::Lifecycle {
            return Some(view);
        }
        if let Some(at) = self.again.iter().position(|seen| *seen == view) {
            self.again.remove(at);
            return None;
        }
        self.begun.push(view.clone());
        Some(view)
    }
}

impl std::fmt::Debug for RemoteViews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteViews")
            .field("run", &self.frames.run.run_id())
            .field("last", &self.frames.last)
            .finish_non_exhaustive()
    }
}
