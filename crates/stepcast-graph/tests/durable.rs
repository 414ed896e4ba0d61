//! Graphs whose runs are kept: on memory and on SQLite, with the process gone in the middle.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::backend::{MemoryBackend, RunStatus};
use stepcast::prelude::*;
use stepcast::{RunId, Runtime};
use stepcast_graph::{Graph, RegisterGraph};
use stepcast_sqlite::SqliteBackend;
use support::{answer, approval, content_review, escalation, graph, question};

/// A store that can be opened again.
enum Store {
    Memory(MemoryBackend),
    Sqlite(tempfile::TempDir),
}

impl Store {
    fn both() -> [Store; 2] {
        [Store::Memory(MemoryBackend::new()), Store::Sqlite(tempfile::tempdir().unwrap())]
    }

    fn open(&self, graphs: &[&Graph]) -> Runtime {
        let runtime = match self {
            Store::Memory(store) => Runtime::on(store.beside()),
            Store::Sqlite(dir) => Runtime::on(SqliteBackend::open(file(dir.path())).unwrap()),
        };
        for graph in graphs {
            runtime.register_graph(graph).unwrap();
        }
        runtime
    }
}

fn file(dir: &Path) -> std::path::PathBuf {
    dir.join("runs.db")
}

async fn end(runtime: &Runtime, id: &str) -> Result<Value, String> {
    let run = runtime.attach(&RunId::from(id)).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), run.outcome()).await.unwrap();
    ended.map(|stop| stop.value()["result"].clone()).map_err(|error| error.to_string())
}

/// Starts a run, waits for its question, and lets the runtime go as a process that stops does.
async fn asked(store: &Store, graph: &Graph, input: Value, id: &str) {
    let runtime = store.open(&[graph]);
    let run = runtime.start(graph.id(), input, RunOptions::new().run_id(id)).unwrap();
    question(&runtime).await;
    drop(run);
    runtime.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_question_outlives_its_process() {
    for store in Store::both() {
        let graph = content_review();
        asked(&store, &graph, json!({ "topic": "pirates" }), "news").await;
        let runtime = store.open(&[&graph]);
        let open = question(&runtime).await;
        assert_eq!(open.asked.prompt.as_deref(), Some("Publish about pirates?"));
        assert_eq!((open.workflow.as_str(), open.asked.step.as_str()), ("content-review@1", "review"));
        let id = RunId::from("news");
        let wrong = runtime.answer_input(&id, open.asked.input, json!("perhaps"), None).await.unwrap_err();
        assert!(wrong.to_string().contains("approve"), "{wrong}");
        // Sent back once, so that the draft is written anew, and asked again.
        runtime.answer_input(&id, open.asked.input, json!("reject"), None).await.unwrap();
        answer(&runtime, json!("approve")).await;
        let result = end(&runtime, "news").await.unwrap();
        assert_eq!(result["publish"]["content"], json!("about published: about pirates"));
        assert!(runtime.answer_input(&id, open.asked.input, json!("approve"), None).await.is_err());
        runtime.shutdown(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn a_question_inside_a_parallel_step_outlives_its_process() {
    for store in Store::both() {
        let graph = graph(&json!({
            "id": "checks",
            "steps": [
                { "id": "all", "type": "parallel", "join": "all" },
                { "id": "style", "type": "agent", "agent": "writer", "prompt": "style", "parent": "all" },
                { "id": "legal", "type": "human", "prompt": "Legal?", "schema": { "type": "boolean" }, "parent": "all" },
                { "id": "done", "type": "function", "template": "{{all}}" }
            ],
            "edges": [{ "source": "all", "target": "done" }]
        }));
        asked(&store, &graph, json!({}), "checks-1").await;
        let runtime = store.open(&[&graph]);
        answer(&runtime, json!(true)).await;
        let result = end(&runtime, "checks-1").await.unwrap();
        assert_eq!(result["done"]["style"], json!({ "content": "about style", "attempt": 1 }));
        assert_eq!(result["done"]["legal"], json!({ "approved": true, "response": true }));
        runtime.shutdown(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn approvals_take_one_way_or_the_other() {
    for store in Store::both() {
        let graph = approval();
        for (said, way, not) in [("yes", "pub", "rej"), (" No ", "rej", "pub")] {
            let id = format!("run-{way}");
            asked(&store, &graph, json!({ "x": 1 }), &id).await;
            let runtime = store.open(&[&graph]);
            answer(&runtime, json!(said)).await;
            let result = end(&runtime, &id).await.unwrap();
            assert_eq!(result["approval"]["approved"], json!(way == "pub"));
            assert!(result.get(way).is_some() && result.get(not).is_none(), "{result}");
            runtime.shutdown(Duration::from_secs(10)).await;
        }
    }
}

#[tokio::test]
async fn a_person_decides_what_becomes_of_a_failure() {
    for store in Store::both() {
        let graph = escalation();
        let table = [
            ("skip", RunStatus::Completed, vec!["anyway"]),
            ("continue", RunStatus::CompletedWithFailures, vec!["anyway", "bad"]),
            ("fail", RunStatus::Failed, vec![]),
        ];
        for (choice, status, ran) in table {
            asked(&store, &graph, json!({}), choice).await;
            let runtime = store.open(&[&graph]);
            let open = question(&runtime).await;
            assert_eq!(open.asked.choices.as_deref(), Some(r#"["retry","skip","continue","fail"]"#));
            // Once more, which fails again and asks again.
            answer(&runtime, json!("retry")).await;
            answer(&runtime, json!(choice)).await;
            let result = end(&runtime, choice).await;
            assert_eq!(runtime.find_run(&RunId::from(choice)).await.unwrap().unwrap().status, status);
            match result {
                Ok(result) => assert_eq!(result.as_object().unwrap().keys().cloned().collect::<Vec<_>>(), ran),
                Err(error) => assert!(choice == "fail" && error.contains("attempt 3 is no good"), "{error}"),
            }
            runtime.shutdown(Duration::from_secs(10)).await;
        }
    }
}

#[tokio::test]
async fn a_graph_inside_a_graph_outlives_its_process() {
    for store in Store::both() {
        let inner = content_review();
        let host = support::host().graph(&inner);
        let outer = json!({
            "id": "outer",
            "steps": [{ "id": "news", "type": "subgraph", "graph": "content-review", "input": { "topic": "{{input.topic}}" } }],
            "edges": []
        });
        let outer = Graph::new(&outer, &host).unwrap();
        asked(&store, &outer, json!({ "topic": "parrots" }), "outer-1").await;
        let runtime = store.open(&[&outer]);
        answer(&runtime, json!("approve")).await;
        let result = end(&runtime, "outer-1").await.unwrap();
        assert_eq!(result["news"]["draft"]["content"], json!("about parrots"));
        runtime.shutdown(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn a_run_goes_on_with_the_version_that_it_began_with() {
    for store in Store::both() {
        let version = |version: u64, text: &str| {
            graph(&json!({
                "id": "greet", "version": version, "edges": [{ "source": "ask", "target": "say" }],
                "steps": [{ "id": "ask", "type": "human", "prompt": "Who?" }, { "id": "say", "type": "function", "template": format!("{text} {{{{ask.response}}}}") }]
            }))
        };
        let (first, second) = (version(1, "Hello"), version(2, "Bye"));
        asked(&store, &first, json!({}), "old").await;
        let runtime = store.open(&[&first, &second]);
        answer(&runtime, json!("Ada")).await;
        assert_eq!(end(&runtime, "old").await.unwrap()["say"], json!("Hello Ada"));
        let run = runtime.start("greet", json!({}), RunOptions::new().run_id("new")).unwrap();
        answer(&runtime, json!("Ada")).await;
        assert_eq!(run.outcome().await.unwrap().value()["result"]["say"], json!("Bye Ada"));
        assert!(runtime.register_graph(&version(2, "Again")).is_err());
        runtime.shutdown(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn stored_runs_of_a_removed_graph_go_on() {
    for store in Store::both() {
        let source = content_review().source().clone();
        asked(&store, &graph(&source), json!({ "topic": "pirates" }), "left").await;
        let runtime = store.open(&[]);
        let graphs = stepcast_graph::Graphs::new(&runtime, support::host());
        graphs.put(&source).unwrap();
        assert!(graphs.remove("content-review").unwrap());
        answer(&runtime, json!("approve")).await;
        assert_eq!(end(&runtime, "left").await.unwrap()["publish"]["content"], json!("about published: about pirates"));
        let refused = runtime.start("content-review@1", json!({}), RunOptions::new()).unwrap_err();
        assert!(refused.to_string().contains("was removed"), "{refused}");
        runtime.shutdown(Duration::from_secs(10)).await;
    }
}
