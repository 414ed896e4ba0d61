//! Graphs of every kind, driven to their ends in memory.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use stepcast::Runtime;
use stepcast::backend::MemoryBackend;
use stepcast::prelude::*;
use stepcast_graph::{Graph, GraphError, Host, RegisterGraph, StepOver, StepStatus, Wake};
use support::{graph, host, result};

#[event]
#[derive(PartialEq)]
struct Issue {
    title: String,
}

#[event]
struct Triage {
    severity: String,
    title: String,
}

#[step]
async fn triage_issue(issue: Issue) -> Result<Triage> {
    let severity = if issue.title.contains("crash") { "critical" } else { "low" };
    Ok(Triage { severity: severity.to_owned(), title: issue.title })
}

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

#[tokio::test]
async fn a_loop_goes_round_until_its_condition_holds() {
    let source = json!({
        "id": "loop",
        "steps": [
            { "id": "zero", "type": "function", "action": "set", "values": { "count": 1 } },
            { "id": "more", "type": "function", "action": "custom", "function": "double", "input": "{{count}}", "output_key": "count" },
            { "id": "big", "type": "condition", "condition": "count > 1000" }
        ],
        "edges": [
            { "source": "zero", "target": "more" },
            { "source": "more", "target": "big" },
            { "source": "big", "target": "end", "when": "big.result == true" },
            { "source": "big", "target": "more", "when": "otherwise" }
        ]
    });
    assert_eq!(result(&source, json!({})).await["count"], json!(1024));
}

#[tokio::test]
async fn all_edges_are_taken_and_dead_paths_are_skipped() {
    let source = json!({
        "id": "dead-paths", "route": "all",
        "steps": [
            { "id": "gate", "type": "condition", "condition": "input.go" },
            { "id": "yes", "type": "function", "template": "yes" },
            { "id": "after_yes", "type": "function", "template": "after yes" },
            { "id": "no", "type": "function", "template": "no" },
            { "id": "anyway", "type": "function", "template": "anyway" },
            { "id": "join", "type": "join" }
        ],
        "edges": [
            { "source": "gate", "target": "yes", "when": "gate.result" },
            { "source": "gate", "target": "no", "when": "otherwise" },
            { "source": "yes", "target": "after_yes" },
            { "source": "yes", "target": "anyway", "when": "always" },
            { "source": "after_yes", "target": "join" },
            { "source": "no", "target": "join" },
            { "source": "anyway", "target": "join" }
        ]
    });
    let went = result(&source, json!({ "go": true })).await;
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&went), ["after_yes", "anyway", "gate", "join", "yes"]);
    assert_eq!(went["join"], json!({ "joined": ["after_yes", "no", "anyway"] }));
    // An edge for `always` is taken from a step that was skipped, too.
    assert_eq!(keys(&result(&source, json!({ "go": false })).await), ["anyway", "gate", "join", "no"]);
}

#[tokio::test]
async fn several_first_and_last_steps() {
    let source = json!({
        "id": "wide", "route": "all",
        "steps": [
            { "id": "a", "type": "function", "template": "{{input.x}}" },
            { "id": "b", "type": "function", "template": [1] },
            { "id": "c", "type": "function", "template": ["{{a}}", "{{b.0}}"] }
        ],
        "edges": [{ "source": "a", "target": "c" }, { "source": "b", "target": "c" }]
    });
    assert_eq!(result(&source, json!({ "x": 7 })).await["c"], json!([7, 1]));
    let source = json!({ "id": "apart", "route": "all", "edges": [],
        "steps": [{ "id": "a", "type": "function", "template": 1 }, { "id": "b", "type": "function", "template": 2 }] });
    assert_eq!(result(&source, json!({})).await, json!({ "a": 1, "b": 2 }));
}

fn parallel(join: Value, children: Value) -> Value {
    let mut steps = vec![
        json!({ "id": "checks", "type": "parallel", "config": { "join": join } }),
        json!({ "id": "after", "type": "function", "template": "{{checks.output}}" }),
    ];
    steps.extend(children.as_array().unwrap().iter().map(|child| {
        let mut child = child.clone();
        child["parent"] = json!("checks");
        child
    }));
    json!({ "id": "parallel-checks", "nodes": steps, "edges": [{ "source": "checks", "target": "after" }] })
}

#[tokio::test]
async fn steps_run_at_the_same_time() {
    let source = parallel(
        json!("all"),
        json!([
            { "id": "style", "type": "agent", "agent": "writer", "prompt": "style" },
            { "id": "sec", "type": "step", "use": "triage_issue", "input": { "title": "crash" } },
            { "id": "inner", "type": "parallel" },
            { "id": "none", "type": "parallel" }
        ]),
    );
    let mut source = source;
    source["nodes"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "id": "deep", "type": "function", "template": "deep", "parent": "inner" }));
    let after = result(&source, json!({})).await["after"].clone();
    assert_eq!(
        after,
        json!({
            "style": { "content": "about style", "attempt": 1 },
            "sec": { "severity": "critical", "title": "crash" },
            "inner": { "deep": "deep" },
            "none": {}
        })
    );
}

#[tokio::test(start_paused = true)]
async fn the_losers_of_a_race_are_cancelled_and_marked() {
    let source = parallel(
        json!("any"),
        json!([
            { "id": "slow", "type": "function", "action": "delay", "delay": "1h" },
            { "id": "ask", "type": "human", "prompt": "anybody?" },
            { "id": "bad", "type": "agent", "agent": "broken" },
            { "id": "quick", "type": "function", "action": "delay", "delay": "1s" }
        ]),
    );
    let began = tokio::time::Instant::now();
    let (ended, over, last) = run_and_watch(&source, json!({})).await;
    assert_eq!(ended.unwrap()["after"], json!({ "quick": { "delayed": 1.0 } }));
    assert!(began.elapsed() < Duration::from_secs(60), "{last}");
    let status = |name: &str| over.iter().find(|(step, _)| step == name).map(|(_, status)| *status);
    assert_eq!(status("quick"), Some(StepStatus::Completed));
    assert_eq!(status("bad"), Some(StepStatus::Failed));
    assert_eq!(status("slow"), Some(StepStatus::Cancelled));
    assert_eq!(status("ask"), Some(StepStatus::Cancelled));
    assert_eq!(over.len(), 6);
}

#[tokio::test]
async fn a_parallel_step_fails_with_what_went_wrong_in_it() {
    let children = json!([
        { "id": "bad", "type": "agent", "agent": "broken" },
        { "id": "worse", "type": "agent", "agent": "panics" },
        { "id": "good", "type": "function", "template": 1 }
    ]);
    let (ended, ..) = run_and_watch(&parallel(json!("all"), children.clone()), json!({})).await;
    let error = ended.unwrap_err();
    assert!(
        error.contains("`bad`: attempt 1 is no good") && error.contains("`worse`") && error.contains("out of tune"),
        "{error}"
    );
    let (ended, ..) = run_and_watch(&parallel(json!(2), children.clone()), json!({})).await;
    assert!(ended.unwrap_err().contains("`bad`"));
    let (ended, ..) = run_and_watch(&parallel(json!(1), children.clone()), json!({})).await;
    assert_eq!(ended.unwrap()["after"], json!({ "good": 1 }));
    // Its failure goes where its edges say.
    let mut source = parallel(json!("all"), children);
    source["edges"] = json!([
        { "source": "checks", "target": "after" },
        { "source": "checks", "target": "sorry", "when": "failure" }
    ]);
    let sorry = json!({ "id": "sorry", "type": "function", "template": "{{checks.error.message}}" });
    source["nodes"].as_array_mut().unwrap().push(sorry);
    let (ended, ..) = run_and_watch(&source, json!({})).await;
    assert!(ended.unwrap()["sorry"].as_str().unwrap().contains("`bad`"));
}

#[tokio::test]
async fn failures_go_along_their_edges() {
    let source = json!({
        "id": "failing",
        "steps": [
            { "id": "work", "type": "agent", "agent": "broken", "retry": { "max_attempts": 2 } },
            { "id": "fine", "type": "function", "template": "fine" },
            { "id": "sorry", "type": "function", "template": "{{work.error.message}} after {{work.error.attempts}}" }
        ],
        "edges": [
            { "source": "work", "target": "fine" },
            { "source": "work", "target": "sorry", "when": "failure" }
        ]
    });
    let run = graph(&source).run(json!({}));
    let stop = run.await.unwrap();
    assert_eq!(stop.result().unwrap()["sorry"], json!("attempt 2 is no good after 2"));
    // The step's word is stronger than the edge's.
    let mut strict = source.clone();
    strict["steps"][0]["on_failure"] = json!("fail");
    assert!(graph(&strict).run(json!({})).await.unwrap_err().to_string().contains("attempt 2 is no good"));
    // Task over graph, step over task.
    let mut task = source.clone();
    task["on_failure"] = json!("fail");
    task["tasks"] = json!([{ "id": "t", "target": { "type": "agent_id", "value": "broken" }, "failure_policy": "continue_best_effort",
                             "retry_policy": { "max_attempts": 3 } }]);
    task["steps"][0] = json!({ "id": "work", "kind": "task", "task_id": "t" });
    task["route"] = json!("first");
    let stop = graph(&task).run(json!({})).await.unwrap();
    assert_eq!(stop.result().unwrap()["sorry"], json!("attempt 3 is no good after 3"));
}

#[tokio::test]
async fn a_run_ends_where_no_edge_is_for_what_failed() {
    let source = json!({
        "id": "alone", "on_failure": "continue",
        "steps": [{ "id": "work", "type": "agent", "agent": "broken" }, { "id": "fine", "type": "function", "template": 1 }],
        "edges": [{ "source": "work", "target": "fine" }]
    });
    assert_eq!(result(&source, json!({})).await, json!({}));
    let all = json!({
        "id": "alone", "on_failure": "continue", "route": "all",
        "steps": [{ "id": "work", "type": "agent", "agent": "broken" }, { "id": "fine", "type": "function", "template": 1 }],
        "edges": [{ "source": "work", "target": "fine" }]
    });
    assert_eq!(result(&all, json!({})).await, json!({}));
}

#[tokio::test]
async fn no_edge_that_applies_is_an_error() {
    let source = json!({
        "id": "nowhere",
        "steps": [{ "id": "a", "type": "function", "template": 1 }, { "id": "b", "type": "function", "template": 2 }],
        "edges": [{ "source": "a", "target": "b", "when": "a == 2" }]
    });
    let error = graph(&source).run(json!({})).await.unwrap_err().to_string();
    assert!(error.contains("No edge of `a` applies"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_compared_is_false_and_told_of() {
    let source = json!({
        "id": "mixed",
        "steps": [{ "id": "a", "type": "function", "template": "text" }],
        "edges": [{ "source": "a", "target": "end", "when": "a > 3" }, { "source": "a", "target": "end", "when": "otherwise" }]
    });
    let run = graph(&source).run(json!({}));
    let mut stream = run.stream_events();
    let mut warned = 0;
    while let Some(item) = stream.next().await {
        if let Some(log) = item.get::<stepcast::LogEvent>() {
            assert!(log.message.contains("a text") && log.message.contains("a number"), "{}", log.message);
            warned += 1;
        }
    }
    assert_eq!(warned, 1);
    run.await.unwrap();
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

#[tokio::test(start_paused = true)]
async fn a_snapshot_holds_a_paused_parallel_step() {
    let source = parallel(
        json!(2),
        json!([
            { "id": "done", "type": "function", "template": { "n": "{{input.n}}" } },
            { "id": "ask", "type": "human", "prompt": "well?" },
            { "id": "slow", "type": "function", "delay": "1h" }
        ]),
    );
    let first = graph(&source);
    let run = first.run(json!({ "n": 7 }));
    while run.pending_inputs().await.is_empty() {
        tokio::task::yield_now().await;
    }
    let text = run.snapshot().await.unwrap().to_json().unwrap();
    run.cancel();
    // As another process would: from texts alone.
    let again = Graph::parse(&source.to_string(), &host()).unwrap();
    let run = again.restore(stepcast::RunSnapshot::from_json(&text).unwrap(), RunOptions::new()).unwrap();
    while run.pending_inputs().await.is_empty() {
        tokio::task::yield_now().await;
    }
    let input = run.pending_inputs().await.remove(0);
    run.respond(&input.id, stepcast::HumanResponseEvent::default().with("response", "yes")).await.unwrap();
    let stop = run.await.unwrap();
    let after = &stop.result().unwrap()["after"];
    assert_eq!(after["done"], json!({ "n": 7 }));
    assert_eq!(after["ask"]["response"], json!("yes"));
    assert!(after.get("slow").is_none());
}

#[tokio::test]
async fn a_parallel_step_on_a_dead_path_is_skipped_as_a_whole() {
    let source = json!({
        "id": "dead-parallel", "route": "all",
        "steps": [
            { "id": "gate", "type": "condition", "condition": "input.go" },
            { "id": "both", "type": "parallel" },
            { "id": "one", "type": "function", "template": 1, "parent": "both" },
            { "id": "two", "type": "function", "template": 2, "parent": "both" },
            { "id": "other", "type": "function", "template": "other" },
            { "id": "join", "type": "join" }
        ],
        "edges": [
            { "source": "gate", "target": "both", "when": "gate.result" },
            { "source": "gate", "target": "other" },
            { "source": "both", "target": "join" },
            { "source": "other", "target": "join" }
        ]
    });
    let went = result(&source, json!({ "go": true })).await;
    assert_eq!(went["both"], json!({ "one": 1, "two": 2 }));
    let skipped = result(&source, json!({ "go": false })).await;
    assert_eq!(skipped.as_object().unwrap().keys().collect::<Vec<_>>(), ["gate", "join", "other"]);
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

#[step]
async fn copied(issue: Issue) -> Issue {
    issue
}

/// Takes a context, and so a record of what it does.
#[step]
async fn counted(issue: Issue, ctx: Context) -> Result<Issue> {
    ctx.store().set("calls", ctx.store().get_or("calls", 0).await? + 1).await?;
    Ok(issue)
}

/// Writes to where the output of another step is kept.
#[step]
async fn rewritten(issue: Issue, ctx: Context) -> Result<Issue> {
    ctx.store().set("find.output.title", "written over").await?;
    Ok(issue)
}

#[tokio::test]
async fn an_output_that_was_written_over_is_handed_on_as_it_is_now() {
    let source = json!({
        "id": "over",
        "steps": [
            { "id": "find", "type": "step", "use": "copied", "input": "{{input}}" },
            { "id": "same", "type": "step", "use": "copied", "input": "{{find}}" },
            { "id": "write", "type": "step", "use": "rewritten", "input": "{{same}}" },
            { "id": "now", "type": "step", "use": "copied", "input": "{{ find.output }}" }
        ],
        "edges": [
            { "source": "find", "target": "same" }, { "source": "same", "target": "write" }, { "source": "write", "target": "now" }
        ]
    });
    let found = result(&source, json!({ "title": "as it was" })).await;
    assert_eq!(found["same"], json!({ "title": "as it was" }));
    assert_eq!(found["now"], json!({ "title": "written over" }));
}

/// What a run writes to its stream, and its end.
async fn all_of(run: stepcast::AnyRun) -> (Vec<Value>, Value) {
    let mut stream = run.stream_events();
    let mut told = Vec::new();
    while let Some(item) = stream.next().await {
        told.extend(item.event().map(|event| json!([event.tag(), event.value()])));
    }
    let end = run.outcome().await.map_or_else(|error| error.to_string().into(), |stop| stop.value());
    (told, end)
}

/// In memory, steps that end at once have no record of what they did; kept runs have one of all.
#[tokio::test]
async fn runs_in_memory_show_what_kept_ones_show() {
    let edges = json!([
        { "source": "find", "target": "ask" }, { "source": "ask", "target": "copy", "when": "ask.value == 'critical'" },
        { "source": "ask", "target": "loud", "when": "otherwise" }, { "source": "copy", "target": "loud" },
        { "source": "loud", "target": "keep" }, { "source": "keep", "target": "odd" },
        { "source": "odd", "target": "end", "when": "keep.title > 3" }, { "source": "odd", "target": "over", "when": "always" }
    ]);
    let steps = json!([
        { "id": "find", "type": "step", "use": "triage_issue", "input": { "title": "{{input.title}}" } },
        { "id": "ask", "type": "switch", "path": "find.severity" },
        { "id": "copy", "type": "function", "template": { "again": "{{find}}", "none": "{{find.at.all?}}" } },
        { "id": "loud", "type": "step", "use": "shout", "input": { "title": "{{find.title}}" } },
        { "id": "keep", "type": "step", "use": "counted", "input": "{{loud}}" },
        { "id": "odd", "type": "condition", "condition": "keep.title > 3" },
        { "id": "over", "type": "function", "action": "pick", "path": "odd.result" }
    ]);
    let first = json!({ "id": "both-first", "steps": steps, "edges": edges });
    let all = json!({ "id": "both-all", "route": "all", "steps": steps, "edges": edges });
    let stuck = json!({
        "id": "both-stuck",
        "steps": [
            { "id": "find", "type": "step", "use": "triage_issue", "input": { "title": "{{input.title}}" } },
            { "id": "ask", "type": "switch", "path": "find.severity" }, { "id": "odd", "type": "function", "template": 1 }
        ],
        "edges": [{ "source": "find", "target": "ask" }, { "source": "ask", "target": "odd", "when": "ask.value > 3" }]
    });
    for source in [first, all, stuck] {
        for title in ["a crash", "a typo"] {
            let (graph, input) = (graph(&source), json!({ "title": title }));
            let kept = Runtime::on(MemoryBackend::new());
            kept.register_graph(&graph).unwrap();
            let kept = kept.start(graph.id(), input.clone(), RunOptions::new()).unwrap();
            let (in_memory, kept) = (all_of(graph.run(input).into_any()).await, all_of(kept).await);
            assert!(in_memory.0.len() > 2);
            assert_eq!(in_memory, kept, "{title} in {}", graph.id());
        }
    }
}
