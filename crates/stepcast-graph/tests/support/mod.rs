//! What the tests of graphs share.
#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod issues;

use serde_json::{Value, json};
use stepcast::backend::{InputFilter, InputRecord};
use stepcast::prelude::*;
use stepcast::{RunId, Runtime};
use stepcast_graph::{Graph, Host, Job};

/// A writer, a reviewer, a publisher, one that always fails, and a few functions.
pub(crate) fn host() -> Host {
    Host::new()
        .runner("writer", ["write"], async |job: Job, _: Context| {
            Ok(json!({ "content": format!("about {}", job.prompt.unwrap_or_default()), "attempt": job.attempt }))
        })
        .runner("reviewer", ["review", "read"], async |job: Job, _: Context| {
            let good = job.input["text"].as_str().is_some_and(|text| text.contains("good"));
            Ok(json!({ "score": if good { 9 } else { 3 } }))
        })
        .runner("broken", ["break"], async |job: Job, _: Context| {
            Err(StepError::msg(format!("attempt {} is no good", job.attempt)))
        })
        .runner("panics", ["panic"], async |job: Job, _: Context| {
            if job.attempt > 0 {
                panic!("out of tune");
            }
            Ok(Value::Null)
        })
        .function("double", async |n: Value, _| Ok(json!(n.as_i64().unwrap_or(0) * 2)))
}

pub(crate) fn graph(source: &Value) -> Graph {
    Graph::new(source, &host()).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) async fn result(source: &Value, input: Value) -> Value {
    let stop = graph(source).run(input).await.unwrap_or_else(|error| panic!("{error}"));
    stop.result().cloned().unwrap_or_default()
}

/// The one question that is open, of all runs.
pub(crate) async fn question(runtime: &Runtime) -> InputRecord {
    let pending = InputFilter { pending: true, ..InputFilter::default() };
    for _ in 0..10_000 {
        let mut open = runtime.list_inputs(pending.clone(), None, 10).await.unwrap();
        if let Some(input) = open.pop() {
            return input;
        }
        tokio::task::yield_now().await;
    }
    panic!("nobody is asked anything");
}

pub(crate) async fn answer(runtime: &Runtime, answer: Value) {
    let input = question(runtime).await;
    runtime.answer_input(&RunId::from(input.run), input.asked.input, answer, None).await.unwrap();
}

pub(crate) fn content_review() -> Graph {
    graph(&json!({
        "id": "content-review",
        "nodes": [
            { "id": "start", "type": "start" },
            { "id": "draft", "type": "agent", "config": { "agent_id": "writer", "prompt": "{{start.output.input.topic}}" } },
            { "id": "review", "type": "human", "config": { "prompt": "Publish {{draft.output.content}}?", "choices": ["approve", "reject"] } },
            { "id": "publish", "type": "notification", "config": { "agent_id": "writer", "prompt": "published: {{draft.content}}" } },
            { "id": "end", "type": "end" }
        ],
        "edges": [
            { "source": "start", "target": "draft" },
            { "source": "draft", "target": "review" },
            { "source": "review", "target": "publish", "condition": { "type": "field", "path": "review.output.response", "op": "eq", "value": "approve" } },
            { "source": "review", "target": "draft", "condition": { "type": "otherwise" } },
            { "source": "publish", "target": "end" }
        ]
    }))
}

pub(crate) fn approval() -> Graph {
    graph(&json!({
        "id": "approval-flow", "name": "Approval Flow", "retry_policy": null, "failure_policy": null,
        "nodes": [
            { "id": "approval", "kind": "human_gate", "prompt": "Approve?", "output_key": "approval" },
            { "id": "chk", "kind": "decision", "condition": "approval.approved == true" },
            { "id": "pub", "kind": "transform", "transform_id": "identity", "input_key": "input" },
            { "id": "rej", "kind": "transform", "transform_id": "identity", "input_key": "approval" },
            { "id": "join", "kind": "join" }
        ],
        "edges": [
            { "from": "approval", "to": "chk", "transition": { "type": "on_success" } },
            { "from": "chk", "to": "pub", "transition": { "type": "condition", "value": "chk.result" } },
            { "from": "chk", "to": "rej", "transition": { "type": "condition", "value": "!chk.result" } },
            { "from": "pub", "to": "join", "transition": { "type": "always" } },
            { "from": "rej", "to": "join", "transition": { "type": "always" } }
        ]
    }))
}

pub(crate) fn escalation() -> Graph {
    graph(&json!({
        "id": "escalation", "route": "all", "failure_policy": "pause_for_intervention",
        "nodes": [
            { "id": "work", "kind": "task", "task": { "id": "w", "target": { "type": "agent_id", "value": "broken" }, "retry_policy": { "max_attempts": 2 } } },
            { "id": "good", "kind": "transform", "transform_id": "identity" },
            { "id": "bad", "kind": "transform", "transform_id": "identity" },
            { "id": "anyway", "kind": "transform", "transform_id": "identity" }
        ],
        "edges": [
            { "from": "work", "to": "good", "transition": { "type": "on_success" } },
            { "from": "work", "to": "bad", "transition": { "type": "on_failure" } },
            { "from": "work", "to": "anyway", "transition": { "type": "always" } }
        ]
    }))
}
