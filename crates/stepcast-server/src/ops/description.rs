//! The server's description of itself.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};

use crate::app::App;

/// The text of the description.
#[derive(Clone, Debug)]
pub(crate) struct Text(Bytes);

/// The description that the routes add themselves to.
pub(crate) fn begun() -> OpenApi {
    let info = InfoBuilder::new()
        .title("stepcast")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Runs of stepcast workflows: start them, read their events, answer what they ask."))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// The finished description, as it is served.
pub(crate) fn finished(api: &OpenApi) -> Text {
    let mut api = serde_json::to_value(api).unwrap_or_default();
    with_problems(&mut api);
    with_tokens(&mut api);
    Text(serde_json::to_vec_pretty(&api).unwrap_or_default().into())
}

/// Every operation may refuse with a problem, for more reasons than each wants to list.
fn with_problems(api: &mut Value) {
    let problem = json!({
        "description": "Why the request was refused (RFC 9457).",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    let Some(paths) = api.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(|path| path.values_mut()) {
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            responses.entry("default").or_insert_with(|| problem.clone());
        }
    }
    api["components"]["schemas"]["Problem"] = json!({
        "type": "object",
        "description": "Why a request was refused. Some problems have members of their own beside these.",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": { "type": "string", "description": "`urn:stepcast:problem:` and the code." },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "What was wrong, for people." },
            "code": { "type": "string", "description": "What was wrong, for programs." },
            "run_id": { "type": "string", "description": "The run that it is about." },
        },
    });
}

/// A server without tokens lets everybody in, so that none is one of the choices.
fn with_tokens(api: &mut Value) {
    api["components"]["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer" },
        "ticket": {
            "type": "apiKey", "in": "query", "name": "ticket",
            "description": "From `POST /tickets`: for GET requests, once, where headers cannot be set.",
        },
    });
    api["security"] = json!([{}, { "token": [] }, { "ticket": [] }]);
}

/// This description, in OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operations",
    responses((status = 200, description = "The description.", body = Value)),
)]
pub(crate) async fn openapi(State(app): State<App>) -> Response {
    let text = app.description.get().map(|text| text.0.clone()).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
