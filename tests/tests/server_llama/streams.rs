//! Streams, over SSE and as NDJSON, from any place.

use super::*;

/// A stream's whole text.
async fn text(server: &Served, path: &str, last_id: Option<&str>) -> (String, String) {
    let mut request = server.request("GET", path);
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{}: {path}", server.name);
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    (content_type, response.text().await.unwrap())
}

#[tokio::test]
async fn a_stream_is_written_as_that_server_writes_it_from_any_place() {
    bounded(async {
        for server in Both::new().await.each() {
            begin(server, "countdown", json!({"handler_id": "c", "start_event": {"from": 2, "delay_ms": 1}})).await;
            ended(server, "c").await;
            let tick = |left: u32| {
                format!(r#"{{"value":{{"left":{left}}},"qualified_name":"stepcast_examples::flows::Tick","type":"Tick","types":null}}"#)
            };
            let liftoff = r#"{"value":{},"qualified_name":"stepcast_examples::flows::Liftoff","type":"Liftoff","types":["StopEvent"]}"#;
            let lines = [tick(2), tick(1), tick(0), liftoff.to_owned()];
            let sse = |from: usize| -> String {
                lines.iter().enumerate().skip(from).map(|(at, line)| format!("id: {}\ndata: {line}\n\n", at + 1)).collect()
            };
            let nd = |from: usize| -> String { lines.iter().skip(from).map(|line| format!("{line}\n")).collect() };
            for (query, last, expected) in [
                ("after_sequence=-1", None, sse(0)),
                ("after_sequence=-7", None, sse(0)),
                ("after_sequence=0", None, sse(0)),
                ("after_sequence=2&sse=true", None, sse(2)),
                ("after_sequence=-1", Some("3"), sse(3)),
                ("after_sequence=now&sse=TRUE", Some("1"), sse(1)),
                ("after_sequence=1", Some("no number"), sse(1)),
                ("after_sequence=1&include_internal=true", None, sse(1)),
            ] {
                let (kind, found) = text(server, &format!("/events/c?{query}"), last).await;
                assert_eq!(kind, "text/event-stream; charset=utf-8");
                assert_eq!(found, expected, "{}: {query} {last:?}", server.name);
            }
            for (query, last, expected) in [
                ("after_sequence=-1", None, nd(0)),
                ("after_sequence=3", None, nd(3)),
                // It belongs to server-sent events.
                ("after_sequence=1", Some("3"), nd(1)),
            ] {
                let (kind, found) = text(server, &format!("/events/c?sse=false&{query}"), last).await;
                assert_eq!(kind, "application/x-ndjson");
                assert_eq!(found, expected, "{}: {query} {last:?}", server.name);
            }
            let (_, bare) = text(server, "/events/c?sse=false&after_sequence=3&include_qualified_name=false", None).await;
            assert_eq!(bare, "{\"value\":{},\"qualified_name\":null,\"type\":\"Liftoff\",\"types\":[\"StopEvent\"]}\n");

            for drained in ["", "?after_sequence=now", "?after_sequence=4", "?after_sequence=99", "?sse=false"] {
                let reply = server.get(&format!("/events/c{drained}")).await;
                assert_eq!((reply.status, reply.text.as_str()), (204, ""), "{}: {drained}", server.name);
            }
            refused(&server.get("/events/c?after_sequence=abc").await, 400, "Invalid after_sequence: 'abc'");
            refused(&server.get("/events/nope").await, 404, "Handler not found");
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_without_a_place_begins_with_what_comes_now() {
    bounded(async {
        for from_start in [false, true] {
            for server in Both::with(&ServerOptions::new().default_cursor_start(from_start)).await.each() {
                begin(server, "approval", json!({"handler_id": "h", "start_event": {"text": "a"}})).await;
                streamed(server, "h", 1).await;
                let response = server.request("GET", "/events/h").send().await.unwrap();
                let body = json!({"event": {"type": "Approval", "value": {"approved": true}}});
                assert_eq!(server.post("/events/h", body).await.status, 200);
                let found = response.text().await.unwrap();
                let ids: Vec<_> = found.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
                assert_eq!(ids.join(" "), if from_start { "1 2" } else { "2" }, "{}: {found}", server.name);
                // What has ended has nothing more, unless it is shown from its start.
                let again = server.get("/events/h").await;
                assert_eq!(again.status, if from_start { 200 } else { 204 }, "{}", server.name);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn ends_without_a_stop_event_are_events_of_the_stream() {
    bounded(async {
        for server in Both::new().await.each() {
            begin(server, "failing", json!({"handler_id": "f"})).await;
            let is_late = late(server).await;
            begin(server, "approval", json!({"handler_id": "c", "start_event": {"text": "a"}})).await;
            streamed(server, "c", 1).await;
            server.post("/handlers/c/cancel", json!({})).await;
            ended(server, "f").await;
            let last = async |id: &str| {
                let (_, found) = text(server, &format!("/events/{id}?sse=false&after_sequence=-1"), None).await;
                serde_json::from_str::<Value>(found.lines().last().unwrap()).unwrap()
            };
            let failed = last("f").await;
            assert_eq!((&failed["type"], &failed["types"]), (&json!("WorkflowFailedEvent"), &json!(["StopEvent"])));
            assert_eq!(failed["qualified_name"], "workflows.events.WorkflowFailedEvent");
            assert_eq!((&failed["value"]["step_name"], &failed["value"]["attempts"]), (&json!("fail"), &json!(1)));
            assert_eq!(failed["value"]["exception"]["exception_message"], "boom");
            if is_late {
                ended(server, "late").await;
                let expected = json!({"value": {"timeout": 0.05, "active_steps": ["sleep"]},
                    "qualified_name": "workflows.events.WorkflowTimedOutEvent",
                    "type": "WorkflowTimedOutEvent", "types": ["StopEvent"]});
                assert_eq!(last("late").await, expected);
            }
            let cancelled = json!({"value": {}, "qualified_name": "workflows.events.WorkflowCancelledEvent",
                "type": "WorkflowCancelledEvent", "types": ["StopEvent"]});
            assert_eq!(last("c").await, cancelled, "{}", server.name);
        }
    })
    .await;
}

#[tokio::test]
async fn internal_frames_are_shown_to_who_asks_and_carry_no_number() {
    bounded(async {
        for server in Both::with(&ServerOptions::new().record_internal(true)).await.each() {
            begin(server, "approval", json!({"handler_id": "h", "start_event": {"text": "a"}})).await;
            streamed(server, "h", 1).await;
            let path = "/events/h?after_sequence=-1&include_internal=true";
            let response = server.request("GET", path).send().await.unwrap();
            let body = json!({"event": {"type": "Approval", "value": {"approved": true}}});
            assert_eq!(server.post("/events/h", body).await.status, 200);
            let found = response.text().await.unwrap();
            let mut states = Vec::new();
            for frame in found.split_terminator("\n\n") {
                let (id, data) = match frame.split_once('\n') {
                    Some((id, data)) => (id.strip_prefix("id: "), data),
                    None => (None, frame),
                };
                let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                let internal = event["types"] == json!(["InternalDispatchEvent"]);
                assert_eq!(id.is_none(), internal, "{}: {frame}", server.name);
                if event["type"] == "StepStateChanged" {
                    assert_eq!(event["qualified_name"], "workflows.events.StepStateChanged");
                    let value = &event["value"];
                    assert!(value["worker_id"].is_string(), "{frame}");
                    states.push(format!(
                        "{} {}",
                        value["name"].as_str().unwrap(),
                        value["step_state"].as_str().unwrap()
                    ));
                }
            }
            let known = ["preparing", "running", "not_running"];
            assert!(states.iter().all(|state| known.contains(&state.split(' ').nth(1).unwrap())), "{states:?}");
            assert!(states.contains(&"submit running".to_owned()), "{}: {states:?}", server.name);
            assert_eq!(states.last().map(String::as_str), Some("approve not_running"), "{}: {states:?}", server.name);
            assert_eq!(found.lines().filter(|line| line.starts_with("id: ")).count(), 2, "{found}");
            let (_, plain) = text(server, "/events/h?after_sequence=-1", None).await;
            assert!(!plain.contains("InternalDispatchEvent"), "{plain}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_silent_stream_says_that_it_lives() {
    bounded(async {
        for server in Both::with(&ServerOptions::new().heartbeat(Duration::from_millis(20))).await.each() {
            begin(server, "approval", json!({"handler_id": "h", "start_event": {"text": "a"}})).await;
            streamed(server, "h", 1).await;
            let response = server.request("GET", "/events/h?after_sequence=1").send().await.unwrap();
            let mut bytes = response.bytes_stream();
            for _ in 0..3 {
                assert_eq!(bytes.next().await.unwrap().unwrap(), ": heartbeat\n\n", "{}", server.name);
            }
            // Lines of JSON have no comments: all they say is the end.
            let response = server.request("GET", "/events/h?after_sequence=1&sse=false").send().await.unwrap();
            bytes.next().await.unwrap().unwrap();
            bytes.next().await.unwrap().unwrap();
            let body = json!({"event": {"type": "Approval", "value": {"approved": true}}});
            assert_eq!(server.post("/events/h", body).await.status, 200);
            let found = response.text().await.unwrap();
            assert_eq!((found.lines().count(), found.contains("heartbeat")), (1, false), "{found}");
        }
    })
    .await;
}
