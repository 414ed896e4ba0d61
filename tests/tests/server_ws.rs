//! Many runs on one WebSocket: every frame, on runs in memory and on runs in a store.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "support/served.rs"]
mod served;
#[path = "support/traced.rs"]
mod traced;

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use served::{Served, both, bounded, runtimes};
use stepcast::Runtime;
use stepcast::prelude::*;
use stepcast_server::{Server, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A client's side of a socket.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(served: &Served, path: &str) -> Self {
        let url = format!("{}{path}", served.url.replace("http", "ws"));
        Client(connect_async(url).await.unwrap().0)
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next message that is no ping.
    async fn message(&mut self) -> Message {
        loop {
            match self.0.next().await.expect("the socket is open").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    async fn next(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The next frame, which is the reply to `frame`; events before it are given back.
    async fn ask(&mut self, frame: Value) -> Value {
        self.send(frame).await;
        loop {
            let reply = self.next().await;
            if reply["op"] != "event" {
                return reply;
            }
        }
    }

    /// The frames until one of this kind, and that.
    async fn until(&mut self, op: &str) -> (Vec<Value>, Value) {
        let mut before = Vec::new();
        loop {
            let frame = self.next().await;
            if frame["op"] == op {
                return (before, frame);
            }
            before.push(frame);
        }
    }
}

/// The frame is a refusal of this code.
fn refused(frame: &Value, status: u16, code: &str, id: Option<&str>) {
    assert_eq!((frame["op"].as_str(), frame["code"].as_str()), (Some("error"), Some(code)), "{frame}");
    assert_eq!((frame["status"].as_u64(), frame["id"].as_str()), (Some(u64::from(status)), id), "{frame}");
    assert!(frame["detail"].as_str().unwrap().ends_with('.'), "{frame}");
}

fn seqs(frames: &[Value]) -> Vec<u64> {
    frames.iter().map(|frame| frame["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_run_is_started_and_followed_to_its_end() {
    bounded(async {
        for served in both().await {
            let mut client = Client::connect(&served, "/ws").await;
            let start =
                json!({ "op": "start", "id": "c1", "workflow": "countdown", "input": { "from": 3, "delay_ms": 1 } });
            let started = client.ask(start).await;
            let run = started["run_id"].as_str().unwrap().to_owned();
            assert_eq!(started, json!({ "op": "started", "id": "c1", "run_id": run, "workflow": "countdown" }));
            let (events, ended) = client.until("ended").await;
            assert_eq!(seqs(&events), [1, 2, 3, 4, 5], "{}", served.name);
            let (first, last) = (&events[0], &events[4]);
            assert_eq!((&first["type"], &first["value"]), (&json!("Tick"), &json!({ "left": 3 })));
            assert_eq!((&first["run_id"], &first["kind"]), (&json!(run), &json!("logged")));
            assert_eq!(last["types"], json!(["StopEvent"]));
            assert_eq!((&ended["run_id"], &ended["status"]), (&json!(run), &json!("completed")));
            assert_eq!(ended["run"], served.get(&format!("/runs/{run}")).await.body);
            // It is not attached any more.
            refused(
                &client.ask(json!({ "op": "detach", "id": "c2", "run_id": run })).await,
                409,
                "not_attached",
                Some("c2"),
            );
            // Without following it.
            let start = json!({ "op": "start", "workflow": "greet", "run_id": "alone", "attach": false });
            assert_eq!(client.ask(start).await["run_id"], "alone");
            served.until("alone", "completed").await;
            assert_eq!(client.ask(json!({ "op": "ping", "id": 7 })).await, json!({ "op": "pong", "id": 7 }));
        }
    })
    .await;
}

#[tokio::test]
async fn two_runs_share_a_socket() {
    bounded(async {
        for served in both().await {
            let mut client = Client::connect(&served, "/ws").await;
            for (run, from) in [("a", 30), ("b", 20)] {
                let input = json!({ "from": from, "delay_ms": 1 });
                client.send(json!({ "op": "start", "workflow": "countdown", "input": input, "run_id": run })).await;
            }
            let (mut events, mut ended) = (HashMap::<String, Vec<Value>>::new(), Vec::new());
            let mut order = String::new();
            while ended.len() < 2 {
                let frame = client.next().await;
                let run = frame["run_id"].as_str().unwrap().to_owned();
                match frame["op"].as_str().unwrap() {
                    "event" => {
                        order.push_str(&run);
                        events.entry(run).or_default().push(frame);
                    }
                    "ended" => ended.push(run),
                    other => assert_eq!(other, "started"),
                }
            }
            assert_eq!(seqs(&events["a"]), (1..=32).collect::<Vec<u64>>());
            assert_eq!(seqs(&events["b"]), (1..=22).collect::<Vec<u64>>());
            assert!(
                order.trim_start_matches('a').trim_start_matches('b').contains('a'),
                "one after the other: {order}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_is_cut_off_goes_on_after_the_last_event_it_saw() {
    bounded(async {
        for served in both().await {
            let run = served.start("countdown", json!({ "from": 60, "delay_ms": 1 })).await;
            let (mut seen, mut after) = (Vec::new(), json!(0));
            'whole: loop {
                // Dropped without a word in the middle.
                let mut client = Client::connect(&served, "/ws").await;
                client.send(json!({ "op": "attach", "id": "a", "run_id": run, "after": after })).await;
                let attached = client.next().await;
                assert_eq!((&attached["op"], &attached["run"]["run_id"]), (&json!("attached"), &json!(run)));
                for _ in 0..7 {
                    let frame = client.next().await;
                    if frame["op"] == "ended" {
                        break 'whole;
                    }
                    after = frame["seq"].clone();
                    seen.push(frame);
                }
            }
            assert_eq!(seqs(&seen), (1..=62).collect::<Vec<u64>>(), "{}", served.name);

            // Only what is wanted, and only what comes.
            let mut client = Client::connect(&served, "/ws").await;
            client.send(json!({ "op": "attach", "run_id": run, "types": ["Liftoff"] })).await;
            let (frames, _) = client.until("ended").await;
            assert_eq!((frames.len(), &frames[1]["type"]), (2, &json!("Liftoff")));
            // After the end nothing comes.
            for after in [json!("now"), json!(62), json!(u64::MAX)] {
                client.send(json!({ "op": "attach", "run_id": run, "after": after })).await;
                assert_eq!(client.until("ended").await.0.len(), 1, "{after}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_question_is_answered_on_the_socket_that_follows_its_run() {
    bounded(async {
        for served in both().await {
            let run = served.start("approval", json!({ "text": "Helo" })).await;
            let mut client = Client::connect(&served, &format!("/runs/{run}/ws")).await;
            let attached = client.next().await;
            assert_eq!((&attached["op"], &attached["run_id"]), (&json!("attached"), &json!(run)));
            let asked = client.next().await;
            assert_eq!((&asked["type"], &asked["seq"]), (&json!("ApprovalNeeded"), &json!(1)));
            // Requests that name no run are about that of the path.
            let inputs = client.ask(json!({ "op": "inputs", "id": "i" })).await;
            assert_eq!(inputs["op"], "inputs");
            let input = inputs["inputs"][0].clone();
            assert_eq!(input["id"], format!("{run}/{}", input["input"]));
            let wrong = json!({ "op": "answer", "id": "w", "input": input["input"], "response": { "approved": 1 } });
            refused(&client.ask(wrong).await, 422, "answer_does_not_fit", Some("w"));
            let no = json!({ "approved": false, "comment": "again" });
            let answer = json!({ "op": "answer", "id": "n", "input": input["input"], "response": no, "by": "ada" });
            let answered = client.ask(answer.clone()).await;
            assert_eq!((&answered["op"], &answered["id"]), (&json!("answered"), &json!("n")), "{answered}");
            assert_eq!((&answered["input"]["by"], &answered["input"]["response"]), (&json!("ada"), &no));
            let again = client.ask(answer).await;
            refused(&again, 409, "input_already_resolved", Some("n"));
            assert_eq!((&again["by"], &again["run_id"]), (&json!("ada"), &json!(run)));

            // From another socket, by the question's id alone.
            let input = loop {
                let input = served.question(&run).await;
                if input["data"]["text"] == "Helo (again)" {
                    break input;
                }
            };
            let mut other = Client::connect(&served, "/ws").await;
            let answer = json!({ "op": "answer", "id": "y", "input": input["id"], "response": { "approved": true } });
            assert_eq!(other.ask(answer).await["op"], "answered");
            let (_, ended) = client.until("ended").await;
            assert_eq!(ended["run"]["result"]["value"], json!({ "text": "Helo (again)", "rounds": 2 }));
        }
    })
    .await;
}

#[tokio::test]
async fn of_two_sockets_that_race_for_an_answer_one_wins_and_is_named_to_the_other() {
    bounded(async {
        for served in both().await {
            let mut a = Client::connect(&served, "/ws").await;
            let mut b = Client::connect(&served, "/ws").await;
            for _ in 0..5 {
                let run = served.start("approval", json!({ "text": "Helo" })).await;
                let input = served.question(&run).await["id"].clone();
                let answer =
                    |by: &str| json!({ "op": "answer", "input": input, "response": { "approved": true }, "by": by });
                let (ra, rb) = tokio::join!(a.ask(answer("ada")), b.ask(answer("bob")));
                let (won, lost) = if ra["op"] == "answered" { (ra, rb) } else { (rb, ra) };
                assert_eq!(won["op"], "answered", "{won}");
                refused(&lost, 409, "input_already_resolved", None);
                assert_eq!((&lost["by"], &lost["at"]), (&won["input"]["by"], &won["input"]["resolved_at"]));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn events_are_sent_and_runs_are_cancelled() {
    bounded(async {
        for served in both().await {
            let run = served.start("approval", json!({ "text": "a" })).await;
            served.question(&run).await;
            let mut client = Client::connect(&served, "/ws").await;
            let event = json!({ "type": "Approval", "value": { "approved": false, "comment": "b" } });
            for _ in 0..2 {
                let frame = json!({ "op": "event", "id": "e", "run_id": run, "event": event, "event_id": "once" });
                assert_eq!(client.ask(frame).await, json!({ "op": "sent", "id": "e", "run_id": run }));
            }
            while served.question(&run).await["data"]["text"] != "a (b)" {}
            assert_eq!(
                client.ask(json!({ "op": "cancel", "run_id": run })).await,
                json!({ "op": "cancelled", "run_id": run })
            );
            let ended = served.until(&run, "cancelled").await;
            assert_eq!(ended["status"], "cancelled");
            refused(
                &client.ask(json!({ "op": "cancel", "id": "c", "run_id": run })).await,
                409,
                "run_ended",
                Some("c"),
            );
            let late = json!({ "op": "event", "id": "l", "run_id": run, "event": event });
            refused(&client.ask(late).await, 409, "run_ended", Some("l"));
        }
    })
    .await;
}

/// What a frame says of its trace.
fn with_trace(mut frame: Value, said: &Value) -> Value {
    frame.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
    frame
}

#[tokio::test]
async fn a_frame_belongs_to_its_own_trace_or_to_that_of_its_socket() {
    bounded(async {
        let place = |n: u8| traced::context(n).traceparent();
        let own = |n: u8| json!({ "traceparent": place(n) });
        let none = json!({});
        let zeros = json!({ "traceparent": place(1).replace("01", "00") });
        for (name, runtime, _folder) in runtimes() {
            runtime.register(traced::Traced).unwrap();
            let served = Served::with(name, runtime, ServerOptions::new()).await;
            // What the three frames say, and which traces that makes: that of the socket is 9.
            for (said, traces) in [
                ([own(1), own(2), own(3)], [1, 2, 3]),
                ([own(1), none.clone(), own(3)], [1, 9, 3]),
                ([none.clone(), own(2), none.clone()], [9, 2, 9]),
                ([own(1), json!({ "traceparent": "nonsense" }), json!({ "traceparent": null })], [1, 9, 9]),
                ([json!({ "traceparent": 7 }), own(2), json!({ "tracestate": "v=1" })], [9, 2, 9]),
                ([json!({ "traceparent": place(1).to_uppercase() + "x" }), own(2), zeros.clone()], [9, 2, 9]),
            ] {
                let mut request = format!("{}/ws", served.url.replace("http", "ws")).into_client_request().unwrap();
                request.headers_mut().insert("traceparent", place(9).parse().unwrap());
                let mut client = Client(connect_async(request).await.unwrap().0);
                let start = json!({ "op": "start", "id": "s", "workflow": "Traced", "input": {} });
                client.send(with_trace(start, &said[0])).await;
                let (_, started) = client.until("started").await;
                let run = started["run_id"].as_str().unwrap().to_owned();
                let mut seen = vec![at(&mut client, "start").await];
                served.until(&run, "waiting").await;
                let event = json!({ "op": "event", "run_id": run, "event": { "type": "Note", "value": {} } });
                client.send(with_trace(event, &said[1])).await;
                seen.push(at(&mut client, "note").await);
                let input = served.question(&run).await["id"].clone();
                client.send(with_trace(json!({ "op": "answer", "input": input, "response": {} }), &said[2])).await;
                seen.push(at(&mut client, "answer").await);
                assert_eq!(seen, traces.map(|n| json!([place(n), null])), "{name}: {said:?}");
                client.until("ended").await;
            }
            // With its state, which no socket hands down to a frame that has a trace of its own.
            let mut request = format!("{}/ws", served.url.replace("http", "ws")).into_client_request().unwrap();
            request.headers_mut().insert("traceparent", place(9).parse().unwrap());
            request.headers_mut().insert("tracestate", "of=socket".parse().unwrap());
            let mut client = Client(connect_async(request).await.unwrap().0);
            for (said, state) in [
                (json!({ "traceparent": place(1), "tracestate": "a=1,b=2" }), json!("a=1,b=2")),
                (json!({ "traceparent": place(1), "tracestate": 1 }), Value::Null),
            ] {
                let start = json!({ "op": "start", "workflow": "Traced", "input": {} });
                client.send(with_trace(start, &said)).await;
                assert_eq!(at(&mut client, "start").await, json!([place(1), state]), "{name}");
            }
        }
    })
    .await;
}

/// The trace that a step says it is in.
async fn at(client: &mut Client, step: &str) -> Value {
    loop {
        let frame = client.next().await;
        assert_ne!(frame["op"], "error", "{frame}");
        if frame["type"] == "Place" && frame["value"]["at"] == step {
            return json!([frame["value"]["traceparent"], frame["value"]["tracestate"]]);
        }
    }
}

#[tokio::test]
async fn what_is_wrong_gets_an_error_frame_and_the_socket_goes_on() {
    bounded(async {
        for served in both().await {
            let run = served.start("approval", json!({ "text": "x" })).await;
            let mut client = Client::connect(&served, "/ws").await;
            let deep = format!("{{\"op\":{}", "[".repeat(200));
            let huge = format!("{{\"op\":\"{}\"}}", "x".repeat(1 << 20));
            let attach = json!({ "op": "attach", "run_id": run }).to_string();
            let with = |fields: Value| {
                let mut frame = json!({ "id": "x" });
                frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
                frame.to_string()
            };
            let cases = [
                ("".to_owned(), 400, "invalid_json", None),
                ("{".to_owned(), 400, "invalid_json", None),
                ("[1]".to_owned(), 400, "invalid_frame", None),
                ("null".to_owned(), 400, "invalid_frame", None),
                (deep, 400, "body_too_deep", None),
                (huge, 413, "frame_too_large", None),
                (json!({ "op": "ping", "id": {} }).to_string(), 400, "invalid_frame", None),
                (json!({ "op": "ping", "id": "x".repeat(257) }).to_string(), 400, "invalid_frame", None),
                (with(json!({})), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": 7 })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "nonsense" })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "ping", "more": 1 })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "start" })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "start", "workflow": "no" })), 404, "workflow_not_found", Some("x")),
                (with(json!({ "op": "start", "workflow": "typed" })), 400, "invalid_start_event", Some("x")),
                (
                    with(json!({ "op": "start", "workflow": "greet", "run_id": "a b" })),
                    400,
                    "invalid_run_id",
                    Some("x"),
                ),
                (
                    with(json!({ "op": "start", "workflow": "greet", "timeout": "1" })),
                    400,
                    "invalid_request",
                    Some("x"),
                ),
                (with(json!({ "op": "start", "workflow": "greet", "extra": 1 })), 400, "invalid_frame", Some("x")),
                (
                    with(json!({ "op": "start", "workflow": "approval", "run_id": run, "input": { "text": "" } })),
                    409,
                    "run_exists",
                    Some("x"),
                ),
                (with(json!({ "op": "attach" })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "attach", "run_id": "no" })), 404, "run_not_found", Some("x")),
                (with(json!({ "op": "attach", "run_id": run, "after": -2 })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "attach", "run_id": run, "after": 1.5 })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "detach", "run_id": run })), 409, "not_attached", Some("x")),
                (with(json!({ "op": "event", "run_id": run })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "event", "run_id": run, "event": "text" })), 400, "invalid_request", Some("x")),
                (
                    with(json!({ "op": "event", "run_id": run, "event": { "type": "No", "value": {} } })),
                    400,
                    "event_not_taken",
                    Some("x"),
                ),
                (
                    with(json!({ "op": "answer", "run_id": run, "input": 99, "response": {} })),
                    404,
                    "input_not_found",
                    Some("x"),
                ),
                (
                    with(json!({ "op": "answer", "run_id": "no", "input": 1, "response": {} })),
                    404,
                    "run_not_found",
                    Some("x"),
                ),
                (
                    with(json!({ "op": "answer", "run_id": run, "input": [], "response": {} })),
                    400,
                    "invalid_frame",
                    Some("x"),
                ),
                (with(json!({ "op": "answer", "run_id": run, "input": 1 })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "cancel", "run_id": "no" })), 404, "run_not_found", Some("x")),
                (with(json!({ "op": "inputs", "status": "x" })), 400, "invalid_query_param", Some("x")),
                (with(json!({ "op": "inputs", "limit": 0 })), 400, "invalid_query_param", Some("x")),
                (with(json!({ "op": "inputs", "cursor": "?" })), 400, "invalid_cursor", Some("x")),
            ];
            for (text, status, code, id) in cases {
                client.0.send(Message::text(text.clone())).await.unwrap();
                let reply = client.next().await;
                assert_eq!(reply["code"], code, "{}: {reply}", &text[..text.len().min(200)]);
                refused(&reply, status, code, id);
            }
            client.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
            refused(&client.next().await, 400, "invalid_frame", None);
            // Attached twice.
            client.0.send(Message::text(attach.clone())).await.unwrap();
            assert_eq!(client.next().await["op"], "attached");
            refused(&client.ask(serde_json::from_str(&attach).unwrap()).await, 409, "already_attached", None);
            assert_eq!(client.ask(json!({ "op": "detach", "run_id": run })).await["op"], "detached");
            assert_eq!(client.ask(serde_json::from_str(&attach).unwrap()).await["op"], "attached");
            assert_eq!(client.ask(json!({ "op": "ping" })).await, json!({ "op": "pong" }));
            served.question(&run).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_message_beyond_all_bounds_ends_its_socket_alone() {
    bounded(async {
        let [served, _] = both().await;
        let mut other = Client::connect(&served, "/ws").await;
        let mut client = Client::connect(&served, "/ws").await;
        // It may be cut off before all is sent, or read why: a refusal and a close.
        let mut open = client.0.send(Message::text("x".repeat(5 << 20))).await.is_ok();
        while open {
            match client.0.next().await {
                Some(Ok(Message::Text(text))) => {
                    refused(&serde_json::from_str(&text).unwrap(), 413, "frame_too_large", None);
                }
                Some(Ok(Message::Close(Some(close)))) => assert_eq!(u16::from(close.code), 1009),
                Some(Ok(message)) => panic!("{message:?}"),
                Some(Err(_)) | None => open = false,
            }
        }
        assert_eq!(other.ask(json!({ "op": "ping" })).await["op"], "pong");
    })
    .await;
}

#[tokio::test]
async fn a_socket_is_attached_to_so_many_runs() {
    bounded(async {
        let [served, _] = both().await;
        let mut client = Client::connect(&served, "/ws").await;
        for n in 0..64 {
            let start =
                json!({ "op": "start", "workflow": "approval", "input": { "text": "x" }, "run_id": format!("r{n}") });
            assert_eq!(client.ask(start).await["op"], "started", "{n}");
        }
        let start =
            json!({ "op": "start", "id": "s", "workflow": "approval", "input": { "text": "x" }, "run_id": "more" });
        refused(&client.ask(start).await, 429, "too_many_attached", Some("s"));
        // What it could not follow was not begun.
        assert_eq!(served.get("/runs/more").await.status, 404);
        assert_eq!(client.ask(json!({ "op": "detach", "run_id": "r7" })).await["op"], "detached");
        assert_eq!(client.ask(json!({ "op": "attach", "run_id": "r7" })).await["op"], "attached");
    })
    .await;
}

#[event(start)]
pub struct Burst {
    events: u32,
}

#[event]
pub struct Spark {
    n: u32,
    text: String,
}

#[event(stop)]
pub struct Dark {}

#[step(streams(Spark))]
async fn burn(burst: Burst, ctx: Context) -> Dark {
    for n in 0..burst.events {
        ctx.write_event_to_stream(Spark { n, text: "x".repeat(200) });
    }
    Dark {}
}

flow!(Sparks: Burst => Dark { burn });

#[tokio::test]
async fn a_client_that_reads_late_reads_everything() {
    bounded(async {
        for served in both().await {
            served.runtime.register_as("sparks", Sparks, None).unwrap();
            let mut client = Client::connect(&served, "/ws").await;
            let input = json!({ "events": 30_000 });
            client.send(json!({ "op": "start", "workflow": "sparks", "input": input, "run_id": "late" })).await;
            // Far more than the connection holds: the run does not wait for its reader.
            loop {
                if served.get("/runs/late").await.body["status"] == "completed" {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let (mut next, _) = (1, client.next().await);
            loop {
                let frame = client.next().await;
                if frame["op"] == "ended" {
                    break;
                }
                assert_eq!(frame["seq"], next, "{}", served.name);
                next += 1;
            }
            assert_eq!(next, 30_002, "{}", served.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_is_silent_is_asked_and_then_left() {
    bounded(async {
        // One that answers, as every client does that reads, stays: more pings come than a silent one gets.
        let options = ServerOptions::new().heartbeat(Duration::from_millis(400));
        let served = Served::with("memory", Runtime::new(), options).await;
        let mut client = Client::connect(&served, "/ws").await;
        for _ in 0..4 {
            assert!(matches!(client.0.next().await.unwrap().unwrap(), Message::Ping(_)));
        }
        assert_eq!(client.ask(json!({ "op": "ping" })).await["op"], "pong");

        // One that never answers is left: its connection ends.
        let options = ServerOptions::new().heartbeat(Duration::from_millis(20));
        let served = Served::with("memory", Runtime::new(), options).await;
        let mut raw = TcpStream::connect(served.url.trim_start_matches("http://")).await.unwrap();
        let request = "GET /ws HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                       sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        raw.write_all(request.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        raw.read_to_end(&mut all).await.unwrap();
        assert!(all.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&all));
    })
    .await;
}

#[tokio::test]
async fn what_is_no_websocket_is_told_as_a_problem() {
    bounded(async {
        let [served, _] = both().await;
        let reply = served.get("/ws").await;
        assert_eq!((reply.status, &reply.body["code"]), (426, &json!("websocket_required")), "{}", reply.text);
        let reply = served.get("/runs/no/ws").await;
        assert_eq!((reply.status, reply.run.as_deref()), (426, Some("no")), "{}", reply.text);
        let url = format!("{}/runs/no/ws", served.url.replace("http", "ws"));
        let Err(Error::Http(response)) = connect_async(url).await else { panic!("there is no such run") };
        assert_eq!(response.status().as_u16(), 404);
    })
    .await;
}

#[event(input_required)]
pub struct Unlock {
    prompt: String,
    #[event(secret)]
    code: String,
}

#[event(human_response)]
pub struct Key {
    #[event(secret)]
    key: String,
}

#[event(start)]
pub struct Knock {}

#[event(stop)]
pub struct Open {
    #[event(secret)]
    key: String,
}

#[step(waits(Key))]
async fn knock(_: Knock, ctx: Context) -> Result<Open> {
    let unlock = Unlock { prompt: "Key?".to_owned(), code: "hush-1".to_owned() };
    let key = ctx.wait_for_event::<Key>().announce(unlock).await?;
    Ok(Open { key: key.key.clone() })
}

flow!(Door: Knock => Open { knock });

#[tokio::test]
async fn a_reader_attaches_and_lists_but_changes_nothing_and_sees_no_secret() {
    bounded(async {
        for (name, runtime, _folder) in served::runtimes() {
            runtime.register_as("door", Door, None).unwrap();
            let options = ServerOptions::new().token("all-of-it-0123456789").read_only_token("only-look-0123456789");
            let served = Served::with(name, runtime, options).await;
            let socket = |token: &'static str| {
                let mut request = format!("{}/ws", served.url.replace("http", "ws")).into_client_request().unwrap();
                request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
                async move { Client(connect_async(request).await.unwrap().0) }
            };
            let mut full = socket("all-of-it-0123456789").await;
            let started = full.ask(json!({ "op": "start", "workflow": "door", "run_id": "d" })).await;
            assert_eq!(started["op"], "started", "{started}");
            assert_eq!(full.next().await["value"]["code"], "hush-1");

            let mut reader = socket("only-look-0123456789").await;
            for refusal in [
                json!({ "op": "start", "workflow": "door" }),
                json!({ "op": "event", "run_id": "d", "event": { "type": "Key", "value": { "key": "k" } } }),
                json!({ "op": "answer", "run_id": "d", "input": 1, "response": { "key": "k" } }),
                json!({ "op": "cancel", "run_id": "d" }),
            ] {
                refused(&reader.ask(refusal).await, 403, "read_only", None);
            }
            assert_eq!(reader.ask(json!({ "op": "attach", "run_id": "d" })).await["op"], "attached");
            let asked = reader.next().await;
            assert_eq!(asked["value"], json!({ "prompt": "Key?", "code": "***" }), "{name}");
            let inputs = reader.ask(json!({ "op": "inputs" })).await;
            assert_eq!(inputs["inputs"][0]["data"], json!({ "prompt": "Key?", "code": "***" }), "{name}: {inputs}");
            let answer = json!({ "op": "answer", "input": inputs["inputs"][0]["id"], "response": { "key": "hush-2" } });
            assert_eq!(full.ask(answer).await["input"]["response"]["key"], "hush-2");
            let (_, ended) = reader.until("ended").await;
            assert_eq!(ended["run"]["result"]["value"]["key"], "***", "{name}");
            let answered = reader.ask(json!({ "op": "inputs", "status": "all" })).await;
            assert_eq!(answered["inputs"][0]["response"]["key"], "***", "{name}");

            for path in ["/inputs?status=all", "/runs/d", "/runs", "/runs/d/events", "/runs/d/stream", "/runs/d/inputs"]
            {
                let request = served.request("GET", path).header("authorization", "Bearer only-look-0123456789");
                let text = request.send().await.unwrap().text().await.unwrap();
                assert!(text.contains("\"d\"") && !text.contains("hush"), "{name} {path}: {text}");
            }
            let request =
                served.request("GET", "/runs/d/stream").header("authorization", "Bearer all-of-it-0123456789");
            let text = request.send().await.unwrap().text().await.unwrap();
            assert!(text.contains("hush-1") && text.contains("hush-2"), "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_ends_closes_its_sockets_with_1001() {
    bounded(async {
        let runtime = Runtime::new();
        stepcast_examples::flows::register(&runtime).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        // The run waits for a person for ever, so its end is not waited for.
        let options = ServerOptions::new().shutdown_deadline(Duration::from_millis(100));
        let server = Server::new(runtime).with_options(options).serve_until(listener, async {
            let _ = stopped.await;
        });
        let server = tokio::spawn(server);
        let mut client = Client(connect_async(url).await.unwrap().0);
        let start = json!({ "op": "start", "workflow": "approval", "input": { "text": "x" } });
        assert_eq!(client.ask(start).await["op"], "started");
        assert_eq!(client.next().await["type"], "ApprovalNeeded");
        stop.send(()).unwrap();
        let Message::Close(Some(close)) = client.message().await else { panic!("the socket is open") };
        assert_eq!(u16::from(close.code), 1001);
        assert!(client.0.next().await.is_none_or(|end| end.is_err()));
        server.await.unwrap().unwrap();
    })
    .await;
}
