//! A page on which a browser's user shows a token once, and the cookie that stands for it afterwards: for pages of the
//! server's own origin that cannot send a token themselves.
//!
//! A cookie is sent whoever asks, so it counts for less than a token: only for what a browser sends for a page of the very
//! same origin. `SameSite=Strict` keeps it from pages of other sites, and [`origin::is_own`] from those of the same site
//! under another port or name.

use std::time::Duration;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, REFERRER_POLICY, SET_COOKIE,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use super::origin;
use super::token::{self, Caller};
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::options::ServerOptions;

const ENTER: &str = "/sign-in";
const LEAVE: &str = "/sign-out";
/// Whatever is there to be signed in to, these two are open.
const PATHS: [&str; 2] = [ENTER, LEAVE];
const NAME: &str = "stepcast-session";
const PAGE: &str = include_str!("sign_in.html");

const FORM: &str = r#"<form method="post" action="sign-in">
<label>Token <input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button>Sign in</button>
</form>"#;
const WRONG: &str = "<p role=\"alert\">This token is not valid here.</p>\n";

/// How long a sign-in counts, where there is one.
pub(crate) fn life(options: &ServerOptions) -> Option<Duration> {
    options.sign_in.filter(|_| !options.tokens.is_empty())
}

/// For people and their browsers: no part of the description that programs read.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().route(ENTER, get(page).post(enter)).route(LEAVE, post(leave))
}

/// Whether the request is for one of these routes.
pub(super) fn is_at(parts: &Parts, app: &App) -> bool {
    PATHS.contains(&parts.uri.path()) && app.gate.sessions.is_some()
}

/// Who signed in with the browser that asks for a page of this origin.
pub(super) fn caller(app: &App, parts: &Parts) -> Option<Caller> {
    let sessions = app.gate.sessions.as_ref()?;
    let found = shown(&parts.headers).find_map(|shown| sessions.look(shown))?;
    origin::is_own(parts).then_some(found)
}

/// The values of our cookie: one, unless a neighbour under the same name has put others beside it.
fn shown(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|text| text.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == NAME).map(|(_, value)| value)
}

async fn page(State(app): State<App>, parts: Parts) -> Response {
    let body = match caller(&app, &parts) {
        None => FORM.to_owned(),
        Some(caller) => {
            let access = match caller.access {
                Access::Full => "full access",
                Access::ReadOnly => "a token that may only look",
            };
            format!(
                "<p>Signed in with {access}.</p>\n<p><a href=\"./\">Go on</a></p>\n\
                 <form method=\"post\" action=\"sign-out\"><button>Sign out</button></form>"
            )
        }
    };
    shows(&body)
}

#[derive(Deserialize)]
struct Shown {
    token: String,
}

async fn enter(
    State(app): State<App>,
    parts: Parts,
    form: Result<Form<Shown>, FormRejection>,
) -> Result<Response, ApiError> {
    from_own_page(&parts)?;
    let (Some(sessions), Some(life)) = (&app.gate.sessions, life(&app.options)) else {
        return Err(ApiError::internal());
    };
    let Form(Shown { token }) = form.map_err(|error| {
        let detail = format!("The form of `/sign-in` has a field `token`: {}", error.body_text());
        ApiError::bad_request("invalid_form", detail)
    })?;
    let Some(caller) = token::find(&app.options.tokens, token.trim()) else {
        let challenge = [(WWW_AUTHENTICATE, token::CHALLENGE)];
        return Ok((StatusCode::UNAUTHORIZED, challenge, shows(&format!("{WRONG}{FORM}"))).into_response());
    };
    let Some(session) = sessions.mint(caller, life) else {
        let detail = "Too many browsers are signed in. Try again when some have signed out.";
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_sessions", detail));
    };
    Ok(back(&cookie(&parts, &session, life)))
}

async fn leave(State(app): State<App>, parts: Parts) -> Result<Response, ApiError> {
    from_own_page(&parts)?;
    if let Some(sessions) = &app.gate.sessions {
        for shown in shown(&parts.headers) {
            let _ = sessions.redeem(shown);
        }
    }
    Ok(back(&cookie(&parts, "", Duration::ZERO)))
}

/// A page of somebody else's neither signs anybody out nor in, as whom it likes.
fn from_own_page(parts: &Parts) -> Result<(), ApiError> {
    if origin::is_own(parts) {
        return Ok(());
    }
    let detail = "Only the server's own page signs in and out: the request has to say its `Origin`, which has to be that of its `Host`.";
    Err(ApiError::new(StatusCode::FORBIDDEN, "origin_not_allowed", detail))
}

fn cookie(parts: &Parts, value: &str, life: Duration) -> String {
    // The server may not know that a proxy encrypts, but the browser says where it is.
    let encrypted = parts.headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let secure = if encrypted { "; Secure" } else { "" };
    format!("{NAME}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}", life.as_secs())
}

/// To the page, which says who is signed in.
fn back(cookie: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, "sign-in"), (SET_COOKIE, cookie), (CACHE_CONTROL, "no-store")]).into_response()
}

fn shows(body: &str) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
        // Under `no-referrer` the form would not say which origin it is of.
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, PAGE.replace("<!--body-->", body)).into_response()
}
