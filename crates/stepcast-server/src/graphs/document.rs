//! Documents in bodies: JSON, or YAML by its content type.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde_json::Value;

use crate::error::ApiError;
use crate::error::extract::{bytes_of, check_json, parse};

/// Content types of YAML, the registered one first.
const YAML: [&str; 4] = ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];

/// A document: an object, whatever is in it.
#[derive(Debug)]
pub(super) struct Document(pub(super) Value);

impl<S: Send + Sync> FromRequest<S> for Document {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let is_yaml = is_yaml(request.headers());
        if !is_yaml {
            check_json(request.headers())?;
        }
        let bytes = bytes_of(request.into_body()).await?;
        let document = if is_yaml { yaml(&bytes)? } else { parse(&bytes, "body")? };
        match document {
            Value::Object(_) => Ok(Document(document)),
            _ => Err(ApiError::bad_request("invalid_request", "The body must be a graph: an object with `steps`.")),
        }
    }
}

fn is_yaml(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    YAML.iter().any(|known| essence.eq_ignore_ascii_case(known))
}

fn yaml(bytes: &[u8]) -> Result<Value, ApiError> {
    let wrong = |text: String| ApiError::bad_request("invalid_yaml", format!("The body is no YAML: {text}."));
    let text = std::str::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
    // A JSON object is YAML too.
    stepcast_graph::parse(text).map_err(|error| match error {
        stepcast_graph::ParseError::Yaml(error) => wrong(error.to_string()),
        error => ApiError::bad_request("invalid_json", error.to_string()),
    })
}
