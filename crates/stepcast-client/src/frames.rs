//! A run's frames over connections that break.

use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use reqwest::{Method, Response};
use sse_stream::{Sse, SseStream};
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

/// The frames of a run's stream. It connects again when a connection breaks, after the last event that was noted.
pub(crate) struct Frames {
    pub(crate) run: RemoteRun,
    /// The last event that was seen.
    pub(crate) last: u64,
    pub(crate) ended: bool,
    /// What is asked for beside where to begin.
    query: Vec<(&'static str, String)>,
    connection: Option<BoxStream<'static, Result<Sse, sse_stream::Error>>>,
    connected: Instant,
    /// Connections in a row that broke soon and without an event.
    failed: u32,
    /// How many connections there were.
    pub(crate) connections: u64,
}

impl Frames {
    pub(crate) fn of(run: RemoteRun, after: u64, query: Vec<(&'static str, String)>) -> Self {
        Frames {
            run,
            last: after,
            ended: false,
            query,
            connection: None,
            connected: Instant::now(),
            failed: 0,
            connections: 0,
        }
    }

    /// The next frame; `None` after the run's last one. An error is an end.
    pub(crate) async fn next(&mut self) -> Option<Result<Sse, StreamError>> {
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
                Some(Ok(frame)) => return Some(Ok(frame)),
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

    /// The connection is worth something.
    pub(crate) fn works(&mut self) {
        self.failed = 0;
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
        let request = wants_events(request.query(&[("after", self.last)]).query(&self.query));
        let response = client.send(request).await?;
        if response.status() == reqwest::StatusCode::NO_CONTENT {
            self.ended = true;
            return Ok(());
        }
        self.begin_with(response);
        Ok(())
    }

    /// Reads from a connection that is open.
    pub(crate) fn begin_with(&mut self, response: Response) {
        self.connected = Instant::now();
        self.connections += 1;
        self.connection = Some(SseStream::from_bytes_stream(until_silent(response.bytes_stream())).boxed());
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
