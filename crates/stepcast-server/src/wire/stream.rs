//! Streams as responses: SSE and NDJSON over one run's events.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use stepcast::StreamItem;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::runs::Follow;

/// How many events go into one write.
const BATCH: usize = 128;

/// The content type of server-sent events.
pub(crate) const SSE: &str = "text/event-stream; charset=utf-8";
/// The content type of lines of JSON.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// A response that goes on until the run's last event. `frame` writes one item; `heartbeat` is sent after silence.
pub(crate) fn respond(
    app: &App,
    follow: Follow,
    content_type: &'static str,
    heartbeat: Option<&'static str>,
    frame: impl FnMut(&StreamItem, &mut Vec<u8>) + Send + 'static,
) -> Response {
    respond_after(app, "", follow, content_type, heartbeat, frame)
}

/// As [`respond`], with a text before everything else.
pub(crate) fn respond_after(
    app: &App,
    before: &'static str,
    follow: Follow,
    content_type: &'static str,
    heartbeat: Option<&'static str>,
    frame: impl FnMut(&StreamItem, &mut Vec<u8>) + Send + 'static,
) -> Response {
    let state = State {
        before,
        follow,
        frame,
        items: Vec::new(),
        heartbeat: heartbeat.map(|text| (text, app.options.heartbeat)),
        draining: app.draining.clone(),
        broken: false,
    };
    let body = Body::from_stream(stream::unfold(state, |mut state| async move {
        let bytes = state.next().await?;
        Some((bytes, state))
    }));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Writes an SSE frame: its id, if it has one, and its data, which must be one line.
pub(crate) fn sse_frame(id: Option<u64>, data: &impl serde::Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    if let Some(id) = id {
        out.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    out.extend_from_slice(b"data: ");
    match serde_json::to_writer(&mut *out, data) {
        Ok(()) => out.extend_from_slice(b"\n\n"),
        // Only what cannot be JSON at all comes here; half a frame would spoil the next one.
        Err(_) => out.truncate(start),
    }
}

struct State<F> {
    /// What has yet to be sent before the first event.
    before: &'static str,
    follow: Follow,
    frame: F,
    items: Vec<StreamItem>,
    heartbeat: Option<(&'static str, Duration)>,
    draining: CancellationToken,
    broken: bool,
}

/// The server ends before the run does. A stream that ended in order would say that the run has.
#[derive(Debug, thiserror::Error)]
#[error("the server is shutting down; the stream goes on at the next one")]
struct BrokenOff;

impl<F: FnMut(&StreamItem, &mut Vec<u8>)> State<F> {
    async fn next(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        let before = std::mem::take(&mut self.before);
        if !before.is_empty() {
            return Some(Ok(Bytes::from_static(before.as_bytes())));
        }
        if self.broken {
            return None;
        }
        let begun = Instant::now();
        loop {
            let silent = async {
                match self.heartbeat {
                    Some((text, every)) => {
                        tokio::time::sleep_until(begun + every).await;
                        text
                    }
                    None => std::future::pending().await,
                }
            };
            self.items.clear();
            tokio::select! {
                biased;
                given = self.follow.next_batch(&mut self.items, BATCH) => {
                    if given == 0 {
                        return None;
                    }
                }
                text = silent => return Some(Ok(Bytes::from_static(text.as_bytes()))),
                () = self.draining.cancelled() => {
                    self.broken = true;
                    return Some(Err(BrokenOff));
                }
            }
            let mut out = Vec::with_capacity(self.items.len() * 160);
            for item in &self.items {
                (self.frame)(item, &mut out);
            }
            if !out.is_empty() {
                return Some(Ok(out.into()));
            }
        }
    }
}
