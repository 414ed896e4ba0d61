//! Request bodies: JSON objects, whatever content type the client says.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// A body as it was read.
pub(super) type Body = Result<Bytes, BytesRejection>;

/// The JSON object in a body. `malformed` and `misfit` begin the refusal of what is no JSON, and of what is no object.
pub(super) fn object(body: Body, malformed: &str, misfit: &str) -> Result<Map<String, Value>, ApiError> {
    let bytes = body.map_err(|rejection| {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            _ => "invalid_body",
        };
        ApiError::new(rejection.status(), code, rejection.body_text())
    })?;
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
