//! Extractors whose refusals are problems like all others, and name the run that the path names.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stepcast::RunId;

use super::ApiError;

/// A JSON body. Without a body, or with `null`, it is what `T` makes of `null`.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

/// The values of the path.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

/// The values of the query.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let read = match bytes_of(body).await {
            Ok(bytes) if bytes.is_empty() => of_value(Value::Null),
            Ok(bytes) => check_json(&parts.headers).and_then(|()| of_value(parse(&bytes, "body")?)),
            Err(refusal) => Err(refusal),
        };
        match read {
            Ok(value) => Ok(JsonBody(value)),
            Err(refusal) => Err(refusal.of_any_run(run_of(&mut parts, state).await.as_ref())),
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(values)) => Ok(Path(values)),
            Err(error) => Err(ApiError::bad_request("invalid_path", sentence(&error.body_text()))),
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = axum::extract::Query::from_request_parts(parts, state).await;
        match read.map_err(|error| ApiError::bad_request("invalid_query_param", sentence(&error.body_text()))) {
            Ok(axum::extract::Query(values)) => Ok(Query(values)),
            Err(refusal) => Err(refusal.of_any_run(run_of(parts, state).await.as_ref())),
        }
    }
}

impl ApiError {
    /// As [`of_run`](Self::of_run), where a run is known.
    pub(crate) fn of_any_run(self, run: Option<&RunId>) -> Self {
        match run {
            Some(run) => self.of_run(run),
            None => self,
        }
    }
}

/// There is no such path.
pub(crate) async fn no_path(uri: Uri) -> ApiError {
    ApiError::not_found("path_not_found", format!("There is no path `{}`.", uri.path()))
}

/// The path takes other methods, which stand in the header `allow`.
pub(crate) async fn no_method(method: Method, mut parts: Parts) -> ApiError {
    let run = run_of(&mut parts, &()).await;
    let detail = format!("This path does not take {method}; the header `allow` names what it takes.");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).of_any_run(run.as_ref())
}

/// The run that the path names.
pub(crate) async fn run_of<S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<RunId> {
    let params = RawPathParams::from_request_parts(parts, state).await.ok()?;
    let named = params.iter().find(|(name, _)| *name == "run_id");
    named.map(|(_, run)| RunId::from(run))
}

/// A JSON text of any content; `what` it is, in a word.
pub(crate) fn parse(bytes: &[u8], what: &str) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        if text.starts_with("recursion limit") {
            let detail = format!("The {what} nests lists and objects too deep; 127 levels are read.");
            return ApiError::bad_request("body_too_deep", detail);
        }
        ApiError::bad_request("invalid_json", format!("The {what} is no JSON: {text}."))
    })
}

fn of_value<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    serde_json::from_value(value)
        .map_err(|error| ApiError::bad_request("invalid_request", format!("The body does not fit: {error}.")))
}

/// Refuses a body that does not say that it is JSON.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers.get(header::CONTENT_TYPE).map(|given| given.to_str().unwrap_or_default());
    // As nearly everybody says it.
    if given == Some("application/json") {
        return Ok(());
    }
    let essence = given.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let found = given.map_or_else(|| "none".to_owned(), |given| format!("`{given}`"));
    let detail = format!("The body must be JSON with the content type `application/json`; the request has {found}.");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail).with("received", given))
}

/// The body as it came. What a request has to pass has bounded it and read it.
pub(crate) async fn bytes_of(body: Body) -> Result<Bytes, ApiError> {
    let mut chunks = body.into_data_stream();
    let mut all = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let cut_off = |_| ApiError::bad_request("body_not_read", "The body could not be read to its end.");
        let chunk = chunk.map_err(cut_off)?;
        if all.is_empty() && chunks.is_end_stream() {
            return Ok(chunk);
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}

/// axum's words as a sentence.
fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}
