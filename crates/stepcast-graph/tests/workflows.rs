//! Compiled workflows that graphs run without anybody giving them to the host: linked ones, and those of the runtime.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::backend::MemoryBackend;
use stepcast::prelude::*;
use stepcast::{RunId, Runtime};
use stepcast_graph::{Code, Graph, Graphs, Host};
use stepcast_sqlite::SqliteBackend;
use support::answer;

#[event(start)]
struct Ping {
    n: i64,
}

#[event(stop)]
struct Pong {
    n: i64,
}

/// Linked, and made by its name.
#[derive(Default)]
struct Doubling;

#[workflow(Ping => Pong)]
impl Doubling {
    #[step]
    async fn double(&self, ping: Ping) -> Result<Pong> {
        if ping.n < 0 {
            return Err(StepError::msg("too few"));
        }
        Ok(Pong { n: ping.n * 2 })
    }
}

/// Only somebody who has a number can make it.
struct Adding {
    more: i64,
}

#[workflow(Ping => Pong)]
impl Adding {
    #[step]
    async fn add(&self, ping: Ping) -> Pong {
        Pong { n: ping.n + self.more }
    }
}

/// Its constructor is named, and fails.
struct Remote;

#[workflow(Ping => Pong, new = connect)]
impl Remote {
    async fn connect() -> Result<Self> {
        Err(StepError::msg("nobody answers"))
    }

    #[step]
    async fn ask(&self, ping: Ping) -> Pong {
        Pong { n: ping.n }
    }
}

/// It counts how often it is made, and says so.
struct Made(usize);

static MADE: AtomicUsize = AtomicUsize::new(0);

#[workflow(Ping => Pong, new = make)]
impl Made {
    async fn make() -> Result<Self> {
        Ok(Made(MADE.fetch_add(1, Ordering::Relaxed) + 1))
    }

    #[step]
    async fn count(&self, _: Ping) -> Pong {
        Pong { n: i64::try_from(self.0).unwrap_or(i64::MAX) }
    }
}

#[event(input_required)]
struct Wanted {
    prompt: String,
}

#[event(human_response)]
struct Given {
    n: i64,
}

#[derive(Default)]
struct Asking;

#[workflow(Ping => Pong)]
impl Asking {
    #[step(waits(Given))]
    async fn ask(&self, ping: Ping, ctx: Context) -> Result<Pong> {
        let asked = Wanted { prompt: format!("more than {}?", ping.n) };
        let given = ctx.wait_for_event::<Given>().announce(asked).await?;
        Ok(Pong { n: ping.n + given.n })
    }
}

fn calls(workflow: &str) -> Value {
    json!({ "id": "calls", "steps": [
        { "id": "child", "type": "subgraph", "workflow": workflow, "input": { "n": "{{input.n}}" } },
    ] })
}

/// Where runs are kept.
enum Store {
    None,
    Memory(MemoryBackend),
    Sqlite(tempfile::TempDir),
}

impl Store {
    fn all() -> [Store; 3] {
        [Store::None, Store::Memory(MemoryBackend::new()), Store::Sqlite(tempfile::tempdir().unwrap())]
    }

    fn open(&self) -> Runtime {
        match self {
            Store::None => Runtime::new(),
            Store::Memory(store) => Runtime::on(store.beside()),
            Store::Sqlite(dir) => Runtime::on(SqliteBackend::open(dir.path().join("runs.db")).unwrap()),
        }
    }
}

async fn ended(runtime: &Runtime, workflow: &str, n: i64) -> Result<Value, String> {
    let run = runtime.start(workflow, json!({ "n": n }), RunOptions::new()).unwrap();
    let end = tokio::time::timeout(Duration::from_secs(60), run.outcome()).await.unwrap();
    end.map(|stop| stop.value()["result"]["child"]["n"].clone()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_linked_workflow_is_there_by_its_name() {
    let graph = Graph::new(&calls("Doubling"), &Host::new()).unwrap();
    let stop = graph.run(json!({ "n": 4 })).await.unwrap();
    assert_eq!(stop.result().unwrap()["child"], json!({ "n": 8 }));
    let error = graph.run(json!({ "n": -1 })).await.unwrap_err().to_string();
    assert!(error.contains("too few"), "{error}");
    let error = graph.run(json!({ "n": "x" })).await.unwrap_err().to_string();
    assert!(error.contains("`Ping`, the start event of `Doubling`"), "{error}");
    // What is given to the host comes before it.
    let own = Graph::new(&calls("Doubling"), &Host::new().workflow("Doubling", Adding { more: 1 })).unwrap();
    assert_eq!(own.run(json!({ "n": 4 })).await.unwrap().result().unwrap()["child"], json!({ "n": 5 }));
    let remote = Graph::new(&calls("Remote"), &Host::new()).unwrap();
    let error = remote.run(json!({ "n": 4 })).await.unwrap_err().to_string();
    assert!(error.contains("`Remote` could be made") && error.contains("nobody answers"), "{error}");
}

#[tokio::test]
async fn a_linked_workflow_is_made_when_it_first_runs_once_for_all_graphs_of_a_host() {
    let host = Host::new();
    let twice = json!({ "id": "twice", "steps": [
        { "id": "a", "type": "subgraph", "workflow": "Made", "input": { "n": 0 } },
        { "id": "b", "type": "subgraph", "workflow": "Made", "input": { "n": 0 } },
    ], "edges": [{ "source": "a", "target": "b" }] });
    let (once, twice) = (Graph::new(&calls("Made"), &host).unwrap(), Graph::new(&twice, &host.clone()).unwrap());
    assert_eq!(MADE.load(Ordering::Relaxed), 0, "to be checked it need not be made");
    assert_eq!(once.run(json!({ "n": 0 })).await.unwrap().result().unwrap()["child"]["n"], 1);
    let stop = twice.run(json!({})).await.unwrap();
    assert_eq!(stop.result().unwrap(), &json!({ "a": { "n": 1 }, "b": { "n": 1 } }));
}

#[tokio::test]
async fn a_workflow_of_the_runtime_is_there_by_the_name_it_was_registered_under() {
    for store in Store::all() {
        let runtime = store.open();
        let graphs = Graphs::new(&runtime, Host::new());
        assert!(!graphs.check(&calls("adds")).is_ok() && graphs.put(&calls("adds")).is_err());
        runtime.register_as("adds", Adding { more: 3 }, None).unwrap();
        graphs.put(&calls("adds")).unwrap();
        assert_eq!(ended(&runtime, "calls", 4).await, Ok(json!(7)));
        // Registered under the name of a linked one, it is the one that is meant.
        runtime.register_as("Doubling", Adding { more: 100 }, None).unwrap();
        let mut newer = calls("Doubling");
        newer["version"] = json!(2);
        graphs.put(&newer).unwrap();
        assert_eq!(ended(&runtime, "calls", 4).await, Ok(json!(104)));
        // A graph is no compiled workflow, under none of its names.
        for name in ["calls", "calls@1"] {
            let named = json!({ "id": "other", "steps": [{ "id": "a", "type": "subgraph", "workflow": name }] });
            assert!(!graphs.check(&named).is_ok(), "{name}");
        }
        runtime.shutdown(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn a_host_may_have_the_workflows_of_a_runtime_and_does_not_hold_it() {
    let runtime = Runtime::new();
    let host = Host::new().workflows_of(&runtime);
    runtime.register_as("adds", Adding { more: 3 }, None).unwrap();
    let graph = Graph::new(&calls("adds"), &host).unwrap();
    drop(runtime);
    assert!(Graph::new(&calls("adds"), &host).is_err(), "the runtime is gone, and its names with it");
    assert_eq!(graph.run(json!({ "n": 1 })).await.unwrap().result().unwrap()["child"], json!({ "n": 4 }));
}

#[tokio::test]
async fn a_run_goes_on_in_another_process_that_has_the_workflow() {
    for store in Store::all().into_iter().skip(1) {
        for registered in [false, true] {
            let (workflow, id) = if registered { ("asks", "r1") } else { ("Asking", "r2") };
            let open = || {
                let runtime = store.open();
                if registered {
                    runtime.register_as("asks", Asking, None).unwrap();
                }
                (runtime.clone(), Graphs::new(&runtime, Host::new()))
            };
            let (runtime, graphs) = open();
            graphs.put(&calls(workflow)).unwrap_or_else(|error| panic!("{error}"));
            let run = runtime.start("calls", json!({ "n": 4 }), RunOptions::new().run_id(id)).unwrap();
            support::question(&runtime).await;
            drop((run, graphs));
            runtime.shutdown(Duration::from_secs(10)).await;
            // Nobody puts the graph here: its document is with the run.
            let (runtime, _graphs) = open();
            answer(&runtime, json!({ "n": 38 })).await;
            let run = runtime.attach(&RunId::from(id)).await.unwrap();
            let stop = tokio::time::timeout(Duration::from_secs(60), run.outcome()).await.unwrap().unwrap();
            assert_eq!(stop.value()["result"]["child"]["n"], 42, "{workflow}");
            drop(run);
            runtime.shutdown(Duration::from_secs(10)).await;
        }
    }
}

#[test]
fn a_name_that_is_nowhere_is_refused_with_those_that_are_near() {
    let runtime = Runtime::new();
    runtime.register_as("Doublings", Adding { more: 1 }, None).unwrap();
    let graphs = Graphs::new(&runtime, Host::new());
    graphs.put(&json!({ "id": "hello", "steps": [{ "id": "a", "type": "function", "template": 1 }] })).unwrap();
    let hint = |step: Value| {
        let report = graphs.check(&json!({ "id": "calls", "steps": [step] }));
        let issue = report.errors().next().unwrap();
        assert_eq!(issue.code, Code::UnknownReference);
        (issue.pointer.clone(), issue.hint.clone())
    };
    let (pointer, near) = hint(json!({ "id": "a", "type": "subgraph", "workflow": "Doublign" }));
    assert_eq!(pointer, "/steps/0/workflow");
    assert_eq!(near, "Did you mean `Doubling`, `Doublings`?");
    // It cannot be made by its name, and is not registered.
    let (_, why) = hint(json!({ "id": "a", "type": "subgraph", "workflow": "Adding" }));
    assert!(why.contains("cannot be made by its name: register it"), "{why}");
    let (_, all) = hint(json!({ "id": "a", "type": "subgraph", "workflow": "something else" }));
    assert!(all.starts_with("There are: ") && all.contains("`Asking`") && !all.contains("`Adding`"), "{all}");
    let (_, other) = hint(json!({ "id": "a", "type": "subgraph", "workflow": "hello" }));
    assert_eq!(other, "Name the graph as `graph`: `hello`.");
    let (pointer, other) = hint(json!({ "id": "a", "type": "subgraph", "graph": "Doubling" }));
    assert_eq!((&*pointer, &*other), ("/steps/0/graph", "Name the workflow as `workflow`: `Doubling`."));
    let (_, near) = hint(json!({ "id": "a", "type": "subgraph", "graph": "helo" }));
    assert_eq!(near, "Did you mean `hello`?");
}
