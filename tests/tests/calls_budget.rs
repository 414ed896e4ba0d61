//! What calls use up: counted once, kept with the run, and held against budgets before it is spent.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::future::IntoFuture;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use stepcast::prelude::*;
use stepcast::{AnyRun, Budget, CachePolicy, CallCache, CallError, CallStatus, RunSnapshot, Usage};
use support::{moved, recorded, settle, within};
use tokio::sync::oneshot;

use CallStatus::{Cached, Failed, Hit, Miss, Refused};

#[event(start)]
#[derive(Default)]
struct Begin {
    /// Tokens of each call.
    tokens: Vec<u64>,
    estimate: Option<u64>,
    /// Attempts that fail once their calls are made.
    fail: u32,
    fail_call: u32,
    rerun: bool,
    waits: bool,
    key: Option<String>,
    policy: Option<String>,
}

#[event(external)]
struct Go;

#[event(stop)]
struct Done {
    text: String,
}

/// What a model gives.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Reply {
    text: String,
    tokens: u64,
}

impl Reply {
    fn usage(&self) -> Usage {
        Usage::new(self.tokens, 0).with_cost_micros(self.tokens * 10)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("busy")]
struct Busy;

#[derive(Default)]
struct Flow {
    made: Mutex<Vec<u64>>,
}

impl Flow {
    fn made(&self) -> Vec<u64> {
        self.made.lock().unwrap().clone()
    }
}

#[workflow(Begin => Done)]
impl Flow {
    #[step(waits(Go), retry(attempts = 3, backoff = "1s"))]
    async fn work(&self, ev: Begin, ctx: Context) -> Result<Done> {
        for tokens in &ev.tokens {
            let mut call = ctx.call(format!("call {tokens}"), || async {
                self.made.lock().unwrap().push(*tokens);
                if ctx.attempt() <= ev.fail_call {
                    return Err(Busy);
                }
                Ok(Reply { text: String::new(), tokens: *tokens })
            });
            if ev.rerun {
                call = call.rerun();
            }
            if let Some(key) = &ev.key {
                call = call.key((key, tokens));
            }
            if ev.policy.as_deref() == Some("refresh") {
                call = call.cache(CachePolicy::Refresh);
            }
            if let Some(estimate) = ev.estimate {
                call = call.estimate(Usage::new(estimate, 0).with_cost_micros(estimate * 10));
            }
            call.usage(Reply::usage).await?;
        }
        if ev.waits {
            ctx.wait_for_event::<Go>().await?;
        }
        if ctx.attempt() <= ev.fail {
            return Err(Busy.into());
        }
        Ok(Done { text: ctx.usage().total_tokens().to_string() })
    }
}

fn begin(tokens: &[u64]) -> Begin {
    Begin { tokens: tokens.to_vec(), ..Begin::default() }
}

fn tokens(budget: u64) -> RunOptions {
    recorded().budget(Budget::new().tokens(budget))
}

fn statuses(run: &AnyRun) -> Vec<CallStatus> {
    run.calls().iter().map(|call| call.status).collect()
}

/// The error of the call that ended the run.
#[track_caller]
fn call_error(error: &RunError) -> &CallError {
    let RunError::StepFailed { source, .. } = error else { panic!("{error:?}") };
    source.downcast_ref::<CallError>().unwrap_or_else(|| panic!("{error:?}"))
}

#[tokio::test(start_paused = true)]
async fn usage_is_summed_and_a_repeated_execution_adds_nothing() {
    let flow = Arc::new(Flow::default());
    let run = flow.clone().run_with(Begin { fail: 2, ..begin(&[10, 5]) }, recorded());
    assert_eq!(within(run.result()).await.unwrap().text, "15");
    assert_eq!(run.usage(), Usage::new(15, 0).with_cost_micros(150));
    assert_eq!(flow.made(), [10, 5]);
    assert_eq!(statuses(&run), [Miss, Miss, Hit, Hit, Hit, Hit]);
    let calls = run.calls();
    assert_eq!(calls[1].usage, Some(Usage::new(5, 0).with_cost_micros(50)));
    assert!(calls[2..].iter().all(|call| call.usage.is_none()), "a hit uses up nothing");
    assert_eq!(calls.iter().map(|call| call.attempt).collect::<Vec<_>>(), [1, 1, 2, 2, 3, 3]);
    assert_eq!(run.budget_left(), None);

    // What asks to be repeated is paid for each time.
    let run = flow.run_with(Begin { fail: 2, rerun: true, ..begin(&[10]) }, recorded());
    assert_eq!(within(run.result()).await.unwrap().text, "30");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_taken_up_again_keeps_its_usage_and_its_budget() {
    let flow = Arc::new(Flow::default());
    let run = flow.clone().run_with(Begin { waits: true, fail: 1, ..begin(&[10, 20]) }, tokens(100));
    settle().await;
    assert_eq!(run.usage().total_tokens(), 30);
    let run = moved(flow.clone(), &run).await;
    settle().await;
    assert_eq!((run.usage().total_tokens(), flow.made()), (30, vec![10, 20]));
    assert_eq!(run.budget_left(), Some(Budget::new().tokens(70)));
    // Again, now that a step has asked for it in this process.
    let run = moved(flow.clone(), &run).await;
    run.send_event(Go).unwrap();
    run.send_event(Go).unwrap();
    assert_eq!(within(run.result()).await.unwrap().text, "30");
    assert_eq!(run.budget_left(), Some(Budget::new().tokens(70)));

    // It may be given another.
    let run = flow.clone().run_with(Begin { waits: true, ..begin(&[10]) }, tokens(100));
    settle().await;
    let snapshot = run.snapshot().await.unwrap();
    let run = flow.restore_with(snapshot, tokens(11)).unwrap();
    assert_eq!(run.budget_left(), Some(Budget::new().tokens(1)));
}

#[tokio::test(start_paused = true)]
async fn a_budget_refuses_before_anything_is_spent() {
    let flow = Arc::new(Flow::default());
    let run = flow.clone().run_with(Begin { estimate: Some(60), ..begin(&[50, 51]) }, tokens(100).run_id("r"));
    let error = within(run.result()).await.unwrap_err();
    let CallError::BudgetExhausted { label, run: whose, asked, left } = call_error(&error) else { panic!("{error}") };
    assert_eq!((label.as_str(), whose.as_str()), ("call 51", "r"));
    assert_eq!((*asked, *left), (Some(Usage::new(60, 0).with_cost_micros(600)), Budget::new().tokens(50)));
    assert_eq!(
        call_error(&error).to_string(),
        "The budget of the run `r` does not allow the call `call 51`: it asks for 60 tokens in and \
         0.000600 of money, and what is left is 50 tokens."
    );
    assert_eq!(flow.made(), [50], "the refused call was made in no attempt");
    assert_eq!(run.usage().total_tokens(), 50);
    assert_eq!(statuses(&run), [Miss, Refused, Hit, Refused, Hit, Refused]);
    let refused = &run.calls()[1];
    assert_eq!(refused.reason, "the budget does not allow it: what is left is 50 tokens");
    assert_eq!(refused.usage.unwrap().total_tokens(), 60, "what it asked for");
}

#[tokio::test(start_paused = true)]
async fn every_bound_of_a_budget_holds() {
    let run = |begin: Begin, budget: Budget| async move {
        let flow = Arc::new(Flow::default());
        let run = flow.clone().run_with(begin, recorded().budget(budget));
        let is_refused = match within(run.result()).await {
            Ok(_) => false,
            Err(error) => matches!(call_error(&error), CallError::BudgetExhausted { .. }),
        };
        (is_refused, flow.made())
    };
    let estimated = |estimate: u64| Begin { estimate: Some(estimate), ..begin(&[1]) };
    assert_eq!(run(estimated(100), Budget::new().cost_micros(1_000)).await, (false, vec![1]));
    assert_eq!(run(estimated(101), Budget::new().cost_micros(1_000)).await, (true, vec![]));
    assert_eq!(run(estimated(101), Budget::new().tokens(200).cost_micros(1_000)).await, (true, vec![]));
    assert_eq!(run(estimated(100), Budget::new().tokens(99).cost_micros(10_000)).await, (true, vec![]));
    assert_eq!(run(estimated(100), Budget::new()).await, (false, vec![1]));
    // Without an estimate a call is refused once nothing is left; the last one may go over.
    assert_eq!(run(begin(&[99, 7, 1]), Budget::new().tokens(100)).await, (true, vec![99, 7]));
    assert_eq!(run(begin(&[1]), Budget::new().tokens(0)).await, (true, vec![]));
    // One that says of itself that it takes nothing is always made.
    assert_eq!(run(estimated(0), Budget::new().tokens(0)).await, (false, vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_gives_back_what_it_reserved() {
    let flow = Arc::new(Flow::default());
    let run = flow.clone().run_with(Begin { estimate: Some(100), fail_call: 2, ..begin(&[30]) }, tokens(100));
    assert_eq!(within(run.result()).await.unwrap().text, "30");
    assert_eq!(statuses(&run), [Failed, Failed, Miss]);
    assert_eq!(run.budget_left(), Some(Budget::new().tokens(70)));
}

#[tokio::test(start_paused = true)]
async fn a_recorded_or_cached_result_needs_no_budget() {
    let flow = Arc::new(Flow::default());
    let cache = CallCache::memory(9);
    let keyed = || Begin { key: Some("k".to_owned()), ..begin(&[100, 40]) };
    let run = flow.clone().run_with(keyed(), recorded().call_cache(cache.clone()));
    within(run.result()).await.unwrap();
    assert_eq!(run.usage().total_tokens(), 140);
    // Nothing is left from the first on.
    let run = flow.clone().run_with(Begin { fail: 1, ..keyed() }, tokens(0).call_cache(cache.clone()));
    assert_eq!(within(run.result()).await.unwrap().text, "0");
    assert_eq!(statuses(&run), [Cached, Cached, Hit, Hit]);
    // The record alone.
    let run = flow.clone().run_with(Begin { fail: 1, ..begin(&[100]) }, tokens(100));
    assert_eq!(within(run.result()).await.unwrap().text, "100");
    assert_eq!(run.budget_left(), Some(Budget::new().tokens(0)));
    // What is to be made anew needs one.
    let refresh = Begin { policy: Some("refresh".to_owned()), ..keyed() };
    let error = within(flow.run_with(refresh, tokens(0).call_cache(cache))).await.unwrap_err();
    assert!(matches!(call_error(&error), CallError::BudgetExhausted { asked: None, .. }), "{error}");
}

/// Calls that are under way at the same time.
struct Gated;

#[workflow(Begin => Done)]
impl Gated {
    #[step]
    async fn work(&self, _ev: Begin, ctx: Context) -> Result<Done> {
        // A call that goes on until it is told what it used up.
        let call = |name: &'static str, estimate: u64| {
            let (tell, told) = oneshot::channel::<u64>();
            let call = ctx.call(name, || told);
            (tell, call.estimate(Usage::new(0, estimate)).usage(|used| Usage::new(0, *used)).into_future())
        };
        let left = || ctx.budget_left().and_then(|left| left.tokens);
        let (tell_a, mut a) = call("a", 60);
        assert!((&mut a).now_or_never().is_none());
        assert_eq!(left(), Some(40));
        let (_tell, b) = call("b", 41);
        let error = b.await.unwrap_err();
        assert!(matches!(&error, CallError::BudgetExhausted { left, .. } if left.tokens == Some(40)), "{error}");
        let (tell_c, mut c) = call("c", 40);
        assert!((&mut c).now_or_never().is_none());
        let unestimated = ctx.call("z", || async { Ok::<_, Busy>(1) }).usage(|used| Usage::new(*used, 0));
        assert!(matches!(unestimated.await, Err(CallError::BudgetExhausted { asked: None, .. })));
        // It says of itself that it uses up nothing, so it needs no room.
        assert_eq!(ctx.call("free", || async { Ok::<_, Busy>(7) }).await?, 7);

        // More than estimated, and less.
        tell_c.send(50).unwrap();
        assert_eq!((c.await?, left()), (50, Some(0)));
        tell_a.send(30).unwrap();
        assert_eq!((a.await?, left()), (30, Some(20)));

        // One that is dropped on the way leaves its room.
        let (_tell, mut dropped) = call("dropped", 20);
        assert!((&mut dropped).now_or_never().is_none());
        assert_eq!(left(), Some(0));
        drop(dropped);
        assert_eq!(left(), Some(20));
        let panics =
            ctx.call("panics", || async { if left() == Some(0) { panic!("on purpose") } else { Ok::<_, Busy>(0) } });
        let panics =
            std::panic::AssertUnwindSafe(panics.estimate(Usage::new(20, 0)).into_future()).catch_unwind().await;
        assert!(panics.is_err());
        assert_eq!(left(), Some(20));
        // An estimate counts where nothing else is said.
        ctx.call("estimated", || async { Ok::<_, Busy>(()) }).estimate(Usage::new(5, 5)).await?;
        assert_eq!(left(), Some(10));
        Ok(Done { text: ctx.usage().to_string() })
    }
}

#[tokio::test(start_paused = true)]
async fn calls_under_way_reserve_what_they_ask_for() {
    let run = Gated.run_with(Begin::default(), tokens(100));
    let done = within(run.result()).await.unwrap();
    assert_eq!(done.text, "5 tokens in and 85 tokens out");
}

#[event]
struct Item;

#[event]
struct Paid;

/// Ten calls at once, on all threads.
#[derive(Default)]
struct Wide {
    made: AtomicU32,
}

#[workflow(Begin => Done)]
impl Wide {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..ev.tokens[0]).map(|_| Item).collect()
    }

    #[step]
    async fn pay(&self, _item: Item, ctx: Context) -> Result<Option<Paid>> {
        let call = ctx.call("pay", || async {
            tokio::task::yield_now().await;
            self.made.fetch_add(1, SeqCst);
            Ok::<_, Busy>(())
        });
        match call.estimate(Usage::new(10, 0)).await {
            Ok(()) => Ok(Some(Paid)),
            Err(CallError::BudgetExhausted { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    #[step]
    async fn gather(&self, all: Vec<Paid>) -> Done {
        Done { text: all.len().to_string() }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_calls_do_not_get_past_a_budget() {
    for _ in 0..20 {
        let flow = Arc::new(Wide::default());
        let run = flow.clone().run_with(begin(&[200]), RunOptions::new().budget(Budget::new().tokens(1_005)));
        assert_eq!(within(run.result()).await.unwrap().text, "100");
        assert_eq!((flow.made.load(SeqCst), run.usage().total_tokens()), (100, 1_000));
    }
}

/// Calls through children: as many, one in the other, as the start event has items.
struct Nested {
    flow: Arc<Flow>,
    depth: u32,
    /// The budget of each child.
    budget: Option<Budget>,
}

impl Nested {
    fn new(flow: &Arc<Flow>, depth: u32) -> Self {
        Nested { flow: Arc::clone(flow), depth, budget: None }
    }
}

#[workflow(Begin => Done)]
impl Nested {
    #[step(waits(Go))]
    async fn pass_on(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let own = ctx.call("own", || async { Ok::<_, Busy>(()) });
        own.estimate(Usage::new(1, 0)).await?;
        let mut options = RunOptions::new();
        if let Some(budget) = self.budget {
            options = options.budget(budget);
        }
        let waits = ev.waits;
        let below = match self.depth {
            0 => ctx.run_child(self.flow.clone(), ev).options(options).await,
            depth => {
                ctx.run_child(Nested { depth: depth - 1, ..Nested::new(&self.flow, 0) }, ev).options(options).await
            }
        };
        if waits && self.depth > 0 {
            ctx.wait_for_event::<Go>().await?;
        }
        let below = below?;
        Ok(Done { text: format!("{} in {}", below.text, ctx.usage().total_tokens()) })
    }
}

#[tokio::test(start_paused = true)]
async fn what_children_use_up_is_their_parent_s_too() {
    let flow = Arc::new(Flow::default());
    let run = Nested::new(&flow, 1).run_with(begin(&[10, 20]), tokens(100));
    assert_eq!(within(run.result()).await.unwrap().text, "30 in 31 in 32");
    assert_eq!((run.usage().total_tokens(), run.usage().cost_micros), (32, 300));
    assert_eq!(run.budget_left(), Some(Budget::new().tokens(68)));
}

#[tokio::test(start_paused = true)]
async fn a_budget_holds_for_children() {
    let flow = Arc::new(Flow::default());
    let run =
        Nested::new(&flow, 1).run_with(Begin { estimate: Some(20), ..begin(&[10, 20, 30]) }, tokens(35).run_id("top"));
    let error = within(run.result()).await.unwrap_err();
    // 2 of its own and 10 leave 23; what was spent by then stays spent.
    assert!(error.to_string().contains("The budget of the run `top` does not allow the call `call 30`"), "{error}");
    assert_eq!(flow.made(), [10, 20]);
    assert_eq!(run.usage().total_tokens(), 32);

    // A child's own goes beside it.
    let flow = Arc::new(Flow::default());
    let nested = Nested { budget: Some(Budget::new().tokens(15)), ..Nested::new(&flow, 0) };
    let run = nested.run_with(Begin { estimate: Some(10), ..begin(&[5, 6]) }, tokens(1_000).run_id("top"));
    within(run.result()).await.unwrap();
    let nested = Nested { budget: Some(Budget::new().tokens(14)), ..Nested::new(&flow, 0) };
    let run = nested.run_with(Begin { estimate: Some(10), ..begin(&[5, 6]) }, tokens(1_000).run_id("top"));
    let error = within(run.result()).await.unwrap_err();
    assert!(error.to_string().contains("The budget of the run `top.1.Flow` does not allow"), "{error}");
    assert_eq!(run.usage().total_tokens(), 6, "what the child did not spend is free again");
    assert_eq!(run.budget_left(), Some(Budget::new().tokens(994)));
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_taken_up_again_is_not_counted_twice() {
    let flow = Arc::new(Flow::default());
    let top = || Nested::new(&flow, 1);
    let run = top().run_with(Begin { waits: true, ..begin(&[10, 20]) }, tokens(100));
    settle().await;
    assert_eq!(run.usage().total_tokens(), 32);
    let mut run = run;
    for _ in 0..2 {
        run = moved(top(), &run).await;
        settle().await;
        assert_eq!((run.usage().total_tokens(), flow.made()), (32, vec![10, 20]));
    }
    // The child's snapshot is later than its parent's, as one taken between the two would be.
    let mut data = serde_json::to_value(run.snapshot().await.unwrap()).unwrap();
    run.cancel();
    let usage = &mut data["cells"]["stepcast.calls"];
    assert_eq!(usage["total"], serde_json::json!({ "tokens_in": 32, "cost_micros": 300 }));
    usage["total"] = serde_json::json!({ "tokens_in": 1 });
    usage["children"] = serde_json::json!({});
    let run = top().restore(RunSnapshot::from_json(&data.to_string()).unwrap()).unwrap();
    settle().await;
    assert_eq!(run.usage().total_tokens(), 32, "taken up, it says what it had used up");
    let grandchild = run.children().into_iter().find(|run| run.workflow() == "Flow").unwrap();
    grandchild.send_event(Go).unwrap();
    settle().await;
    run.send_event(Go).unwrap();
    assert_eq!(within(run.result()).await.unwrap().text, "30 in 31 in 32");
    let kept = serde_json::to_value(run.store_snapshot()).unwrap()["cells"]["stepcast.calls"].clone();
    assert_eq!(kept.get("children"), None, "children that have ended are not kept apart: {kept}");
}

#[tokio::test(start_paused = true)]
async fn usage_is_not_handed_to_another_run() {
    let flow = Arc::new(Flow::default());
    let run = flow.clone().run_with(begin(&[10]), tokens(100));
    within(run.result()).await.unwrap();
    let next = flow.run_with(begin(&[5]), RunOptions::new().state_from(&run));
    assert_eq!(within(next.result()).await.unwrap().text, "5");
    assert_eq!(next.budget_left(), None);
}

#[tokio::test(start_paused = true)]
async fn usage_that_cannot_be_read_is_an_error() {
    let flow = Arc::new(Flow::default());
    let run = flow.clone().run_with(Begin { waits: true, ..begin(&[10]) }, tokens(100));
    settle().await;
    let text = run.snapshot().await.unwrap().to_json().unwrap();
    let damage = |data: &mut serde_json::Value| data["cells"]["stepcast.calls"] = serde_json::json!("much");
    let mut data: serde_json::Value = serde_json::from_str(&text).unwrap();
    // The recorded call has no need of it; one that is new has.
    data["records"] = serde_json::json!([]);
    let snapshot = RunSnapshot::from_json_with(&data.to_string(), damage).unwrap();
    let run = flow.restore(snapshot).unwrap();
    let error = within(run.result()).await.unwrap_err();
    assert!(matches!(call_error(&error), CallError::Spent { .. }), "{error}");
    assert_eq!(run.usage(), Usage::default());
}

#[tokio::test(start_paused = true)]
async fn sums_do_not_overflow() {
    let flow = Arc::new(Flow::default());
    let run = flow.run_with(begin(&[u64::MAX / 10, u64::MAX / 10 - 1, 7]), tokens(u64::MAX));
    within(run.result()).await.unwrap();
    let most = u64::MAX / 10;
    assert_eq!(run.usage(), Usage::new(2 * most + 6, 0).with_cost_micros(u64::MAX));
}
