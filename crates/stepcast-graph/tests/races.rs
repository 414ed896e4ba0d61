//! Joins that go on with the first ones, and steps of a race that end in the same instant.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::backend::MemoryBackend;
use stepcast::prelude::*;
use stepcast::{DispatchOutcome, RunId, Runtime, Stepped, StopEvent, StreamStart};
use stepcast_graph::*;
use stepcast_sqlite::SqliteBackend;
use support::{answer, host, result};

/// What the steps ended with, in order, as the stream has it.
async fn ended(run: &Run<StopEvent>) -> Vec<(String, StepStatus)> {
    let mut stream = run.stream_from(StreamStart::Beginning);
    let mut all = Vec::new();
    while let Some(item) = stream.next().await {
        let StreamItem::Event(item) = item else { panic!("{item:?}") };
        all.extend(item.event.get::<StepOver>().map(|over| (over.step.to_string(), over.status)));
    }
    all
}

/// Two branches of which the second waits for a person, and a join.
fn branches(join: Value) -> Value {
    json!({
        "id": "branches", "route": "all",
        "steps": [
            { "id": "quick", "type": "function", "template": "q" },
            { "id": "other", "type": "function", "template": "o" },
            { "id": "slow", "type": "human", "prompt": "Well?" },
            { "id": "meet", "type": "join", "join": join },
            { "id": "after", "type": "function", "template": "{{meet.joined}}" }
        ],
        "edges": [
            { "source": "quick", "target": "meet" }, { "source": "other", "target": "meet" },
            { "source": "slow", "target": "meet" }, { "source": "meet", "target": "after" }
        ]
    })
}

#[tokio::test]
async fn a_join_goes_on_with_the_first_so_many() {
    for (join, joined) in [(json!("any"), json!(["quick"])), (json!(2), json!(["quick", "other"]))] {
        // The run ends where the last step has, although nobody has answered.
        let said = result(&branches(join), json!({})).await;
        assert_eq!((&said["meet"]["joined"], &said["after"]), (&joined, &joined));
        assert_eq!(said.get("slow"), None);
    }
}

#[tokio::test]
async fn a_join_waits_until_so_many_have_come() {
    let stores: [Option<tempfile::TempDir>; 2] = [None, Some(tempfile::tempdir().unwrap())];
    for dir in stores {
        let memory = MemoryBackend::new();
        let open = || match &dir {
            None => Runtime::on(memory.beside()),
            Some(dir) => Runtime::on(SqliteBackend::open(dir.path().join("runs.db")).unwrap()),
        };
        let graph = support::graph(&branches(json!(3)));
        let runtime = open();
        runtime.register_graph(&graph).unwrap();
        drop(runtime.start("branches", json!({}), RunOptions::new().run_id("one")).unwrap());
        support::question(&runtime).await;
        runtime.shutdown(Duration::from_secs(10)).await;
        // What had come is on record.
        let runtime = open();
        runtime.register_graph(&graph).unwrap();
        answer(&runtime, json!("yes")).await;
        let run = runtime.attach(&RunId::from("one")).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), run.outcome()).await.unwrap().unwrap();
        assert_eq!(ended.value()["result"]["after"], json!(["quick", "other", "slow"]));
        runtime.shutdown(Duration::from_secs(10)).await;
    }
}

/// So many of three edges apply, and the join wants so many; a fourth step comes anyway.
fn applying(applying: usize, join: Value) -> Value {
    let holds = |at: usize| if at < applying { "go.n == 1" } else { "go.n == 2" };
    let edge = |source: &str, target: &str, when: &str| json!({ "source": source, "target": target, "when": when });
    let mut steps = vec![
        json!({ "id": "go", "type": "function", "template": { "n": 1 } }),
        json!({ "id": "meet", "type": "join", "join": join }),
        json!({ "id": "met", "type": "function", "template": "met" }),
        json!({ "id": "anyway", "type": "function", "template": "anyway" }),
    ];
    let mut edges = vec![edge("meet", "met", "success"), edge("meet", "anyway", "always")];
    for (at, id) in ["a", "b", "c"].into_iter().enumerate() {
        steps.push(json!({ "id": id, "type": "function", "template": id }));
        edges.extend([edge("go", id, holds(at)), edge(id, "meet", "success")]);
    }
    json!({ "id": "applying", "route": "all", "steps": steps, "edges": edges })
}

#[tokio::test]
async fn a_join_that_cannot_have_enough_is_skipped() {
    for (applies, join, meets) in [
        (0, json!("any"), false),
        (1, json!("any"), true),
        (1, json!(2), false),
        (2, json!(2), true),
        (3, json!(2), true),
        (2, json!(3), false),
        (3, json!(3), true),
    ] {
        let said = result(&applying(applies, join.clone()), json!({})).await;
        let text = format!("{applies} apply, {join} are wanted: {said}");
        assert_eq!(said.get("met").is_some(), meets, "{text}");
        assert_eq!(said["anyway"], json!("anyway"), "{text}");
        let joined = said["meet"]["joined"].as_array().map_or(0, Vec::len);
        assert_eq!(joined, if meets { join.as_u64().unwrap_or(1) as usize } else { 0 }, "{text}");
    }
}

#[test]
fn a_join_cannot_want_more_than_lead_to_it() {
    let report = Graph::check(&branches(json!(4)), &host());
    let issue = report.issues.iter().find(|issue| issue.severity == Severity::Error).unwrap();
    assert_eq!((issue.code, issue.pointer.as_str()), (Code::BadValue, "/steps/3/join"), "{report}");
    assert!(issue.message.contains("waits for 4 steps, but 3 lead to it"), "{}", issue.message);
}

/// A race of two, whose loser comes to its end in the same instant as the winner or as it is told that it lost.
async fn race(mut host: Host) -> (Value, BTreeMap<String, Vec<StepStatus>>) {
    host = host.function("late", async |_, _| Ok(json!("after")));
    let source = json!({
        "id": "race",
        "steps": [
            { "id": "race", "type": "parallel", "join": "any" },
            { "id": "one", "type": "agent", "agent": "one", "parent": "race" },
            { "id": "two", "type": "agent", "agent": "two", "parent": "race" },
            { "id": "after", "type": "function", "action": "custom", "function": "late" }
        ],
        "edges": [{ "source": "race", "target": "after" }]
    });
    let run = Graph::new(&source, &host).unwrap().run(json!({}));
    let stop = run.result().await.unwrap();
    assert_eq!(stop.result().unwrap()["race"], json!({ "one": "one" }));
    let mut told: BTreeMap<String, Vec<StepStatus>> = BTreeMap::new();
    for (step, status) in ended(&run).await {
        told.entry(step).or_default().push(status);
    }
    (run.store_value("two").unwrap(), told)
}

#[tokio::test]
async fn who_ends_before_it_is_cancelled_has_ended() {
    let go = Arc::new(tokio::sync::Notify::new());
    let runner = |name: &'static str| {
        let go = Arc::clone(&go);
        move |_: Job, _: Context| {
            let go = Arc::clone(&go);
            async move {
                go.notified().await;
                Ok(json!(name))
            }
        }
    };
    let host = Host::new().runner("one", ["a"], runner("one")).runner("two", ["b"], runner("two"));
    let waker = Arc::clone(&go);
    let racing = race(host);
    // Both are woken at once, and are over before anybody counts.
    let waking = async move {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        waker.notify_waiters();
    };
    let ((record, told), ()) = tokio::join!(racing, waking);
    assert_eq!(record["output"], json!("two"), "{record}");
    assert_eq!(record.get("status"), None, "{record}");
    assert_eq!(told["two"], [StepStatus::Completed], "told once");
    assert_eq!(told["race"], [StepStatus::Completed]);
}

#[tokio::test]
async fn who_is_cancelled_before_it_ends_stays_cancelled() {
    let polls = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&polls);
    let two = move |_: Job, ctx: Context| {
        let seen = Arc::clone(&seen);
        async move {
            // Ready as soon as the race is over: in the very poll in which it learns that it lost.
            let mut pause = Box::pin(std::future::pending::<()>());
            std::future::poll_fn(|cx| {
                seen.fetch_add(1, Ordering::SeqCst);
                let _ = pause.as_mut().poll(cx);
                let over = ctx
                    .store()
                    .look(&stepcast::StorePath::new("race.run.over").unwrap(), |over| over == Some(&json!(true)));
                if over { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
            Ok(json!("two"))
        }
    };
    let one = async |_: Job, _: Context| {
        tokio::task::yield_now().await;
        Ok(json!("one"))
    };
    let (record, told) = race(Host::new().runner("one", ["a"], one).runner("two", ["b"], two)).await;
    assert!(polls.load(Ordering::SeqCst) >= 2, "it was asked again when the race was over");
    assert_eq!((&record["status"], record.get("output")), (&json!("cancelled"), None), "{record}");
    assert_eq!(told["two"], [StepStatus::Cancelled], "told once");
}

#[tokio::test]
async fn a_graph_goes_on_step_by_step() {
    for kept in [false, true] {
        let runtime = if kept { Runtime::on(MemoryBackend::new()) } else { Runtime::new() };
        runtime.register_graph(&support::graph(&branches(json!(2)))).unwrap();
        let run = runtime.start("branches", json!({}), RunOptions::new().stepwise()).unwrap();
        let mut ran = Vec::new();
        while let Stepped::Ran(dispatched) = run.step().await {
            ran.push((dispatched.step, dispatched.outcome));
        }
        let ended = [
            ("(start)", DispatchOutcome::Completed),
            ("quick", DispatchOutcome::Completed),
            ("other", DispatchOutcome::Completed),
            ("slow", DispatchOutcome::Waits),
            // One for each that comes.
            ("meet", DispatchOutcome::Completed),
            ("meet", DispatchOutcome::Completed),
            ("after", DispatchOutcome::Completed),
        ];
        assert_eq!(ran, ended.map(|(step, outcome)| (step.to_owned(), outcome)), "kept: {kept}");
        assert!(run.is_done());
        runtime.shutdown(Duration::from_secs(10)).await;
    }
}
