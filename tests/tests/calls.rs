//! `ctx.call`: a side effect that succeeded is not repeated within its run, whatever repeats its execution.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize, Serializer};
use stepcast::prelude::*;
use stepcast::testing::{TestKit, settle};
use stepcast::{BuiltWorkflow, CallError, CallStatus, Effect, RunPolicy, WorkflowBuilder};

#[event(start)]
struct Begin {
    n: u32,
}

#[event]
struct Item {
    n: u32,
}

#[event]
struct Part {
    key: String,
}

#[event(stop)]
struct Done {
    text: String,
}

#[derive(Debug, thiserror::Error)]
#[error("busy")]
struct Busy;

/// What was really done, in order.
#[derive(Default)]
struct Made(Mutex<Vec<String>>);

impl Made {
    fn make(&self, what: &str) -> u32 {
        let mut made = self.0.lock().unwrap();
        made.push(what.to_owned());
        made.len() as u32
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Default)]
struct Paying {
    made: Made,
}

#[workflow(Begin => Done)]
impl Paying {
    #[step(retry(attempts = 4, backoff = "1s"))]
    async fn work(&self, ev: Begin, ctx: Context) -> Result<Done> {
        // The order changes with every attempt: labels tell the calls apart, not their places.
        let a = ctx.call("a", || async { Ok::<_, Busy>(self.made.make("a")) });
        let b = ctx.call("b", || async { Ok::<_, Busy>(self.made.make("b")) }).effect(Effect::Write);
        let (a, b) = match ctx.attempt() % 2 {
            0 => {
                let b = b.await?;
                (a.await?, b)
            }
            _ => (a.await?, b.await?),
        };
        // Two under one label are told apart by their order.
        let first = ctx.call("twice", || async { Ok::<_, Busy>(self.made.make("first")) }).await?;
        let second = ctx.call("twice", || async { Ok::<_, Busy>(self.made.make("second")) }).await?;
        let again = ctx.call("again", || async { Ok::<_, Busy>(self.made.make("again")) }).rerun().await?;
        if ctx.attempt() <= ev.n {
            return Err(Busy.into());
        }
        Ok(Done { text: format!("{a} {b} {first} {second} {again}") })
    }
}

#[tokio::test(start_paused = true)]
async fn what_succeeded_is_not_done_again() {
    let flow = Arc::new(Paying::default());
    let recorded = TestKit::new().run(flow.clone(), Begin { n: 2 }).await;
    assert_eq!(recorded.stop().text, "1 2 3 4 7");
    assert_eq!(flow.made.all(), ["a", "b", "first", "second", "again", "again", "again"]);
    let calls: Vec<(String, CallStatus)> =
        recorded.calls().iter().map(|call| (call.label.clone(), call.status)).collect();
    assert_eq!(calls.iter().filter(|(_, status)| *status == CallStatus::Miss).count(), 5);
    assert_eq!(calls.iter().filter(|(_, status)| *status == CallStatus::Hit).count(), 8);
    assert!(calls.iter().all(|(label, status)| (label == "again") == (*status == CallStatus::Bypass) || *status == CallStatus::Miss));
    assert!(recorded.calls().iter().all(|call| !call.reason.is_empty() && call.step == "work"));
}

#[derive(Default)]
struct Failing {
    made: AtomicU32,
}

#[workflow(Begin => Done)]
impl Failing {
    #[step(retry(attempts = 3, backoff = "1s"))]
    async fn work(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let call = ctx.call("flaky", || async {
            let made = self.made.fetch_add(1, SeqCst) + 1;
            if made <= ev.n { Err(Busy) } else { Ok(made) }
        });
        let made = call.await.inspect_err(|error| {
            let CallError::Failed { label, source, .. } = error else { panic!("{error}") };
            assert!(label == "flaky" && source.is::<Busy>(), "{error}");
        })?;
        Ok(Done { text: made.to_string() })
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_failed_is_made_again() {
    let recorded = TestKit::new().run(Failing::default(), Begin { n: 2 }).await;
    assert_eq!(recorded.stop().text, "3");
    let statuses: Vec<_> = recorded.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [CallStatus::Failed, CallStatus::Failed, CallStatus::Miss]);
}

#[derive(Default)]
struct Keyed {
    keys: Mutex<Vec<(u32, String)>>,
}

#[workflow(Begin => Done)]
impl Keyed {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    #[step(retry(attempts = 2, backoff = "1s"))]
    async fn work(&self, item: Item, ctx: Context) -> Result<Part> {
        for _ in 0..2 {
            let call = ctx.call_keyed("pay", |key| async {
                self.keys.lock().unwrap().push((item.n, key.clone()));
                if ctx.attempt() == 1 { Err(Busy) } else { Ok(key) }
            });
            let result = call.await;
            if ctx.attempt() == 2 {
                result?;
            }
        }
        if ctx.attempt() == 1 { Err(Busy.into()) } else { Ok(Part { key: item.n.to_string() }) }
    }

    #[step]
    async fn gather(&self, all: Vec<Part>) -> Done {
        Done { text: all.into_iter().map(|part| part.key).collect::<Vec<_>>().join(" ") }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_the_same_for_each_repetition_and_unlike_every_other() {
    let flow = Arc::new(Keyed::default());
    flow.clone().run_with(Begin { n: 3 }, RunOptions::new().run_id("one")).await.unwrap();
    let first = std::mem::take(&mut *flow.keys.lock().unwrap());
    assert_eq!(first.len(), 12, "two calls, made by two attempts, of three executions");
    let different: BTreeSet<&String> = first.iter().map(|(_, key)| key).collect();
    assert_eq!(different.len(), 6);
    for n in 0..3 {
        let keys: Vec<&String> = first.iter().filter(|(item, _)| *item == n).map(|(_, key)| key).collect();
        assert_eq!((keys[0], keys[1]), (keys[2], keys[3]));
    }
    flow.clone().run_with(Begin { n: 3 }, RunOptions::new().run_id("two")).await.unwrap();
    let second = flow.keys.lock().unwrap();
    assert!(second.iter().all(|(_, key)| !different.contains(key)), "another run has other keys");
}

/// The label or the type changes between two attempts.
#[derive(Default)]
struct Changing {
    made: Made,
}

#[workflow(Begin => Done)]
impl Changing {
    #[step(retry(attempts = 2, backoff = "1s"))]
    async fn work(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let text = if ctx.attempt() == 1 || ev.n == 0 {
            let label = format!("v{}", ctx.attempt());
            ctx.call(label, || async { Ok::<_, Busy>(self.made.make("number")) }).await?.to_string()
        } else {
            ctx.call("v1", || async {
                self.made.make("text");
                Ok::<_, Busy>("text".to_owned())
            })
            .await?
        };
        if ctx.attempt() == 1 { Err(Busy.into()) } else { Ok(Done { text }) }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_label_is_a_new_call_and_a_changed_type_is_an_error() {
    let flow = Arc::new(Changing::default());
    assert_eq!(flow.clone().run(Begin { n: 0 }).await.unwrap().text, "2");
    let recorded = TestKit::new().run(flow.clone(), Begin { n: 1 }).await;
    let error = recorded.error().to_string();
    assert!(
        error.contains("The result of the call `v1` does not fit its type") && error.contains("new label"),
        "{error}"
    );
    assert_eq!(flow.made.all(), ["number", "number", "number"]);
}

/// A result that cannot be recorded.
#[derive(Serialize, Deserialize)]
struct NoJson(#[serde(serialize_with = "refuse")] u8);

fn refuse<S: Serializer>(_: &u8, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom("no JSON"))
}

#[tokio::test(start_paused = true)]
async fn a_result_that_cannot_be_recorded_is_an_error() {
    struct Bad;
    #[workflow(Begin => Done)]
    impl Bad {
        #[step]
        async fn work(&self, _ev: Begin, ctx: Context) -> Result<Done> {
            let error = ctx.call("bad", || async { Ok::<_, Busy>(NoJson(1)) }).await.map(|_| ()).unwrap_err();
            assert!(matches!(error, CallError::Result { .. }), "{error}");
            Ok(Done { text: error.to_string() })
        }
    }
    assert!(Bad.run(Begin { n: 0 }).await.unwrap().text.contains("no JSON"));
}

/// Makes `begin.n` calls.
fn caller(policy: RunPolicy) -> BuiltWorkflow<Begin, Done> {
    let def = WorkflowBuilder::new::<Begin, Done>("caller").policy(policy).step_fn(
        "work",
        |ev: Begin, ctx: Context| async move {
            let mut made = 0;
            for n in 0..ev.n {
                made += ctx.call("same", || async move { Ok::<_, Busy>(n.min(1)) }).await?.min(1);
            }
            let full = ctx.call("one more", || async { Ok::<_, Busy>(()) }).await;
            Ok::<_, StepError>(Done {
                text: format!("{made} {}", full.err().map_or_else(String::new, |error| error.to_string())),
            })
        },
    );
    BuiltWorkflow::new(def.build().unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_results_are_recorded_and_no_more() {
    let done = caller(RunPolicy::default()).run(Begin { n: 10_000 }).await.unwrap();
    assert!(
        done.text.starts_with("9999 The execution has recorded 10000 results, the most it may; split the step."),
        "{}",
        done.text
    );
    assert!(
        caller(RunPolicy::default()).run(Begin { n: 9_999 }).await.unwrap().text.ends_with(' '),
        "there is room for one more"
    );
    let mut small = RunPolicy::default();
    small.max_records = 3;
    let done = caller(small.clone()).run(Begin { n: 3 }).await.unwrap();
    assert!(
        done.text.contains("has recorded 3 results") && done.text.contains("The call `one more` was not made"),
        "{}",
        done.text
    );
    let error = caller(small).run(Begin { n: 5 }).await.unwrap_err();
    assert!(error.to_string().contains("has recorded 3 results"), "{error}");
}

#[derive(Default)]
struct Leaking {
    out: Mutex<Option<Context>>,
}

#[event(external)]
struct Go {}

#[workflow(Begin => Done)]
impl Leaking {
    #[step]
    async fn leak(&self, ev: Begin, ctx: Context) -> Item {
        *self.out.lock().unwrap() = Some(ctx);
        Item { n: ev.n }
    }

    #[step(waits(Go))]
    async fn hold(&self, _item: Item, ctx: Context) -> Result<Done> {
        ctx.wait_for_event::<Go>().await?;
        Ok(Done { text: String::new() })
    }
}

#[tokio::test(start_paused = true)]
async fn a_context_makes_no_calls_after_its_execution_or_its_run() {
    let flow = Arc::new(Leaking::default());
    let run = flow.clone().run(Begin { n: 0 });
    settle().await;
    let ctx = flow.out.lock().unwrap().take().unwrap();
    let error = ctx.call("late", || async { Ok::<_, Busy>(()) }).await.unwrap_err();
    assert!(matches!(error, CallError::ExecutionEnded { .. }), "{error}");
    run.send_event(Go {}).unwrap();
    run.result().await.unwrap();
    let error = ctx.call("late", || async { Ok::<_, Busy>(()) }).await.unwrap_err();
    assert!(matches!(error, CallError::RunEnded { .. }), "{error}");
}
