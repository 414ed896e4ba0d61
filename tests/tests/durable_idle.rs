//! A run that rests leaves memory, and comes back when an answer, an event or a deadline calls.

#![allow(clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use stepcast::backend::{Holder, RunRecord, RunStatus};
use stepcast::prelude::*;
use stepcast::{RunId, Runtime};
use support::stores::Store;
use support::within;

#[event(start)]
struct Begin {
    /// Milliseconds after which the wait gives up.
    patience: u64,
}

#[event(external)]
struct Go {
    n: u32,
}

#[event(stop)]
struct Done {
    n: u32,
}

#[derive(Default)]
struct Waits {
    begun: Arc<AtomicU32>,
}

#[workflow(Begin => Done)]
impl Waits {
    #[step(waits(Go))]
    async fn wait(&self, ev: Begin, ctx: Context, tally: State<Tally>) -> Result<Done> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        tally.edit(|tally| tally.begun += 1).await?;
        let go = ctx.wait_for_event::<Go>().timeout(Duration::from_millis(ev.patience)).await;
        // The edit is not done again, however often the execution is repeated.
        Ok(Done { n: go.map_or(0, |go| go.n) + 100 * tally.get().begun })
    }
}

#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, State)]
struct Tally {
    begun: u32,
}

async fn until(mut what: impl AsyncFnMut() -> bool) {
    within(async {
        while !what().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn gone(runtime: &Runtime, id: &RunId) {
    until(async || runtime.get(id).is_none()).await;
    until(async || {
        let record = runtime.find_run(id).await.expect("it is read").expect("it is there");
        record.holder == Holder::Nobody
    })
    .await;
}

/// The record of the run, once it has completed.
async fn completed(runtime: &Runtime, id: &RunId) -> RunRecord {
    within(async {
        loop {
            let record = runtime.find_run(id).await.expect("it is read").expect("it is there");
            if record.status == RunStatus::Completed {
                return record;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn rests(store: &Store, flow: Waits, patience: u64) -> (Runtime, RunId) {
    rests_as("sleeper", store, flow, patience)
}

fn rests_as(id: &str, store: &Store, flow: Waits, patience: u64) -> (Runtime, RunId) {
    let runtime = Runtime::on(store.open()).with_idle(Duration::from_millis(2));
    runtime.register(flow).expect("it is registered");
    let options = RunOptions::new().run_id(id);
    let run = runtime.start("Waits", json!({"patience": patience}), options).expect("it starts");
    (runtime, run.run_id().clone())
}

#[test]
fn an_event_brings_a_run_back() {
    for store in Store::all() {
        store.process(async {
            let flow = Waits::default();
            let begun = Arc::clone(&flow.begun);
            let (runtime, id) = rests(&store, flow, 3_600_000);
            gone(&runtime, &id).await;
            let record = runtime.find_run(&id).await.expect("it is read").expect("it is there");
            assert_eq!(record.status, RunStatus::Waiting, "{}", store.name());
            assert!(record.due.is_some(), "its deadline is known without it");
            assert_eq!(begun.load(Ordering::SeqCst), 1);
            runtime.send_event(&id, Go { n: 7 }).await.expect("it is sent");
            completed(&runtime, &id).await;
            let run = runtime.attach(&id).await.expect("it has ended");
            let done = within(run.outcome()).await.expect("it has ended");
            assert_eq!(done.get::<Done>().expect("the stop event").n, 107, "{}", store.name());
            assert_eq!(begun.load(Ordering::SeqCst), 2, "it was repeated up to its wait");
        });
    }
}

#[test]
fn a_deadline_brings_a_run_back() {
    for store in Store::all() {
        store.process(async {
            let (runtime, id) = rests(&store, Waits::default(), 60);
            gone(&runtime, &id).await;
            completed(&runtime, &id).await;
            let run = runtime.attach(&id).await.expect("it has ended");
            let done = within(run.outcome()).await.expect("it has ended");
            assert_eq!(done.get::<Done>().expect("the stop event").n, 100, "{}", store.name());
        });
    }
}

#[test]
fn a_run_that_somebody_holds_stays() {
    for store in Store::all() {
        store.process(async {
            let runtime = Runtime::on(store.open()).with_idle(Duration::from_millis(1));
            runtime.register(Waits::default()).expect("it is registered");
            let held = runtime.start("Waits", json!({"patience": 3_600_000}), RunOptions::new().run_id("held"));
            let held = held.expect("it starts");
            let start = RunOptions::new().run_id("free");
            drop(runtime.start("Waits", json!({"patience": 3_600_000}), start).expect("it starts"));
            let free = RunId::from("free");
            gone(&runtime, &free).await;
            assert!(runtime.get(held.run_id()).is_some(), "{}", store.name());
            // A stream holds as well as a handle.
            let id = held.run_id().clone();
            let mut stream = held.stream_events();
            drop(held);
            runtime.send_event(&id, Go { n: 1 }).await.expect("it is sent");
            let last = within(stream.next()).await.expect("the terminal event");
            assert_eq!(last.get::<Done>().expect("the stop event").n, 101, "{}", store.name());
        });
    }
}

#[test]
fn a_deadline_survives_the_process() {
    for store in Store::all() {
        // On a busy machine a short wait is over before its run has left.
        let left = [80, 800, 8_000, 80_000].into_iter().find_map(|patience| {
            store.process(async {
                let id = format!("sleeper-{patience}");
                let (runtime, id) = rests_as(&id, &store, Waits::default(), patience);
                gone(&runtime, &id).await;
                let record = runtime.find_run(&id).await.expect("it is read").expect("it is there");
                record.due.map(|due| (id, due))
            })
        });
        let (id, due) = left.expect("a run that leaves before its deadline");
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Waits::default()).expect("it is registered");
            let record = runtime.find_run(&id).await.expect("it is read").expect("it is there");
            assert!(record.status.is_end() || record.due == Some(due), "{}: {record:?}", store.name());
            let record = completed(&runtime, &id).await;
            assert!(record.changed >= due, "{}: not before its deadline", store.name());
        });
    }
}

#[test]
fn a_run_of_a_runtime_that_takes_up_only_its_own_comes_back_there() {
    for store in Store::all() {
        store.process(async {
            let runtime = Runtime::on(store.open()).with_idle(Duration::from_millis(2)).only_attached();
            runtime.register(Waits::default()).expect("it is registered");
            for go in 1..=3 {
                let id = RunId::from(format!("its own {go}"));
                let options = RunOptions::new().run_id(id.clone());
                drop(runtime.start("Waits", json!({"patience": 3_600_000}), options).expect("it starts"));
                gone(&runtime, &id).await;
                runtime.send_event(&id, Go { n: go }).await.expect("it is sent");
                completed(&runtime, &id).await;
            }
            // A deadline calls as well.
            let id = RunId::from("in time");
            let options = RunOptions::new().run_id(id.clone());
            drop(runtime.start("Waits", json!({"patience": 60}), options).expect("it starts"));
            gone(&runtime, &id).await;
            completed(&runtime, &id).await;
        });
    }
}

/// Two steps that take the same event.
mod addressed {
    use super::*;

    #[step]
    pub async fn begin(_: Begin) {}

    #[step]
    pub async fn left(go: Go) -> Done {
        Done { n: go.n }
    }

    #[step]
    pub async fn right(go: Go) -> Done {
        Done { n: go.n + 1000 }
    }

    flow!(pub(super) Addressed: Begin => Done { begin, left, right });
}

#[test]
fn an_event_for_one_step_is_recorded_for_it() {
    for store in Store::all() {
        let id = RunId::from("addressed");
        let runtime = || {
            let runtime = Runtime::on(store.open()).with_idle(Duration::from_millis(2));
            runtime.register(addressed::Addressed).expect("it is registered");
            runtime
        };
        store.process(async {
            let runtime = runtime();
            let options = RunOptions::new().run_id(id.clone());
            runtime.start("Addressed", json!({"patience": 0}), options).expect("it starts");
            gone(&runtime, &id).await;
        });
        // A process that takes up nothing itself: the event is in the store when it dies.
        store.process(async {
            // Said before it knows a workflow whose runs it could take up.
            let runtime = Runtime::on(store.open()).only_attached();
            runtime.register(addressed::Addressed).expect("it is registered");
            let refused = runtime.send_event_to(&id, "nope", Go { n: 1 }).await;
            let Err(stepcast::SendRunError::Step { step, takers, .. }) = refused else { panic!("{refused:?}") };
            assert_eq!((step.as_str(), takers), ("nope", vec!["left".to_owned(), "right".to_owned()]));
            let refused = runtime.send_event_to(&id, "begin", Go { n: 1 }).await;
            assert!(matches!(refused, Err(stepcast::SendRunError::Step { .. })), "{refused:?}");
            runtime.send_event_to(&id, "right", Go { n: 7 }).await.expect("it is sent");
            // Time enough to hear of the letter.
            for _ in 0..5_000 {
                tokio::task::yield_now().await;
            }
            assert!(runtime.get(&id).is_none(), "{}: nobody has taken it up", store.name());
        });
        store.process(async {
            let run = runtime().attach(&id).await.expect("it goes on");
            let done = within(run.outcome()).await.expect("it ends");
            assert_eq!(done.get::<Done>().expect("the stop event").n, 1007, "{}", store.name());
        });
    }
}
