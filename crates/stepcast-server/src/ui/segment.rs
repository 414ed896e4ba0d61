//! One segment of a run as a response: from a place in its log to its next question or its end.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use stepcast::backend::RunStatus;
use stepcast::{Role, RunId, StreamItem, WorkflowIdleEvent};
use tokio::time::Instant;

use super::family::questions;
use super::state::shown;
use super::{Machine, Question, is_of};
use crate::access::Access;
use crate::app::App;
use crate::error::RUN_ID;
use crate::runs::{Follow, RunView};
use crate::wire::stream::{SSE, sse_frame};

/// How many items go into one write.
const BATCH: usize = 128;
/// How many questions a pause may have.
const QUESTIONS: usize = 100;
/// How often a run that is not here is asked whether it waits.
const LOOK: Duration = Duration::from_millis(250);
const HEARTBEAT: &[u8] = b": heartbeat\n\n";

/// A segment of a run, read through a machine.
pub(super) struct Segment<M> {
    pub(super) app: App,
    pub(super) run: RunId,
    pub(super) access: Access,
    pub(super) follow: Follow,
    /// Questions, by their runs and numbers, that the run is told nobody answers: it may not have heard yet.
    pub(super) declined: Vec<(RunId, u64)>,
    pub(super) machine: M,
}

impl<M: Machine> Segment<M> {
    /// The segment as server-sent events.
    pub(super) fn respond(self) -> Response {
        let run = HeaderValue::from_str(self.run.as_str());
        let reader = Reader {
            segment: self,
            place: Place::Begin,
            changed: true,
            quiet: 0,
            written: Instant::now(),
            items: Vec::new(),
            frames: Vec::new(),
        };
        let body = Body::from_stream(stream::unfold(reader, |mut reader| async move {
            let bytes = reader.next().await?;
            Some((Ok::<_, Infallible>(bytes), reader))
        }));
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SSE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        if let Ok(run) = run {
            headers.insert(RUN_ID, run);
        }
        response
    }
}

#[derive(PartialEq)]
enum Place {
    Begin,
    Going,
    Over,
}

struct Reader<M: Machine> {
    segment: Segment<M>,
    place: Place,
    /// Whether the run did anything since it was last asked for its questions.
    changed: bool,
    /// How often a run that is not here was found waiting and silent.
    quiet: u8,
    written: Instant,
    items: Vec<StreamItem>,
    frames: Vec<M::Frame>,
}

impl<M: Machine> Reader<M> {
    async fn next(&mut self) -> Option<Bytes> {
        match self.place {
            Place::Over => return None,
            Place::Begin => {
                self.place = Place::Going;
                self.segment.machine.begin(&mut self.frames);
                self.show_state();
                self.poke();
                return self.write();
            }
            Place::Going => {}
        }
        loop {
            let heartbeat = self.written + self.segment.app.options.heartbeat;
            let look = match self.segment.follow.here() {
                Some(_) => heartbeat,
                None => heartbeat.min(Instant::now() + LOOK),
            };
            self.items.clear();
            tokio::select! {
                biased;
                given = self.segment.follow.next_batch(&mut self.items, BATCH) => self.take(given).await,
                () = self.segment.app.draining.cancelled() => return None,
                () = tokio::time::sleep_until(look) => {
                    if self.segment.follow.here().is_none() {
                        self.look_elsewhere().await;
                    }
                    if self.place == Place::Going && Instant::now() >= heartbeat {
                        self.written = Instant::now();
                        return Some(Bytes::from_static(HEARTBEAT));
                    }
                }
            }
            if let Some(bytes) = self.write() {
                return Some(bytes);
            }
            if self.place == Place::Over {
                return None;
            }
        }
    }

    async fn take(&mut self, given: usize) {
        // Before the events: a state that comes too early is right later, one that comes after the end never is.
        self.show_state();
        let machine = &mut self.segment.machine;
        if given == 0 {
            if !machine.is_over() {
                machine.lost(&mut self.frames);
            }
            self.place = Place::Over;
            return;
        }
        self.quiet = 0;
        let (mut idle, mut asked) = (false, false);
        for item in &self.items {
            idle = item.get::<WorkflowIdleEvent>().is_some();
            if idle {
                continue;
            }
            self.changed = true;
            asked |= item.event().is_some_and(|event| is_of(event, Role::InputRequired));
            if !machine.is_over() {
                machine.item(item, &mut self.frames);
            }
        }
        if machine.is_over() {
            self.place = Place::Over;
        } else if asked && !idle {
            // What a child asks comes while the run itself rests.
            self.poke();
        } else if idle && std::mem::take(&mut self.changed) {
            // Asking makes it say once more that it is idle, which is then no news.
            self.pause().await;
        }
    }

    /// What changed of what the run shows of its state.
    fn show_state(&mut self) {
        let Segment { follow, access, machine, .. } = &mut self.segment;
        if let Some(run) = follow.here()
            && !machine.is_over()
        {
            machine.state(shown(run, *access), &mut self.frames);
        }
    }

    /// A run that is here and rests already says so again when it is asked something. Nobody waits for what it says.
    fn poke(&self) {
        if let Some(run) = self.segment.follow.here() {
            let _ = run.pending_inputs().now_or_never();
        }
    }

    /// Looks whether a run that is not here waits for a person. Twice, so that what it wrote before has come.
    async fn look_elsewhere(&mut self) {
        let found = self.segment.app.runs.find(&self.segment.run).await;
        if !found.is_ok_and(|run: RunView| run.status == RunStatus::Waiting) {
            self.quiet = 0;
            return;
        }
        self.quiet += 1;
        if self.quiet > 1 {
            self.pause().await;
            self.quiet = 1;
        }
    }

    /// Ends the segment if the run asks people.
    async fn pause(&mut self) {
        let Segment { app, run, access, declined, .. } = &self.segment;
        let mut asked = asked(app, run, *access).await;
        let is = |question: &Question| declined.iter().any(|(run, input)| question.is(run, *input));
        asked.retain(|question| !is(question));
        if !asked.is_empty() {
            self.segment.machine.paused(&asked, &mut self.frames);
            self.place = Place::Over;
        }
    }

    /// What is to be sent, if anything is.
    fn write(&mut self) -> Option<Bytes> {
        let mut out = Vec::with_capacity(self.frames.len() * 160);
        for frame in self.frames.drain(..) {
            sse_frame(None, &frame, &mut out);
        }
        if self.place == Place::Over {
            out.extend_from_slice(M::END.as_bytes());
        }
        if out.is_empty() {
            return None;
        }
        self.written = Instant::now();
        Some(out.into())
    }
}

/// What the run and its children ask of people.
async fn asked(app: &App, run: &RunId, access: Access) -> Vec<Question> {
    match questions(app, run, access, false, QUESTIONS).await {
        Ok(asked) => asked.into_iter().map(|(_, question)| question).collect(),
        Err(error) => {
            tracing::warn!(target: "stepcast", %run, detail = error.detail(), "a run's questions cannot be read");
            Vec::new()
        }
    }
}
