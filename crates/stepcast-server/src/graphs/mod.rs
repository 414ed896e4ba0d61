//! Graphs over HTTP: registered, listed, checked, removed.

mod document;
mod handlers;
mod json;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(handlers::list)).routes(routes!(handlers::validate)).routes(routes!(
        handlers::show,
        handlers::put,
        handlers::remove
    ))
}
