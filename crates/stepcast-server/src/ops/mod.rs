//! What operates a server: health, metrics, its description, and what stands around every route.

mod around;
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

use axum::Router;
use tower::ServiceBuilder;
use tower::util::option_layer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use around::Around;
pub(crate) use description::{Text as Description, begun as description};
pub(crate) use gate::Gate;
pub(crate) use metrics::{Metrics, OpenStream};
pub(crate) use token::Caller;

use crate::app::App;

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
    // Routes of another making have the same text.
    let _ = app.description.set(description::finished(api));
    // One layer of all: a router boxes each of its layers for every request.
    let layers = ServiceBuilder::new()
        .layer(Around::<request::Observe>::new(app))
        .layer(option_layer(origin::cors(&app.options)))
        .layer(Around::<Gate>::new(app));
    router.layer(layers)
}
