//! Signing in with a browser: a cookie that stands for a token, for pages of the server's own origin alone.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::json;
use stepcast_server::ServerOptions;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, http};

use super::served::bounded;
use super::whole::{Answer, Whole, both};
use super::{guarded, with_token};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn signs_in() -> ServerOptions {
    guarded().allow_origin(LISTED).browser_sign_in(DAY)
}

/// An origin that the server lets in.
const LISTED: &str = "https://app.example";

/// What a browser sends for a form, which is not sent on where it is redirected.
async fn form(served: &Whole, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request = http.post(format!("{}{path}", served.url)).body(body.to_owned());
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    Answer::to(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

/// Signs in, and gives the cookie as it is sent back.
async fn signed_in(served: &Whole, token: &str) -> String {
    let answer = form(served, "/sign-in", &[("origin", &served.url)], &format!("token={token}")).await;
    assert_eq!((answer.status, answer.header("location")), (303, "sign-in"), "{}", answer.text);
    let set = answer.header("set-cookie");
    let (cookie, rest) = set.split_once("; ").unwrap();
    assert_eq!(rest, "Path=/; Max-Age=86400; HttpOnly; SameSite=Strict", "{set}");
    assert!(!set.contains(token), "{set}");
    cookie.to_owned()
}

/// A request with a cookie.
async fn with(served: &Whole, cookie: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = served.request(method, path).header("cookie", cookie);
    Answer::to(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

/// How a WebSocket is received.
async fn socket(served: &Whole, cookie: &str, origin: Option<&str>) -> u16 {
    let url = format!("{}/ws", served.url.replace("http", "ws"));
    let mut request = url.into_client_request().unwrap();
    let mut set = |name: &'static str, value: &str| request.headers_mut().insert(name, value.parse().unwrap());
    set("cookie", cookie);
    if let Some(origin) = origin {
        set("origin", origin);
    }
    let answer: Result<http::StatusCode, Error> =
        tokio_tungstenite::connect_async(request).await.map(|(_, answer)| answer.status());
    match answer {
        Ok(status) => status.as_u16(),
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_cookie_stands_for_the_token_that_was_shown() {
    bounded(async {
        for served in both(&signs_in()).await {
            let (name, own) = (served.name, ("origin", served.url.as_str()));
            let asked = served.get("/sign-in").await;
            assert_eq!((asked.status, asked.header("content-type")), (200, "text/html; charset=utf-8"), "{name}");
            assert!(asked.text.contains("<form") && !asked.text.contains("Signed in"), "{}", asked.text);
            assert_eq!((asked.header("cache-control"), asked.header("referrer-policy")), ("no-store", "same-origin"));
            assert!(asked.header("content-security-policy").starts_with("default-src 'none';"));

            let full = signed_in(&served, "full-2").await;
            let look = signed_in(&served, "look-1").await;
            assert_ne!(full, look);
            for (cookie, says, starts) in [(&full, "full access", 202), (&look, "only look", 403)] {
                let page = with(&served, cookie, "GET", "/sign-in", &[]).await;
                assert!(page.text.contains(says) && page.text.contains("sign-out"), "{name}: {}", page.text);
                // The stream of a page is asked for with this header, the rest of what only looks without it.
                for headers in [&[][..], &[own], &[("sec-fetch-site", "same-origin")], &[("sec-fetch-site", "none")]] {
                    assert_eq!(with(&served, cookie, "GET", "/runs", headers).await.status, 200, "{name}: {headers:?}");
                }
                let read = with(&served, cookie, "GET", "/runs", &[]).await;
                assert_eq!(read.header("cache-control"), "no-store", "{name}");
                // Beside cookies of others, one of which has the same name.
                let among = format!("a=b; stepcast-session=0; {cookie}; c");
                assert_eq!(with(&served, &among, "GET", "/runs", &[]).await.status, 200, "{name}");
                let started = with(&served, cookie, "POST", "/workflows/greet", &[own]).await;
                assert_eq!(started.status, starts, "{name}: {}", started.text);
                assert_eq!(with(&served, cookie, "POST", "/tickets", &[own]).await.status, 201, "{name}");
                assert_eq!(socket(&served, cookie, Some(own.1)).await, 101, "{name}");
            }
            // Whoever shows a token is who has that token.
            let wrong = served.request("GET", "/runs").header("cookie", &full).bearer_auth("nobody");
            Answer::to(wrong).await.refused(401, "token_unknown");
            let looks = served.request("POST", "/workflows/greet").header("cookie", &full).bearer_auth("look-1");
            Answer::to(looks).await.refused(403, "token_read_only");

            let left = form(&served, "/sign-out", &[own, ("cookie", &full)], "").await;
            let set = left.header("set-cookie");
            assert_eq!((left.status, set.starts_with("stepcast-session=; ")), (303, true), "{name}: {set}");
            assert!(set.contains("Max-Age=0"), "{name}: {set}");
            with(&served, &full, "GET", "/runs", &[]).await.refused(401, "token_missing");
            assert_eq!(with(&served, &look, "GET", "/runs", &[]).await.status, 200, "{name}: it is another session");
            let left = form(&served, "/sign-out", &[own, ("cookie", &look)], "").await;
            assert_eq!(left.status, 303, "{name}: whoever may only look may leave");
            with(&served, &look, "GET", "/runs", &[]).await.refused(401, "token_missing");
        }
    })
    .await;
}

#[tokio::test]
async fn a_cookie_counts_for_pages_of_the_own_origin_alone() {
    bounded(async {
        for served in both(&signs_in()).await {
            let name = served.name;
            let cookie = signed_in(&served, "full-1").await;
            let neighbour = "http://127.0.0.1:1";
            for (origin, status, code) in [
                // A page of another port is of the same site: browsers send the cookie with what it asks.
                (neighbour, 403, "origin_not_allowed"),
                ("null", 403, "origin_not_allowed"),
                ("https://evil.example", 403, "origin_not_allowed"),
                // This one may use the server with a token of its own.
                (LISTED, 401, "token_missing"),
            ] {
                for (method, path) in [("GET", "/runs"), ("POST", "/workflows/greet"), ("POST", "/tickets")] {
                    with(&served, &cookie, method, path, &[("origin", origin)]).await.refused(status, code);
                }
                assert_eq!(socket(&served, &cookie, Some(origin)).await, status, "{name}: {origin}");
            }
            // What a browser sends without an origin: pictures, scripts, links.
            for site in ["same-site", "cross-site"] {
                let answer = with(&served, &cookie, "GET", "/runs", &[("sec-fetch-site", site)]).await;
                answer.refused(401, "token_missing");
            }
            // Where something may be changed, the origin has to be said.
            with(&served, &cookie, "POST", "/workflows/greet", &[]).await.refused(401, "token_missing");
            let fetched = [("sec-fetch-site", "same-origin")];
            with(&served, &cookie, "POST", "/workflows/greet", &fetched).await.refused(401, "token_missing");
            assert_eq!(socket(&served, &cookie, None).await, 401, "{name}");
            // Nobody is signed in or out from elsewhere.
            for headers in [&[][..], &[("origin", LISTED)], &[("origin", neighbour)]] {
                for (path, body) in [("/sign-in", "token=full-1"), ("/sign-out", "")] {
                    let headers = [headers, &[("cookie", &*cookie)]].concat();
                    let answer = form(&served, path, &headers, body).await;
                    answer.refused(403, "origin_not_allowed");
                    assert_eq!(answer.header("set-cookie"), "", "{name}: {path}");
                }
            }
            assert_eq!(with(&served, &cookie, "GET", "/runs", &[]).await.status, 200, "{name}: still signed in");
            let runs = with_token(&served, "GET", "/runs", "full-1").await;
            assert_eq!(runs.body["runs"], json!([]), "{name}: nothing was started");
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_signs_in_where_that_is_not_asked_for() {
    bounded(async {
        let served = Whole::memory(guarded()).await;
        for (method, path) in [("GET", "/sign-in"), ("POST", "/sign-in"), ("POST", "/sign-out")] {
            let headers = [("origin", served.url.as_str())];
            with(&served, "a=b", method, path, &headers).await.refused(401, "token_missing");
            with_token(&served, method, path, "full-1").await.refused(404, "path_not_found");
        }
        let elsewhere = Whole::memory(signs_in()).await;
        let cookie = signed_in(&elsewhere, "full-1").await;
        with(&served, &cookie, "GET", "/runs", &[]).await.refused(401, "token_missing");
        let other = Whole::memory(signs_in()).await;
        with(&other, &cookie, "GET", "/runs", &[]).await.refused(401, "token_missing");
        // And where nobody is asked for a token.
        let open = Whole::memory(ServerOptions::new().browser_sign_in(DAY)).await;
        open.get("/sign-in").await.refused(404, "path_not_found");
        let read = open.get("/runs").await;
        assert_eq!((read.status, read.header("cache-control")), (200, ""));
    })
    .await;
}

#[tokio::test]
async fn what_is_no_token_signs_nobody_in() {
    bounded(async {
        let served = Whole::memory(signs_in()).await;
        let own = ("origin", served.url.as_str());
        for body in ["token=nobody", "token=", "token=full-1x", "token=full-1&x=1&token=b"] {
            let answer = form(&served, "/sign-in", &[own], body).await;
            assert!([401, 400].contains(&answer.status), "{body}: {}", answer.text);
            assert_eq!(answer.header("set-cookie"), "", "{body}");
        }
        let wrong = form(&served, "/sign-in", &[own], "token=nobody").await;
        assert_eq!((wrong.status, wrong.header("www-authenticate")), (401, "Bearer realm=\"stepcast\""));
        assert!(wrong.text.contains("not valid") && !wrong.text.contains("nobody"), "{}", wrong.text);
        form(&served, "/sign-in", &[own], "x=1").await.refused(400, "invalid_form");

        // Over encryption the cookie is sent over nothing else.
        let https = served.url.replace("http://", "https://");
        let set = form(&served, "/sign-in", &[("origin", &https)], "token=full-1").await;
        assert!(set.header("set-cookie").ends_with("; SameSite=Strict; Secure"), "{:?}", set.headers);

        let brief = Whole::memory(guarded().browser_sign_in(Duration::ZERO)).await;
        let answer = form(&brief, "/sign-in", &[("origin", &brief.url)], "token=full-1").await;
        let cookie = answer.header("set-cookie").split(';').next().unwrap();
        with(&brief, cookie, "GET", "/runs", &[]).await.refused(401, "token_missing");

        let one = NonZeroU32::MIN;
        let limited = Whole::memory(signs_in().rate_limit(one, one)).await;
        let guess = async || form(&limited, "/sign-in", &[("origin", &limited.url)], "token=nobody").await;
        assert_eq!(guess().await.status, 401);
        guess().await.refused(429, "rate_limited");
    })
    .await;
}
