//! Streams through the views of graphs, over SSE, NDJSON and the Rust client.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stepcast_client::{Client, RemoteView, RemoteViews, StartOptions, ViewMode};
use stepcast_server::ServerOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{answer, asking, put};
use crate::served::{Frame, bounded, frames};
use crate::whole::{Answer, Whole, both};

pub(crate) const ALL: &str = "values,updates,lifecycle,custom";

/// A run that has asked.
pub(crate) async fn waiting(served: &Whole) -> String {
    assert!(put(served, "review", &asking("review")).await.status < 300);
    let run = served.start("review", json!({ "topic": "pirates" })).await;
    served.until(&run, "waiting").await;
    run
}

pub(crate) async fn read(served: &Whole, run: &str, query: &str, last: Option<u64>) -> Vec<Frame> {
    let mut request = served.request("GET", &format!("/runs/{run}/stream?{query}"));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    frames(response, usize::MAX).await
}

/// What is shown of one mode.
pub(crate) fn of(frames: &[Frame], mode: &str) -> Vec<Value> {
    let shown = frames.iter().filter_map(|frame| frame.data.clone());
    shown.filter(|shown| shown["mode"] == mode).collect()
}

fn steps(shown: &[Value]) -> Vec<&str> {
    shown.iter().map(|shown| shown["step"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn views_are_made_of_the_one_log() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            let run = waiting(&served).await;
            // One that is there from the beginning on, and one that comes after the end.
            let path = format!("/runs/{run}/stream?modes={ALL}");
            let live = served.request("GET", &path).send().await.unwrap();
            answer(&served, &run, "yes").await;
            served.until(&run, "completed").await;
            let live = frames(live, usize::MAX).await;
            let late = read(&served, &run, &format!("modes={ALL}"), None).await;
            for frames in [&live, &late] {
                let values = of(frames, "values");
                let last = &values.last().unwrap()["payload"];
                assert_eq!(last["topic"], json!({ "output": "pirates" }), "{}: {last}", served.name);
                assert_eq!(last["ask"]["output"]["response"], "yes", "{last}");
                let updates = of(frames, "updates");
                assert_eq!(steps(&updates)[..2], ["topic", "ask"]);
                assert_eq!(updates[0]["payload"], json!({ "topic": { "output": "pirates" } }));
                let lifecycle = of(frames, "lifecycle");
                let phase = |step: &str, phase: &str| {
                    lifecycle.iter().any(|shown| shown["step"] == step && shown["payload"]["phase"] == phase)
                };
                assert!(
                    phase("topic", "complete") && phase("ask", "waiting") && phase("end", "complete"),
                    "{lifecycle:?}"
                );
                let custom = of(frames, "custom");
                assert!(custom.iter().any(|shown| shown["payload"]["value"]["message"] == "told yes"), "{custom:?}");
                let shown: Vec<&Value> = frames.iter().filter_map(|frame| frame.data.as_ref()).collect();
                assert!(shown.iter().all(|shown| shown["run_id"] == run.as_str()));
                assert!(!shown.iter().any(|shown| shown["payload"]["type"] == "StopEvent"), "{shown:?}");
            }
            // The same log: its numbers, each once as an id, and none left out.
            let ids: Vec<u64> = late.iter().filter_map(|frame| frame.id).collect();
            let log = served.get(&format!("/runs/{run}/events?limit=1000")).await.body;
            assert_eq!(ids, (1..=log["events"].as_array().unwrap().len() as u64).collect::<Vec<_>>());
            assert_eq!(ids, live.iter().filter_map(|frame| frame.id).collect::<Vec<_>>());
            let numbered = |frames: &[Frame], mode: &str| {
                of(frames, mode)
                    .iter()
                    .map(|shown| (shown["seq"].clone(), shown["payload"].clone()))
                    .collect::<Vec<_>>()
            };
            for mode in ["values", "updates", "custom"] {
                assert_eq!(numbered(&live, mode), numbered(&late, mode), "{mode}");
                let alone = read(&served, &run, &format!("modes={mode}"), None).await;
                assert_eq!(numbered(&alone, mode), numbered(&late, mode), "{mode} alone");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn who_comes_back_sees_each_view_once_and_whole_values() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            let run = waiting(&served).await;
            answer(&served, &run, "yes").await;
            served.until(&run, "completed").await;
            let all = read(&served, &run, &format!("modes={ALL}"), None).await;
            let shown = |frames: &[Frame]| frames.iter().filter_map(|frame| frame.data.clone()).collect::<Vec<_>>();
            for (at, frame) in all.iter().enumerate() {
                let Some(id) = frame.id else { continue };
                let rest = shown(&all[at + 1..]);
                if rest.is_empty() && all[at + 1..].is_empty() {
                    continue;
                }
                let again = read(&served, &run, &format!("modes={ALL}"), Some(id)).await;
                assert_eq!(shown(&again), rest, "{}: after {id}", served.name);
            }
            let last = all.iter().filter_map(|frame| frame.id).next_back().unwrap();
            let after =
                Answer::to(served.request("GET", &format!("/runs/{run}/stream?modes=values&after={last}"))).await;
            assert_eq!(after.status, 204, "{}", after.text);
            // From now on: what was before is in the values all the same.
            let run = waiting(&served).await;
            let now =
                served.request("GET", &format!("/runs/{run}/stream?modes=values&after=now")).send().await.unwrap();
            answer(&served, &run, "no").await;
            let values = of(&frames(now, usize::MAX).await, "values");
            assert_eq!(steps(&values)[0], "ask", "{values:?}");
            assert_eq!(values[0]["payload"]["topic"], json!({ "output": "pirates" }));
        }
    })
    .await;
}

#[tokio::test]
async fn views_come_as_lines_and_wrong_modes_are_refused() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            let run = waiting(&served).await;
            answer(&served, &run, "yes").await;
            served.until(&run, "completed").await;
            let path = format!("/runs/{run}/stream?modes=updates");
            let lines = Answer::to(served.request("GET", &path).header("accept", "application/x-ndjson")).await;
            let lines: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(lines, of(&read(&served, &run, "modes=updates", None).await, "updates"));
            for modes in ["everything", "values,everything", "Values", "", ",", "%00"] {
                let answer = served.get(&format!("/runs/{run}/stream?modes={modes}")).await;
                answer.refused(400, "invalid_query_param");
                assert_eq!((&answer.body["param"], answer.header("x-run-id")), (&json!("modes"), run.as_str()));
            }
            let answer = served.get(&format!("/runs/{run}/stream?modes=values&types=StopEvent")).await;
            answer.refused(400, "invalid_query_param");
            served.get("/runs/none/stream?modes=values").await.refused(404, "run_not_found");
            // Runs of compiled workflows have no steps of a graph; all they show is custom.
            let run = served.start("countdown", json!({ "from": 2 })).await;
            served.until(&run, "completed").await;
            let shown = read(&served, &run, &format!("modes={ALL}"), None).await;
            assert_eq!(of(&shown, "custom").iter().filter(|shown| shown["payload"]["type"] == "Tick").count(), 3);
            assert_eq!(of(&shown, "custom").iter().filter(|shown| shown["payload"]["type"] == "Liftoff").count(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_that_looks_sees_views() {
    bounded(async {
        for served in both(&ServerOptions::new().token("full").read_only_token("look")).await {
            let request = served.request("PUT", "/graphs/review").bearer_auth("full").json(&asking("review"));
            assert_eq!(Answer::to(request).await.status, 201);
            let request =
                served.request("POST", "/workflows/review").bearer_auth("full").json(&json!({ "topic": "x" }));
            let run = Answer::to(request).await.header("x-run-id").to_owned();
            let path = format!("/runs/{run}/stream?modes={ALL}");
            let mut seen = Vec::new();
            for token in ["full", "look"] {
                let response = served.request("GET", &path).bearer_auth(token).send().await.unwrap();
                // The step before the question, and the question.
                seen.push(of(&frames(response, 2).await, "updates"));
            }
            assert_eq!(seen[0][0]["payload"], json!({ "topic": { "output": "x" } }), "{}", served.name);
            assert_eq!(seen[0], seen[1]);
        }
    })
    .await;
}

#[tokio::test]
async fn the_client_reads_views_over_connections_that_break() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            let run = waiting(&served).await;
            answer(&served, &run, "yes").await;
            served.until(&run, "completed").await;
            let modes = [ViewMode::Values, ViewMode::Updates, ViewMode::Lifecycle, ViewMode::Custom];
            let whole = views(&Client::new(&served.url).unwrap(), &run, &modes).await;
            let log = read(&served, &run, &format!("modes={ALL}"), None).await;
            assert_eq!(whole.len(), log.iter().filter(|frame| frame.data.is_some()).count(), "{}", served.name);
            // Each connection brings the views of one event and some of the next one's, and breaks.
            let text = served.get(&format!("/runs/{run}/stream?modes={ALL}")).await.text;
            let of_event = |text: &str| text.len() + 8;
            let largest = text.split("id: ").map(of_event).max().unwrap();
            for more in [500, 600, 700] {
                let (url, connections) = crate::served::breaking(&served.url, largest + more).await;
                let client = Client::builder(url).reconnects(3).build().unwrap();
                assert_eq!(views(&client, &run, &modes).await, whole, "{more}");
                let connections = connections.load(std::sync::atomic::Ordering::Relaxed);
                assert!(connections > text.len() / (largest + more), "it never broke: {connections}");
            }
            let updates = views(&Client::new(&served.url).unwrap(), &run, &[ViewMode::Updates]).await;
            assert!(!updates.is_empty() && updates.iter().all(|view| view.mode == ViewMode::Updates));
            let mut none = Client::new(&served.url).unwrap().run("none").stream_views(&modes);
            assert!(none.next().await.unwrap().is_err());
            assert!(none.next().await.is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn the_client_starts_a_run_and_reads_its_views_from_the_first_step_on() {
    bounded(async {
        let modes = [ViewMode::Lifecycle, ViewMode::Updates];
        let begins = |view: &&RemoteView| view.payload["phase"] == "start";
        // What does not differ between two runs.
        let logged = |views: &[RemoteView]| -> Vec<(ViewMode, u64, Value)> {
            let logged = views.iter().filter(|view| !begins(view));
            logged.map(|view| (view.mode, view.seq, view.payload.clone())).collect()
        };
        for served in both(&ServerOptions::new()).await {
            assert_eq!(put(&served, "review", &asking("review")).await.status, 201);
            let direct = Client::new(&served.url).unwrap();
            let begun = async |client: &Client| {
                let input = json!({ "topic": "sea" });
                let views = client.start_views("review", input, StartOptions::default(), &modes).await.unwrap();
                let run = views.run().run_id().to_owned();
                answer(&served, &run, "yes").await;
                let shown = all(views).await;
                let first = shown.iter().find(begins).unwrap();
                assert_eq!((first.step.as_deref(), first.seq), (Some("topic"), 0), "{}: {shown:?}", served.name);
                assert_eq!(logged(&shown), logged(&all(direct.run(&*run).stream_views(&modes)).await));
                (run, logged(&shown))
            };
            let (run, seen) = begun(&direct).await;
            assert!(seen.len() > 6, "{seen:?}");
            // Each connection brings the views of one event and some of the next one's, and breaks.
            let text = served.get(&format!("/runs/{run}/stream?modes=lifecycle,updates")).await.text;
            let largest = text.split("id: ").map(str::len).max().unwrap();
            let (breaking, connections) = crate::served::breaking(&served.url, largest + 600).await;
            let client = Client::builder(breaking).reconnects(5).build().unwrap();
            assert_eq!(begun(&client).await.1, seen, "{}", served.name);
            assert!(connections.load(std::sync::atomic::Ordering::Relaxed) > 1, "it never broke");
            let none = direct.start_views("nobody", json!({}), StartOptions::default(), &modes).await.unwrap_err();
            assert_eq!(none.code(), Some("workflow_not_found"));
            let none = direct.start_views("review", json!({}), StartOptions::default(), &[]).await.unwrap_err();
            assert_eq!(none.status(), Some(400), "{none}");
        }
    })
    .await;
}

/// The beginnings among views: the step, its attempt, and when.
fn beginnings(views: &[RemoteView]) -> Vec<(String, u64, u64)> {
    let begins = views.iter().filter(|view| view.payload["phase"] == "start");
    let number = |view: &RemoteView, name: &str| view.payload[name].as_u64().unwrap();
    begins.map(|view| (view.step.clone().unwrap(), number(view, "attempt"), number(view, "at"))).collect()
}

#[tokio::test]
async fn every_beginning_is_shown_once_over_connections_that_break() {
    bounded(async {
        let modes = [ViewMode::Lifecycle, ViewMode::Updates];
        for recorded in [true, false] {
            for served in both(&ServerOptions::new().record_internal(recorded)).await {
                assert_eq!(put(&served, "review", &asking("review")).await.status, 201);
                let direct = Client::new(&served.url).unwrap();
                let begun = async |client: &Client, run: &str| {
                    let options = StartOptions { run_id: Some(run.to_owned()), ..StartOptions::default() };
                    let input = json!({ "topic": "sea" });
                    let mut views = client.start_views("review", input, options, &modes).await.unwrap();
                    let mut shown = Vec::new();
                    // By the question's own view, so that the answer comes after a connection that broke before.
                    while let Some(view) = views.next().await {
                        let view = view.unwrap();
                        if view.payload["phase"] == "waiting" {
                            answer(&served, run, "yes").await;
                        }
                        shown.push(view);
                    }
                    shown
                };
                let steps = |all: &[(String, u64, u64)]| -> Vec<(String, u64)> {
                    all.iter().map(|(step, attempt, _)| (step.clone(), *attempt)).collect()
                };
                let whole = begun(&direct, "whole").await;
                let asks = whole.iter().position(|view| view.payload["phase"] == "waiting").unwrap();
                let (before, whole) = (beginnings(&whole[..asks]).len(), beginnings(&whole));
                assert!(before > 1 && whole.len() > before, "{}: {whole:?}", served.name);
                // The first connection breaks right behind the n-th beginning.
                for n in 1..=whole.len() {
                    let url = cut_behind(&served.url, "\"phase\":\"start\"", n).await;
                    let client = Client::builder(url).reconnects(3).build().unwrap();
                    let run = format!("cut-{n}");
                    let seen = beginnings(&begun(&client, &run).await);
                    let once: BTreeSet<_> = seen.iter().collect();
                    assert_eq!(once.len(), seen.len(), "{}, {n}: none comes twice: {seen:?}", served.name);
                    // What a store has of a run that has ended is its log.
                    if recorded && (served.name == "memory" || n <= before) {
                        assert_eq!(steps(&seen), steps(&whole), "{}, {n}: none is missing", served.name);
                    }
                }
            }
        }
    })
    .await;
}

/// The address of a way to the server whose first connection ends behind the event that has `text` for the n-th time.
async fn cut_behind(server: &str, text: &'static str, n: usize) -> String {
    let to = server.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut first = true;
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(&to).await.unwrap();
            tokio::spawn(pass_on(client, server, std::mem::take(&mut first).then_some((text, n))));
        }
    });
    url
}

async fn pass_on(client: TcpStream, server: TcpStream, cut: Option<(&'static str, usize)>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking = tokio::spawn(async move { drop(tokio::io::copy(&mut from_client, &mut to_server).await) });
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
        let before = said.len();
        said.extend_from_slice(&buffer[..read]);
        let end = cut.and_then(|(text, n)| {
            let whole = String::from_utf8_lossy(&said);
            let (at, _) = whole.match_indices(text).nth(n - 1)?;
            Some(at + whole[at..].find("\n\n")? + 2)
        });
        let until = end.unwrap_or(said.len()).max(before);
        if to_client.write_all(&said[before..until]).await.is_err() || end.is_some() {
            break;
        }
    }
    asking.abort();
}

async fn views(client: &Client, run: &str, modes: &[ViewMode]) -> Vec<RemoteView> {
    all(client.run(run).stream_views(modes)).await
}

async fn all(mut views: RemoteViews) -> Vec<RemoteView> {
    let mut all = Vec::new();
    while let Some(view) = views.next().await {
        all.push(view.unwrap());
    }
    all
}
