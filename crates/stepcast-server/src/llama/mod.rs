//! The routes of the LlamaIndex workflow server, as its clients and its debugger call them.
//!
//! A handler is a run here, and its id is the run's.

mod body;
mod envelope;
mod events;
mod given;
mod handler;
mod handlers;
mod schema;
mod start;
mod workflows;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::error::ApiError;

#[expect(deprecated, reason = "the older route is served, and described as that")]
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(workflows::list))
        .routes(routes!(workflows::schema))
        .routes(routes!(workflows::events))
        .routes(routes!(workflows::representation))
        .routes(routes!(start::run))
        .routes(routes!(start::run_nowait))
        .routes(routes!(handlers::list))
        .routes(routes!(handlers::get))
        .routes(routes!(handlers::cancel))
        .routes(routes!(handlers::result))
        .routes(routes!(events::stream, events::send))
}

/// A refusal in the words that clients of these routes know.
fn in_their_words(error: ApiError) -> ApiError {
    match error.code() {
        "run_not_found" => error.saying("Handler not found"),
        "workflow_not_found" => error.saying("Workflow not found"),
        "run_ended" => error.saying("Workflow already completed"),
        _ => error,
    }
}
