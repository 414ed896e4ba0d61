//! Which web pages may use the server, and under which names it is asked.

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, uri};
use tower_http::cors::{AllowCredentials, AllowOrigin, CorsLayer};

use super::request::{REQUEST_ID, TRACEPARENT, TRACESTATE};
use crate::error::{ApiError, RUN_ID};
use crate::options::{Origins, ServerOptions};

/// What a browser says of the page that it asks for. It does so where a network cannot change it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Answers what browsers ask before they let a page of another origin in; `None` where no page is let in.
pub(crate) fn cors(options: &ServerOptions) -> Option<CorsLayer> {
    if matches!(&options.origins, Origins::Listed(listed) if listed.is_empty()) {
        return None;
    }
    let (listed, named) = (options.origins.clone(), options.origins.clone());
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| is_listed(&listed, origin)))
        // No cookie counts for a page of another origin, but pages ask with them (the debugger's streams do), and a browser
        // keeps the reply to itself without this. Pages of any origin must not use what a proxy before the server knows a
        // visitor by.
        .allow_credentials(AllowCredentials::predicate(move |origin, _| match &named {
            Origins::Any => false,
            Origins::Listed(_) => is_listed(&named, origin),
        }))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            ACCEPT,
            AUTHORIZATION,
            CONTENT_TYPE,
            REQUEST_ID,
            HeaderName::from_static("last-event-id"),
            TRACEPARENT,
            TRACESTATE,
        ])
        .expose_headers([RUN_ID, REQUEST_ID, RETRY_AFTER])
        .max_age(std::time::Duration::from_secs(600));
    Some(cors)
}

fn is_listed(origins: &Origins, origin: &HeaderValue) -> bool {
    match origins {
        Origins::Any => true,
        Origins::Listed(listed) => listed.iter().any(|one| one.as_bytes() == origin.as_bytes()),
    }
}

/// Refuses what a page of a foreign origin sends.
///
/// CORS alone keeps such a page from reading an answer, not from sending: forms, `EventSource` and `WebSocket` reach any
/// server that the browser can reach, one on the loopback address too.
pub(crate) fn check(parts: &Parts, options: &ServerOptions) -> Result<(), ApiError> {
    let host = host_of(parts);
    if options.only_local_names && !host.is_some_and(is_local) {
        let detail = "A server without tokens on a loopback address answers only to `localhost`, `127.0.0.1` and \
                      `[::1]`, so that no web page can reach it under a name of its own. Use one of these, or set a token.";
        return Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, "host_not_local", detail));
    }
    let Some(origin) = parts.headers.get(ORIGIN) else { return Ok(()) };
    let same = || host.is_some_and(|host| origin.to_str().is_ok_and(|origin| is_same(origin, host)));
    match is_listed(&options.origins, origin) || same() {
        true => Ok(()),
        false => {
            let detail = "Pages of this origin may not use this server. List the origin in the server's options.";
            Err(ApiError::new(StatusCode::FORBIDDEN, "origin_not_allowed", detail))
        }
    }
}

/// Whether a browser sends this for a page of the server's own origin. One of another port or name may be of the same site,
/// and then has the same cookies. Where something may be changed the browser has to say so: it does for whatever is no plain GET.
pub(crate) fn is_own(parts: &Parts) -> bool {
    let site = parts.headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return false;
    }
    match (parts.headers.get(ORIGIN), host_of(parts)) {
        (Some(origin), Some(host)) => origin.to_str().is_ok_and(|origin| is_same(origin, host)),
        (Some(_), None) => false,
        (None, _) => matches!(parts.method, Method::GET | Method::HEAD) && !parts.headers.contains_key(UPGRADE),
    }
}

fn host_of(parts: &Parts) -> Option<&str> {
    parts.uri.authority().map(uri::Authority::as_str).or_else(|| parts.headers.get(HOST)?.to_str().ok())
}

/// Whether an origin is of this host, whatever its scheme: a proxy may have taken the encryption off.
fn is_same(origin: &str, host: &str) -> bool {
    let Some((scheme, origin)) = origin.split_once("://") else { return false };
    let default = if scheme == "https" { ":443" } else { ":80" };
    let bare = |text: &str| text.strip_suffix(default).unwrap_or(text).to_ascii_lowercase();
    bare(origin) == bare(host)
}

fn is_local(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
    // What nearly everybody says is seen without a parser.
    if ["localhost", "127.0.0.1", "[::1]"].contains(&name) {
        return true;
    }
    let Ok(authority) = host.parse::<uri::Authority>() else { return false };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_the_same_up_to_its_scheme_and_default_port() {
        for (origin, host) in [
            ("http://localhost:8080", "localhost:8080"),
            ("https://flows.example", "flows.example"),
            ("https://Flows.example", "flows.example:443"),
            ("http://flows.example:80", "flows.example"),
        ] {
            assert!(is_same(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("null", "localhost"),
            ("http://localhost:8081", "localhost:8080"),
            ("http://evil.example", "localhost:8080"),
            ("http://localhost:8080.evil.example", "localhost:8080"),
        ] {
            assert!(!is_same(origin, host), "{origin} {host}");
        }
    }

    #[test]
    fn local_names_are_those_of_this_machine() {
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "127.8.8.8", "[::1]:8080"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["evil.example:8080", "localhost.evil.example", "10.0.0.1", "", "[::2]"] {
            assert!(!is_local(host), "{host}");
        }
    }
}
