//! Runs as resources: every route and every status, on runs in memory and on runs in a store.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "server_runs/ends.rs"]
mod ends;
#[path = "server_runs/inputs.rs"]
mod inputs;
#[path = "support/served.rs"]
mod served;
#[path = "server_runs/starts.rs"]
mod starts;
#[path = "server_runs/streams.rs"]
mod streams;

use reqwest::StatusCode;
use serde_json::{Value, json};
use served::{Frame, Reply, Served, both, bounded, frames};
use stepcast::Runtime;
use stepcast::prelude::*;
use stepcast_sqlite::SqliteBackend;

/// The reply is a refusal with this status and code, and names the run where one is known.
fn refused(reply: &Reply, status: u16, code: &str, run: Option<&str>) {
    assert_eq!((reply.status, reply.body["code"].as_str()), (status, Some(code)), "{}", reply.text);
    assert_eq!(reply.content_type, "application/problem+json");
    assert_eq!(reply.body["status"], status);
    assert!(reply.body["detail"].as_str().unwrap().ends_with('.'), "{}", reply.text);
    assert_eq!(reply.body["type"], format!("urn:stepcast:problem:{code}"));
    assert_eq!(reply.run.as_deref(), run, "{}", reply.text);
    assert_eq!(reply.body["run_id"].as_str(), run, "{}", reply.text);
}

fn ids(frames: &[Frame]) -> Vec<u64> {
    frames.iter().filter_map(|frame| frame.id).collect()
}

#[event(start)]
pub struct Order {
    text: String,
}

#[event(stop)]
pub struct Filled {
    text: String,
}

/// Has a text approved by a child.
#[step]
async fn fill(order: Order, ctx: Context) -> Result<Filled> {
    let draft = stepcast_examples::flows::Draft { text: order.text };
    let published = ctx.run_child(stepcast_examples::flows::ApprovalFlow, draft).await?;
    Ok(Filled { text: published.text })
}

flow!(Orders: Order => Filled { fill });

async fn stream(served: &Served, run: &str, query: &str, last: Option<u64>) -> reqwest::Response {
    let mut request = served.request("GET", &format!("/runs/{run}/stream{query}"));
    if let Some(last) = last {
        request = request.header("last-event-id", last.to_string());
    }
    request.send().await.unwrap()
}

/// The ids of all runs that a query lists, read in pages.
async fn listed(served: &Served, query: &str, limit: usize) -> Vec<String> {
    let (mut runs, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = served.get(&format!("/runs?limit={limit}{query}{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let found = page.body["runs"].as_array().unwrap();
        assert!(found.len() <= limit);
        runs.extend(found.iter().map(|run| run["run_id"].as_str().unwrap().to_owned()));
        match page.body["next_cursor"].as_str() {
            Some(next) => {
                assert_eq!(found.len(), limit);
                cursor = format!("&cursor={next}");
            }
            None => return runs,
        }
    }
}

#[tokio::test]
async fn a_child_is_shown_and_answered_like_any_run() {
    bounded(async {
        for served in both().await {
            served.runtime.register_as("orders", Orders, None).unwrap();
            let run = served.start("orders", json!({ "text": "Helo" })).await;
            let question = loop {
                let page = served.get("/inputs").await;
                if let Some(input) = page.body["inputs"].get(0) {
                    break input.clone();
                }
                tokio::task::yield_now().await;
            };
            let child = question["run_id"].as_str().unwrap();
            assert_ne!(child, run);
            let shown = served.get(&format!("/runs/{child}")).await;
            assert_eq!((shown.status, &shown.body["parent"]), (200, &json!(run)), "{}: {}", served.name, shown.text);
            assert_eq!(listed(&served, &format!("&parent={run}"), 10).await, [child]);
            let path = format!("/runs/{child}/inputs/{}", question["input"]);
            let answered = served.post(&path, json!({ "response": { "approved": true }, "by": "ada" })).await;
            assert_eq!(answered.status, 200, "{}: {}", served.name, answered.text);
            assert_eq!(served.until(&run, "completed").await["result"]["value"]["text"], "Helo");
            assert_eq!(served.until(child, "completed").await["result"]["type"], "Published");
        }
    })
    .await;
}

#[tokio::test]
async fn whatever_is_wrong_with_a_request_is_told_as_a_problem() {
    bounded(async {
        let json_type = ("content-type", "application/json");
        let deep = "[".repeat(200);
        let huge = format!("\"{}\"", "x".repeat(3_000_000));
        for served in both().await {
            let run = served.start("approval", json!({ "text": "x" })).await;
            let answer = format!("/runs/{run}/inputs/1");
            let events = format!("/runs/{run}/events");
            let known = Some(run.as_str());
            let cases = [
                ("GET", "/nothing/here", json_type, "", 404, "path_not_found", None),
                ("POST", "/nothing/here", json_type, "{", 404, "path_not_found", None),
                ("PUT", "/runs", json_type, "", 405, "method_not_allowed", None),
                ("PATCH", &*events, json_type, "", 405, "method_not_allowed", known),
                ("POST", "/workflows/nothing", json_type, "{}", 404, "workflow_not_found", None),
                ("POST", "/workflows/greet", json_type, "{", 400, "invalid_json", None),
                ("POST", "/workflows/greet", json_type, "{\"a\":1} {", 400, "invalid_json", None),
                ("POST", "/workflows/greet", json_type, "\u{feff}{}", 400, "invalid_json", None),
                ("POST", "/workflows/greet", json_type, &*deep, 400, "body_too_deep", None),
                ("POST", "/workflows/greet", json_type, &*huge, 413, "body_too_large", None),
                ("POST", "/workflows/greet", ("content-type", "text/plain"), "{}", 415, "unsupported_media_type", None),
                ("POST", "/workflows/greet", ("x-other", "1"), "{}", 415, "unsupported_media_type", None),
                (
                    "POST",
                    &*events,
                    ("content-type", "application/x-www-form-urlencoded"),
                    "a=1",
                    415,
                    "unsupported_media_type",
                    known,
                ),
                ("POST", &*events, json_type, "{", 400, "invalid_json", known),
                ("POST", &*events, json_type, &*deep, 400, "body_too_deep", known),
                ("POST", &*events, json_type, &*huge, 413, "body_too_large", known),
                ("POST", &*answer, json_type, "nul", 400, "invalid_json", known),
                ("GET", "/runs/%FF", json_type, "", 400, "invalid_path", None),
                ("GET", "/runs/no", json_type, "", 404, "run_not_found", Some("no")),
                ("GET", "/runs/no/events", json_type, "", 404, "run_not_found", Some("no")),
                ("GET", "/runs/no/stream", json_type, "", 404, "run_not_found", Some("no")),
                ("DELETE", "/runs/no", json_type, "", 404, "run_not_found", Some("no")),
            ];
            for (method, path, header, body, status, code, run) in cases {
                let request = served.request(method, path).header(header.0, header.1).body(body.to_owned());
                let reply = Reply::of(request.send().await.unwrap()).await;
                assert_eq!(reply.status, status, "{method} {path} {code}: {}", reply.text);
                refused(&reply, status, code, run);
                if status == 405 {
                    assert!(reply.allow.unwrap().contains("GET"), "{method} {path}");
                }
            }
            // An id that no header can hold is in the body alone.
            let odd = served.get("/runs/a%0Ab").await;
            assert_eq!((odd.status, &odd.body["run_id"], odd.run), (404, &json!("a\nb"), None));
            let suffix = served
                .request("POST", "/workflows/greet?wait=result")
                .header("content-type", "Application/vnd.x+JSON; charset=utf-8");
            assert_eq!(suffix.body("{}").send().await.unwrap().status(), 200);
            // Nothing of it has harmed the run.
            served.question(&run).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_nests_in_an_application() {
    bounded(async {
        let runtime = Runtime::new();
        stepcast_examples::flows::register(&runtime).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app: axum::Router = axum::Router::new()
            .route("/", axum::routing::get(|| async { "mine" }))
            .nest("/flows", stepcast_server::Server::new(runtime).router());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let http = reqwest::Client::new();
        let reply = http.post(format!("{url}/flows/workflows/greet?wait=result")).json(&json!({ "name": "Ada" }));
        let reply = Reply::of(reply.send().await.unwrap()).await;
        assert_eq!(reply.body["result"]["value"]["result"], "Hello, Ada!", "{}", reply.text);
        let missing = Reply::of(http.get(format!("{url}/flows/nothing")).send().await.unwrap()).await;
        refused(&missing, 404, "path_not_found", None);
        assert_eq!(http.get(&url).send().await.unwrap().text().await.unwrap(), "mine");
        // What is not under its prefix is the application's own.
        assert_eq!(http.get(format!("{url}/nothing")).send().await.unwrap().text().await.unwrap(), "");
        task.abort();
    })
    .await;
}
