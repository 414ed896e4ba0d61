//! The least that axum does for such a request and such a stream.

use std::convert::Infallible;

use axum::response::Sse;
use axum::response::sse::Event;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::stream;
use serde_json::{Value, json};

use super::{CLIENTS, READERS, Served, load};
use crate::measure::{Suite, per_op};

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    let (requests, events) = (sizes.requests, sizes.sse_events);
    let mut served = None;
    suite.value("http-run", "axum_json", "ns/request", requests, move || {
        let served = served.get_or_insert_with(|| Served::new(Router::new().route("/hello", post(hello))));
        let request = load::post("/hello", r#"{"start_event":{"name":"Bob"}}"#);
        per_op(load::requests(served.address, &request, requests, CLIENTS), requests)
    });
    let mut served = None;
    suite.value("http-sse", "axum_sse", "ns/event", events * READERS as u64, move || {
        let served = served.get_or_insert_with(|| {
            Served::new(Router::new().route("/events", get(move || async move { count_down(events) })))
        });
        per_op(load::streams(served.address, &load::get("/events"), events, READERS), events * READERS as u64)
    });
}

/// An answer as large as that of a run.
async fn hello(Json(body): Json<Value>) -> Json<Value> {
    let name = body.pointer("/start_event/name").and_then(Value::as_str).unwrap_or("World");
    let time = "2026-11-21T01:49:48.608652+00:00";
    Json(json!({
        "handler_id": "01890000-0000-7000-8000-000000000000", "workflow_name": "greet",
        "run_id": "01890000-0000-7000-8000-000000000000", "error": null,
        "result": { "value": { "result": format!("Hello, {name}!") }, "qualified_name": "workflows.events.StopEvent",
                    "type": "StopEvent", "types": null },
        "result_unreadable": false, "status": "completed",
        "started_at": time, "updated_at": time, "completed_at": time,
    }))
}

fn count_down(events: u64) -> Sse<impl stream::Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::iter((1..=events).map(|seq| {
        let data = json!({ "value": { "left": seq }, "qualified_name": "bench.Tick", "type": "Tick", "types": null });
        Ok(Event::default().id(seq.to_string()).data(data.to_string()))
    })))
}
