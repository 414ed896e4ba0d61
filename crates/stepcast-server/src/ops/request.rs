//! Each request has an id, a span, its place in the metrics and in the trace of whoever makes it.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use stepcast::{RunId, SpanKind, SpanStart, TraceContext};
use tokio::time::Instant;
use tracing::Instrument;

use super::around::{Inner, Ring};
use crate::app::App;
use crate::error::{ApiError, RUN_ID};

/// The header that names a request, in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The headers of W3C Trace Context.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The longest id of a caller's that is kept.
const LONGEST: usize = 128;

/// Stands around everything else, so that refusals are named, traced and counted too, and panics are answers.
pub(crate) struct Observe;

impl Ring for Observe {
    fn pass<S: Inner>(
        app: App,
        request: Request,
        inner: S,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send {
        observe(app, request, inner)
    }
}

async fn observe(app: App, request: Request, inner: impl Inner) -> Result<Response, Infallible> {
    let began = Instant::now();
    let id = id_of(request.headers());
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
        otel.name = tracing::field::Empty,
        otel.kind = tracing::field::Empty,
        status = tracing::field::Empty,
        run = tracing::field::Empty,
    );
    let trace = trace_of(request.headers());
    let tracer = stepcast::tracer();
    if let Some(tracer) = tracer {
        let name = format!("{method} {route}");
        tracer.begin(&span, SpanStart::new(SpanKind::Request, &name).parent(trace.as_ref()));
    }
    let mut response = match trace {
        None if span.is_disabled() => unbroken(request, inner).await,
        None => unbroken(request, inner).instrument(span.clone()).await,
        // Boxed: most requests come without.
        Some(trace) => Box::pin(trace.scope(unbroken(request, inner).instrument(span.clone()))).await,
    };
    let status = response.status();
    if let Some(tracer) = tracer.filter(|_| status.is_server_error()) {
        tracer.fail(&span, status.as_str(), status.as_str());
    }
    span.record("status", status.as_u16());
    if let Some(run) = response.headers().get(RUN_ID).and_then(|run| run.to_str().ok()) {
        span.record("run", run);
    }
    app.metrics.request(method, route, status.as_u16(), began.elapsed());
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response)
}

/// The answer, also of a handler that panics: what the panic says is for the log of whoever runs the server, where the
/// panic hook has put it.
async fn unbroken(request: Request, inner: impl Inner) -> Response {
    match AssertUnwindSafe(inner.answer(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Err(_) => {
            tracing::error!(target: "stepcast", "the handler of a request panicked");
            ApiError::internal().into_response()
        }
    }
}

/// The trace that the caller says the request belongs to. What is no such header, or is there twice, is passed over.
fn trace_of(headers: &HeaderMap) -> Option<TraceContext> {
    let mut given = headers.get_all(TRACEPARENT).iter();
    let (Some(parent), None) = (given.next(), given.next()) else { return None };
    let context: TraceContext = parent.to_str().ok()?.trim().parse().ok()?;
    let states: Vec<&str> = headers.get_all(TRACESTATE).iter().filter_map(|state| state.to_str().ok()).collect();
    Some(context.with_tracestate(&states.join(",")))
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
