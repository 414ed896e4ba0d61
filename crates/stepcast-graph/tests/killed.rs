//! A process that is killed in the middle of a graph: another one goes on where it was.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepcast::backend::{MemoryBackend, RunStatus};
use stepcast::prelude::*;
use stepcast::{RunId, Runtime};
use stepcast_graph::{Graph, RegisterGraph};
use stepcast_sqlite::SqliteBackend;
use support::issues::Issue;
use support::{answer, approval, content_review, escalation, graph};

/// Says that this process is the one to be killed, and where the store is.
const STORE: &str = "STEPCAST_GRAPH_KILLED_STORE";
/// Which graph it runs, by its id.
const GRAPH: &str = "STEPCAST_GRAPH_KILLED_GRAPH";

/// The process to be killed comes as far as this, and says so.
#[step]
async fn shout(issue: Issue) -> Issue {
    if let Ok(store) = std::env::var(STORE) {
        std::fs::write(reached(&store), "").unwrap();
        std::future::pending::<()>().await;
    }
    Issue { title: issue.title.to_uppercase() }
}

fn reached(store: &str) -> String {
    format!("{store}.reached")
}

fn bug_triage() -> Graph {
    graph(&json!({
        "id": "bug-triage", "version": 1, "route": "first", "start": "start",
        "steps": [
            { "id": "triage", "type": "step", "use": "triage_issue", "input": { "title": "{{start.output.input.title}}" }, "output_key": "found" },
            { "id": "loud", "type": "step", "use": "shout", "input": { "title": "{{found.title}}" } }
        ],
        "edges": [
            { "source": "triage", "target": "loud", "when": { "type": "field", "path": "triage.output.severity", "op": "eq", "value": "critical" } },
            { "source": "triage", "target": "end", "when": { "type": "otherwise" } },
            { "source": "loud", "target": "end" }
        ]
    }))
}

fn parallel_checks() -> Graph {
    graph(&json!({
        "id": "parallel-checks",
        "nodes": [
            { "id": "checks", "type": "parallel", "config": { "join": "all" } },
            { "id": "style", "type": "agent", "agent": "writer", "prompt": "style", "parent": "checks" },
            { "id": "sec", "type": "step", "use": "triage_issue", "input": { "title": "{{input.title}}" }, "parent": "checks" },
            { "id": "loud", "type": "step", "use": "shout", "input": { "title": "{{input.title}}" }, "parent": "checks" },
            { "id": "after", "type": "function", "template": "{{checks.output}}" }
        ],
        "edges": [{ "source": "checks", "target": "after" }]
    }))
}

fn all() -> [Graph; 6] {
    [checks(), bug_triage(), content_review(), parallel_checks(), approval(), escalation()]
}

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
    all().iter().for_each(|graph| runtime.register_graph(graph).unwrap());
    runtime
}

fn input() -> Value {
    json!({ "topic": "pirates", "title": "a crash" })
}

/// Does nothing where it is not told to.
#[tokio::test]
async fn the_one_to_be_killed() {
    let Ok(store) = std::env::var(STORE) else { return };
    let runtime = open(&store);
    let graph = std::env::var(GRAPH).unwrap();
    let _run = runtime.start(&graph, input(), RunOptions::new().run_id("one")).unwrap();
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
    kill_in_the_middle(&store, "checks").await;
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

/// Runs a graph in a process of its own, and kills that when it asks a person, or has come to `shout`.
async fn kill_in_the_middle(store: &str, graph: &str) {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_one_to_be_killed", "--nocapture"])
        .env(STORE, store)
        .env(GRAPH, graph)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    // Another process sees the question as soon as it is recorded.
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_secs(60), "{graph}: it comes nowhere");
        if std::fs::exists(reached(store)).unwrap() {
            break;
        }
        if let Ok(store) = SqliteBackend::open(store) {
            let watcher = Runtime::on(store).only_attached();
            if !watcher.list_inputs(Default::default(), None, 1).await.unwrap_or_default().is_empty() {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    victim.kill().unwrap();
    victim.wait().unwrap();
}

/// How a run ends that is given these answers, and with what.
async fn ends(runtime: &Runtime, answers: &[&str]) -> (RunStatus, Value) {
    for said in answers {
        answer(runtime, json!(said)).await;
    }
    let id = RunId::from("one");
    let run = runtime.attach(&id).await.unwrap();
    let stop = tokio::time::timeout(Duration::from_secs(60), run.outcome()).await.unwrap().unwrap();
    let status = runtime.find_run(&id).await.unwrap().unwrap().status;
    (status, stop.value()["result"].clone())
}

#[tokio::test]
async fn flows_of_others_end_after_a_kill_as_they_do_without() {
    let table: [(Graph, &[&str]); 5] = [
        (bug_triage(), &[]),
        (content_review(), &["reject", "approve"]),
        (parallel_checks(), &[]),
        (approval(), &["yes"]),
        (escalation(), &["retry", "continue"]),
    ];
    for (graph, answers) in table {
        let undisturbed = Runtime::on(MemoryBackend::new());
        undisturbed.register_graph(&graph).unwrap();
        undisturbed.start(graph.id(), input(), RunOptions::new().run_id("one")).unwrap();
        let wanted = ends(&undisturbed, answers).await;

        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("runs.db").display().to_string();
        kill_in_the_middle(&store, graph.id()).await;
        let runtime = open(&store);
        let before = runtime.find_run(&RunId::from("one")).await.unwrap().unwrap();
        assert!(!before.status.is_end(), "{}: {before:?}", graph.id());
        assert_eq!(ends(&runtime, answers).await, wanted, "{}", graph.id());
        runtime.shutdown(Duration::from_secs(10)).await;
    }
}
