//! What happens at once with something else: children that stop before their parent, runs that leave memory while they are
//! called, two runtimes on one store, runtimes that are dropped.

#![allow(clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use stepcast::backend::{Backend, Holder, Letter, MailKind, RunStatus};
use stepcast::engine::Time;
use stepcast::prelude::*;
use stepcast::{AnyEvent, RunError, RunId, Runtime};
use support::failing::Failing;
use support::stores::Store;
use support::within;

#[event(start)]
struct Begin {
    n: u64,
}

#[event]
struct Half {
    n: u64,
}

#[event(external)]
struct Go {
    n: u64,
}

#[event(stop)]
struct Done {
    n: u64,
}

#[derive(Default)]
struct Parent(Arc<AtomicBool>);

#[workflow(Begin => Done)]
impl Parent {
    #[step]
    async fn run(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let done = ctx.run_child(Child(Arc::clone(&self.0)), Begin { n: ev.n }).await?;
        Ok(Done { n: done.n + 1 })
    }
}

/// Goes on for ever until it is let go.
#[derive(Default)]
struct Child(Arc<AtomicBool>);

#[workflow(Begin => Done)]
impl Child {
    #[step]
    async fn first(&self, ev: Begin) -> Half {
        Half { n: ev.n }
    }

    #[step]
    async fn second(&self, half: Half) -> Done {
        while !self.0.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Done { n: half.n * 2 }
    }
}

/// The run comes to its proper end in another process.
fn goes_on(store: &Store) {
    store.process(async {
        let runtime = Runtime::on(store.open());
        let free = Arc::new(AtomicBool::new(true));
        runtime.register(Parent(Arc::clone(&free))).expect("it is registered");
        runtime.register(Child(free)).expect("it is registered");
        let run = runtime.attach(&RunId::from("parent")).await.expect("it is there");
        let done = within(run.outcome()).await.expect("it ends");
        assert_eq!(done.get::<Done>().expect("the stop event").n, 11, "{}", store.name());
    });
}

#[test]
fn a_child_that_cannot_be_written_is_not_its_parents_failure() {
    for store in Store::all() {
        store.process(async {
            let failing = Failing::after_for(store.open(), 1, ".Child");
            let runtime = Runtime::on(failing as Arc<dyn Backend>);
            let free = Arc::new(AtomicBool::new(true));
            let run = runtime.run(Parent(free), Begin { n: 5 }, RunOptions::new().run_id("parent"));
            let error = within(run.result()).await.expect_err("it stops");
            assert!(matches!(error, RunError::Storage { .. }), "{error:?}");
            let record = runtime.find_run(run.run_id()).await.expect("it is read").expect("it is there");
            assert!(!record.status.is_end(), "{}: {record:?}", store.name());
        });
        goes_on(&store);
    }
}

#[test]
fn a_child_that_a_shutdown_stops_is_not_its_parents_failure() {
    for store in Store::all() {
        let is_memory = store.name() == "memory";
        for _ in 0..if is_memory { 50 } else { 4 } {
            let store = if is_memory { Store::memory() } else { Store::sqlite() };
            store.process(async {
                let runtime = Runtime::on(store.open());
                let run = runtime.run(Parent::default(), Begin { n: 5 }, RunOptions::new().run_id("parent"));
                run.recorded().await.expect("it is recorded");
                while runtime.runs().len() < 2 {
                    tokio::task::yield_now().await;
                }
                within(runtime.shutdown(Duration::ZERO)).await;
                let error = within(run.result()).await.expect_err("it stops");
                assert!(matches!(error, RunError::ShuttingDown), "{error:?}");
            });
            goes_on(&store);
        }
    }
}

/// Adds up what comes.
struct Sum;

#[workflow(Begin => Done)]
impl Sum {
    #[step(waits(Go))]
    async fn sum(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let mut sum = 0;
        for _ in 0..ev.n {
            sum += ctx.wait_for_event::<Go>().await?.n;
        }
        Ok(Done { n: sum })
    }
}

async fn completed(runtime: &Runtime, id: &RunId) -> Option<String> {
    let record = runtime.find_run(id).await.expect("it is read").expect("it is there");
    assert!(!record.status.is_end() || record.status == RunStatus::Completed, "{record:?}");
    record.result
}

async fn all_completed(runtime: &Runtime, ids: &[RunId], result: &str) {
    within(async {
        for id in ids {
            loop {
                if let Some(found) = completed(runtime, id).await {
                    assert_eq!(found, result);
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
}

#[test]
fn letters_race_with_runs_that_leave_memory() {
    for store in Store::all() {
        store.process(async {
            let runtime = Runtime::on(store.open()).with_idle(Duration::from_millis(1));
            runtime.register(Sum).expect("it is registered");
            let count = if store.name() == "memory" { 300 } else { 30 };
            let ids: Vec<RunId> = (0..count).map(|n| RunId::from(format!("run-{n}").as_str())).collect();
            for id in &ids {
                let options = RunOptions::new().run_id(id.clone());
                let run = runtime.start("Sum", json!({"n": 4}), options).expect("it starts");
                run.recorded().await.expect("it is recorded");
            }
            for round in 1..=4 {
                for (n, id) in ids.iter().enumerate() {
                    // Some are held meanwhile, some looked at.
                    match (n + round) % 3 {
                        0 => drop(runtime.attach(id).await),
                        1 => drop(runtime.get(id)),
                        _ => {}
                    }
                    runtime.send_event(id, Go { n: round as u64 }).await.expect("it is sent");
                }
            }
            all_completed(&runtime, &ids, r#"{"n":10}"#).await;
            // Nothing of them is in memory.
            within(async {
                while !runtime.runs().is_empty() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        });
    }
}

#[tokio::test]
async fn two_letters_at_once_take_a_run_up_once() {
    for store in Store::all() {
        let backend = store.open();
        let runtime = Runtime::on(Arc::clone(&backend)).with_idle(Duration::from_millis(1));
        runtime.register(Sum).expect("it is registered");
        let id = RunId::from("run");
        drop(runtime.start("Sum", json!({"n": 2}), RunOptions::new().run_id(id.clone())).expect("it starts"));
        let asleep = within(async {
            loop {
                match runtime.find_run(&id).await.expect("it is read") {
                    Some(record) if record.holder == Holder::Nobody => break record,
                    _ => tokio::task::yield_now().await,
                }
            }
        })
        .await;
        // Nothing else runs between the two: the runtime hears of both at once.
        for n in [3, 4] {
            let json = serde_json::to_string(&AnyEvent::new(Go { n })).expect("it is written");
            let letter = Letter { json, kind: MailKind::Event, ..Letter::wake(Arc::from("run"), Time(0)) };
            backend.send(letter).expect("it is sent");
        }
        all_completed(&runtime, std::slice::from_ref(&id), r#"{"n":7}"#).await;
        let record = runtime.find_run(&id).await.expect("it is read").expect("it is there");
        assert_eq!(record.fence, asleep.fence + 1, "{}", store.name());
    }
}

#[test]
fn two_runtimes_share_one_store() {
    for store in Store::all() {
        store.process(async {
            let one = Runtime::on(store.open()).with_idle(Duration::from_millis(1));
            let two = Runtime::on(store.open()).with_idle(Duration::from_millis(1));
            one.register(Sum).expect("it is registered");
            two.register(Sum).expect("it is registered");
            let ids: Vec<RunId> = (0..10).map(|n| RunId::from(format!("run-{n}").as_str())).collect();
            for id in &ids {
                let options = RunOptions::new().run_id(id.clone());
                let run = one.start("Sum", json!({"n": 4}), options).expect("it starts");
                run.recorded().await.expect("it is recorded");
            }
            for round in 1..=4_u64 {
                for (n, id) in ids.iter().enumerate() {
                    let by = if (n as u64 + round).is_multiple_of(2) { &one } else { &two };
                    by.send_event(id, Go { n: round }).await.expect("it is sent");
                }
            }
            all_completed(&two, &ids, r#"{"n":10}"#).await;
        });
    }
}

#[test]
fn a_runtime_that_is_dropped_leaves_its_runs_to_the_next() {
    for store in Store::all() {
        let ids: Vec<RunId> = (0..20).map(|n| RunId::from(format!("run-{n}").as_str())).collect();
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Sum).expect("it is registered");
            for id in &ids {
                let options = RunOptions::new().run_id(id.clone());
                let run = runtime.start("Sum", json!({"n": 2}), options).expect("it starts");
                run.recorded().await.expect("it is recorded");
                runtime.send_event(id, Go { n: 1 }).await.expect("it is sent");
            }
            drop(runtime);
        });
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Sum).expect("it is registered");
            for id in &ids {
                runtime.send_event(id, Go { n: 2 }).await.expect("it is sent");
            }
            all_completed(&runtime, &ids, r#"{"n":3}"#).await;
        });
    }
}
