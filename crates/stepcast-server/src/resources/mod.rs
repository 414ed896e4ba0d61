//! Runs as resources.

pub(crate) mod begin;
mod definition;
pub(crate) mod events;
pub(crate) mod inputs;
pub(crate) mod json;
mod listed;
mod reply;
mod stream;
pub(crate) mod texts;
#[cfg_attr(not(feature = "graphs"), path = "no_views.rs")]
pub(crate) mod views;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(begin::begin))
        .routes(routes!(listed::list))
        .routes(routes!(listed::show, listed::purge))
        .routes(routes!(definition::show))
        .routes(routes!(listed::cancel))
        .routes(routes!(listed::resume))
        .routes(routes!(begin::rerun))
        .routes(routes!(events::list, events::send))
        .routes(routes!(stream::stream))
        .routes(routes!(inputs::list))
        .routes(routes!(inputs::answer))
        .routes(routes!(inputs::list_all))
}
