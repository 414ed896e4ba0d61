//! What operates a server: health, metrics, tokens, tickets, origins, bounds of runs and rates, and its end.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "server_operations/options.rs"]
mod options;
#[path = "support/served.rs"]
mod served;
#[path = "server_operations/sign_in.rs"]
mod sign_in;
#[path = "support/whole.rs"]
mod whole;

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use served::{bounded, frames};
use stepcast::prelude::*;
use stepcast::{RunId, Runtime};
use stepcast_examples::flows;
use stepcast_server::{ServeError, Server, ServerOptions};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::{Error, Message};
use whole::{Answer, Whole, both};

#[tokio::test]
async fn a_server_says_how_it_is() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            let health = served.get("/health").await;
            assert_eq!((health.status, health.text.as_str()), (200, r#"{"status":"healthy"}"#));
            assert_eq!(health.header("content-type"), "application/json");
            let ready = served.get("/ready").await;
            assert_eq!((ready.status, ready.text.as_str()), (200, r#"{"status":"ready"}"#));
            if let Some(backend) = served.runtime.backend() {
                backend.close().unwrap();
                let ready = served.get("/ready").await;
                assert_eq!((ready.status, ready.text.as_str()), (503, r#"{"status":"store_unavailable"}"#));
                assert_eq!(served.get("/health").await.status, 200, "it lives");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_metrics_count_requests_runs_streams_and_questions() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            served.post("/workflows/greet?wait=result", json!({})).await;
            served.post("/workflows/failing?wait=result", json!({})).await;
            let run = served.start("approval", json!({ "text": "x" })).await;
            served.until(&run, "waiting").await;
            served.get("/nothing/here").await;
            served.request("BREW", "/runs").send().await.unwrap();
            let stream = served.request("GET", &format!("/runs/{run}/stream")).send().await.unwrap();
            served.until_metric("stepcast_open_streams", 1.0).await;
            served.until_metric("stepcast_events_streamed_total", 1.0).await;
            drop(stream);
            served.until_metric("stepcast_open_streams", 0.0).await;
            for (sample, value) in [
                (r#"stepcast_runs_started_total{workflow="greet"}"#, 1.0),
                (r#"stepcast_runs_started_total{workflow="approval"}"#, 1.0),
                (r#"stepcast_runs_ended_total{workflow="greet",status="completed"}"#, 1.0),
                (r#"stepcast_runs_ended_total{workflow="failing",status="failed"}"#, 1.0),
                (r#"stepcast_runs_ended_total{workflow="approval",status="completed"}"#, 0.0),
                ("stepcast_live_runs", 1.0),
                ("stepcast_pending_inputs", 1.0),
                (r#"stepcast_http_requests_total{method="GET",route="unmatched",status="404"}"#, 1.0),
                (r#"stepcast_http_requests_total{method="POST",route="/workflows/{name}",status="200"}"#, 2.0),
                (r#"stepcast_http_requests_total{method="other",route="/runs",status="405"}"#, 1.0),
                (r#"stepcast_http_request_duration_seconds_count{method="POST",route="/workflows/{name}"}"#, 3.0),
                (r#"stepcast_http_request_duration_seconds_bucket{method="POST",route="/workflows/{name}",le="+Inf"}"#, 3.0),
            ] {
                assert_eq!(served.metric(sample).await, value, "{}: {sample}\n{}", served.name, served.get("/metrics").await.text);
            }
            let text = served.get("/metrics").await;
            assert!(!text.text.contains(&run), "paths are not labels");
            assert_eq!(text.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_has_an_id_and_its_answer_has_it_too() {
    bounded(async {
        let served = Whole::memory(ServerOptions::new()).await;
        let given = Answer::to(served.request("GET", "/nothing").header("x-request-id", "req-7")).await;
        assert_eq!(given.header("x-request-id"), "req-7");
        let one = served.get("/health").await.header("x-request-id").to_owned();
        assert_eq!(one.len(), 36);
        assert_ne!(served.get("/health").await.header("x-request-id"), one);
        for unfit in ["a b", &"x".repeat(129), "ü"] {
            let answer = Answer::to(served.request("GET", "/health").header("x-request-id", unfit)).await;
            assert_eq!(answer.headers["x-request-id"].len(), 36, "{unfit}");
        }
    })
    .await;
}

fn guarded() -> ServerOptions {
    ServerOptions::new().token("full-1").token("full-2").read_only_token("look-1").read_only_token("look-2")
}

async fn with_token(served: &Whole, method: &str, path: &str, token: &str) -> Answer {
    Answer::to(served.request(method, path).bearer_auth(token)).await
}

#[tokio::test]
async fn nobody_comes_in_without_a_token_where_there_is_one() {
    bounded(async {
        for served in both(&guarded()).await {
            for path in ["/health", "/ready"] {
                assert_eq!(served.get(path).await.status, 200, "{path} is open");
            }
            for (method, path) in [
                ("GET", "/runs"),
                ("GET", "/metrics"),
                ("GET", "/openapi.json"),
                ("GET", "/nothing"),
                ("POST", "/workflows/greet"),
                ("POST", "/workflows/greet/run"),
                ("POST", "/tickets"),
                ("DELETE", "/runs/x"),
            ] {
                let answer = Answer::to(served.request(method, path)).await;
                answer.refused(401, "token_missing");
                assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="stepcast""#);
                for wrong in ["full", "full-11", "FULL-1", "full-1 full-2"] {
                    let answer = with_token(&served, method, path, wrong).await;
                    answer.refused(401, "token_unknown");
                    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="stepcast", error="invalid_token""#);
                }
            }
            let basic = Answer::to(served.request("GET", "/runs").basic_auth("full-1", Some("full-1"))).await;
            basic.refused(401, "token_missing");
            for token in ["full-1", "full-2", "look-1", "look-2"] {
                assert_eq!(with_token(&served, "GET", "/runs", token).await.status, 200, "{token}");
                assert_eq!(with_token(&served, "GET", "/metrics", token).await.status, 200, "{token}");
            }
            for token in ["full-1", "full-2"] {
                assert_eq!(with_token(&served, "POST", "/workflows/greet", token).await.status, 202, "{token}");
            }
            let lower = served.request("GET", "/runs").header("authorization", "bearer full-1");
            assert_eq!(Answer::to(lower).await.status, 200, "the scheme's name has no case");
        }
    })
    .await;
}

#[tokio::test]
async fn a_read_only_token_looks_and_does_nothing() {
    bounded(async {
        for served in both(&guarded()).await {
            let started = Answer::to(
                served.request("POST", "/workflows/approval").bearer_auth("full-1").json(&json!({ "text": "x" })),
            )
            .await;
            let run = started.header("x-run-id").to_owned();
            let api = with_token(&served, "GET", "/openapi.json", "look-1").await.body;
            let mut refused = 0;
            for (path, operations) in api["paths"].as_object().unwrap() {
                let path = path.replace("{run_id}", &run).replace("{handler_id}", &run).replace("{name}", "greet");
                for method in operations.as_object().unwrap().keys() {
                    if method != "get" && path != "/tickets" {
                        let method = method.to_uppercase();
                        with_token(&served, &method, &path, "look-1").await.refused(403, "token_read_only");
                        refused += 1;
                    }
                }
            }
            assert!(refused > 10, "{refused}");
            let shown = with_token(&served, "GET", &format!("/runs/{run}"), "look-1").await;
            assert_ne!(shown.body["status"], "cancelled", "{}", shown.text);
        }
    })
    .await;
}

async fn ticket(served: &Whole, token: &str) -> String {
    let answer = with_token(served, "POST", "/tickets", token).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert!(answer.body["expires_at"].as_str().unwrap().ends_with("+00:00"));
    answer.body["ticket"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_ticket_opens_one_stream_in_place_of_a_token() {
    bounded(async {
        for served in both(&guarded()).await {
            let body = json!({ "from": 3 });
            let started = served.request("POST", "/workflows/countdown").bearer_auth("full-1").json(&body);
            let run = Answer::to(started).await.header("x-run-id").to_owned();
            let shown = ticket(&served, "look-1").await;
            assert_eq!(shown.len(), 64);
            let path = format!("/runs/{run}/stream?ticket={shown}");
            let stream = served.request("GET", &path).send().await.unwrap();
            assert_eq!(stream.status(), 200);
            assert_eq!(frames(stream, 5).await.iter().filter(|frame| frame.id.is_some()).count(), 5);
            served.get(&path).await.refused(401, "token_unknown");
            served.get("/runs?ticket=0").await.refused(401, "token_unknown");
            served.get("/runs?token=full-1").await.refused(401, "token_missing");

            let full = ticket(&served, "full-1").await;
            let posted = Answer::to(served.request("POST", &format!("/workflows/greet?ticket={full}"))).await;
            posted.refused(401, "token_missing");
            assert_eq!(served.get(&format!("/runs?ticket={full}")).await.status, 200, "it was not used up");
        }
    })
    .await;
}

#[tokio::test]
async fn a_ticket_is_void_after_its_time() {
    bounded(async {
        let served = Whole::memory(guarded().ticket_life(Duration::ZERO)).await;
        let late = ticket(&served, "full-1").await;
        served.get(&format!("/runs?ticket={late}")).await.refused(401, "token_unknown");
    })
    .await;
}

#[tokio::test]
async fn pages_of_other_origins_stay_outside_unless_they_are_listed() {
    bounded(async {
        let listed = "https://app.example";
        for (options, in_list, foreign) in [
            (ServerOptions::new(), false, false),
            (ServerOptions::new().allow_origin(listed), true, false),
            (ServerOptions::new().allow_any_origin(), true, true),
        ] {
            let served = Whole::memory(options).await;
            let own = format!("http://{}", served.address);
            for (origin, let_in, named) in [
                (own.as_str(), true, foreign),
                (listed, in_list, in_list),
                ("https://evil.example", foreign, foreign),
                ("null", foreign, foreign),
            ] {
                for (method, path) in [("GET", "/runs"), ("POST", "/workflows/greet"), ("GET", "/events/none?sse=true")]
                {
                    let answer = Answer::to(served.request(method, path).header("origin", origin)).await;
                    match let_in {
                        true => assert_ne!(answer.status, 403, "{origin} {path}"),
                        false => answer.refused(403, "origin_not_allowed"),
                    }
                    let allowed = answer.header("access-control-allow-origin");
                    assert_eq!(allowed, if named { origin } else { "" }, "{path}");
                    // Pages that are listed by name may ask as browsers do that send cookies; anybody's page may not.
                    let with_cookies = answer.header("access-control-allow-credentials");
                    assert_eq!(with_cookies, if named && !foreign { "true" } else { "" }, "{origin} {path}");
                }
                let preflight = served.request("OPTIONS", "/workflows/greet").header("origin", origin);
                let preflight = preflight.header("access-control-request-method", "POST");
                let asked = Answer::to(preflight.header("access-control-request-headers", "authorization")).await;
                assert_eq!(asked.header("access-control-allow-origin"), if named { origin } else { "" });
                let methods = asked.header("access-control-allow-methods");
                let all = ["GET", "POST", "PUT", "DELETE"].iter().all(|method| methods.contains(method));
                assert_eq!(all, in_list || foreign, "{methods}");
            }
            assert_eq!(
                served.metric(r#"stepcast_runs_started_total{workflow="greet"}"#).await,
                [in_list, foreign].iter().filter(|in_it| **in_it).count() as f64 + 1.0 + f64::from(u8::from(foreign))
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_socket_from_a_page_of_another_origin_is_refused() {
    bounded(async {
        let served = Whole::memory(ServerOptions::new()).await;
        let address = served.address;
        let upgrade = |origin: &str| {
            format!(
                "GET /ws HTTP/1.1\r\nhost: {address}\r\norigin: {origin}\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
        };
        let foreign = served.exchange(upgrade("https://evil.example").as_bytes()).await;
        assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    })
    .await;
}

#[tokio::test]
async fn an_open_server_answers_to_names_of_this_machine_only() {
    bounded(async {
        let open = Whole::memory(ServerOptions::new()).await;
        let asked = |host: &str| format!("GET /runs HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        for host in ["localhost:1", "127.0.0.1", "[::1]:8080"] {
            let answer = open.exchange(asked(host).as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
        }
        let rebound = open.exchange(asked("evil.example:8080").as_bytes()).await;
        assert!(rebound.starts_with("HTTP/1.1 421"), "{rebound}");
        assert!(rebound.contains("host_not_local"), "{rebound}");
        let guarded = Whole::memory(guarded()).await;
        let named = guarded.exchange(asked("flows.example").as_bytes()).await;
        assert!(named.starts_with("HTTP/1.1 401"), "{named}");
        let insecure = Whole::memory(ServerOptions::new().insecure()).await;
        let named = insecure.exchange(asked("flows.example").as_bytes()).await;
        assert!(named.starts_with("HTTP/1.1 200"), "{named}");
    })
    .await;
}

#[tokio::test]
async fn an_address_that_others_reach_wants_a_token() {
    bounded(async {
        let any = "0.0.0.0:0".parse().unwrap();
        let refused = Server::new(Runtime::new()).serve(any).await.unwrap_err();
        assert!(matches!(refused, ServeError::Exposed { address } if address == any), "{refused:?}");
        let text = refused.to_string();
        assert!(text.contains("0.0.0.0:0") && text.contains("ServerOptions::token"), "{text}");
        let listener = TcpListener::bind(any).await.unwrap();
        let refused = Server::new(Runtime::new()).serve_until(listener, std::future::ready(())).await;
        assert!(matches!(refused, Err(ServeError::Exposed { .. })), "{refused:?}");
        for options in [ServerOptions::new().insecure(), ServerOptions::new().read_only_token("look")] {
            let listener = TcpListener::bind(any).await.unwrap();
            let server = Server::new(Runtime::new()).with_options(options);
            server.serve_until(listener, std::future::ready(())).await.unwrap();
        }
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let refused = Server::new(Runtime::new()).serve(address).await.unwrap_err();
        assert!(matches!(refused, ServeError::Bind { .. }), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn no_more_runs_begin_than_may_live_at_once() {
    bounded(async {
        for served in both(&ServerOptions::new().max_runs(2)).await {
            let first = served.start("approval", json!({ "text": "x" })).await;
            let starts = (0..10).map(|_| served.post("/workflows/approval", json!({ "text": "x" })));
            let answers = futures_util::future::join_all(starts).await;
            assert_eq!(answers.iter().filter(|answer| answer.status == 202).count(), 1, "{}", served.name);
            for answer in answers.iter().filter(|answer| answer.status != 202) {
                answer.refused(429, "too_many_runs");
                assert_eq!(answer.header("retry-after"), "1");
                assert!(!answer.header("x-run-id").is_empty());
            }
            let other = served.post("/workflows/greet/run", json!({})).await;
            other.refused(429, "too_many_runs");
            served.post(&format!("/runs/{first}/cancel"), json!({})).await;
            served.until(&first, "cancelled").await;
            while served.post("/workflows/greet?wait=result", json!({})).await.status != 200 {
                // It leaves the list of live runs a moment after its end is recorded.
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_to_wait() {
    bounded(async {
        // So slow that nothing grows back during the test.
        let number = |number| NonZeroU32::new(number).unwrap();
        let options = guarded().rate_limit(number(1), number(5));
        let served = Whole::memory(options).await;
        let mut statuses = Vec::new();
        for _ in 0..30 {
            statuses.push(with_token(&served, "GET", "/runs", "full-1").await);
        }
        let refused: Vec<_> = statuses.iter().filter(|answer| answer.status == 429).collect();
        assert!(refused.len() > 10, "{}", refused.len());
        refused[0].refused(429, "rate_limited");
        assert_eq!(refused[0].header("retry-after"), "1");
        assert_eq!(with_token(&served, "GET", "/runs", "full-2").await.status, 200, "another has its own account");
        let mut guesses = Vec::new();
        for guess in 0..30 {
            guesses.push(with_token(&served, "GET", "/runs", &format!("guess-{guess}")).await.status);
        }
        assert!(guesses.iter().filter(|status| **status == 429).count() > 10, "guesses are bounded: {guesses:?}");
        for _ in 0..20 {
            assert_eq!(served.get("/health").await.status, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_ends_ends_streams_and_lets_runs_rest() {
    bounded(async {
        let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
        let mut served = Whole::in_folder(std::sync::Arc::clone(&folder), ServerOptions::new()).await;
        let run = served.start("approval", json!({ "text": "x" })).await;
        served.until(&run, "waiting").await;
        let stream = served.request("GET", &format!("/runs/{run}/stream")).send().await.unwrap();
        let waits = served.request("POST", "/workflows/approval?wait=result").json(&json!({ "text": "y" }));
        let waits = tokio::spawn(waits.send());
        served.until_metric(r#"stepcast_runs_started_total{workflow="approval"}"#, 2.0).await;
        served.ended().await;
        let (mut stream, mut text) = (stream.bytes_stream(), String::new());
        // Broken off, not ended: its client is to come back.
        while let Ok(bytes) = stream.next().await.expect("it ended as if the run had") {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        assert_eq!(text.matches("id: ").count(), 1, "{text}");
        // Answered or cut off, but not left hanging.
        let _ = waits.await.unwrap();
        assert!(tokio::net::TcpStream::connect(served.address).await.is_err(), "nobody listens");

        let again = Whole::in_folder(folder, ServerOptions::new()).await;
        let shown = again.until(&run, "waiting").await;
        assert_eq!(shown["run_id"], run);
        let answer = again.approve(&run).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        again.until(&run, "completed").await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_ends_closes_its_sockets() {
    bounded(async {
        for mut served in both(&guarded()).await {
            let url = format!("ws://{}/ws", served.address);
            let refused = tokio_tungstenite::connect_async(&url).await.unwrap_err();
            assert!(matches!(&refused, Error::Http(answer) if answer.status() == 401), "{refused:?}");
            let ticket = ticket(&served, "look-1").await;
            let (mut socket, _) = tokio_tungstenite::connect_async(format!("{url}?ticket={ticket}")).await.unwrap();
            socket.send(Message::text(r#"{"op":"start","workflow":"greet"}"#)).await.unwrap();
            let refused = socket.next().await.unwrap().unwrap().into_text().unwrap();
            assert!(refused.contains("read_only"), "{refused}");
            served.tell_to_end();
            let closed = loop {
                if let Message::Close(frame) = socket.next().await.expect("a close frame").unwrap() {
                    break frame.expect("a code");
                }
            };
            assert_eq!(u16::from(closed.code), 1001);
            served.ended().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_ends_waits_for_runs_in_memory_until_its_deadline() {
    bounded(async {
        let mut patient = Whole::memory(ServerOptions::new()).await;
        let body = json!({ "from": 20, "delay_ms": 5 });
        let run = patient.start("countdown", body).await;
        let run = patient.runtime.get(&RunId::from(run.as_str())).unwrap();
        patient.ended().await;
        assert!(run.outcome().await.is_ok());

        let mut hasty = Whole::memory(ServerOptions::new().shutdown_deadline(Duration::ZERO)).await;
        let run = hasty.start("approval", json!({ "text": "x" })).await;
        let run = hasty.runtime.get(&RunId::from(run.as_str())).unwrap();
        hasty.ended().await;
        assert!(matches!(run.outcome().await, Err(RunError::Cancelled)));
    })
    .await;
}

#[tokio::test]
async fn a_nested_router_guards_itself_too() {
    bounded(async {
        let runtime = Runtime::new();
        flows::register(&runtime).unwrap();
        let router = Server::new(runtime).with_options(guarded()).router();
        let app = axum::Router::new().nest("/wf", router);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/wf", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, app).await });
        let http = reqwest::Client::new();
        assert_eq!(Answer::to(http.get(format!("{url}/health"))).await.status, 200);
        Answer::to(http.get(format!("{url}/runs"))).await.refused(401, "token_missing");
        let text = Answer::to(http.get(format!("{url}/metrics")).bearer_auth("look-1")).await.text;
        assert!(text.contains(r#"{method="GET",route="/wf/runs",status="401"} 1"#), "{text}");
        Answer::to(http.get(format!("{url}/none")).bearer_auth("look-1")).await.refused(404, "path_not_found");
        task.abort();
    })
    .await;
}

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

#[tokio::test]
async fn the_description_is_the_one_in_the_repository() {
    bounded(async {
        let served = Whole::memory(ServerOptions::new()).await;
        let answer = served.get("/openapi.json").await;
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.body["openapi"].as_str().unwrap().split('.').take(2).collect::<Vec<_>>(), ["3", "1"]);
        let now = answer.text.trim_end().to_owned() + "\n";
        if std::env::var_os("STEPCAST_RENEW").is_some() {
            std::fs::write(SNAPSHOT, &now).unwrap();
        }
        let kept = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
        assert!(
            kept == now,
            "docs/openapi.json is not what the server says of itself. If the change is meant, renew it: \
             STEPCAST_RENEW=1 cargo test -p stepcast-tests --test server_operations the_description"
        );
    })
    .await;
}

#[tokio::test]
async fn every_reference_and_route_of_the_description_is_there() {
    bounded(async {
        let served = Whole::memory(ServerOptions::new()).await;
        let api = served.get("/openapi.json").await.body;
        let mut references = Vec::new();
        collect(&api, &mut references);
        assert!(references.len() > 20, "{references:?}");
        for reference in references {
            let pointer = reference.strip_prefix('#').expect("a reference inside the document");
            assert!(api.pointer(pointer).is_some(), "{reference}");
        }
        for (path, operations) in api["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                assert!(operation["responses"]["default"].is_object(), "{method} {path}");
                assert!(operation["description"].is_string() || operation["summary"].is_string(), "{method} {path}");
            }
            let path = path.replace(['{', '}'], "");
            let wrong = Answer::to(served.request("PATCH", &path)).await;
            wrong.refused(405, "method_not_allowed");
            assert!(!wrong.header("allow").is_empty(), "{path}");
        }
    })
    .await;
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
