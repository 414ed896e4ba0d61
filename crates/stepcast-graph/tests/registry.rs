//! Graphs in their versions, built in Rust, and looked at through views.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use stepcast::prelude::*;
use stepcast::{AnyRun, InputId, Runtime, RuntimeError, StreamStart};
use stepcast_graph::*;
use support::host;

fn version(version: u64, text: &str) -> Value {
    json!({ "id": "greet", "name": "Greeting", "version": version, "edges": [],
            "steps": [{ "id": "say", "type": "function", "template": text }] })
}

async fn said(runtime: &Runtime, name: &str) -> Value {
    let run = runtime.start(name, json!({}), RunOptions::new()).unwrap();
    run.outcome().await.unwrap().value()["result"]["say"].clone()
}

#[tokio::test]
async fn versions_stand_beside_each_other() {
    let runtime = Runtime::new();
    let graphs = Graphs::new(&runtime, host());
    graphs.put(&version(1, "one")).unwrap();
    assert_eq!(said(&runtime, "greet").await, json!("one"));
    graphs.put(&version(2, "two")).unwrap();
    assert_eq!(said(&runtime, "greet").await, json!("two"));
    assert_eq!(said(&runtime, "greet@1").await, json!("one"));
    let error = graphs.put(&version(2, "other")).unwrap_err();
    assert!(matches!(error, PutGraphError::SameVersion { version: 2, .. }), "{error}");
    // Word for word the same: it stands for its id again.
    graphs.put(&version(1, "one")).unwrap();
    assert_eq!(said(&runtime, "greet").await, json!("one"));
    assert_eq!(graphs.version("greet", 2).unwrap().source(), &version(2, "two"));
    let info =
        GraphInfo { id: "greet".to_owned(), name: Some("Greeting".to_owned()), version: 1, versions: vec![1, 2] };
    assert_eq!(graphs.list(), [info]);
    assert_eq!(graphs.get("greet").unwrap().version(), 1);
    assert!(graphs.get("nobody").is_none());
}

#[tokio::test]
async fn a_bad_graph_harms_nobody() {
    let runtime = Runtime::new();
    let graphs = Graphs::new(&runtime, host());
    graphs.put(&version(1, "one")).unwrap();
    let bad = version(2, "{{nobody}}");
    assert!(matches!(graphs.put(&bad), Err(PutGraphError::Graph(GraphError::Refused { .. }))));
    assert!(!graphs.check(&bad).is_ok());
    assert_eq!(said(&runtime, "greet").await, json!("one"));
    assert_eq!(runtime.workflows(), ["greet", "greet@1"]);
}

#[event(start)]
struct Ping;

#[event(stop)]
struct Pong;

#[step]
async fn answer(_ping: Ping) -> Pong {
    Pong
}

flow!(Echo: Ping => Pong { answer });

#[tokio::test]
async fn a_graph_does_not_take_the_name_of_a_workflow() {
    let runtime = Runtime::new();
    runtime.register_as("greet", Echo, None).unwrap();
    let graph = Graph::new(&version(1, "one"), &host()).unwrap();
    assert!(matches!(runtime.register_graph(&graph), Err(RuntimeError::DuplicateWorkflow { name }) if name == "greet"));
    assert_eq!(runtime.workflows(), ["greet"]);
}

#[tokio::test]
async fn graphs_that_run_each_other_are_put_in_any_order() {
    let runtime = Runtime::new();
    let graphs = Graphs::new(&runtime, host());
    let user = |id: &str, used: &str| json!({ "id": id, "edges": [], "steps": [{ "id": "run", "type": "subgraph", "graph": used }] });
    graphs.put_all(&[user("top", "middle"), user("middle", "greet"), version(1, "one")]).unwrap();
    let run = runtime.start("top", json!({}), RunOptions::new()).unwrap();
    assert_eq!(run.outcome().await.unwrap().value()["result"], json!({ "run": { "run": { "say": "one" } } }));
    let error = graphs.put_all(&[user("a", "b"), user("b", "c"), user("c", "a")]).unwrap_err();
    let PutGraphError::Graph(GraphError::Refused { report, .. }) = error else { panic!("{error}") };
    assert_eq!(report.issues[0].code, Code::Recursion);
    assert_eq!(report.issues[0].pointer, "/steps/0/graph");
    assert!(graphs.get("a").is_none());
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Draft {
    content: String,
    attempt: u32,
}

#[tokio::test]
async fn graphs_are_built_in_rust() {
    let graph = Graph::builder("built")
        .version(3)
        .step(GraphStep::start("begin"))
        .step(GraphStep::parallel("both", Wanted::All))
        .step(GraphStep::agent("draft", "writer", "{{input.topic}}").inside("both").with_key("text").with_retry(2, 10))
        .step(GraphStep::template("fixed", json!([1, 2])).inside("both"))
        .step(GraphStep::end("end"))
        .edge("begin", "both")
        .edge("both", "end")
        .build(&host())
        .unwrap();
    assert_eq!((graph.id(), graph.version()), ("built", 3));
    let stop = graph.run(json!({ "topic": "pirates" })).await.unwrap();
    let draft: Option<Draft> = stop.output("text").unwrap();
    assert_eq!(draft, Some(Draft { content: "about pirates".to_owned(), attempt: 1 }));
    assert_eq!(stop.output::<Vec<u32>>("fixed").unwrap(), Some(vec![1, 2]));
    assert_eq!(stop.output::<u32>("nobody").unwrap(), None);
    assert!(stop.output::<u32>("text").is_err());
    let again = Graph::new(graph.source(), &host()).unwrap();
    assert_eq!(again.document(), graph.document());
}

#[tokio::test]
async fn views_are_filters_over_one_log() {
    let graph = Graph::builder("viewed")
        .step(GraphStep::start("start"))
        .step(GraphStep::template("a", json!({ "n": 1 })))
        .step(GraphStep::log("line", "a is {{a.n}}"))
        .edge("start", "a")
        .edge("a", "line")
        .build(&host())
        .unwrap();
    let run = graph.run(json!({ "x": 7 }));
    run.outcome().await.unwrap();
    let mut stream = run.stream_from(StreamStart::Beginning);
    let all = [Mode::Values, Mode::Updates, Mode::Lifecycle, Mode::Custom];
    let (mut every, mut updates) = (Views::new(all), Views::new([Mode::Updates]));
    let (mut shown, mut fewer) = (Vec::new(), Vec::new());
    while let Some(item) = stream.next().await {
        let StreamItem::Event(item) = item else { panic!("{item:?}") };
        // As it comes over the wire: without its type.
        let wire: AnyEvent = serde_json::from_value(serde_json::to_value(&item.event).unwrap()).unwrap();
        let typed = every.clone().see(&item.event, item.seq);
        let seen = every.see(&wire, item.seq);
        assert_eq!(seen, typed);
        shown.extend(typed);
        fewer.extend(updates.see(&item.event, item.seq));
    }
    let of = |mode: Mode| shown.iter().filter(|item| item.mode == mode).cloned().collect::<Vec<_>>();
    assert_eq!(fewer, of(Mode::Updates));
    let payloads: Vec<Value> = fewer.iter().map(|item| item.payload.clone()).collect();
    assert_eq!(payloads[0], json!({ "start": { "output": { "input": { "x": 7 } } } }));
    assert_eq!(payloads[1], json!({ "a": { "output": { "n": 1 } } }));
    let values = of(Mode::Values);
    assert_eq!(values.len(), 3);
    assert_eq!(values[1].payload["a"]["output"], json!({ "n": 1 }));
    assert!(values[1].payload["start"].is_object() && values[1].step.as_deref() == Some("a"));
    assert_eq!(
        of(Mode::Lifecycle).iter().map(|item| item.step.clone().unwrap()).collect::<Vec<_>>(),
        ["start", "a", "line"]
    );
    let custom = of(Mode::Custom);
    assert_eq!(custom.len(), 1);
    assert_eq!(custom[0].payload["value"]["message"], json!("a is 1"));
}

/// The first question of a run, once it asks.
async fn asked(run: &AnyRun) -> InputId {
    loop {
        if let Some(input) = run.pending_inputs().await.first() {
            return input.id.clone();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_removed_graph_begins_no_runs_and_its_runs_go_on() {
    let runtime = Runtime::new();
    let graphs = Graphs::new(&runtime, host());
    let asking = json!({ "id": "greet", "edges": [{ "source": "ask", "target": "say" }], "steps": [
        { "id": "ask", "type": "human", "prompt": "Who?" }, { "id": "say", "type": "function", "template": "{{ask.response}}" }
    ] });
    let outer = json!({ "id": "outer", "edges": [], "steps": [{ "id": "run", "type": "subgraph", "graph": "greet" }] });
    graphs.put_all(&[outer.clone(), asking.clone()]).unwrap();
    let run = runtime.start("greet", json!({}), RunOptions::new()).unwrap();
    assert!(graphs.remove("greet").unwrap());
    assert!(!graphs.remove("greet").unwrap());
    assert!(graphs.get("greet").is_none());
    assert_eq!(graphs.list().len(), 1);
    assert_eq!(runtime.workflows(), ["outer", "outer@1"]);
    let error = |name: &str| runtime.start(name, json!({}), RunOptions::new()).unwrap_err();
    assert!(matches!(error("greet"), RuntimeError::UnknownWorkflow { .. }));
    assert!(matches!(error("greet@1"), RuntimeError::Retired { .. }), "{}", error("greet@1"));
    // What began goes on, and nothing new is made of it.
    let input = asked(&run).await;
    run.respond_value(&input, json!("Ada")).await.unwrap();
    assert_eq!(run.outcome().await.unwrap().value()["result"]["say"], json!("Ada"));
    assert!(graphs.put(&json!({ "id": "late", "edges": [], "steps": outer["steps"] })).is_err());
    let run = runtime.start("outer", json!({}), RunOptions::new()).unwrap();
    asked(&run).await;
    run.cancel();
    // It may come back as it was, or another one under its name.
    let mut other = asking.clone();
    other["name"] = json!("Other");
    graphs.put(&other).unwrap();
    assert!(matches!(graphs.put(&asking), Err(PutGraphError::SameVersion { version: 1, .. })));
    graphs.remove("greet").unwrap();
    graphs.put(&asking).unwrap();
    assert_eq!(runtime.workflows(), ["greet", "greet@1", "outer", "outer@1"]);
    assert!(runtime.start("greet@1", json!({}), RunOptions::new()).is_ok());
}

#[tokio::test]
async fn what_needs_a_bad_graph_is_kept_away_and_nothing_else() {
    let graphs = Graphs::new(&Runtime::new(), host());
    let user = |id: &str, used: &str| json!({ "id": id, "edges": [], "steps": [{ "id": "run", "type": "subgraph", "graph": used }] });
    let put = graphs.put_each(&[user("a", "bad"), json!({ "id": "bad" }), user("b", "greet"), version(1, "one")]);
    assert_eq!(put.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, false, true, true]);
    let put = graphs.put_each(&[user("x", "y"), user("y", "x"), version(2, "two")]);
    assert_eq!(put.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, false, true]);
}

fn opened(folder: &std::path::Path) -> (Runtime, Graphs, Vec<String>) {
    let runtime = Runtime::new();
    let (graphs, faults) = Graphs::in_folder(&runtime, host(), folder).unwrap();
    (runtime, graphs, faults.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn a_folder_keeps_what_was_put_and_what_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("graphs");
    let user = json!({ "id": "a/user", "edges": [], "steps": [{ "id": "run", "type": "subgraph", "graph": "greet" }] });
    let alike = json!({ "id": "a_user", "edges": [], "steps": [{ "id": "one", "type": "function", "template": 1 }] });
    {
        let (_, graphs, faults) = opened(&folder);
        assert!(faults.is_empty());
        for source in [&version(1, "one"), &version(2, "two"), &user, &alike] {
            graphs.put(source).unwrap();
        }
        // Back to the first one.
        graphs.put(&version(1, "one")).unwrap();
    }
    {
        let (runtime, graphs, faults) = opened(&folder);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(
            graphs.list().iter().map(|info| info.id.as_str()).collect::<Vec<_>>(),
            ["a/user", "a_user", "greet"]
        );
        assert_eq!(said(&runtime, "greet").await, json!("one"));
        assert_eq!(said(&runtime, "greet@2").await, json!("two"));
        let run = runtime.start("a/user", json!({}), RunOptions::new()).unwrap();
        assert_eq!(run.outcome().await.unwrap().value()["result"], json!({ "run": { "say": "one" } }));
        // A file of somebody's own, in YAML: a higher version is what the id stands for.
        let yaml = "id: greet\nversion: 3\nedges: []\nsteps:\n  - {id: say, type: function, template: three}\n";
        std::fs::write(folder.join("mine.yaml"), yaml).unwrap();
        assert!(graphs.remove("a/user").unwrap() && graphs.remove("a_user").unwrap());
        graphs.put(&alike).unwrap();
    }
    let (runtime, graphs, faults) = opened(&folder);
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(graphs.list().iter().map(|info| info.id.as_str()).collect::<Vec<_>>(), ["a_user", "greet"]);
    assert_eq!(said(&runtime, "greet").await, json!("three"));
    // For runs that have not ended; another one may have its name.
    graphs
        .put(&json!({ "id": "a/user", "edges": [], "steps": [{ "id": "one", "type": "function", "template": 2 }] }))
        .unwrap();
    assert!(runtime.definition("a/user@1").is_some());
    assert!(matches!(graphs.put(&version(3, "other")), Err(PutGraphError::SameVersion { .. })));
    graphs.remove("greet").unwrap();
    assert!(!folder.join("mine.yaml").exists());
    let (runtime, graphs, faults) = opened(&folder);
    assert!(faults.is_empty() && graphs.get("greet").is_none(), "{faults:?}");
    assert!(runtime.definition("greet@3").is_some());
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    put("a-broken.json", "{");
    put("b-refused.json", &json!({ "id": "refused", "steps": [] }).to_string());
    put("c-good.json", &version(1, "one").to_string());
    put("d-twice.json", &version(1, "two").to_string());
    put("e-bytes.json", "");
    std::fs::write(dir.path().join("e-bytes.json"), [0xff, 0xfe]).unwrap();
    put("notes.txt", "{");
    put(".hidden.json", "{");
    let (runtime, _, faults) = opened(dir.path());
    assert_eq!(faults.len(), 4, "{faults:?}");
    for name in ["a-broken", "b-refused", "d-twice", "e-bytes"] {
        assert!(faults.iter().any(|fault| fault.contains(name)), "{name}: {faults:?}");
    }
    assert_eq!(said(&runtime, "greet").await, json!("one"));
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Graphs::in_folder(&Runtime::new(), host(), &file).unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
}
