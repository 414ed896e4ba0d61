//! The trace of a request is that of the run which it starts, answers or sends to.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;
use serde_json::{Value, json};
use stepcast::{Runtime, TraceContext};
use stepcast_server::Server;
use stepcast_sqlite::SqliteBackend;
use support::review::Review;
use support::*;
use tower::ServiceExt;

/// A server over memory alone, and one over a file.
fn servers(folder: &tempfile::TempDir) -> [(&'static str, Router, Runtime); 2] {
    let file = SqliteBackend::open(folder.path().join("runs.db")).unwrap();
    [("memory", Runtime::new()), ("sqlite", Runtime::on(file))].map(|(name, runtime)| {
        runtime.register(Review).unwrap();
        (name, Server::new(runtime.clone()).router(), runtime)
    })
}

async fn send(router: &Router, method: &str, path: &str, trace: &[&str], body: Option<Value>) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for header in trace {
        request = request.header("traceparent", *header);
    }
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    };
    let response = within(router.clone().oneshot(request.unwrap())).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// Starts a run and gives its id, once it asks.
async fn started(router: &Router, trace: &[&str]) -> String {
    let (status, run) =
        send(router, "POST", "/workflows/Review", trace, Some(json!({ "input": { "text": "Hi" } }))).await;
    assert_eq!(status, 202, "{run}");
    let id = run["run_id"].as_str().unwrap().to_owned();
    until(router, &format!("/runs/{id}/inputs?status=pending"), |found| found["inputs"][0].is_object()).await;
    id
}

async fn until(router: &Router, path: &str, is: impl Fn(&Value) -> bool) -> Value {
    within(async {
        loop {
            let (status, found) = send(router, "GET", path, &[], None).await;
            assert_eq!(status, 200, "{found}");
            if is(&found) {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await
}

/// Answers what the run asks, and gives its stop event.
async fn answered(router: &Router, run: &str, trace: &[&str]) -> Value {
    let path = format!("/runs/{run}/inputs?status=pending");
    let inputs = until(router, &path, |found| found["inputs"][0].is_object()).await;
    let number = inputs["inputs"][0]["input"].as_u64().unwrap();
    let body = json!({ "response": { "yes": true } });
    let (status, answer) = send(router, "POST", &format!("/runs/{run}/inputs/{number}"), trace, Some(body)).await;
    assert_eq!(status, 200, "{answer}");
    let ended = until(router, &format!("/runs/{run}"), |found| found["status"] == "completed").await;
    ended["result"]["value"].clone()
}

/// The only request of this name.
fn request(traces: &Traces, name: &str) -> SpanData {
    let found = traces.one(name);
    assert_eq!(found.span_kind, SpanKind::Server);
    found
}

#[tokio::test]
async fn what_a_request_starts_and_wakes_lies_in_its_span() {
    let folder = tempfile::tempdir().unwrap();
    for (name, router, runtime) in servers(&folder) {
        let traces = Traces::taken();
        let run = started(&router, &[&place(1).traceparent()]).await;
        ended(&traces, "invoke_workflow Review", 1).await;
        let begun = request(&traces, "POST /workflows/{name}");
        assert!(is_child_of(&begun, &place(1)), "{name}: {begun:?}");
        let first = traces.one("invoke_workflow Review");
        assert!(is_child_of(&first, &at(&begun)), "{name}: {first:?}");

        let note = json!({ "type": "Note", "value": { "text": "well" } });
        let path = format!("/runs/{run}/events");
        let (status, sent) =
            send(&router, "POST", &path, &[&place(3).traceparent()], Some(json!({ "event": note }))).await;
        assert_eq!(status, 202, "{name}: {sent}");
        ended(&traces, "invoke_workflow Review", 2).await;
        let sent = request(&traces, "POST /runs/{run_id}/events");
        assert!(is_child_of(&sent, &place(3)), "{name}: {sent:?}");
        let second = &traces.named("invoke_workflow Review")[1];
        assert!(is_child_of(second, &at(&sent)), "{name}: {second:?}");

        answered(&router, &run, &[&place(2).traceparent()]).await;
        ended(&traces, "invoke_workflow Review", 3).await;
        let answered = request(&traces, "POST /runs/{run_id}/inputs/{input}");
        assert!(is_child_of(&answered, &place(2)), "{name}: {answered:?}");
        let third = &traces.named("invoke_workflow Review")[2];
        assert!(is_child_of(third, &at(&answered)), "{name}: {third:?}");
        assert_eq!(links(third), ids(&[at(&begun), at(second)]), "{name}");
        runtime.shutdown(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn headers_that_are_no_traceparent_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let good = place(1).traceparent();
    let bad: [&[&str]; 6] = [
        &[],
        &["nonsense"],
        &[""],
        &[&good[..54]],
        &[&good, &good],
        &["00-00000000000000000000000000000000-0101010101010101-01"],
    ];
    for (name, router, runtime) in servers(&folder) {
        for headers in bad {
            let traces = Traces::taken();
            started(&router, headers).await;
            ended(&traces, "invoke_workflow Review", 1).await;
            let begun = request(&traces, "POST /workflows/{name}");
            assert!(is_root(&begun), "{name}: {headers:?} {begun:?}");
            assert!(is_child_of(&traces.one("invoke_workflow Review"), &at(&begun)), "{name}: {headers:?}");
        }
        runtime.shutdown(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn without_spans_a_step_knows_the_trace_of_the_request_that_woke_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, router, runtime) in servers(&folder) {
        let run = started(&router, &[&place(4).traceparent()]).await;
        let stop = answered(&router, &run, &[&place(5).traceparent()]).await;
        assert_eq!(stop["traceparent"], json!(place(5).traceparent()), "{name}");
        let run = started(&router, &[&place(6).traceparent()]).await;
        let stop = answered(&router, &run, &["nonsense"]).await;
        assert_eq!(stop["traceparent"], json!(place(6).traceparent()), "{name}");
        let run = started(&router, &[]).await;
        let stop = answered(&router, &run, &[]).await;
        assert_eq!(stop["traceparent"], Value::Null, "{name}");
        assert_eq!(TraceContext::current(), None);
        runtime.shutdown(std::time::Duration::from_millis(50)).await;
    }
}
