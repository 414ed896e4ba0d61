//! The views of graphs on a WebSocket, and in the reply to who starts a run.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use stepcast_server::ServerOptions;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::views::{ALL, of, read, waiting};
use super::{answer, asking, put};
use crate::served::{bounded, frames};
use crate::whole::{Answer, Whole, both};

/// A client's side of a socket.
struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(served: &Whole, path: &str) -> Self {
        let url = format!("{}{path}", served.url.replace("http", "ws"));
        Socket(connect_async(url).await.unwrap().0)
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.0.next().await.expect("the socket is open").unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// The views until the run's end.
    async fn views(&mut self) -> Vec<Value> {
        let mut views = Vec::new();
        loop {
            let mut frame = self.next().await;
            match frame["op"].as_str().unwrap() {
                "view" => {
                    frame.as_object_mut().unwrap().remove("op");
                    views.push(frame);
                }
                "ended" => return views,
                other => panic!("{other}: {frame}"),
            }
        }
    }
}

/// Without what only those are told who are there.
fn logged(views: Vec<Value>) -> Vec<Value> {
    views.into_iter().filter(|view| view["payload"]["phase"] != "start").collect()
}

/// What a stream shows of a run that has ended.
async fn shown(served: &Whole, run: &str, query: &str) -> Vec<Value> {
    read(served, run, query, None).await.into_iter().filter_map(|frame| frame.data).collect()
}

fn begins(views: &[Value]) -> Vec<&str> {
    let begun = views.iter().filter(|view| view["payload"]["phase"] == "start");
    begun.map(|view| view["step"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_socket_shows_views_in_place_of_events() {
    bounded(async {
        let modes: Vec<&str> = ALL.split(',').collect();
        for served in both(&ServerOptions::new()).await {
            let run = waiting(&served).await;
            let mut live = Socket::open(&served, "/ws").await;
            live.send(json!({ "op": "attach", "run_id": run, "modes": modes })).await;
            assert_eq!(live.next().await["op"], "attached", "{}", served.name);
            let mut own = Socket::open(&served, &format!("/runs/{run}/ws?modes=updates")).await;
            assert_eq!(own.next().await["op"], "attached");
            answer(&served, &run, "yes").await;
            let views = live.views().await;
            assert!(begins(&views).contains(&"note"), "who is there is told of beginnings: {views:?}");
            let log = shown(&served, &run, &format!("modes={ALL}")).await;
            assert_eq!(logged(views), log, "{}", served.name);
            let updates = shown(&served, &run, "modes=updates").await;
            assert!(updates.len() >= 3, "{updates:?}");
            assert_eq!(own.views().await, updates);
            // Of one event's views all but the last say that more follow.
            for (view, next) in log.iter().zip(log.iter().skip(1)) {
                assert_eq!(view["more"] == true, view["seq"] == next["seq"], "{view} {next}");
            }
            // After its end, and in the middle: the values are those of the whole run.
            let mut late = Socket::open(&served, "/ws").await;
            for after in [json!(0), json!(1), json!("now")] {
                late.send(json!({ "op": "attach", "run_id": run, "after": after, "modes": ["values"] })).await;
                assert_eq!(late.next().await["op"], "attached");
                let whole = shown(&served, &run, "modes=values").await;
                let rest: Vec<Value> = match after.as_u64() {
                    Some(after) => whole.into_iter().filter(|view| view["seq"].as_u64() > Some(after)).collect(),
                    None => Vec::new(),
                };
                assert!(after == "now" || rest.last().unwrap()["payload"]["topic"]["output"] == "pirates");
                assert_eq!(late.views().await, rest, "{}: {after}", served.name);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_socket_that_starts_a_run_shows_it_from_its_first_step_on() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            assert_eq!(put(&served, "review", &asking("review")).await.status, 201);
            let mut socket = Socket::open(&served, "/ws").await;
            let start = json!({ "op": "start", "workflow": "review", "input": { "topic": "sea" }, "run_id": "r1",
                                "modes": ["lifecycle", "updates"] });
            socket.send(start).await;
            assert_eq!(socket.next().await["op"], "started");
            answer(&served, "r1", "yes").await;
            let views = socket.views().await;
            assert_eq!(begins(&views)[..2], ["topic", "ask"], "{}: {views:?}", served.name);
            assert_eq!((&views[0]["step"], &views[0]["payload"]["phase"]), (&json!("topic"), &json!("start")));
            assert_eq!(logged(views), logged(shown(&served, "r1", "modes=lifecycle,updates").await));
        }
    })
    .await;
}

#[tokio::test]
async fn modes_that_make_no_sense_start_and_attach_nothing() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            let run = waiting(&served).await;
            let mut socket = Socket::open(&served, "/ws").await;
            for (modes, types) in [
                (json!(["everything"]), json!([])),
                (json!([]), json!([])),
                (json!("values"), json!([])),
                (json!(["values"]), json!(["StopEvent"])),
            ] {
                for frame in [
                    json!({ "op": "attach", "run_id": run, "modes": modes, "types": types }),
                    json!({ "op": "start", "workflow": "review", "run_id": "r2", "modes": modes, "types": types }),
                ] {
                    socket.send(frame.clone()).await;
                    let reply = socket.next().await;
                    assert_eq!((&reply["op"], &reply["code"]), (&json!("error"), &json!("invalid_frame")), "{frame}");
                    assert_eq!(reply["run_id"], frame["run_id"], "{reply}");
                }
            }
            served.get("/runs/r2").await.refused(404, "run_not_found");
            socket.send(json!({ "op": "detach", "run_id": run })).await;
            assert_eq!(socket.next().await["code"], "not_attached");
            let url = format!("{}/runs/{run}/ws?modes=everything", served.url.replace("http", "ws"));
            let Err(Error::Http(refused)) = connect_async(url).await else { panic!("it is open") };
            assert_eq!(refused.status().as_u16(), 400);
            // The reply to a start is refused before there is a run, too.
            let sse = |query: &str| served.request("POST", &format!("/workflows/review?{query}")).json(&json!({}));
            let refused = Answer::to(sse("modes=everything").header("accept", "text/event-stream")).await;
            refused.refused(400, "invalid_query_param");
            assert_eq!(refused.body["param"], "modes");
            for query in ["modes=values", "modes=values&wait=result"] {
                Answer::to(sse(query)).await.refused(400, "invalid_query_param");
            }
            assert_eq!(served.get("/runs").await.body["runs"].as_array().unwrap().len(), 1, "{}", served.name);
        }
    })
    .await;
}

#[tokio::test]
async fn the_reply_to_a_start_is_a_stream_of_views() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            assert_eq!(put(&served, "review", &asking("review")).await.status, 201);
            let begin = |path: String, accept: &'static str| {
                served.request("POST", &path).json(&json!({ "topic": "sea" })).header("accept", accept)
            };
            let path = format!("/workflows/review?modes={ALL}");
            let reply = begin(path.clone(), "text/event-stream").send().await.unwrap();
            assert_eq!(reply.status(), 200);
            let run = reply.headers()["x-run-id"].to_str().unwrap().to_owned();
            answer(&served, &run, "yes").await;
            let live = frames(reply, usize::MAX).await;
            let late = read(&served, &run, &format!("modes={ALL}"), None).await;
            let data = |frames: &[crate::served::Frame]| frames.iter().filter_map(|frame| frame.data.clone()).collect();
            let views: Vec<Value> = data(&live);
            assert_eq!(begins(&views)[..2], ["topic", "ask"], "{}: {views:?}", served.name);
            assert_eq!(logged(views), logged(data(&late)));
            let ids = |frames: &[crate::served::Frame]| frames.iter().filter_map(|frame| frame.id).collect::<Vec<_>>();
            assert_eq!(ids(&live), ids(&late));
            // In lines of JSON, and for a run that is started once more.
            let again = format!("/runs/{run}/rerun?modes=updates");
            for path in ["/workflows/review?modes=updates".to_owned(), again] {
                let reply = begin(path, "application/x-ndjson").send().await.unwrap();
                let run = reply.headers()["x-run-id"].to_str().unwrap().to_owned();
                answer(&served, &run, "no").await;
                let text = reply.text().await.unwrap();
                let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                assert_eq!(lines, of(&read(&served, &run, "modes=updates", None).await, "updates"));
                assert_eq!(lines[0]["payload"], json!({ "topic": { "output": "sea" } }), "{}", served.name);
            }
        }
    })
    .await;
}
