//! Many runs on one WebSocket.

mod ask;
mod socket;
mod tell;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stepcast::{RunId, TraceContext};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::ask::Attach;
use self::socket::Socket;
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::error::extract::{Path, Query};
use crate::resources::texts::After;
use crate::resources::views::Modes;

/// A message larger than this ends its socket; one that is larger than [`ask::MAX_FRAME`] is refused.
const MAX_MESSAGE: usize = 4 << 20;
/// What is written to a socket at once, and the most that waits to be written.
const WRITE: usize = 32 << 10;
const MAX_UNWRITTEN: usize = 64 << 20;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(open)).routes(routes!(open_on_run))
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// A WebSocket that starts runs, attaches to runs, and answers them.
#[utoipa::path(
    get, path = "/ws", tag = "websocket",
    responses(
        (status = 101, description = "The socket is open; see docs/server-websocket.md for its frames. What a frame asks belongs to the trace of its `traceparent`, or else of the request's"),
        (status = 426, description = "The request asks for no WebSocket"),
    ),
)]
async fn open(State(app): State<App>, access: Access, upgrade: Upgrade) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|error| no_upgrade(&error))?;
    Ok(run(upgrade, Socket::new(app, access, None), None))
}

#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    after: After,
    #[serde(default)]
    internal: bool,
    modes: Option<String>,
}

/// A WebSocket that is attached to a run at once.
#[utoipa::path(
    get, path = "/runs/{run_id}/ws", tag = "websocket",
    params(
        ("run_id" = String, Path, description = "The run"),
        ("after" = Option<String>, Query, description = "Begin after this event; `now` with what comes. Default: the first"),
        ("internal" = Option<bool>, Query, description = "With the runtime's own frames"),
        ("modes" = Option<String>, Query, description = "Views in place of events: of `values`, `updates`, `lifecycle`, `custom`, with commas between them. Where the server has graphs"),
    ),
    responses(
        (status = 101, description = "The socket is open and attached"),
        (status = 400, description = "`after` or another value is none"),
        (status = 404, description = "There is no such run"),
        (status = 426, description = "The request asks for no WebSocket"),
    ),
)]
async fn open_on_run(
    State(app): State<App>,
    access: Access,
    Path(run_id): Path<RunId>,
    Query(asked): Query<Asked>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|error| no_upgrade(&error).of_run(&run_id))?;
    app.runs.find(&run_id).await?;
    let modes = asked.modes.as_deref().map(Modes::read).transpose().map_err(|error| error.of_run(&run_id))?;
    let attach = Attach { after: asked.after, internal: asked.internal, types: Vec::new(), modes };
    let socket = Socket::new(app, access, Some(run_id));
    Ok(run(upgrade, socket, Some(attach)))
}

fn run(upgrade: WebSocketUpgrade, socket: Socket, attach: Option<Attach>) -> Response {
    // What is asked on the socket belongs to the trace of the request that opened it.
    let trace = TraceContext::current();
    upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .write_buffer_size(WRITE)
        .max_write_buffer_size(MAX_UNWRITTEN)
        .on_upgrade(move |web| async move {
            match trace {
                None => socket.serve(web, attach).await,
                Some(trace) => Box::pin(trace.scope(socket.serve(web, attach))).await,
            }
        })
}

fn no_upgrade(rejection: &WebSocketUpgradeRejection) -> ApiError {
    let detail = format!("This path is a WebSocket: {}.", rejection.body_text().trim_end_matches('.'));
    ApiError::new(StatusCode::UPGRADE_REQUIRED, "websocket_required", detail)
}
