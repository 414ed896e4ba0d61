//! Steps that run at the same time.

use super::*;

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
