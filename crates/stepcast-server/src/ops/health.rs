//! Whether the server lives, and whether it can be given work.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use stepcast::RunId;
use utoipa::ToSchema;

use crate::app::App;

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the server is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `healthy` or `draining`.
    status: &'static str,
}

/// Whether the server can be given work.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ready`, `draining` or `store_unavailable`.
    status: &'static str,
}

/// Whether the server lives. Needs no token.
#[utoipa::path(
    get,
    path = "/health",
    tag = "operations",
    responses(
        (status = 200, description = "It does.", body = Health),
        (status = 503, description = "It shuts down.", body = Health),
    ),
)]
pub(crate) async fn health(State(app): State<App>) -> Response {
    match app.draining.is_cancelled() {
        false => Json(Health { status: "healthy" }).into_response(),
        true => (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "draining" })).into_response(),
    }
}

/// Whether the server takes requests and its store answers. Needs no token.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "operations",
    responses(
        (status = 200, description = "It can be given work.", body = Readiness),
        (status = 503, description = "It shuts down, or its store does not answer.", body = Readiness),
    ),
)]
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let unready = |status| (StatusCode::SERVICE_UNAVAILABLE, Json(Readiness { status })).into_response();
    if app.draining.is_cancelled() {
        return unready("draining");
    }
    // Any question will do; that there is no such run is an answer.
    let asked = tokio::time::timeout(PATIENCE, app.runs.find(&RunId::from("ready"))).await;
    match asked {
        Ok(Err(error)) if error.status().is_server_error() => unready("store_unavailable"),
        Err(_) => unready("store_unavailable"),
        Ok(_) => Json(Readiness { status: "ready" }).into_response(),
    }
}
