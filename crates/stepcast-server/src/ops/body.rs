//! Bodies of requests: so large, so deep and so slow, and no more.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::error::ApiError;
use crate::options::ServerOptions;

/// How much of a body that is too large is read and thrown away, in multiples of what is allowed: a sender that is cut
/// off in the middle does not see the answer.
const THROWN_AWAY: usize = 16;

/// Reads the whole body, within its bounds, so that no handler waits for a slow sender.
pub(crate) async fn read(headers: &HeaderMap, body: Body, options: &ServerOptions) -> Result<Body, ApiError> {
    if body.is_end_stream() {
        return Ok(body);
    }
    let waits = headers.contains_key(header::EXPECT);
    if waits && body.size_hint().lower() > options.max_body as u64 {
        return Err(too_large(options.max_body));
    }
    let Some(read) = within(options.body_timeout, whole(body, options.max_body)).await else {
        return Err(too_slow(options.body_timeout));
    };
    let bytes = read?;
    if is_deeper(&bytes, options.max_depth) {
        let detail = format!(
            "The body is nested too deep: at most {} arrays and objects inside each other are taken.",
            options.max_depth
        );
        return Err(ApiError::bad_request("body_too_deep", detail).with("max_depth", options.max_depth));
    }
    Ok(Body::from(bytes))
}

/// As a timeout, without a timer for what is there at once. A body that came in one piece with its head is there at the
/// second look: hyper hands it over after it was asked for.
async fn within<F: Future>(patience: Duration, read: F) -> Option<F::Output> {
    let mut read = pin!(read);
    let mut looked = false;
    let soon = std::future::poll_fn(|cx| match read.as_mut().poll(cx) {
        Poll::Ready(read) => Poll::Ready(Some(read)),
        Poll::Pending if looked => Poll::Ready(None),
        Poll::Pending => {
            looked = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    });
    match soon.await {
        Some(read) => Some(read),
        None => timeout(patience, read).await.ok(),
    }
}

async fn whole(body: Body, max: usize) -> Result<Bytes, ApiError> {
    let mut left = max.saturating_mul(THROWN_AWAY);
    let mut fits = body.size_hint().lower() <= max as u64;
    let mut all = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else {
            return Err(ApiError::bad_request("body_cut_off", "The body ended before it was complete."));
        };
        fits &= all.len() + chunk.len() <= max;
        if fits && all.is_empty() && chunks.is_end_stream() {
            return Ok(chunk);
        }
        if fits {
            all.extend_from_slice(&chunk);
            continue;
        }
        all = Vec::new();
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            break;
        }
    }
    if fits { Ok(all.into()) } else { Err(too_large(max)) }
}

fn too_large(max: usize) -> ApiError {
    let detail = format!("The body is too large: at most {max} bytes are taken.");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).with("max_bytes", max)
}

fn too_slow(after: Duration) -> ApiError {
    let detail = format!("The body did not arrive within {after:?}.");
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail).header(header::CONNECTION, "close")
}

/// Whether JSON opens more than so many arrays and objects inside each other. What is no JSON may be counted wrong.
fn is_deeper(json: &[u8], max: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::is_deeper;

    #[test]
    fn depth_is_what_is_open_at_once() {
        assert!(!is_deeper(br#"{"a":[1,{"b":[]}],"c":[]}"#, 4));
        assert!(is_deeper(br#"{"a":[1,{"b":[]}]}"#, 3));
        assert!(!is_deeper(br#"["[[[[", "\"[[[[", "\\", []]"#, 2));
        assert!(is_deeper(&[b'['; 101], 100));
    }
}
