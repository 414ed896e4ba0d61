//! The example `server` on a store is killed with SIGKILL while clients read a stream of it. They go on at the server that
//! is started after it, with `Last-Event-ID`, and end with every event once and in order.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/program.rs"]
mod program;

use std::time::Duration;

use futures_util::StreamExt;
use program::Program;
use serde_json::{Value, json};

/// The countdown's first number: so many events, one more, and the stop event.
const FROM: u64 = 60;
/// After how many further events the server is killed, time after time.
const KILLS: [usize; 3] = [5, 11, 1];

/// What a client has seen of the stream.
#[derive(Default)]
struct Seen {
    events: Vec<(u64, Value)>,
    ended: bool,
}

impl Seen {
    /// Reads on after the last event seen until so many more are there, or the stream or its connection ends.
    async fn read(&mut self, http: &reqwest::Client, url: &str, more: usize) {
        let mut request = http.get(format!("{url}/events/c?after_sequence=-1"));
        if let Some((id, _)) = self.events.last() {
            request = request.header("last-event-id", id.to_string());
        }
        let Ok(response) = request.send().await else { return };
        assert!(response.status().is_success(), "{}", response.status());
        let (mut bytes, mut text) = (response.bytes_stream(), String::new());
        let wanted = self.events.len().saturating_add(more);
        while let Some(Ok(chunk)) = bytes.next().await {
            text.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some((frame, rest)) = text.split_once("\n\n") {
                self.frame(frame);
                text = rest.to_owned();
                if self.events.len() == wanted {
                    return;
                }
            }
        }
    }

    fn frame(&mut self, frame: &str) {
        let Some((id, data)) = frame.split_once('\n') else { return assert_eq!(frame, ": heartbeat") };
        let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        self.ended = event["type"] == "Liftoff";
        self.events.push((id.strip_prefix("id: ").unwrap().parse().unwrap(), event["value"]["left"].clone()));
    }
}

async fn bounded<T>(what: &str, test: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(Duration::from_secs(120), test).await;
    ended.unwrap_or_else(|_| panic!("{what} hangs"))
}

#[tokio::test]
async fn a_reconnecting_client_ends_with_the_exact_sequence_however_often_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("runs.db");
    let http = reqwest::Client::new();
    let mut server = Program::start(Some(&store)).await;
    let begin = async {
        let body = json!({"handler_id": "c", "start_event": {"from": FROM, "delay_ms": 20}});
        let url = format!("{}/workflows/countdown/run-nowait", server.url);
        let reply = http.post(url).json(&body).send().await.unwrap();
        assert_eq!(reply.status(), 200);
    };
    bounded("the start", begin).await;

    let (mut seen, mut behind) = (Seen::default(), Seen::default());
    for more in KILLS {
        bounded("the stream", seen.read(&http, &server.url, more)).await;
        assert!(!seen.ended, "the run ended before the server was killed");
        // A second client is behind the first one.
        bounded("the stream", behind.read(&http, &server.url, 2)).await;
        server.kill().await;
        server = Program::start(Some(&store)).await;
        let record: Value = bounded("the query", async {
            let reply = http.get(format!("{}/handlers/c", server.url)).send().await.unwrap();
            reply.json().await.unwrap()
        })
        .await;
        assert_eq!(record["status"], "running", "{record}");
    }
    let expected: Vec<(u64, Value)> =
        (1..).zip((0..=FROM).rev().map(Value::from).chain([Value::Null])).collect::<Vec<_>>();
    for (who, mut seen) in [("in front", seen), ("behind", behind)] {
        while !seen.ended {
            bounded("the stream", seen.read(&http, &server.url, usize::MAX)).await;
        }
        assert_eq!(seen.events, expected, "the client {who}");
    }
    // One who comes only now sees the same, and then nothing more.
    let mut late = Seen::default();
    bounded("the stream", late.read(&http, &server.url, usize::MAX)).await;
    assert_eq!(late.events, expected);
    let drained = http.get(format!("{}/events/c?after_sequence={}", server.url, FROM + 2)).send().await.unwrap();
    assert_eq!(drained.status(), 204);
}

#[tokio::test]
async fn an_event_that_was_acknowledged_survives_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("runs.db");
    let http = reqwest::Client::new();
    for step in [Value::Null, json!("approve")] {
        let server = Program::start(Some(&store)).await;
        let id = format!("ask {step}");
        let id = id.replace([' ', '"'], "-");
        let post = async |path: String, body: Value| {
            let reply = http.post(format!("{}{path}", server.url)).json(&body).send().await.unwrap();
            assert_eq!(reply.status(), 200, "{}", reply.text().await.unwrap());
        };
        let ask = async {
            post("/workflows/approval/run-nowait".to_owned(), json!({"handler_id": id, "start_event": {"text": "a"}}))
                .await;
            // What comes before the question does not answer it.
            let question = http.get(format!("{}/events/{id}?after_sequence=0", server.url)).send().await.unwrap();
            question.bytes_stream().next().await.unwrap().unwrap();
            let event = json!({"event": {"type": "Approval", "value": {"approved": true}}, "step": step});
            post(format!("/events/{id}"), event).await;
        };
        bounded("the event", ask).await;
        // Killed the moment it has said `sent`.
        server.kill().await;
        let server = Program::start(Some(&store)).await;
        let ended = async {
            loop {
                let reply = http.get(format!("{}/handlers/{id}", server.url)).send().await.unwrap();
                let record: Value = reply.json().await.unwrap();
                if record["status"] != "running" {
                    return record;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let record = bounded("the end", ended).await;
        assert_eq!(record["result"]["value"], json!({"rounds": 1, "text": "a"}), "{record}");
        server.kill().await;
    }
}
