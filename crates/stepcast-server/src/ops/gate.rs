//! What a request passes before its handler sees it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::around::{Inner, Ring};
use super::rate::{Payer, RateLimit};
use super::ticket::{self, Tickets};
use super::token::{self, Caller};
use super::{body, origin, sign_in};
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::error::extract::run_of;
use crate::options::ServerOptions;

/// Routes that are open to everybody, for whoever watches over the server.
const OPEN: [&str; 2] = ["/health", "/ready"];
/// The one route that makes something and that a read-only token may use: what it gives is worth no more than the token.
const TICKETS: &str = "/tickets";
/// When to come back to a server that drains.
const RESTART: Duration = Duration::from_secs(5);

/// What the server remembers of its callers.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) tickets: Tickets,
    /// What stands in the cookies of browsers that signed in, where they may.
    pub(crate) sessions: Option<Tickets>,
    rate: Option<RateLimit>,
}

impl Gate {
    pub(crate) fn new(options: &ServerOptions) -> Self {
        let sessions = sign_in::life(options).map(|_| Tickets::default());
        Gate { tickets: Tickets::default(), sessions, rate: options.rate.map(RateLimit::new) }
    }

    /// Whether it matters from which address a request comes.
    pub(crate) fn asks_for_peers(&self) -> bool {
        self.rate.is_some()
    }
}

/// Lets a request through to its handler, with what it may do, or refuses it.
impl Ring for Gate {
    async fn pass<S: Inner>(app: App, request: Request, inner: S) -> Result<Response, Infallible> {
        let (mut parts, body) = request.into_parts();
        let read = match admit(&app, &mut parts) {
            Ok(()) => body::read(&parts.headers, body, &app.options).await,
            Err(refusal) => Err(refusal),
        };
        let mut response = match read {
            Ok(body) => inner.answer(Request::from_parts(parts, body)).await?,
            Err(refusal) => refusal.of_any_run(run_of(&mut parts, &()).await.as_ref()).into_response(),
        };
        if app.gate.sessions.is_some() {
            // Unlike what is asked with a token, a cache on the way could keep what is asked with a cookie.
            let no_store = HeaderValue::from_static("no-store");
            response.headers_mut().entry(header::CACHE_CONTROL).or_insert(no_store);
        }
        Ok(response)
    }
}

fn admit(app: &App, parts: &mut Parts) -> Result<(), ApiError> {
    origin::check(parts, &app.options)?;
    if OPEN.contains(&parts.uri.path()) {
        return Ok(());
    }
    let caller = caller(app, parts);
    if let Some(rate) = &app.gate.rate {
        let peer = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let token = caller.as_ref().ok().and_then(|caller| caller.token);
        let payer = token.map_or_else(|| Payer::at(peer()), Payer::Token);
        rate.take(payer).map_err(too_many)?;
    }
    if sign_in::is_at(parts, app) {
        return Ok(());
    }
    let caller = caller?;
    let looks = parts.method == Method::GET || parts.method == Method::HEAD || parts.uri.path() == TICKETS;
    if caller.access == Access::ReadOnly && !looks {
        return Err(token::read_only());
    }
    if app.draining.is_cancelled() && parts.method != Method::GET {
        let detail = "The server is shutting down; it starts nothing any more. Try again when it is back.";
        let refusal = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", detail);
        return Err(refusal.retry_after(RESTART).header(header::CONNECTION, "close"));
    }
    // A request without a caller is anybody's.
    if caller != Caller::ANYBODY || parts.extensions.get::<Caller>().is_some() {
        parts.extensions.insert(caller);
    }
    Ok(())
}

fn caller(app: &App, parts: &Parts) -> Result<Caller, ApiError> {
    let tokens = &app.options.tokens;
    if tokens.is_empty() {
        return Ok(Caller::ANYBODY);
    }
    if let Some(shown) = token::shown(&parts.headers) {
        return token::find(tokens, shown).ok_or_else(|| token::unauthorized(true));
    }
    // In a link or a form of another page, a ticket must not be able to do anything.
    match ticket::shown(parts.uri.query()).filter(|_| parts.method == Method::GET) {
        Some(shown) => app.gate.tickets.redeem(shown).ok_or_else(|| token::unauthorized(true)),
        None => sign_in::caller(app, parts).ok_or_else(|| token::unauthorized(false)),
    }
}

fn too_many(wait: Duration) -> ApiError {
    let detail = "Too many requests in a short time; the header `retry-after` says when to go on.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail).retry_after(wait)
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Caller::ANYBODY))
    }
}
