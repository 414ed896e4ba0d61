//! JSON as responses.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use stepcast::RunId;

use crate::error::{ApiError, RUN_ID};

/// Room for most answers about one run: they are not moved while they grow.
const ROOM: usize = 768;

/// A response about a run, whose header says which. An id that no header can hold is left out.
pub(crate) fn about_run(run: &RunId, status: StatusCode, body: &impl Serialize) -> Response {
    let mut text = Vec::with_capacity(ROOM);
    if let Err(error) = serde_json::to_writer(&mut text, body) {
        tracing::error!(target: "stepcast", %error, "an answer could not be written");
        return ApiError::internal().of_run(run).into_response();
    }
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(id) = HeaderValue::from_str(run.as_str()) {
        headers.insert(RUN_ID, id);
    }
    response
}

/// A run's id as its text, without a copy.
pub(crate) fn id<S: Serializer>(run: &RunId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(run.as_str())
}
