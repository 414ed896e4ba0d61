//! Replies about a run carry its id in a header.

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use stepcast::RunId;

use crate::error::RUN_ID;

/// A reply about a run, as JSON.
pub(super) fn about(run: &RunId, status: StatusCode, body: &impl Serialize) -> Response {
    named(run, (status, Json(body)).into_response())
}

/// A reply with the run's id in its header. An id that no header can hold is left out.
pub(super) fn named(run: &RunId, mut response: Response) -> Response {
    if let Ok(id) = HeaderValue::from_str(run.as_str()) {
        response.headers_mut().insert(RUN_ID, id);
    }
    response
}
