//! Calls of runs that a backend keeps: nothing is paid for twice because a process ended, and budgets outlive it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::{Arc, Mutex};

use stepcast::backend::RunStatus;
use stepcast::prelude::*;
use stepcast::{AnyRun, Budget, CallError, CallReason, CallStatus, RunId, Runtime, Usage};
use support::stores::Store;
use support::within;

#[event(start)]
struct Begin {
    text: String,
}

#[event(external)]
struct Go {}

#[event(stop)]
struct Done {
    text: String,
}

#[derive(Debug, thiserror::Error)]
#[error("busy")]
struct Busy;

/// What was really done, by all processes.
type Made = Arc<Mutex<Vec<&'static str>>>;

struct Payer(Made);

impl Payer {
    fn make(&self, what: &'static str) -> Result<u64, Busy> {
        self.0.lock().unwrap().push(what);
        Ok(self.0.lock().unwrap().len() as u64)
    }
}

#[workflow(Begin => Done)]
impl Payer {
    #[step(waits(Go))]
    async fn pay(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let plain = ctx.call("plain", || async { self.make("plain") }).await?;
        let metered = ctx.call("metered", || async { self.make("metered") }).usage(|_| Usage::new(30, 0)).await?;
        let keyed =
            ctx.call("keyed", || async { self.make("keyed") }).key(&ev.text).estimate(Usage::new(20, 0)).await?;
        ctx.wait_for_event::<Go>().await?;
        let late = ctx.call("late", || async { self.make("late") }).estimate(Usage::new(51, 0)).await;
        let late = match late {
            Ok(_) => "made".to_owned(),
            Err(CallError::BudgetExhausted { run, left, .. }) => format!("{run} has {left}"),
            Err(error) => return Err(error.into()),
        };
        Ok(Done { text: format!("{plain} {metered} {keyed}, {late}") })
    }
}

struct Parent(Made);

#[workflow(Begin => Done)]
impl Parent {
    #[step]
    async fn pass_on(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let done = ctx.run_child(Payer(self.0.clone()), ev).await?;
        Ok(Done { text: format!("{}, {} in all", done.text, ctx.usage().total_tokens()) })
    }
}

async fn until_it_waits(runtime: &Runtime, id: &RunId) {
    within(async {
        loop {
            let record = runtime.find_run(id).await.unwrap();
            if record.is_some_and(|record| record.status == RunStatus::Waiting) {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn text_of(run: &AnyRun) -> String {
    within(run.outcome()).await.unwrap().get::<Done>().unwrap().text.clone()
}

fn begin() -> Begin {
    Begin { text: "x".to_owned() }
}

#[test]
fn what_was_paid_and_what_may_be_paid_outlive_the_process() {
    for store in Store::all() {
        let made = Made::default();
        let id = RunId::from("payer");
        store.process(async {
            let runtime = Runtime::on(store.open());
            let options = RunOptions::new().run_id("payer").budget(Budget::new().tokens(100));
            let run = runtime.run(Payer(made.clone()), begin(), options);
            until_it_waits(&runtime, &id).await;
            assert_eq!((run.usage().total_tokens(), run.budget_left()), (50, Some(Budget::new().tokens(50))));
        });
        // Twice, so that what was read back is written and read again.
        for _ in 0..2 {
            store.process(async {
                let runtime = Runtime::on(store.open());
                runtime.register(Payer(made.clone())).unwrap();
                let run = runtime.attach(&id).await.unwrap();
                assert_eq!(run.usage().total_tokens(), 50, "{}", store.name());
                assert_eq!(run.budget_left(), Some(Budget::new().tokens(50)), "it needs no options to be known");
                until_it_waits(&runtime, &id).await;
            });
        }
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Payer(made.clone())).unwrap();
            let run = runtime.attach(&id).await.unwrap();
            runtime.send_event(&id, Go {}).await.unwrap();
            assert_eq!(text_of(&run).await, "1 2 3, payer has 50 tokens", "{}", store.name());
            assert_eq!(run.usage().total_tokens(), 50);
        });
        assert_eq!(*made.lock().unwrap(), ["plain", "metered", "keyed"]);

        store.process(async {
            // Nothing is registered: the journal is enough.
            let runtime = Runtime::on(store.open());
            let calls = runtime.stored_calls(&id).await.unwrap();
            let told: Vec<_> =
                calls.iter().map(|call| (call.label.as_str(), call.reason, call.usage, call.step.as_deref())).collect();
            let step = Some("pay");
            let expected = [
                ("plain", CallReason::NotRecorded, None, step),
                ("metered", CallReason::NotRecorded, Some(Usage::new(30, 0)), step),
                ("keyed", CallReason::NotCached, Some(Usage::new(20, 0)), step),
            ];
            assert_eq!(told, expected, "{}", store.name());

            // The store is a cache too.
            let run = runtime.run(Payer(made.clone()), begin(), RunOptions::new().run_id("next").record_internal());
            until_it_waits(&runtime, &RunId::from("next")).await;
            assert_eq!(run.calls()[2].status, CallStatus::Cached);
            assert!(run.calls()[2].reason.contains("the run `payer`"), "{:?}", run.calls());
            assert_eq!(run.usage().total_tokens(), 30);
        });
        assert_eq!(*made.lock().unwrap(), ["plain", "metered", "keyed", "plain", "metered"]);
    }
}

#[test]
fn a_child_s_usage_is_counted_once_however_often_both_are_taken_up() {
    for store in Store::all() {
        let made = Made::default();
        let (id, child) = (RunId::from("top"), RunId::from("top.1.Payer"));
        let take_up = async || {
            let runtime = Runtime::on(store.open());
            runtime.register(Parent(made.clone())).unwrap();
            runtime.register(Payer(made.clone())).unwrap();
            let run = runtime.attach(&id).await.unwrap();
            // The parent has come back to its child, and was told what that one has used up.
            within(async {
                while run.children().is_empty() || run.usage().total_tokens() < 50 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            (runtime, run)
        };
        store.process(async {
            let runtime = Runtime::on(store.open());
            let options = RunOptions::new().run_id("top").budget(Budget::new().tokens(100));
            let run = runtime.run(Parent(made.clone()), begin(), options);
            until_it_waits(&runtime, &child).await;
            assert_eq!(run.usage().total_tokens(), 50);
        });
        for _ in 0..2 {
            store.process(async {
                let (runtime, run) = take_up().await;
                assert_eq!(run.usage().total_tokens(), 50, "{}", store.name());
                until_it_waits(&runtime, &child).await;
            });
        }
        store.process(async {
            let (runtime, run) = take_up().await;
            runtime.send_event(&child, Go {}).await.unwrap();
            assert_eq!(text_of(&run).await, "1 2 3, top has 50 tokens, 50 in all", "{}", store.name());
            assert_eq!(run.usage().total_tokens(), 50);
        });
        assert_eq!(*made.lock().unwrap(), ["plain", "metered", "keyed"]);
    }
}
