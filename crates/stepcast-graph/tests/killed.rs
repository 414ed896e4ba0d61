//! A process that is killed in the middle of a graph: another one goes on where it was.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepcast::prelude::*;
use stepcast::{RunId, Runtime};
use stepcast_graph::{Graph, RegisterGraph};
use stepcast_sqlite::SqliteBackend;
use support::{answer, graph};

/// Says that this process is the one to be killed, and where the store is.
const STORE: &str = "STEPCAST_GRAPH_KILLED_STORE";

fn checks() -> Graph {
    graph(&json!({
        "id": "checks",
        "steps": [
            { "id": "first", "type": "agent", "agent": "writer", "prompt": "first" },
            { "id": "all", "type": "parallel", "join": "all" },
            { "id": "nap", "type": "function", "delay": "2s", "parent": "all" },
            { "id": "ask", "type": "human", "prompt": "Fine?", "parent": "all" },
            { "id": "quick", "type": "function", "template": "{{first.content}}", "parent": "all" },
            { "id": "done", "type": "function", "template": "{{all}}" }
        ],
        "edges": [{ "source": "first", "target": "all" }, { "source": "all", "target": "done" }]
    }))
}

fn open(store: &str) -> Runtime {
    let runtime = Runtime::on(SqliteBackend::open(store).unwrap());
    runtime.register_graph(&checks()).unwrap();
    runtime
}

/// Does nothing where it is not told to.
#[tokio::test]
async fn the_one_to_be_killed() {
    let Ok(store) = std::env::var(STORE) else { return };
    let runtime = open(&store);
    let _run = runtime.start("checks", json!({}), RunOptions::new().run_id("one")).unwrap();
    std::future::pending::<()>().await;
}

/// A process that never heard of the graph.
fn open_without(store: &str) -> Runtime {
    let runtime = Runtime::on(SqliteBackend::open(store).unwrap());
    runtime.take_up_graphs(support::host());
    runtime
}

#[tokio::test]
async fn a_killed_process_loses_nothing() {
    goes_on_with(open).await;
}

#[tokio::test]
async fn what_a_killed_process_began_goes_on_with_its_own_document() {
    goes_on_with(open_without).await;
}

async fn goes_on_with(open: fn(&str) -> Runtime) {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("runs.db").display().to_string();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_one_to_be_killed", "--nocapture"])
        .env(STORE, &store)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Another process sees the question as soon as it is recorded.
    let began = Instant::now();
    let asked = loop {
        assert!(began.elapsed() < Duration::from_secs(60), "nobody was asked anything");
        if let Ok(store) = SqliteBackend::open(&store) {
            let watcher = Runtime::on(store).only_attached();
            if !watcher.list_inputs(Default::default(), None, 1).await.unwrap_or_default().is_empty() {
                break true;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(asked);
    victim.kill().unwrap();
    victim.wait().unwrap();
    let runtime = open(&store);
    answer(&runtime, json!("yes")).await;
    let run = runtime.attach(&RunId::from("one")).await.unwrap();
    let stop = tokio::time::timeout(Duration::from_secs(60), run.outcome()).await.unwrap().unwrap();
    let result: Value = stop.value()["result"].clone();
    assert_eq!(result["first"]["attempt"], json!(1));
    assert_eq!(result["done"]["quick"], json!("about first"));
    assert_eq!(result["done"]["ask"]["approved"], json!(true));
    assert_eq!(result["done"]["nap"], json!({ "delayed": 2.0 }));
    runtime.shutdown(Duration::from_secs(10)).await;
}
