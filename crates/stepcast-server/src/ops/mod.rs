//! What operates a server: health, metrics, its description, and what stands around every route.

use axum::Router;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
}

/// The description that the routes add themselves to.
pub(crate) fn description() -> OpenApi {
    let info = InfoBuilder::new().title("stepcast").version(env!("CARGO_PKG_VERSION")).build();
    OpenApiBuilder::new().info(info).build()
}

/// What stands around every route: tokens, limits, request ids, CORS.
pub(crate) fn around(router: Router<App>, _api: OpenApi, _app: &App) -> Router<App> {
    router
}
