//! Graphs over HTTP: registered, listed, checked, removed.

mod document;
mod handlers;
mod json;
mod named;

use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    // A graph may have the name of the route that checks documents, which takes `POST` alone.
    let validate = get(handlers::show).put(handlers::put).delete(handlers::remove);
    OpenApiRouter::new()
        .routes(routes!(handlers::list))
        .routes(routes!(handlers::validate))
        .route("/graphs/validate", validate)
        .routes(routes!(handlers::show, handlers::put, handlers::remove))
}
