//! Request bodies: JSON objects. The server that these routes are of reads whatever content type a client says; here one
//! that says something else than JSON is refused, since a page of a foreign origin can send that without being asked.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::error::extract::{bytes_of, check_json};

/// A body as it was read, or why it is refused. The refusal waits until the path has been looked at.
pub(super) struct Body(Result<Bytes, ApiError>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        let (parts, body) = request.into_parts();
        let says = parts.headers.contains_key(header::CONTENT_TYPE);
        let typed = |bytes| if says { check_json(&parts.headers).map(|()| bytes) } else { Ok(bytes) };
        Ok(Body(bytes_of(body).await.and_then(typed)))
    }
}

/// The JSON object in a body. `malformed` and `misfit` begin the refusal of what is no JSON, and of what is no object.
pub(super) fn object(body: Body, malformed: &str, misfit: &str) -> Result<Map<String, Value>, ApiError> {
    let bytes = body.0?;
    if bytes.is_empty() {
        let detail = format!("{malformed}: Expecting value: line 1 column 1 (char 0)");
        return Err(ApiError::bad_request("invalid_json", detail));
    }
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::bad_request("invalid_json", format!("{malformed}: {error}")))?;
    match value {
        Value::Object(fields) => Ok(fields),
        other => {
            let detail = format!("{misfit}: '{}' object has no attribute 'get'", python_type(&other));
            Err(ApiError::bad_request("invalid_body", detail))
        }
    }
}

/// What Python calls a value of this kind.
fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}
