//! Options that nothing else shows to count: each beside a server that has them otherwise.

use std::time::Duration;

use serde_json::{Value, json};
use stepcast_server::ServerOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::served::{bounded, frames};
use super::whole::{Answer, Whole, both};
use super::{guarded, with_token};

const SHORT: Duration = Duration::from_millis(100);

/// Whether the server has neither answered on this connection nor closed it.
async fn is_open(stream: &mut TcpStream) -> bool {
    tokio::time::timeout(Duration::from_millis(20), stream.read(&mut [0; 1])).await.is_err()
}

#[tokio::test]
async fn in_memory_so_many_runs_that_have_ended_stay_readable_and_all_that_live() {
    bounded(async {
        let served = Whole::memory(ServerOptions::new().keep_ended(2)).await;
        let mut alive = Vec::new();
        for _ in 0..3 {
            alive.push(served.start("approval", json!({ "text": "x" })).await);
        }
        let mut ended = Vec::new();
        for _ in 0..10 {
            let run = served.start("greet", json!({ "name": "Ada" })).await;
            served.until(&run, "completed").await;
            ended.push(run);
            for run in ended.iter().rev().take(2).chain(&alive) {
                assert_eq!(served.get(&format!("/runs/{run}")).await.status, 200);
            }
        }
        served.get(&format!("/runs/{}", ended[0])).await.refused(404, "run_not_found");
        let listed = served.get("/runs?workflow=greet").await;
        let listed = listed.body["runs"].as_array().unwrap().len();
        // Each start finds out of two runs whether they have ended, so a few more than two are left.
        assert!((2..=5).contains(&listed), "{listed}");

        let none = Whole::memory(ServerOptions::new().keep_ended(0)).await;
        let first = none.start("greet", json!({})).await;
        none.until(&first, "completed").await;
        none.start("greet", json!({})).await;
        none.get(&format!("/runs/{first}")).await.refused(404, "run_not_found");
    })
    .await;
}

#[tokio::test]
async fn json_is_as_deep_as_it_may_be() {
    bounded(async {
        let nested = |levels: usize| {
            let inner = (2..levels).fold(json!("x"), |inner: Value, _| json!([inner]));
            json!({ "input": { "name": inner } })
        };
        for (levels, most) in [(3, 3), (1_000, 127)] {
            let served = Whole::memory(ServerOptions::new().max_depth(levels)).await;
            // Whatever becomes of it: a run need not take what the server does.
            assert_ne!(served.post("/workflows/greet", nested(most)).await.body["code"], "body_too_deep", "{levels}");
            let deeper = served.post("/workflows/greet", nested(most + 1)).await;
            deeper.refused(400, "body_too_deep");
            assert_eq!(deeper.body["max_depth"], most);
        }
    })
    .await;
}

#[tokio::test]
async fn a_ticket_counts_as_long_as_it_is_said() {
    bounded(async {
        let long = Whole::memory(guarded().ticket_life(Duration::from_secs(3600))).await;
        let short = Whole::memory(guarded()).await;
        let expires = async |served: &Whole| {
            let answer = with_token(served, "POST", "/tickets", "full-1").await;
            answer.body["expires_at"].as_str().unwrap().to_owned()
        };
        let (first, then) = (expires(&long).await, expires(&short).await);
        assert!(first > then, "{first} {then}");
    })
    .await;
}

#[tokio::test]
async fn a_head_is_as_large_as_it_may_be() {
    bounded(async {
        let narrow = Whole::memory(ServerOptions::new().max_header(16 << 10)).await;
        let wide = Whole::memory(ServerOptions::new()).await;
        let request = |bytes: usize| {
            let filler = "x".repeat(bytes);
            format!("GET /runs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-large: {filler}\r\n\r\n")
        };
        for (served, bytes, taken) in [(&narrow, 8 << 10, true), (&narrow, 40 << 10, false), (&wide, 40 << 10, true)] {
            let got = served.exchange(request(bytes).as_bytes()).await;
            // A sender that is cut off in the middle may see no answer.
            assert_eq!(got.starts_with("HTTP/1.1 200"), taken, "{bytes}: {got}");
        }
    })
    .await;
}

#[tokio::test]
async fn heads_and_bodies_are_waited_for_as_long_as_it_is_said() {
    bounded(async {
        let patient = Whole::memory(ServerOptions::new()).await;
        let head = "GET /runs HTTP/1.1\r\nhost: local";
        let body = "POST /workflows/greet HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                    content-length: 100\r\n\r\n{\"name\":";
        for (half, options) in
            [(head, ServerOptions::new().header_timeout(SHORT)), (body, ServerOptions::new().body_timeout(SHORT))]
        {
            // The patient one is asked first, so that it would have enough of it first.
            let mut waits = patient.connect().await;
            waits.write_all(half.as_bytes()).await.unwrap();
            let hasty = Whole::memory(options).await;
            let got = hasty.exchange(half.as_bytes()).await;
            assert!(got.is_empty() || got.starts_with("HTTP/1.1 408"), "{got}");
            assert!(is_open(&mut waits).await, "{half}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_end_is_waited_for_as_long_as_it_is_said() {
    bounded(async {
        let mut patient = Whole::memory(ServerOptions::new()).await;
        let mut hasty = Whole::memory(ServerOptions::new().shutdown_deadline(SHORT)).await;
        for served in [&mut patient, &mut hasty] {
            let run = served.start("approval", json!({ "text": "x" })).await;
            served.until(&run, "waiting").await;
            served.tell_to_end();
        }
        hasty.ended().await;
        assert!(!patient.has_ended(), "it waits for its run");
    })
    .await;
}

#[tokio::test]
async fn times_may_be_as_long_as_there_are() {
    bounded(async {
        let ever = Duration::MAX;
        let options = guarded().heartbeat(ever).ticket_life(ever).browser_sign_in(ever);
        let options = options.header_timeout(ever).body_timeout(ever).write_timeout(ever).shutdown_deadline(ever);
        for mut served in both(&options).await {
            assert_eq!(with_token(&served, "POST", "/tickets", "full-1").await.status, 201);
            let started = served.request("POST", "/workflows/countdown").bearer_auth("full-1");
            let run = Answer::to(started.json(&json!({ "from": 3 }))).await.header("x-run-id").to_owned();
            let stream = served.request("GET", &format!("/runs/{run}/stream")).bearer_auth("full-1");
            let told = frames(stream.send().await.unwrap(), 5).await;
            assert_eq!(
                told.iter().filter_map(|frame| frame.id).collect::<Vec<_>>(),
                [1, 2, 3, 4, 5],
                "{}",
                served.name
            );
            let url = format!("{}/workflows/countdown/ag-ui", served.url);
            let input =
                json!({ "threadId": "t", "runId": "s", "messages": [], "forwardedProps": { "input": { "from": 1 } } });
            let chat = served.http.post(url).bearer_auth("full-1").json(&input);
            assert!(Answer::to(chat).await.text.contains("RUN_FINISHED"), "{}", served.name);
            served.ended().await;
        }
    })
    .await;
}
