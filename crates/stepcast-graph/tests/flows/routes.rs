//! Which way a run takes: loops, dead paths, failures, ends.

use super::*;

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
