//! A run's events over connections that break.

use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use reqwest::Method;
use serde::Deserialize;
use sse_stream::{Sse, SseStream};
use stepcast_core::{AnyEvent, EventEnvelope};
use tokio::time::Instant;

use crate::error::{RequestError, StreamError};
use crate::http::wants_events;
use crate::run::RemoteRun;

/// The first pause before a new connection; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A server sends something every 10 s; a connection that is silent for so long is dead.
const SILENCE: Duration = Duration::from_secs(45);

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
    run: RemoteRun,
    last: u64,
    connection: Option<BoxStream<'static, Result<Sse, sse_stream::Error>>>,
    connected: Instant,
    /// Connections in a row that broke soon and without an event.
    failed: u32,
    /// A gap was told, and the event behind it comes next.
    next: Option<RemoteEvent>,
    ended: bool,
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
        RemoteStream {
            run,
            last: after,
            connection: None,
            connected: Instant::now(),
            failed: 0,
            next: None,
            ended: false,
        }
    }

    /// The number of the last logged event that was handed out: where another stream may go on.
    pub fn last_seq(&self) -> u64 {
        self.last
    }

    /// The next event; `None` after the run's last one. A [`StreamError::Lagged`] is no end, any other error is.
    pub async fn next(&mut self) -> Option<Result<RemoteEvent, StreamError>> {
        if let Some(event) = self.next.take() {
            return Some(Ok(self.hand_out(event)));
        }
        while !self.ended {
            let Some(connection) = &mut self.connection else {
                match self.connect().await {
                    Ok(()) => continue,
                    Err(error) => {
                        self.ended = true;
                        return Some(Err(error));
                    }
                }
            };
            match connection.next().await {
                Some(Ok(frame)) => {
                    let event = match read(frame) {
                        Ok(Some(event)) => event,
                        Ok(None) => continue,
                        Err(error) => {
                            self.ended = true;
                            return Some(Err(error.into()));
                        }
                    };
                    match event.seq {
                        // Seen before the connection broke.
                        Some(seq) if seq <= self.last => continue,
                        Some(seq) if seq > self.last + 1 => {
                            let (from, to) = (self.last + 1, seq - 1);
                            self.next = Some(event);
                            return Some(Err(StreamError::Lagged { run: self.run.run_id().to_owned(), from, to }));
                        }
                        _ => return Some(Ok(self.hand_out(event))),
                    }
                }
                // Silent, broken or closed before the run's end.
                _ => {
                    self.connection = None;
                    if self.connected.elapsed() > LONGEST_PAUSE {
                        self.failed = 0;
                    }
                }
            }
        }
        None
    }

    fn hand_out(&mut self, event: RemoteEvent) -> RemoteEvent {
        self.failed = 0;
        if let Some(seq) = event.seq {
            self.last = seq;
            self.ended = event.is_last();
        }
        event
    }

    /// Connects after the last event, trying again after pauses.
    async fn connect(&mut self) -> Result<(), StreamError> {
        loop {
            if self.failed > 0 {
                let pause = FIRST_PAUSE.saturating_mul(1 << (self.failed - 1).min(8)).min(LONGEST_PAUSE);
                tokio::time::sleep(pause).await;
            }
            let error = match self.open().await {
                Ok(()) => {
                    // One that gives no event is as good as none.
                    self.failed += 1;
                    return Ok(());
                }
                Err(error) => error,
            };
            self.failed += 1;
            if !error.may_pass() {
                return Err(error.into());
            }
            if self.failed > self.run.client.reconnects {
                let run = self.run.run_id().to_owned();
                return Err(StreamError::GaveUp { run, attempts: self.failed, source: Box::new(error) });
            }
        }
    }

    async fn open(&mut self) -> Result<(), RequestError> {
        let client = &self.run.client;
        let request = client.request(Method::GET, &["runs", self.run.run_id(), "stream"]);
        let request = wants_events(request.query(&[("after", self.last)]));
        let response = client.send(request).await?;
        if response.status() == reqwest::StatusCode::NO_CONTENT {
            self.ended = true;
            return Ok(());
        }
        self.connected = Instant::now();
        self.connection = Some(SseStream::from_bytes_stream(until_silent(response.bytes_stream())).boxed());
        Ok(())
    }
}

impl std::fmt::Debug for RemoteStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteStream")
            .field("run", &self.run.run_id())
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

/// What comes until the connection breaks or is silent for too long: heartbeats are bytes too.
fn until_silent<T, E>(
    bytes: impl Stream<Item = Result<T, E>> + Send + Unpin,
) -> impl Stream<Item = Result<T, E>> + Send {
    stream::unfold(bytes, |mut bytes| async {
        let next = tokio::time::timeout(SILENCE, bytes.next()).await.ok().flatten()?;
        Some((next, bytes))
    })
}

/// An event of the stream; a frame without data is none.
fn read(frame: Sse) -> Result<Option<RemoteEvent>, RequestError> {
    let Some(data) = frame.data.filter(|data| !data.is_empty()) else { return Ok(None) };
    let answer = |source| RequestError::Answer { what: "a stream", source };
    let event: RemoteEvent = serde_json::from_str::<Frame>(&data).map_err(answer)?.into();
    // Only a logged event has an id.
    Ok(Some(RemoteEvent { seq: frame.id.and_then(|id| id.parse().ok()), ..event }))
}
