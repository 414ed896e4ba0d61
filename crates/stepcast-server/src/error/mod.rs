//! What goes wrong, as the sender of a request reads it.

pub(crate) mod extract;
mod of;

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use stepcast::RunId;

/// The header that names the run in every reply about one.
pub(crate) const RUN_ID: HeaderName = HeaderName::from_static("x-run-id");

/// A refusal. On the wire it is a problem of RFC 9457, whose `detail` is also what LlamaIndex clients read.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    run: Option<RunId>,
    more: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// A refusal with a stable code of lower-case words and a sentence.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        ApiError { status, code, detail: detail.into(), run: None, more: Map::new(), headers: Vec::new() }
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        ApiError::new(StatusCode::NOT_FOUND, code, detail)
    }

    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        ApiError::new(StatusCode::CONFLICT, code, detail)
    }

    /// There is no such run.
    pub(crate) fn no_run(run: &RunId) -> Self {
        ApiError::not_found("run_not_found", format!("There is no run `{run}`.")).of_run(run)
    }

    /// The run that it is about.
    pub(crate) fn of_run(mut self, run: &RunId) -> Self {
        self.run = Some(run.clone());
        self
    }

    /// Another member of the problem.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// With a header.
    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// With the time after which it is worth trying again, in whole seconds.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.headers.push((header::RETRY_AFTER, seconds.into()));
        self
    }

    /// What went wrong is the server's own fault, and for the log of whoever runs it.
    pub(crate) fn internal() -> Self {
        let detail = "The server failed at this request. Its log has more under the request's id.";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// The same with another text for people.
    pub(crate) fn saying(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The problem as JSON.
    pub(crate) fn problem(&self) -> Value {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut problem = json!({
            "type": format!("urn:stepcast:problem:{}", self.code),
            "title": title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
        });
        if let Some(fields) = problem.as_object_mut() {
            if let Some(run) = &self.run {
                fields.insert("run_id".to_owned(), run.as_str().into());
            }
            fields.extend(self.more.clone());
        }
        problem
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.headers);
        if let Some(id) = self.run.and_then(|run| HeaderValue::from_str(run.as_str()).ok()) {
            headers.insert(RUN_ID, id);
        }
        response
    }
}
