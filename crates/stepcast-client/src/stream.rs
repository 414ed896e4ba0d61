//! A run's events over connections that break.

use serde::Deserialize;
use sse_stream::Sse;
use stepcast_core::{AnyEvent, EventEnvelope};

use crate::error::{RequestError, StreamError};
use crate::frames::Frames;
use crate::run::RemoteRun;

/// An event of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RemoteEvent {
    /// Its number in the run's log, 1..n without gaps; `None` for a passing frame.
    pub seq: Option<u64>,
    /// The event.
    pub event: AnyEvent,
    /// When it was written, as RFC 3339, where the server knows.
    pub at: Option<String>,
}

/// The events of a run as they come. It connects again when a connection breaks, after the last event that it saw, and
/// ends after the run's last event.
pub struct RemoteStream {
    frames: Frames,
    /// A gap was told, and the event behind it comes next.
    next: Option<RemoteEvent>,
}

/// An event as the server writes it.
#[derive(Deserialize)]
pub(crate) struct Frame {
    #[serde(flatten)]
    envelope: EventEnvelope,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(default)]
    ts: Option<String>,
}

impl RemoteEvent {
    /// Whether the run ended with it: its stop event, or the event that says how it ended otherwise.
    pub fn is_last(&self) -> bool {
        let envelope = self.event.to_envelope();
        envelope.tag == "StopEvent" || envelope.types.is_some_and(|types| types.iter().any(|name| name == "StopEvent"))
    }
}

impl From<Frame> for RemoteEvent {
    fn from(frame: Frame) -> Self {
        RemoteEvent { seq: frame.seq, event: AnyEvent::from_envelope(frame.envelope), at: frame.ts }
    }
}

impl RemoteStream {
    pub(crate) fn of(run: RemoteRun, after: u64) -> Self {
        RemoteStream { frames: Frames::of(run, after, Vec::new()), next: None }
    }

    /// The number of the last logged event that was handed out: where another stream may go on.
    pub fn last_seq(&self) -> u64 {
        self.frames.last
    }

    /// The next event; `None` after the run's last one. A [`StreamError::Lagged`] is no end, any other error is.
    pub async fn next(&mut self) -> Option<Result<RemoteEvent, StreamError>> {
        if let Some(event) = self.next.take() {
            return Some(Ok(self.hand_out(event)));
        }
        loop {
            let event = match self.frames.next().await?.and_then(|frame| Ok(read(frame)?)) {
                Ok(Some(event)) => event,
                Ok(None) => continue,
                Err(error) => {
                    self.frames.ended = true;
                    return Some(Err(error));
                }
            };
            let last = self.frames.last;
            match event.seq {
                // Seen before the connection broke.
                Some(seq) if seq <= last => continue,
                Some(seq) if seq > last + 1 => {
                    let (from, to) = (last + 1, seq - 1);
                    self.next = Some(event);
                    return Some(Err(StreamError::Lagged { run: self.frames.run.run_id().to_owned(), from, to }));
                }
                _ => return Some(Ok(self.hand_out(event))),
            }
        }
    }

    fn hand_out(&mut self, event: RemoteEvent) -> RemoteEvent {
        self.frames.works();
        if let Some(seq) = event.seq {
            self.frames.last = seq;
            self.frames.ended = event.is_last();
        }
        event
    }
}

impl std::fmt::Debug for RemoteStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteStream")
            .field("run", &self.frames.run.run_id())
            .field("last", &self.frames.last)
            .finish_non_exhaustive()
    }
}

/// An event of the stream; a frame without data is none.
fn read(frame: Sse) -> Result<Option<RemoteEvent>, RequestError> {
    let Some(data) = frame.data.filter(|data| !data.is_empty()) else { return Ok(None) };
    let answer = |source| RequestError::Answer { what: "a stream", source };
    let event: RemoteEvent = serde_json::from_str::<Frame>(&data).map_err(answer)?.into();
    // Only a logged event has an id.
    Ok(Some(RemoteEvent { seq: frame.id.and_then(|id| id.parse().ok()), ..event }))
}
