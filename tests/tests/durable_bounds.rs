//! Promise 9 on kept runs: the bounds are those of runs in memory, and what ends a run is on record.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use stepcast::backend::RunStatus;
use stepcast::prelude::*;
use stepcast::{AnyRun, CallError, Mailbox, RunError, RunId, RunPolicy, Runtime, SendError, StepStateChanged};
use support::stores::Store;
use support::{recorded, rest, unhandled, within};

#[event(start)]
struct Begin {
    n: u32,
}

#[event]
struct Item {
    n: u32,
}

#[event(external)]
struct Go {
    n: u32,
}

#[event(stop)]
#[derive(PartialEq)]
struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

#[derive(Default)]
struct Splits;

#[workflow(Begin => Done, policy = RunPolicy::new().max_queued(10))]
impl Splits {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    #[step]
    async fn last(&self, item: Item) -> Option<Done> {
        (item.n == 9).then(|| done("nine"))
    }
}

#[test]
fn a_full_queue_fails_a_kept_run_and_that_is_on_record() {
    for store in Store::all() {
        let text = store.process(async {
            let runtime = Runtime::on(store.open());
            let fits = runtime.run(Splits, Begin { n: 10 }, RunOptions::new());
            assert_eq!(within(fits).await.unwrap(), done("nine"));
            let error = within(runtime.run(Splits, Begin { n: 11 }, RunOptions::new().run_id("full"))).await;
            let error = error.unwrap_err();
            let RunError::QueueFull { step, event, bound } = &error else { panic!("{error:?}") };
            assert_eq!((step.as_str(), event.as_str(), *bound), ("last", "Item", 10));
            error.to_string()
        });
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Splits).unwrap();
            let id = RunId::from("full");
            let record = runtime.find_run(&id).await.unwrap().expect("it is there");
            assert_eq!(record.status, RunStatus::Failed, "{}", store.name());
            let error = within(runtime.attach(&id).await.unwrap().outcome()).await.map(drop).unwrap_err();
            assert!(error.to_string().contains(&text), "{error}");
        });
    }
}

#[derive(Default)]
struct Taking;

#[workflow(Begin => Done)]
impl Taking {
    #[step]
    async fn begin(&self, _ev: Begin) {}

    #[step]
    async fn take(&self, go: Go, ctx: Context) -> Result<Option<Done>> {
        let mut got: Vec<u32> = ctx.store().get_or("got", vec![]).await?;
        got.push(go.n);
        ctx.store().set("got", &got).await?;
        Ok((go.n == 9).then(|| done(format!("{got:?}"))))
    }
}

fn taking(store: &Store, mailbox: Mailbox) -> (Runtime, AnyRun) {
    let runtime = Runtime::on(store.open());
    let run = runtime.run(Taking, Begin { n: 0 }, recorded().mailbox(mailbox));
    (runtime, AnyRun::clone(&run))
}

async fn text_of(run: &AnyRun) -> String {
    within(run.outcome()).await.expect("it completes").get::<Done>().expect("the stop event").text.clone()
}

// With one thread, a run has no turn until its test gives way.

#[tokio::test]
async fn a_kept_run_s_full_mailbox_gives_the_event_back() {
    for store in Store::all() {
        let (_runtime, run) = taking(&store, Mailbox { bound: 3, drop_when_full: false });
        for n in 0..3 {
            run.send_event(Go { n }).unwrap();
        }
        let SendError::Full { event, bound } = run.send_event(Go { n: 3 }).unwrap_err() else { panic!("room") };
        assert_eq!((event.get::<Go>().unwrap().n, bound), (3, 3));
        within(run.send_event_wait(Go { n: 9 })).await.unwrap();
        assert_eq!(text_of(&run).await, "[0, 1, 2, 9]", "{}", store.name());
    }
}

#[tokio::test]
async fn a_sender_may_wait_for_room_in_a_kept_run() {
    for store in Store::all() {
        let (_runtime, run) = taking(&store, Mailbox { bound: 2, drop_when_full: false });
        for n in 0..10 {
            within(run.send_event_wait(Go { n })).await.unwrap();
        }
        assert_eq!(text_of(&run).await, "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]", "{}", store.name());
        let error = within(run.send_event_wait(Go { n: 1 })).await.unwrap_err();
        assert!(matches!(error, SendError::Ended { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_kept_run_s_full_mailbox_may_drop_with_a_report() {
    for store in Store::all() {
        let (_runtime, run) = taking(&store, Mailbox { bound: 2, drop_when_full: true });
        for n in 0..5 {
            run.send_event(Go { n }).unwrap();
        }
        within(run.recorded()).await.unwrap();
        while run.store_value("got") != Some(serde_json::json!([0, 1])) {
            tokio::task::yield_now().await;
        }
        run.send_event(Go { n: 9 }).unwrap();
        assert_eq!(text_of(&run).await, "[0, 1, 9]", "{}", store.name());
        assert_eq!(unhandled(&run).await, ["Go"; 3]);
    }
}

/// Makes as many calls as it may, and one more; the first process waits with them made.
struct Calls {
    made: Arc<AtomicU32>,
    waits: bool,
}

const MOST: u32 = 10_000;

#[workflow(Begin => Done)]
impl Calls {
    #[step]
    async fn call(&self, _ev: Begin, ctx: Context) -> Result<Done> {
        let call =
            |_| ctx.call("n", async || Ok::<_, StepError>(self.made.fetch_add(1, Ordering::SeqCst))).into_future();
        for result in join_all((0..MOST).map(call)).await {
            result?;
        }
        if self.waits {
            ctx.store().set("full", true).await?;
            std::future::pending::<()>().await;
        }
        let error = ctx.call("n", async || Ok::<_, StepError>(1)).await.unwrap_err();
        let CallError::RecordFull { bound, .. } = &error else { return Err(StepError::from(error)) };
        Ok(done(format!("{bound} results")))
    }
}

#[test]
fn an_execution_records_ten_thousand_results_and_they_are_kept() {
    for store in Store::all() {
        let made = Arc::new(AtomicU32::new(0));
        store.process(async {
            let runtime = Runtime::on(store.open());
            let flow = Calls { made: Arc::clone(&made), waits: true };
            let run = runtime.run(flow, Begin { n: 0 }, RunOptions::new().run_id("calls"));
            while run.store_value("full").is_none() {
                tokio::task::yield_now().await;
            }
        });
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Calls { made: Arc::clone(&made), waits: false }).unwrap();
            let run = runtime.attach(&RunId::from("calls")).await.unwrap();
            assert_eq!(text_of(&run).await, "10000 results", "{}", store.name());
        });
        assert_eq!(made.load(Ordering::SeqCst), MOST, "{}: none was made again", store.name());
    }
}

/// What is shown of steps, in order.
async fn frames(run: &AnyRun) -> Vec<String> {
    let _ = within(run.outcome()).await;
    let changed = |item: &StreamItem| {
        let frame = item.get::<StepStateChanged>()?;
        Some(format!("{} {:?}", frame.name, frame.step_state))
    };
    rest(run.events_internal()).await.iter().filter_map(changed).collect()
}

#[derive(Default)]
struct Plain;

#[workflow(Begin => Done)]
impl Plain {
    #[step]
    async fn first(&self, ev: Begin) -> Item {
        Item { n: ev.n }
    }

    #[step]
    async fn second(&self, item: Item) -> Done {
        tokio::task::yield_now().await;
        done(item.n)
    }
}

#[test]
fn the_recorded_frames_of_a_kept_run_are_those_of_one_in_memory() {
    for store in Store::all() {
        store.process(async {
            let in_memory = frames(&Plain.run_with(Begin { n: 1 }, recorded())).await;
            assert!(in_memory.len() >= 4, "{in_memory:?}");
            let runtime = Runtime::on(store.open());
            let run = runtime.run(Plain, Begin { n: 1 }, recorded());
            assert_eq!(frames(&run).await, in_memory, "{}", store.name());
        });
    }
}
