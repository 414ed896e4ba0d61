//! Each request has an id, a span and its place in the metrics.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use stepcast::RunId;
use tokio::time::Instant;
use tracing::Instrument;

use crate::app::App;
use crate::error::RUN_ID;

/// The header that names a request, in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id of a caller's that is kept.
const LONGEST: usize = 128;

/// Stands around everything else, so that refusals are named, traced and counted too.
pub(crate) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = id_of(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = method(request.method());
    // The template, not the path: that holds ids, and the query may hold a ticket.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = tracing::info_span!(
        target: "stepcast",
        "request",
        method,
        route,
        request_id = id.to_str().unwrap_or_default(),
        status = tracing::field::Empty,
        run = tracing::field::Empty,
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.record("status", status.as_u16());
    if let Some(run) = response.headers().get(RUN_ID).and_then(|run| run.to_str().ok()) {
        span.record("run", run);
    }
    app.metrics.request(method, route, status.as_u16(), began.elapsed());
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The caller's own id, or a new one, made as those of runs are, if it has none that can be kept in a log.
fn id_of(headers: &HeaderMap) -> HeaderValue {
    let fits =
        |id: &&HeaderValue| !id.is_empty() && id.len() <= LONGEST && id.as_bytes().iter().all(u8::is_ascii_graphic);
    let new = || HeaderValue::try_from(RunId::random().as_str()).ok();
    let given = headers.get(REQUEST_ID).filter(fits).cloned();
    given.or_else(new).unwrap_or(HeaderValue::from_static("unknown"))
}

/// A caller may make methods up; the metrics and the log take those that there are.
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
