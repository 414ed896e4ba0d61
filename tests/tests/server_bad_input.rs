//! Whatever comes in, the server answers or bounds it: no panic, no run harmed, no memory kept.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "support/served.rs"]
mod served;
#[path = "support/whole.rs"]
mod whole;

use std::time::Duration;

use serde_json::{Value, json};
use served::bounded;
use stepcast::prelude::*;
use stepcast_server::ServerOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use whole::{Answer, Whole, both};

/// A run that waits for a person. Nothing that other requests do may change it.
struct Bystander(String);

impl Bystander {
    async fn of(served: &Whole) -> Self {
        let run = served.start("approval", json!({ "text": "bystander" })).await;
        served.until(&run, "waiting").await;
        Bystander(run)
    }

    /// It still waits, and it is answered as ever.
    async fn is_unharmed(&self, served: &Whole) {
        let run = &self.0;
        let shown = served.until(run, "waiting").await;
        assert_eq!(shown["error"], Value::Null, "{shown}");
        let answered = served.approve(run).await;
        assert_eq!(answered.status, 200, "{}", answered.text);
        let ended = served.until(run, "completed").await;
        assert_eq!(ended["result"]["value"], json!({ "text": "bystander", "rounds": 1 }));
        assert_eq!(served.get("/health").await.status, 200);
    }
}

/// Every route of a method, from the server's own description.
async fn routes(served: &Whole, method: &str) -> Vec<String> {
    let api = served.get("/openapi.json").await.body;
    let paths = api["paths"].as_object().unwrap();
    paths.iter().filter(|(_, operations)| operations.get(method).is_some()).map(|(path, _)| path.clone()).collect()
}

/// The route with names in place of its parameters.
fn filled(route: &str, workflow: &str, run: &str) -> String {
    let mut path = route.replace("{name}", workflow).replace("{input}", "1");
    for parameter in ["{run_id}", "{handler_id}", "{chat}", "{id}"] {
        path = path.replace(parameter, run);
    }
    assert!(!path.contains('{'), "{route} has a parameter that the tests do not know");
    path
}

/// What is no request of any route: its name, its text.
fn malformed() -> Vec<(&'static str, String)> {
    vec![
        ("cut off", r#"{"start_event": {"na"#.into()),
        ("no JSON", "hello".into()),
        ("two values", "{} {}".into()),
        ("a comma too many", r#"{"input": {},}"#.into()),
        ("single quotes", "{'input': {}}".into()),
        ("half an escape", r#"{"input": "\u12"}"#.into()),
        ("a lone surrogate", r#"{"input": "\ud800"}"#.into()),
        ("a control character", "{\"input\": \"\u{1}\"}".into()),
        ("NaN", r#"{"input": NaN}"#.into()),
        ("a number out of range", r#"{"input": 1e999}"#.into()),
        ("a byte order mark", "\u{feff}{}".into()),
    ]
}

/// What is JSON, and of the wrong type wherever it is put.
fn wrong_typed() -> Vec<Value> {
    vec![
        json!([1, 2, 3]),
        json!("text"),
        json!(7),
        json!(true),
        json!({ "start_event": 7, "event": 7, "response": 7, "input": 7, "messages": 7, "threadId": 7 }),
        json!({ "start_event": [], "event": [], "response": [], "input": [], "messages": [1], "threadId": [] }),
        json!({ "event": "{\"type\":" }),
        json!({ "event": { "type": "Approval", "value": { "approved": "yes" } } }),
        json!({ "event": { "type": 7, "value": {} } }),
        json!({ "event": { "type": "NoSuchEvent", "value": {} } }),
        json!({ "event": { "type": "Approval", "value": {} }, "step": "no_such_step" }),
        json!({ "response": { "approved": "yes" } }),
        json!({ "context": 7, "handler_id": 7, "run_id": {}, "timeout": "soon" }),
    ]
}

/// A run of its own for one request, which the request may end.
async fn victim(served: &Whole) -> String {
    let run = served.start("approval", json!({ "text": "victim" })).await;
    served.until(&run, "waiting").await;
    run
}

async fn send(served: &Whole, path: &str, body: impl Into<reqwest::Body>, content_type: &str) -> Answer {
    Answer::to(served.request("POST", path).header("content-type", content_type).body(body)).await
}

/// Routes that take no body: what is in it does not matter to them.
const BODILESS: [&str; 4] =
    ["/tickets", "/handlers/{handler_id}/cancel", "/runs/{run_id}/cancel", "/runs/{run_id}/resume"];

/// Routes that take a body which does not say what it is, as the LlamaIndex server does.
const UNTYPED: [&str; 3] = ["/workflows/{name}/run", "/workflows/{name}/run-nowait", "/events/{handler_id}"];

#[tokio::test]
async fn every_post_route_refuses_what_is_no_json() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            let bystander = Bystander::of(&served).await;
            for route in routes(&served, "post").await {
                if BODILESS.contains(&route.as_str()) {
                    continue;
                }
                let run = victim(&served).await;
                let path = filled(&route, "typed", &run);
                for (what, text) in malformed() {
                    let answer = send(&served, &path, text, "application/json").await;
                    assert_eq!(answer.status, 400, "{route}, {what}: {}", answer.text);
                    answer.is_problem();
                }
                let answer = send(&served, &path, vec![b'"', 0xff, b'"'], "application/json").await;
                assert_eq!(answer.status, 400, "{route}, bytes that are no text: {}", answer.text);
                for content_type in
                    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "nonsense"]
                {
                    let answer = send(&served, &path, r#"{"topic": "x"}"#, content_type).await;
                    answer.refused(415, "unsupported_media_type");
                }
                let untyped = Answer::to(served.request("POST", &path).body("[]")).await;
                match UNTYPED.contains(&route.as_str()) {
                    // A list is none of what the routes take; that is what is wrong with it.
                    true => assert_eq!(untyped.status, 400, "{route}: {}", untyped.text),
                    false => untyped.refused(415, "unsupported_media_type"),
                }
                let other = send(&served, &path, "[]", "Application/vnd.x+JSON; charset=utf-8").await;
                assert_eq!(other.status, 400, "{route}: {}", other.text);
                served.until(&run, "waiting").await;
            }
            bystander.is_unharmed(&served).await;
        }
    })
    .await;
}

#[tokio::test]
async fn every_post_route_refuses_what_is_too_large_or_too_deep() {
    bounded(async {
        for served in both(&ServerOptions::new().max_body(100_000)).await {
            let bystander = Bystander::of(&served).await;
            let run = victim(&served).await;
            let large = format!(r#"{{"topic": "{}"}}"#, "x".repeat(1 << 20));
            let deep = "[".repeat(50_000) + &"]".repeat(50_000);
            let deep_object = r#"{"a":"#.repeat(101) + "1" + &"}".repeat(101);
            for route in routes(&served, "post").await {
                let path = filled(&route, "typed", &run);
                let answer = send(&served, &path, large.clone(), "application/json").await;
                answer.refused(413, "body_too_large");
                assert_eq!(answer.body["max_bytes"], 100_000);
                for deep in [&deep, &deep_object] {
                    send(&served, &path, deep.clone(), "application/json").await.refused(400, "body_too_deep");
                }
            }
            served.until(&run, "waiting").await;
            bystander.is_unharmed(&served).await;
        }
    })
    .await;
}

#[tokio::test]
async fn ten_megabytes_are_refused_clearly_however_they_are_sent() {
    bounded(async {
        let served = Whole::memory(ServerOptions::new()).await;
        let large = format!(r#"{{"start_event": {{"name": "{}"}}}}"#, "x".repeat(10 << 20));
        let answer = send(&served, "/workflows/greet/run", large.clone(), "application/json").await;
        answer.refused(413, "body_too_large");
        assert_eq!(answer.body["max_bytes"], 2 << 20);
        let chunks =
            large.into_bytes().chunks(1 << 16).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
        let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        send(&served, "/workflows/greet/run", stream, "application/json").await.refused(413, "body_too_large");
        let expecting = "POST /workflows/greet/run HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                         content-length: 10000000\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
        let answer = served.exchange(expecting.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "refused before it is sent: {answer}");
        let fits = format!(r#"{{"start_event": {{"name": "{}"}}}}"#, "x".repeat(2_000_000));
        assert_eq!(send(&served, "/workflows/greet/run", fits, "application/json").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn no_wrong_typed_body_makes_the_server_fail() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            let bystander = Bystander::of(&served).await;
            for route in routes(&served, "post").await {
                for body in wrong_typed() {
                    let run = match route.contains("cancel") {
                        true => "none".to_owned(),
                        false => victim(&served).await,
                    };
                    let answer = served.post(&filled(&route, "typed", &run), body.clone()).await;
                    assert!(answer.status < 500, "{route} {body}: {}", answer.text);
                    if answer.status >= 400 {
                        answer.is_problem();
                    }
                    if !BODILESS.contains(&route.as_str()) && !body.is_object() {
                        assert!(answer.status >= 400, "{route} {body}: {}", answer.text);
                    }
                }
            }
            bystander.is_unharmed(&served).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_there_is_not_is_not_found() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            let bystander = Bystander::of(&served).await;
            for method in ["get", "post", "delete"] {
                for route in routes(&served, method).await {
                    if !route.contains('{') {
                        continue;
                    }
                    for odd in ["none", "%00", "..%2f..%2fetc%2fpasswd", "%f0%9f%92%a9", "a%20b", &"x".repeat(2_000)] {
                        let path = filled(&route, odd, odd);
                        let request = served.request(&method.to_uppercase(), &path).header("content-type", "application/json");
                        // What each route wants, so that only the name is wrong.
                        let body = json!({
                            "start_event": {}, "response": {}, "event": { "type": "Approval", "value": { "approved": true } },
                            "threadId": "t", "runId": "r", "messages": [], "tools": [], "context": [], "forwardedProps": {}, "state": {},
                        });
                        let answer = Answer::to(if method == "post" { request.json(&body) } else { request }).await;
                        assert!((400..500).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text);
                        answer.is_problem();
                    }
                }
            }
            let run = &bystander.0;
            let no_input = served.post(&format!("/runs/{run}/inputs/99"), json!({ "response": { "approved": true } })).await;
            no_input.refused(404, "input_not_found");
            for input in ["0", "-1", "x", "99999999999999999999999"] {
                let path = format!("/runs/{run}/inputs/{input}");
                let answer = served.post(&path, json!({ "response": { "approved": true } })).await;
                assert!((400..500).contains(&answer.status), "{input}: {}", answer.text);
                answer.is_problem();
            }
            for (path, body) in [
                (format!("/runs/{run}/events"), json!({ "event": { "type": "NoSuchEvent", "value": {} } })),
                (format!("/runs/{run}/events"), json!({ "event": { "type": "Approval", "value": { "approved": true } }, "step": "none" })),
                (format!("/events/{run}"), json!({ "event": { "type": "NoSuchEvent", "value": {} } })),
                (format!("/events/{run}"), json!({ "event": { "type": "Approval", "value": { "approved": true } }, "step": "none" })),
            ] {
                let answer = served.post(&path, body.clone()).await;
                assert!((400..500).contains(&answer.status), "{path} {body}: {} {}", answer.status, answer.text);
                answer.is_problem();
            }
            bystander.is_unharmed(&served).await;
        }
    })
    .await;
}

#[tokio::test]
async fn bad_cursors_and_queries_are_refused() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            let bystander = Bystander::of(&served).await;
            let run = &bystander.0;
            for path in [
                "/runs?cursor=x".to_owned(),
                "/runs?cursor=-1".to_owned(),
                "/runs?limit=x".to_owned(),
                "/runs?limit=-1".to_owned(),
                "/runs?status=sleeping".to_owned(),
                "/inputs?cursor=99999999999999999999999999".to_owned(),
                "/inputs?status=sleeping".to_owned(),
                format!("/runs/{run}/events?after=x"),
                format!("/runs/{run}/stream?after=x"),
                format!("/runs/{run}/stream?after=-7"),
                format!("/runs/{run}/stream?modes="),
                format!("/runs/{run}/stream?modes=values,everything"),
                format!("/runs/{run}/stream?modes=values&types=StopEvent"),
                "/graphs/none?version=x".to_owned(),
                "/graphs/none?version=-1".to_owned(),
                format!("/events/{run}?after_sequence=x"),
                format!("/events/{run}?after_sequence=99999999999999999999999999"),
            ] {
                let answer = served.get(&path).await;
                assert!((400..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
                answer.is_problem();
            }
            let resumed = served.request("GET", &format!("/runs/{run}/stream")).header("last-event-id", "x");
            let answer = Answer::to(resumed).await;
            assert_eq!(answer.status, 400, "{}", answer.text);
            bystander.is_unharmed(&served).await;
        }
    })
    .await;
}

#[tokio::test]
async fn methods_that_a_route_does_not_take_are_refused() {
    bounded(async {
        let served = Whole::memory(ServerOptions::new()).await;
        for route in routes(&served, "post").await {
            let path = filled(&route, "greet", "none");
            for method in ["PUT", "PATCH", "BREW"] {
                if (method, route.as_str()) == ("PUT", "/graphs/validate") {
                    // A graph may have this name.
                    continue;
                }
                let answer = Answer::to(served.request(method, &path)).await;
                answer.refused(405, "method_not_allowed");
                assert!(answer.header("allow").contains("POST"), "{path}: {}", answer.header("allow"));
            }
        }
        served.get("/no/such/path").await.refused(404, "path_not_found");
    })
    .await;
}

#[tokio::test]
async fn heads_that_are_wrong_or_too_large_are_refused() {
    bounded(async {
        let served = Whole::memory(ServerOptions::new().max_header(16 << 10)).await;
        let bystander = Bystander::of(&served).await;
        let large = format!("GET /runs HTTP/1.1\r\nhost: localhost\r\nx-large: {}\r\n\r\n", "x".repeat(1 << 20));
        let many: String = (0..1_000).map(|number| format!("x-{number}: y\r\n")).collect();
        for (sent, status) in [
            (large, "431"),
            (format!("GET /runs HTTP/1.1\r\nhost: localhost\r\n{many}\r\n"), "431"),
            (format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(100_000)), "4"),
            ("nonsense\r\n\r\n".to_owned(), "400"),
            ("GET /runs HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n".to_owned(), "400"),
            ("POST /runs HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n".to_owned(), "400"),
            ("POST /workflows/greet HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n".to_owned(), "400"),
        ] {
            let got = served.exchange(sent.as_bytes()).await;
            // A sender that is cut off in the middle may see no answer, but it is cut off.
            assert!(got.is_empty() || got.starts_with(&format!("HTTP/1.1 {status}")), "{}: {got}", &sent[..40]);
        }
        bystander.is_unharmed(&served).await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_sends_slowly_is_cut_off() {
    bounded(async {
        let short = Duration::from_millis(100);
        let options = ServerOptions::new().header_timeout(short).body_timeout(short).max_connections(4);
        let served = Whole::memory(options).await;
        // As many as there are places: nobody else gets in until the server throws them out.
        let mut slow = Vec::new();
        for _ in 0..4 {
            let mut stream = served.connect().await;
            stream.write_all(b"GET /runs HTTP/1.1\r\nhost: local").await.unwrap();
            slow.push(stream);
        }
        assert_eq!(served.get("/health").await.status, 200);
        for mut stream in slow {
            let mut got = Vec::new();
            let _ = stream.read_to_end(&mut got).await;
        }
        let half = "POST /workflows/greet HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                    content-length: 100\r\n\r\n{\"name\":";
        let answer = served.exchange(half.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("body_too_slow"), "{answer}");
    })
    .await;
}

#[event(start)]
struct Flood {}

#[event]
struct Splash {
    text: String,
}

#[event(stop)]
struct Dry {}

const DROPS: u32 = 1_000;

#[step(streams(Splash))]
async fn flood(_: Flood, ctx: Context) -> Dry {
    for _ in 0..DROPS {
        ctx.write_event_to_stream(Splash { text: "x".repeat(16 << 10) });
    }
    Dry {}
}

flow!(Flooding: Flood => Dry { flood });

/// A client that takes nothing of a stream which is more than the buffers between the two hold.
async fn stalled(served: &Whole) -> (String, TcpStream) {
    served.runtime.register(Flooding).unwrap();
    let run = served.start("Flooding", json!({})).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut stalled = socket.connect(served.address).await.unwrap();
    let request = format!("GET /runs/{run}/stream HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stalled.write_all(request.as_bytes()).await.unwrap();
    while served.metric("stepcast_events_streamed_total").await == 0.0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (run, stalled)
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_off_and_its_run_goes_on() {
    bounded(async {
        // One that is asked to wait longer, from before.
        let patient = Whole::memory(ServerOptions::new()).await;
        let waits = stalled(&patient).await;
        for served in both(&ServerOptions::new().write_timeout(Duration::from_millis(100))).await {
            let (run, stalled) = stalled(&served).await;
            served.until_metric("stepcast_open_streams", 0.0).await;
            let given = served.metric("stepcast_events_streamed_total").await;
            assert!(given < f64::from(DROPS), "{}: everything was written to a client that does not read", served.name);
            served.until(&run, "completed").await;
            drop(stalled);
        }
        assert_eq!(patient.metric("stepcast_open_streams").await, 1.0);
        drop(waits);
    })
    .await;
}

#[tokio::test]
async fn connections_past_the_bound_wait_for_a_place() {
    bounded(async {
        let served = Whole::memory(ServerOptions::new().max_connections(3)).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            let mut stream = served.connect().await;
            stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
            held.push(stream);
        }
        let mut fourth = served.connect().await;
        fourth.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut got = String::new();
        let early = tokio::time::timeout(Duration::from_millis(50), fourth.read_to_string(&mut got)).await;
        assert!(early.is_err(), "it was let in: {got}");
        held.pop();
        fourth.read_to_string(&mut got).await.unwrap();
        assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    })
    .await;
}

/// Files that this process may have open.
fn file_limit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    line.split_whitespace().nth(3).and_then(|limit| limit.parse().ok()).unwrap_or(1_024)
}

/// Kilobytes of memory that this process has in use.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|size| size.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn ten_thousand_connections_are_held_and_each_is_answered() {
    bounded(async {
        // Both ends are in this process.
        let count = 10_000.min(file_limit().saturating_sub(500) / 2);
        let served = Whole::memory(ServerOptions::new()).await;
        let bystander = Bystander::of(&served).await;
        let before = memory();
        let mut held = Vec::new();
        for _ in 0..count {
            held.push(served.connect().await);
        }
        for stream in &mut held {
            stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        }
        for stream in &mut held {
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
        }
        let each = memory().saturating_sub(before) / count;
        assert!(each < 64, "{each} KiB for each of {count} connections");
        // Those past the bound of connections wait; the bystander's request is one of them.
        held.truncate(count - 100);
        bystander.is_unharmed(&served).await;
    })
    .await;
}
