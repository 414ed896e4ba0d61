//! A run that stands still goes on one dispatch at a time, in memory and where a backend keeps it.

#![allow(clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use stepcast::backend::RunStatus;
use stepcast::prelude::*;
use stepcast::{DispatchOutcome, Dispatched, RunId, Runtime, Stepped};
use support::stores::Store;
use support::within;

#[event(start)]
struct Order {
    items: Vec<u32>,
}

#[event]
struct Item {
    n: u32,
}

#[event]
struct Price {
    cents: u32,
}

#[event]
struct Total {
    cents: u32,
}

#[event(external)]
struct Paid {
    cents: u32,
}

#[event(stop)]
struct Receipt {
    paid: u32,
}

/// Opens a batch, collects it, waits for a payment, and ends.
#[derive(Clone, Default)]
struct Shop {
    ran: Arc<AtomicU32>,
}

impl Shop {
    fn runs(&self) -> u32 {
        self.ran.fetch_add(1, Ordering::SeqCst)
    }
}

#[workflow(Order => Receipt)]
impl Shop {
    #[step]
    async fn open(&self, order: Order) -> Vec<Item> {
        self.runs();
        order.items.into_iter().map(|n| Item { n }).collect()
    }

    /// Looks away once, so that its first poll is not its last.
    #[step]
    async fn price(&self, item: Item) -> Price {
        self.runs();
        tokio::task::yield_now().await;
        Price { cents: item.n * 100 }
    }

    #[step]
    async fn add(&self, prices: Vec<Price>) -> Total {
        self.runs();
        Total { cents: prices.iter().map(|price| price.cents).sum() }
    }

    #[step(waits(Paid))]
    async fn pay(&self, total: Total, ctx: Context) -> Result<Receipt> {
        self.runs();
        let paid = ctx.wait_for_event::<Paid>().await?;
        self.runs();
        Ok(Receipt { paid: paid.cents.min(total.cents) })
    }
}

const TOTAL: u32 = 7;

/// A run of it, in memory where there is no runtime.
async fn begin(shop: &Shop, runtime: Option<&Runtime>, options: RunOptions) -> Run<Receipt> {
    let order = Order { items: vec![1, 2, 3] };
    match runtime {
        None => shop.clone().run_with(order, options),
        Some(runtime) => {
            let run = runtime.run(shop.clone(), order, options);
            run.recorded().await.expect("it is kept");
            run
        }
    }
}

/// Lets everything happen that happens by itself.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

async fn step(run: &Run<Receipt>) -> Dispatched {
    match within(run.step()).await {
        Stepped::Ran(dispatched) => dispatched,
        other => panic!("nothing ran: {other:?}"),
    }
}

/// Without a store, and in both kinds of stores.
fn everywhere() -> Vec<Option<Store>> {
    let kept = Store::all().into_iter().map(Some);
    std::iter::once(None).chain(kept).collect()
}

#[tokio::test]
async fn a_step_lets_one_dispatch_happen() {
    for store in everywhere() {
        let (shop, runtime) = (Shop::default(), store.as_ref().map(|store| Runtime::on(store.open())));
        let run = begin(&shop, runtime.as_ref(), RunOptions::new().stepwise()).await;
        settle().await;
        assert_eq!(shop.ran.load(Ordering::SeqCst), 0, "it stands still");
        let expected = [
            ("open", vec![json!({ "items": [1, 2, 3] })]),
            ("price", vec![json!({ "n": 1 })]),
            ("price", vec![json!({ "n": 2 })]),
            ("price", vec![json!({ "n": 3 })]),
            ("add", vec![json!({ "cents": 100 }), json!({ "cents": 200 }), json!({ "cents": 300 })]),
        ];
        for (at, (name, events)) in (1..).zip(expected) {
            let ran = step(&run).await;
            assert_eq!((ran.step.as_str(), ran.attempt, ran.outcome), (name, 1, DispatchOutcome::Completed));
            assert_eq!(ran.events.iter().map(AnyEvent::value).collect::<Vec<_>>(), events);
            settle().await;
            assert_eq!(shop.ran.load(Ordering::SeqCst), at, "and again");
        }
        let waits = step(&run).await;
        assert_eq!((waits.step.as_str(), waits.outcome), ("pay", DispatchOutcome::Waits));
        assert!(matches!(within(run.step()).await, Stepped::Rests));
        // What it waits for lets it go on, when it is let.
        run.send_event(Paid { cents: 500 }).expect("it takes it");
        settle().await;
        assert_eq!(shop.ran.load(Ordering::SeqCst), 6);
        let ran = step(&run).await;
        assert_eq!((ran.execution, ran.outcome), (waits.execution, DispatchOutcome::Completed));
        assert_eq!(shop.ran.load(Ordering::SeqCst), TOTAL);
        assert_eq!(within(run.result()).await.expect("it has ended").paid, 500);
        assert!(matches!(within(run.step()).await, Stepped::Ended));
        if let Some(runtime) = runtime {
            runtime.shutdown(Duration::from_secs(10)).await;
        }
    }
}

#[tokio::test]
async fn a_run_is_stopped_and_let_go_at_any_time() {
    for store in everywhere() {
        let (shop, runtime) = (Shop::default(), store.as_ref().map(|store| Runtime::on(store.open())));
        let run = begin(&shop, runtime.as_ref(), RunOptions::new().stepwise()).await;
        assert_eq!(step(&run).await.step, "open");
        run.go_on();
        // It goes on to where it waits, and stands still from the next step on.
        while shop.ran.load(Ordering::SeqCst) < 6 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(within(run.step()).await, Stepped::Rests));
        run.send_event(Paid { cents: 1 }).expect("it takes it");
        settle().await;
        assert!(!run.is_done());
        assert_eq!(step(&run).await.step, "pay");
        within(run.result()).await.expect("it has ended");
        if let Some(runtime) = runtime {
            runtime.shutdown(Duration::from_secs(10)).await;
        }
    }
}

#[tokio::test]
async fn steps_take_turns_and_may_be_forgotten() {
    let shop = Shop::default();
    let run = begin(&shop, None, RunOptions::new().stepwise()).await;
    // Three at once are three dispatches, one after the other.
    let (a, b, c) = within(async { tokio::join!(run.step(), run.step(), run.step()) }).await;
    let names = [a, b, c].map(|stepped| stepped.ran().map(|ran| ran.step.clone()));
    assert_eq!(names, ["open", "price", "price"].map(|name| Some(name.to_owned())));
    // Nobody waits for this one's end: it comes to it by itself, and the next step is another one.
    let mut forgotten = Box::pin(run.step());
    let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(forgotten.as_mut().poll(cx))).await;
    assert!(polled.is_pending());
    while shop.ran.load(Ordering::SeqCst) < 4 {
        tokio::task::yield_now().await;
    }
    drop(forgotten);
    assert_eq!(step(&run).await.step, "add");
    // One that was dropped before its turn lets nothing happen.
    let mut early = Box::pin(run.step());
    let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(early.as_mut().poll(cx))).await;
    assert!(polled.is_pending());
    drop(early);
    settle().await;
    assert_eq!(shop.ran.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_run_that_waits_for_its_turn_is_stepped_when_it_comes() {
    let (shop, runtime) = (Shop::default(), Runtime::new());
    runtime.register_as("Shop", shop.clone(), Some(1)).expect("it checks");
    let begin = |id: &str| {
        let options = RunOptions::new().stepwise().run_id(id);
        runtime.start("Shop", json!({ "items": [] }), options).expect("it begins")
    };
    let (first, second) = (begin("first"), begin("second"));
    assert!(matches!(within(first.step()).await, Stepped::Ran(_)));
    let mut waiting = Box::pin(second.step());
    for _ in 0..100 {
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx))).await;
        assert!(polled.is_pending(), "the first run has the only place");
        tokio::task::yield_now().await;
    }
    assert_eq!(shop.ran.load(Ordering::SeqCst), 1);
    first.cancel();
    assert!(matches!(within(waiting).await, Stepped::Ran(ran) if ran.step == "open"));
    assert_eq!(shop.ran.load(Ordering::SeqCst), 2);
}

#[event(start)]
struct Both;

#[event]
struct Left;

#[event]
struct Right;

#[event(stop)]
struct Met;

/// Two steps that meet outside of the run.
#[derive(Clone, Default)]
struct Meeting {
    here: Arc<tokio::sync::Notify>,
}

#[workflow(Both => Met)]
impl Meeting {
    #[step]
    async fn both(&self, _both: Both) -> (Left, Right) {
        (Left, Right)
    }

    #[step]
    async fn left(&self, _left: Left) -> Met {
        self.here.notified().await;
        Met
    }

    #[step]
    async fn right(&self, _right: Right) {
        self.here.notify_one();
    }
}

#[tokio::test]
async fn one_gets_past_a_step_that_waits_for_another() {
    let run = Meeting::default().run_with(Both, RunOptions::new().stepwise());
    within(run.step()).await;
    let mut left = Box::pin(run.step());
    for _ in 0..100 {
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(left.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        tokio::task::yield_now().await;
    }
    drop(left);
    assert!(matches!(within(run.step()).await, Stepped::Ran(ran) if ran.step == "right"));
    within(run.result()).await.expect("they have met");
}

#[tokio::test]
async fn without_a_handle_it_goes_on_by_itself() {
    let shop = Shop::default();
    let run = begin(&shop, None, RunOptions::new().stepwise()).await;
    assert_eq!(step(&run).await.step, "open");
    drop(run);
    while shop.ran.load(Ordering::SeqCst) < 6 {
        tokio::task::yield_now().await;
    }
    // A runtime has a handle: whoever asks for it may go on.
    let (shop, runtime) = (Shop::default(), Runtime::new());
    let run = begin(&shop, Some(&runtime), RunOptions::new().stepwise().run_id("one")).await;
    drop(run);
    settle().await;
    assert_eq!(shop.ran.load(Ordering::SeqCst), 0);
    let again = runtime.get(&RunId::from("one")).expect("it is there");
    assert!(matches!(within(again.step()).await, Stepped::Ran(ran) if ran.step == "open"));
}

#[tokio::test]
async fn what_is_taken_up_from_a_store_goes_on_by_itself() {
    for store in Store::all() {
        let shop = Shop::default();
        let runtime = Runtime::on(store.open());
        let run = begin(&shop, Some(&runtime), RunOptions::new().stepwise().run_id("one")).await;
        for _ in 0..3 {
            step(&run).await;
        }
        // One that stands still keeps nobody from leaving.
        within(runtime.shutdown(Duration::from_secs(600))).await;
        assert!(matches!(within(run.step()).await, Stepped::Ended));
        assert_eq!(shop.ran.load(Ordering::SeqCst), 3);
        let runtime = Runtime::on(store.open());
        let stored = runtime.find_run(&RunId::from("one")).await.expect("it is read").expect("it is there");
        assert_eq!(stored.status, RunStatus::Running);
        runtime.register(shop.clone()).expect("it checks");
        while shop.ran.load(Ordering::SeqCst) < 6 {
            tokio::task::yield_now().await;
        }
        runtime.send_event(&stored.run.clone().into(), Paid { cents: 9 }).await.expect("it takes it");
        let run = runtime.attach(&RunId::from("one")).await.expect("it is had");
        within(run.outcome()).await.expect("it ends");
        assert_eq!(shop.ran.load(Ordering::SeqCst), TOTAL, "nothing ran twice");
        runtime.shutdown(Duration::from_secs(10)).await;
    }
}

#[test]
fn a_killed_run_goes_on_by_itself() {
    for store in Store::all() {
        let shop = Shop::default();
        // A process that is killed lets go of nothing before.
        let _held = store.process(async {
            let runtime = Runtime::on(store.open());
            let run = begin(&shop, Some(&runtime), RunOptions::new().stepwise().run_id("one")).await;
            for _ in 0..2 {
                step(&run).await;
            }
            (run, runtime)
        });
        assert_eq!(shop.ran.load(Ordering::SeqCst), 2, "{}", store.name());
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(shop.clone()).expect("it checks");
            let run = runtime.attach(&RunId::from("one")).await.expect("it is had");
            run.send_event(Paid { cents: 9 }).expect("it takes it");
            run.outcome().await.expect("it ends");
            runtime.shutdown(Duration::from_secs(10)).await;
        });
        // What a step told of was on record.
        assert_eq!(shop.ran.load(Ordering::SeqCst), TOTAL, "{}", store.name());
    }
}

#[event(start)]
struct Ask;

#[event(input_required)]
struct Question {
    text: String,
}

#[event(human_response)]
struct Reply {
    text: String,
}

#[event(stop)]
struct Said {
    text: String,
}

/// Fails once, asks a person, and says what that said.
#[derive(Clone, Default)]
struct Asks;

#[workflow(Ask => Said)]
impl Asks {
    #[step(retry(attempts = 2, backoff = "1h"))]
    async fn ask(&self, _ask: Ask, attempt: Attempt) -> Result<Question> {
        match attempt.number() {
            1 => Err(StepError::msg("not yet")),
            _ => Ok(Question { text: "Well?".to_owned() }),
        }
    }

    #[step]
    async fn say(&self, reply: Reply) -> Said {
        Said { text: reply.text }
    }
}

#[tokio::test(start_paused = true)]
async fn failures_delays_and_questions_are_told() {
    let run = Asks.run_with(Ask, RunOptions::new().stepwise());
    let failed = run.step().await;
    let failed = failed.ran().expect("it ran");
    assert_eq!((failed.step.as_str(), failed.attempt, failed.outcome), ("ask", 1, DispatchOutcome::Failed));
    assert!(matches!(run.step().await, Stepped::Rests), "the second attempt is delayed");
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    let again = run.step().await;
    let again = again.ran().expect("it ran");
    assert_eq!((again.execution, again.attempt, again.outcome), (failed.execution, 2, DispatchOutcome::Completed));
    assert!(matches!(run.step().await, Stepped::WaitsForInput));
    let asked = run.pending_inputs().await;
    run.respond_value(&asked[0].id, json!({ "text": "So." })).await.expect("it is an answer");
    settle().await;
    assert!(!run.is_done());
    assert!(matches!(run.step().await, Stepped::Ran(ran) if ran.step == "say"));
    assert_eq!(run.await.expect("it ends").text, "So.");
}

#[tokio::test(start_paused = true)]
async fn an_end_from_outside_is_told() {
    let shop = Shop::default();
    let run = begin(&shop, None, RunOptions::new().stepwise()).await;
    run.cancel();
    assert!(matches!(run.step().await, Stepped::Ended));
    assert_eq!(shop.ran.load(Ordering::SeqCst), 0);
    assert!(matches!(run.result().await, Err(stepcast::RunError::Cancelled)));
}
