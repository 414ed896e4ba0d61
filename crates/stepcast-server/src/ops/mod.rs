//! What operates a server: health, metrics, its description, and what stands around every route.

mod body;
mod description;
#[cfg(test)]
mod fuzzed;
mod gate;
mod health;
pub(crate) mod listen;
mod metrics;
mod origin;
pub(crate) mod rate;
mod request;
pub(crate) mod sign_in;
pub(crate) mod signals;
mod slow;
#[cfg(test)]
mod tests;
mod ticket;
pub(crate) mod token;

use std::any::Any;
use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use description::begun as description;
pub(crate) use gate::Gate;
pub(crate) use metrics::{Metrics, OpenStream};
pub(crate) use token::Caller;

use crate::app::App;
use crate::error::ApiError;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(description::openapi))
        .routes(routes!(ticket::mint))
}

/// What stands around every route, from the outside in: the request's id, panics, CORS, and what a request has to pass.
pub(crate) fn around(router: Router<App>, api: &OpenApi, app: &App) -> Router<App> {
    // One layer of all: a router boxes each of its layers for every request.
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(app.clone(), request::observe))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(option_layer(origin::cors(&app.options)))
        .layer(from_fn_with_state(app.clone(), gate::pass))
        .layer(Extension(Arc::new(description::finished(api))))
        // A body that reaches a handler was measured.
        .layer(DefaultBodyLimit::disable());
    router.layer(layers)
}

/// What a panic says is for the log of whoever runs the server, where the panic hook has put it.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!(target: "stepcast", "the handler of a request panicked");
    ApiError::internal().into_response()
}
