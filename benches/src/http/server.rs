//! stepcast's server: the same request and the same stream, of runs.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepcast::backend::MemoryBackend;
use stepcast::prelude::*;
use stepcast::{Runtime, StartEvent, StopEvent};
use stepcast_server::Server;
use stepcast_sqlite::SqliteBackend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{CLIENTS, READERS, Served, load};
use crate::alloc::LiveBytes;
use crate::measure::{Suite, median, per_op};

/// Makes a runtime whose runs are kept in one way.
type Make = fn() -> Runtime;

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    let (requests, events, idle, answers) = (sizes.requests, sizes.sse_events, sizes.idle_clients, sizes.answers);
    let kept: [(&str, Make); 2] =
        [("stepcast", Runtime::new), ("stepcast@memory_backend", || Runtime::on(MemoryBackend::new()))];
    for (subject, make) in kept {
        let mut served = None;
        suite.value("http-run", subject, "ns/request", requests, move || {
            let served = served.get_or_insert_with(|| serve(make()));
            let request = load::post("/workflows/greet/run", r#"{"start_event":{"name":"Bob"}}"#);
            per_op(load::requests(served.address, &request, requests, CLIENTS), requests)
        });
        let mut served = None;
        suite.value("http-sse", subject, "ns/event", events * READERS as u64, move || {
            let (served, run) = served.get_or_insert_with(|| {
                let served = serve(make());
                let run = start(&served, "ticks", &json!({ "count": events - 1 }), true);
                (served, run)
            });
            let request = load::get(&format!("/events/{run}?after_sequence=-1"));
            per_op(load::streams(served.address, &request, events, READERS), events * READERS as u64)
        });
    }
    suite.value("http-idle", "stepcast", "B/client", idle, move || idle_clients(idle));
    suite.value("http-answer", "stepcast", "ms", answers, move || answer(answers));
}

fn serve(runtime: Runtime) -> Served {
    Served::by(|listener| async move {
        runtime.register_as("greet", Greet, None).expect("a workflow");
        runtime.register_as("ticks", Ticks, None).expect("a workflow");
        runtime.register_as("asks", Asks, None).expect("a workflow");
        Server::new(runtime).serve_until(listener, std::future::pending()).await.expect("it serves");
    })
}

/// Starts a run, to its end if asked, and gives its id.
fn start(served: &Served, workflow: &str, input: &Value, wait: bool) -> String {
    let route = if wait { "run" } else { "run-nowait" };
    let request = load::post(&format!("/workflows/{workflow}/{route}"), &json!({ "start_event": input }).to_string());
    let (status, body) = load::once(served.address, &request);
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).expect("an answer");
    body["run_id"].as_str().expect("an id").to_owned()
}

/// What each of so many clients costs that read a silent stream.
fn idle_clients(count: u64) -> f64 {
    let served = serve(Runtime::new());
    let run = start(&served, "asks", &json!({}), false);
    let request = load::get(&format!("/events/{run}?after_sequence=-1"));
    served.runtime.block_on(async {
        let mut held = Vec::new();
        // The first few pay for what does not grow with the count.
        open(&served, &request, 20, &mut held).await;
        let live = LiveBytes::start();
        open(&served, &request, count, &mut held).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        live.now() as f64 / count as f64
    })
}

/// The client's half is a socket, which the allocator does not see.
async fn open(served: &Served, request: &[u8], count: u64, held: &mut Vec<tokio::net::TcpStream>) {
    for _ in 0..count {
        let mut stream = load::connect(served.address).await;
        stream.write_all(request).await.expect("a request");
        let mut seen = [0; 512];
        // Headers and the question: it waits from here on.
        while !seen.windows(6).any(|window| window == b"data: ") {
            let read = stream.read(&mut seen).await.expect("the stream");
            assert!(read > 0, "the stream broke");
        }
        held.push(stream);
    }
}

/// From the answer being sent to its step going on, on SQLite; the median of so many.
fn answer(count: u64) -> f64 {
    let folder = crate::durable::Folder::new();
    let backend = SqliteBackend::open(folder.file()).expect("a store");
    let served = serve(Runtime::on(backend));
    let mut taken = Vec::new();
    for _ in 0..count {
        let run = start(&served, "asks", &json!({}), false);
        let number = pending(&served, &run);
        let request = load::post(&format!("/runs/{run}/inputs/{number}"), r#"{"response":{"yes":true}}"#);
        *RESUMED.lock().expect("a time") = None;
        let begin = Instant::now();
        let (status, body) = load::once(served.address, &request);
        assert_eq!(status, 200, "{body}");
        let resumed = loop {
            if let Some(resumed) = RESUMED.lock().expect("a time").take() {
                break resumed;
            }
            std::thread::yield_now();
        };
        taken.push(resumed.saturating_duration_since(begin).as_secs_f64() * 1000.0);
    }
    drop(served);
    median(&taken)
}

/// The number of the question that a run asks, once it does.
fn pending(served: &Served, run: &str) -> u64 {
    let request = load::get(&format!("/runs/{run}/inputs?status=pending"));
    loop {
        let body: Value = serde_json::from_str(&load::once(served.address, &request).1).expect("an answer");
        if let Some(number) = body["inputs"][0]["input"].as_u64() {
            return number;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

static RESUMED: Mutex<Option<Instant>> = Mutex::new(None);

#[step]
async fn greet(ev: StartEvent) -> StopEvent {
    let name = ev.get("name").and_then(Value::as_str).unwrap_or("World");
    StopEvent::new(format!("Hello, {name}!"))
}

flow!(pub Greet: StartEvent => StopEvent { greet });

#[event]
pub struct Tick {
    left: u64,
}

#[step(streams(Tick))]
async fn tick(ev: StartEvent, ctx: Context) -> StopEvent {
    let count = ev.get("count").and_then(Value::as_u64).unwrap_or(0);
    for left in (0..count).rev() {
        ctx.write_event_to_stream(Tick { left });
        if left % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    StopEvent::new(count)
}

flow!(pub Ticks: StartEvent => StopEvent { tick });

#[event(input_required)]
pub struct Sure {
    prompt: String,
}

#[event(human_response)]
pub struct Yes {
    yes: bool,
}

#[step(waits(Yes))]
async fn ask(_: StartEvent, ctx: Context) -> Result<StopEvent> {
    let question = Sure { prompt: "Sure?".to_owned() };
    let answer = ctx.wait_for_event::<Yes>().announce(question).await?;
    *RESUMED.lock().expect("a time") = Some(Instant::now());
    Ok(StopEvent::new(answer.yes))
}

flow!(pub Asks: StartEvent => StopEvent { ask });
