//! Stored runs go on with the document that they were started with, whatever is registered by then.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::backend::{Backend, Holder, MemoryBackend, RunStatus};
use stepcast::prelude::*;
use stepcast::{AttachError, RunId, Runtime};
use stepcast_graph::{Graph, Graphs, Host, RegisterGraph};
use stepcast_sqlite::SqliteBackend;
use support::{answer, host};

/// A store that can be opened again.
enum Store {
    Memory(MemoryBackend),
    Sqlite(tempfile::TempDir),
}

impl Store {
    fn both() -> [Store; 2] {
        [Store::Memory(MemoryBackend::new()), Store::Sqlite(tempfile::tempdir().unwrap())]
    }

    fn open(&self) -> Runtime {
        match self {
            Store::Memory(store) => Runtime::on(store.beside()),
            Store::Sqlite(dir) => Runtime::on(SqliteBackend::open(dir.path().join("runs.db")).unwrap()),
        }
    }
}

async fn end(runtime: &Runtime, id: &str) -> Value {
    let run = runtime.attach(&RunId::from(id)).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), run.outcome()).await.unwrap();
    ended.unwrap().value()["result"].clone()
}

async fn stop(runtime: Runtime) {
    runtime.shutdown(Duration::from_secs(10)).await;
}

/// Starts runs that ask something, and lets the runtime go as a process that stops does.
async fn asked(store: &Store, document: &Value, host: Host, ids: &[&str]) {
    let runtime = store.open();
    let graphs = Graphs::new(&runtime, host);
    let graph = graphs.put(document).unwrap();
    for id in ids {
        drop(runtime.start(graph.id(), json!({}), RunOptions::new().run_id(*id)).unwrap());
        while runtime.list_inputs(Default::default(), None, 99).await.unwrap().iter().all(|open| &*open.run != *id) {
            tokio::task::yield_now().await;
        }
    }
    stop(runtime).await;
}

/// Asks a person, then says something with the help of a function of the host.
fn greeting(text: &str) -> Value {
    json!({
        "id": "greet", "edges": [{ "source": "ask", "target": "number" }, { "source": "number", "target": "say" }],
        "steps": [
            { "id": "ask", "type": "human", "prompt": "How many?" },
            { "id": "number", "type": "function", "action": "custom", "function": "double", "input": "{{ask.response}}" },
            { "id": "say", "type": "function", "template": format!("{text} {{{{number}}}}") }
        ]
    })
}

#[tokio::test]
async fn a_graph_that_was_replaced_still_has_its_runs() {
    for store in Store::both() {
        asked(&store, &greeting("Hello"), host(), &["old", "other"]).await;
        // The same version, with another text.
        let runtime = store.open();
        let graphs = Graphs::new(&runtime, host());
        graphs.put(&greeting("Bye")).unwrap();
        let run = runtime.start("greet", json!({}), RunOptions::new().run_id("new")).unwrap();
        for _ in 0..3 {
            answer(&runtime, json!(4)).await;
        }
        assert_eq!(run.outcome().await.unwrap().value()["result"]["say"], json!("Bye 8"));
        for id in ["old", "other"] {
            assert_eq!(end(&runtime, id).await["say"], json!("Hello 8"));
            assert_eq!(runtime.run_definition(&RunId::from(id)).await.unwrap(), Some(greeting("Hello")));
        }
        assert_eq!(runtime.run_definition(run.run_id()).await.unwrap(), Some(greeting("Bye")));
        let said: Value = serde_json::from_str(run.document().unwrap()).unwrap();
        assert_eq!(said, greeting("Bye"));

        // Both that were started alike share what is kept of it, until the last of them goes.
        let record = async |id: &str| runtime.find_run(&RunId::from(id)).await.unwrap().unwrap();
        let hash = record("old").await.definition.unwrap();
        assert_eq!(record("other").await.definition.as_ref(), Some(&hash));
        let backend: Arc<dyn Backend> = Arc::clone(runtime.backend().unwrap());
        runtime.purge_run(&RunId::from("old")).await.unwrap();
        assert!(backend.definition(&hash).unwrap().is_some());
        runtime.purge_run(&RunId::from("other")).await.unwrap();
        assert_eq!(backend.definition(&hash).unwrap(), None);
        stop(runtime).await;
    }
}

#[tokio::test]
async fn a_graph_that_was_never_registered_has_its_runs() {
    for store in Store::both() {
        asked(&store, &greeting("Hello"), host(), &["lone"]).await;
        let runtime = store.open();
        // Nobody knows the graph, and nobody makes it.
        let refused = runtime.attach(&RunId::from("lone")).await.unwrap_err();
        assert!(matches!(refused, AttachError::Unregistered { .. }), "{refused}");
        // It goes on by itself, once somebody does.
        answer(&runtime, json!(4)).await;
        runtime.take_up_graphs(host());
        assert_eq!(end(&runtime, "lone").await["say"], json!("Hello 8"));
        assert!(runtime.workflows().is_empty());
        stop(runtime).await;
    }
}

#[tokio::test]
async fn a_run_whose_functions_are_missing_stays_as_it_is() {
    for store in Store::both() {
        asked(&store, &greeting("Hello"), host(), &["lone"]).await;
        let runtime = store.open();
        runtime.take_up_graphs(Host::new());
        let id = RunId::from("lone");
        let before = runtime.find_run(&id).await.unwrap().unwrap();
        answer(&runtime, json!(4)).await;
        for _ in 0..2 {
            let refused = runtime.attach(&id).await.unwrap_err();
            assert!(matches!(refused, AttachError::Document { .. }), "{refused}");
            let text = refused.to_string();
            assert!(text.contains("`lone`") && text.contains("`greet@1`") && text.contains("`double`"), "{text}");
        }
        let after = runtime.find_run(&id).await.unwrap().unwrap();
        assert_eq!((after.status, after.holder), (RunStatus::Waiting, Holder::Nobody));
        assert_eq!(after.fence, before.fence, "nobody has claimed it");
        // With what it needs it goes on, and nobody has to ask for it.
        runtime.take_up_graphs(host());
        while !runtime.find_run(&id).await.unwrap().unwrap().status.is_end() {
            tokio::task::yield_now().await;
        }
        assert_eq!(end(&runtime, "lone").await["say"], json!("Hello 8"));
        stop(runtime).await;
    }
}

#[tokio::test]
async fn a_graph_brings_along_those_that_it_runs() {
    let inner = |text: &str| json!({ "id": "inner", "edges": [], "steps": [{ "id": "said", "type": "function", "template": text }] });
    let middle =
        json!({ "id": "middle", "edges": [], "steps": [{ "id": "run", "type": "subgraph", "graph": "inner" }] });
    let outer = json!({
        "id": "outer", "edges": [{ "source": "ask", "target": "a" }, { "source": "a", "target": "b" }],
        "steps": [
            { "id": "ask", "type": "human", "prompt": "Go?" },
            { "id": "a", "type": "subgraph", "graph": "middle" },
            { "id": "b", "type": "subgraph", "graph": "inner" }
        ]
    });
    let with = |text: &str| {
        let host = host().graph(&support::graph(&inner(text)));
        let middle = Graph::new(&middle, &host).unwrap();
        host.graph(&middle)
    };
    for store in Store::both() {
        asked(&store, &outer, with("then"), &["one"]).await;
        for other in [host(), with("now")] {
            let runtime = store.open();
            runtime.take_up_graphs(other);
            let run = runtime.attach(&RunId::from("one")).await.unwrap();
            let mut known: Value = serde_json::from_str(run.document().unwrap()).unwrap();
            let brought = known.as_object_mut().unwrap().remove("$graphs").unwrap();
            assert_eq!((known, brought), (outer.clone(), json!([inner("then"), middle])));
            drop(run);
            stop(runtime).await;
        }
        let runtime = store.open();
        runtime.take_up_graphs(with("now"));
        answer(&runtime, json!(true)).await;
        let result = end(&runtime, "one").await;
        assert_eq!(result["a"]["run"]["said"], json!("then"));
        assert_eq!(result["b"]["said"], json!("then"));
        stop(runtime).await;
    }
}

#[tokio::test]
async fn what_is_compiled_has_no_document() {
    #[event(start)]
    struct Ping;

    #[event(stop)]
    struct Pong;

    #[step]
    async fn reply(_ping: Ping) -> Pong {
        Pong
    }

    flow!(Echo: Ping => Pong { reply });

    let runtime = Runtime::on(MemoryBackend::new());
    runtime.register(Echo).unwrap();
    let run = runtime.start("Echo", json!(null), RunOptions::new()).unwrap();
    run.outcome().await.unwrap();
    assert_eq!(run.document(), None);
    assert_eq!(runtime.run_definition(run.run_id()).await.unwrap(), None);
    assert_eq!(runtime.find_run(run.run_id()).await.unwrap().unwrap().definition, None);
    // One in memory tells its own.
    let graph = support::graph(&greeting("Hello"));
    let run = graph.run(json!({}));
    assert!(run.document().unwrap().contains("Hello"));
}
