//! Replies about a run carry its id in a header.

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use stepcast::RunId;

use crate::error::RUN_ID;
use crate::wire;

/// A reply about a run, as JSON.
pub(super) fn about(run: &RunId, status: StatusCode, body: &impl Serialize) -> Response {
    wire::about_run(run, status, body)
}

/// A reply with the run's id in its header. An id that no header can hold is left out.
pub(super) fn named(run: &RunId, mut response: Response) -> Response {
    if let Ok(id) = HeaderValue::from_str(run.as_str()) {
        response.headers_mut().insert(RUN_ID, id);
    }
    response
}
