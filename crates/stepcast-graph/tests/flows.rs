//! Graphs of every kind, driven to their ends in memory.
#![allow(clippy::unwrap_used)]

#[path = "flows/outputs.rs"]
mod outputs;
#[path = "flows/parallel.rs"]
mod parallel;
#[path = "flows/parts.rs"]
mod parts;
#[path = "flows/routes.rs"]
mod routes;
mod support;

use std::time::Duration;

use serde_json::{Value, json};
use stepcast::Runtime;
use stepcast::backend::MemoryBackend;
use stepcast::prelude::*;
use stepcast_graph::{Graph, GraphError, Host, RegisterGraph, StepOver, StepStatus, Wake};
use support::issues::Issue;
use support::{graph, host, result};

#[step(blocking)]
fn shout(issue: Issue) -> Issue {
    Issue { title: issue.title.to_uppercase() }
}

#[step]
async fn flaky(_issue: Issue, attempt: Attempt) -> Result<Issue> {
    match attempt.number() {
        1 | 2 => Err(StepError::msg("not yet")),
        number => Ok(Issue { title: format!("attempt {number}") }),
    }
}

fn statuses(items: &[StreamItem]) -> Vec<(String, StepStatus)> {
    let over = items.iter().filter_map(|item| item.get::<StepOver>());
    over.map(|over| (over.step.to_string(), over.status)).collect()
}

async fn run_and_watch(source: &Value, input: Value) -> (Result<Value, String>, Vec<(String, StepStatus)>, String) {
    let run = graph(source).run(input);
    let mut stream = run.stream_events();
    let mut items = Vec::new();
    while let Some(item) = stream.next().await {
        items.push(item);
    }
    let ended = run.await.map(|stop| stop.result().cloned().unwrap_or_default()).map_err(|error| error.to_string());
    let last = items.last().map(|item| format!("{item:?}")).unwrap_or_default();
    (ended, statuses(&items), last)
}

#[tokio::test]
async fn functions_of_the_program_are_called_by_name() {
    let source = json!({
        "id": "bug-triage", "version": 1, "route": "first", "start": "start",
        "steps": [
            { "id": "triage", "type": "step", "use": "triage_issue", "input": { "title": "{{start.output.input.title}}" }, "output_key": "found" },
            { "id": "loud", "type": "step", "use": "shout", "input": "{{found}}" }
        ],
        "edges": [
            { "source": "triage", "target": "loud", "when": { "type": "field", "path": "triage.output.severity", "op": "eq", "value": "critical" } },
            { "source": "triage", "target": "end", "when": { "type": "otherwise" } },
            { "source": "loud", "target": "end" }
        ]
    });
    let found = result(&source, json!({ "title": "a crash" })).await;
    assert_eq!(
        found,
        json!({ "found": { "severity": "critical", "title": "a crash" }, "loud": { "title": "A CRASH" } })
    );
    let found = result(&source, json!({ "title": "a typo" })).await;
    assert_eq!(found, json!({ "found": { "severity": "low", "title": "a typo" } }));
}

#[tokio::test(start_paused = true)]
async fn steps_are_tried_again() {
    let source = json!({
        "id": "again",
        "steps": [{ "id": "work", "type": "step", "use": "flaky", "input": { "title": "x" },
                    "retry": { "max_attempts": 3, "backoff_ms": 60_000 } }],
        "edges": [{ "source": "work", "target": "end" }]
    });
    assert_eq!(result(&source, json!({})).await, json!({ "work": { "title": "attempt 3" } }));
}

#[tokio::test]
async fn an_input_that_does_not_fit_fails_the_step_at_once() {
    let source = json!({
        "id": "unfit", "retry": { "max_attempts": 5 },
        "steps": [{ "id": "work", "type": "step", "use": "flaky", "input": { "titel": "x" } }], "edges": []
    });
    let error = graph(&source).run(json!({})).await.unwrap_err().to_string();
    assert!(error.contains("work") && error.contains("Issue") && error.contains("title"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_real_and_can_be_cut_short() {
    let source = json!({
        "id": "later",
        "steps": [{ "id": "wait", "type": "function", "config": { "action": "delay", "duration": "30m" } }], "edges": []
    });
    let began = tokio::time::Instant::now();
    assert_eq!(result(&source, json!({})).await, json!({ "wait": { "delayed": 1800.0 } }));
    assert!(began.elapsed() >= Duration::from_secs(1800));
    let run = graph(&source).run(json!({}));
    run.send_event(Wake { step: "wait".to_owned() }).unwrap();
    let began = tokio::time::Instant::now();
    run.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn logs_and_transforms() {
    let source = json!({
        "id": "small",
        "steps": [
            { "id": "whole", "type": "transform", "transform_id": "identity", "input_key": "input" },
            { "id": "text", "type": "transform", "transform_id": "extract_content" },
            { "id": "line", "type": "log", "message": "got {{text}}", "paths": ["whole.content", "zz_missing.x"] },
            { "id": "twice", "type": "transform", "transform_id": "double", "input": "{{whole.n}}" }
        ],
        "edges": [{ "source": "whole", "target": "text" }, { "source": "text", "target": "line" }, { "source": "line", "target": "twice" }]
    });
    let refused = Graph::new(&source, &host()).unwrap_err();
    assert!(matches!(&refused, GraphError::Refused { report, .. } if report.errors().count() == 1), "{refused}");
    let mut source = source;
    source["steps"][2]["paths"] = json!(["whole.content"]);
    let done = result(&source, json!({ "content": "hi", "n": 4 })).await;
    assert_eq!(done["text"], json!("hi"));
    assert_eq!(done["line"], json!({ "message": "got hi", "values": { "whole.content": "hi" } }));
    assert_eq!(done["twice"], json!(8));
}

#[tokio::test]
async fn runners_are_chosen_by_what_they_can() {
    let source = json!({
        "id": "flow",
        "tasks": [{ "id": "draft", "target": { "type": "capabilities", "value": ["write"] }, "prompt": "{{input.subject}} in {{ input.tone }}",
                    "input_bindings": { "subject": "input.topic", "tone": "input.style" }, "output_transform": "extract_content", "output_key": "text" }],
        "nodes": [
            { "id": "write", "kind": "task", "task_id": "draft" },
            { "id": "read", "kind": "task", "task": { "id": "r", "target": { "type": "agent_id", "value": "reviewer" }, "prompt": "read" },
              "input": { "text": "good {{text}}" } }
        ],
        "edges": [{ "from": "write", "to": "read", "transition": { "type": "on_success" } }]
    });
    let done = result(&source, json!({ "topic": "pirates", "style": "verse" })).await;
    assert_eq!(done["text"], json!("about pirates in verse"));
    assert_eq!(done["read"], json!({ "score": 9 }));
}

#[event(start)]
struct Ping {
    n: i64,
}

#[event(stop)]
struct Pong {
    n: i64,
}

#[derive(Default)]
struct Echo;

#[workflow(Ping => Pong)]
impl Echo {
    #[step]
    async fn answer(&self, ping: Ping) -> Result<Pong> {
        if ping.n < 0 {
            return Err(StepError::msg("too few"));
        }
        Ok(Pong { n: ping.n + 1 })
    }
}

#[derive(Clone)]
struct Outer(Graph);

#[workflow(Ping => Pong)]
impl Outer {
    #[step]
    async fn through(&self, ping: Ping, ctx: Context) -> Result<Pong> {
        let done = self.0.run_in(&ctx, json!({ "n": ping.n })).await?;
        Ok(Pong { n: done["second"]["n"].as_i64().unwrap_or(-1) })
    }
}

#[tokio::test]
async fn graphs_run_graphs_and_workflows_and_are_run_by_them() {
    let inner = json!({ "id": "inner", "edges": [], "steps": [{ "id": "first", "type": "subgraph", "workflow": "echo", "input": { "n": "{{input.n}}" } }] });
    let host = Host::new().workflow("echo", Echo);
    let inner = Graph::new(&inner, &host).unwrap();
    let host = host.graph(&inner);
    let outer = json!({
        "id": "outer",
        "steps": [
            { "id": "once", "type": "subgraph", "graph": "inner", "input": "{{input}}" },
            { "id": "second", "type": "subgraph", "workflow": "echo", "input": "{{once.first}}" }
        ],
        "edges": [{ "source": "once", "target": "second" }]
    });
    let outer = Graph::new(&outer, &host).unwrap();
    let stop = outer.run(json!({ "n": 1 })).await.unwrap();
    assert_eq!(stop.result().unwrap()["second"], json!({ "n": 3 }));
    assert_eq!(Outer(outer.clone()).run(Ping { n: 5 }).await.unwrap().n, 7);
    let error = outer.run(json!({ "n": -1 })).await.unwrap_err().to_string();
    assert!(error.contains("too few"), "{error}");
}

#[tokio::test]
async fn yaml_is_read_too() {
    let text = "id: greet\nsteps:\n  - {id: hello, type: function, template: 'Hello, {{input.name}}!'}\n  - {id: end, type: end, input: '{{hello}}'}\nedges:\n  - {source: hello, target: end}\n";
    let graph = Graph::parse(text, &host()).unwrap();
    assert_eq!(graph.run(json!({ "name": "Ada" })).await.unwrap().result(), Some(&json!("Hello, Ada!")));
    assert!(matches!(Graph::parse("{ no", &host()), Err(GraphError::Parse(_))));
    assert!(matches!(Graph::parse("a: [", &host()), Err(GraphError::Parse(_))));
}

#[tokio::test]
async fn the_input_is_found_whatever_the_start_is_called() {
    let source = json!({
        "id": "begin",
        "steps": [
            { "id": "begin", "type": "start", "output_key": "zz" },
            { "id": "a", "type": "function", "template": ["{{begin.input.n}}", "{{start.output.input.n}}", "{{input.n}}"] }
        ],
        "edges": [{ "source": "begin", "target": "a" }]
    });
    assert_eq!(result(&source, json!({ "n": 3 })).await["a"], json!([3, 3, 3]));
}
