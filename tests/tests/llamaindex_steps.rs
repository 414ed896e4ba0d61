//! Workflows and steps of LlamaIndex Workflows, row by row: what the tests of the promises do not show already.
//! The rows are in `docs/coming-from-llamaindex.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use stepcast::check::FaultKind;
use stepcast::prelude::*;
use stepcast::{BuiltWorkflow, RunSnapshot, Runtime, RuntimeError, WorkflowBuilder, WorkflowDef};
use support::{after, recorded, settle, unhandled, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event]
pub struct Item {
    n: u32,
}

#[event]
pub struct Stray {
    n: u32,
}

#[event(external)]
pub struct Go {}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

#[step]
async fn answer(ev: Begin) -> Done {
    done(ev.n)
}

flow!(Answering: Begin => Done { answer });

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, State)]
struct Began(u32);

#[step]
async fn note(_ev: Begin, began: State<Began>) -> Result<()> {
    began.set(Began(1)).await?;
    Ok(())
}

#[step]
async fn go_on(_go: Go) -> Done {
    done("gone on")
}

flow!(Noting: Begin => Done { note, go_on });

#[tokio::test(start_paused = true)]
async fn a_run_begins_at_once() {
    let run = Noting.run(Begin { n: 0 });
    settle().await;
    assert_eq!(run.state::<Began>().unwrap().0, 1, "nobody has awaited it");
    run.send_event(Go {}).unwrap();
    assert_eq!(within(run).await.unwrap(), done("gone on"));
}

#[test]
fn without_a_tokio_runtime_the_run_is_an_error() {
    let run = Answering.run(Begin { n: 0 });
    let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert!(matches!(tokio.block_on(within(run.result())), Err(RunError::NoRuntime)));
}

#[tokio::test(start_paused = true)]
async fn a_start_event_as_data_is_checked() {
    let runtime = Runtime::new();
    runtime.register(Answering).unwrap();
    assert!(
        matches!(runtime.register(Answering), Err(RuntimeError::DuplicateWorkflow { name }) if name == "Answering")
    );
    let unknown = runtime.start("nope", json!({"n": 1}), RunOptions::new()).unwrap_err();
    assert!(matches!(&unknown, RuntimeError::UnknownWorkflow { known, .. } if known == &["Answering"]), "{unknown}");
    for wrong in [json!({"n": "one"}), json!({}), json!(null), json!([1, 2])] {
        let error = runtime.start("Answering", wrong, RunOptions::new()).unwrap_err();
        assert!(matches!(&error, RuntimeError::Start { event: "Begin", .. }), "{error}");
    }
    let run = runtime.start("Answering", json!({"n": 7}), RunOptions::new()).unwrap();
    assert_eq!(within(run.outcome()).await.unwrap().get::<Done>().unwrap(), &done(7));
}

#[tokio::test(start_paused = true)]
async fn concurrent_runs_are_bounded_per_workflow() {
    let runtime = Runtime::new();
    runtime.register_as("Noting", Noting, Some(2)).unwrap();
    let runs: Vec<_> = (0..5).map(|n| runtime.start("Noting", json!({"n": n}), RunOptions::new()).unwrap()).collect();
    let begun = || runs.iter().filter(|run| run.state::<Began>().unwrap().0 == 1).count();
    for (ended, run) in runs.iter().enumerate() {
        settle().await;
        assert_eq!(begun(), (ended + 2).min(5), "{ended}");
        run.send_event(Go {}).unwrap();
        within(run.outcome()).await.unwrap();
    }
}

/// The run's own time.
mod budget {
    use super::*;

    #[step]
    pub async fn first(ev: Begin) -> Item {
        after(u64::from(ev.n)).await;
        Item { n: ev.n }
    }

    #[step(waits(Go))]
    pub async fn second(item: Item, ctx: Context) -> Result<Done> {
        ctx.wait_for_event::<Go>().await?;
        after(u64::from(item.n)).await;
        Ok(done("in time"))
    }

    #[step(catch)]
    pub async fn caught(_failed: StepFailedEvent) -> Done {
        done("caught")
    }

    flow!(pub Budget: Begin => Done { first, second, caught });
}

#[tokio::test(start_paused = true)]
async fn the_timeout_counts_busy_time_only_and_survives_a_restore() {
    let options = || RunOptions::new().timeout(Duration::from_secs(10));
    // Busy for 8 of its 10 seconds, in a month.
    let run = budget::Budget.run_with(Begin { n: 4_000 }, options());
    after(30 * 24 * 3_600_000).await;
    let stored = within(run.snapshot()).await.unwrap();
    run.send_event(Go {}).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("in time"));
    // Neither the time of the wait nor that of being stored counts; what was used before does.
    let run = budget::Budget.restore_with(stored, options()).unwrap();
    after(3_600_000).await;
    run.send_event(Go {}).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("in time"));

    let run = budget::Budget.run_with(Begin { n: 6_000 }, options());
    after(60_000).await;
    let stored = within(run.snapshot()).await.unwrap();
    run.cancel();
    let run = budget::Budget.restore_with(stored, options()).unwrap();
    run.send_event(Go {}).unwrap();
    let Err(RunError::TimedOut { after, active_steps }) = within(run.result()).await else { panic!("in time") };
    assert_eq!((after, active_steps), (Duration::from_secs(10), vec!["second".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_catch_step_is_not_asked_about_a_timeout_or_a_cancellation() {
    let run = budget::Budget.run_with(Begin { n: 60_000 }, RunOptions::new().timeout(Duration::from_secs(1)));
    assert!(matches!(within(run.result()).await, Err(RunError::TimedOut { .. })));
    let run = budget::Budget.run(Begin { n: 60_000 });
    settle().await;
    run.cancel();
    assert!(matches!(within(run.result()).await, Err(RunError::Cancelled)));
}

#[tokio::test(start_paused = true)]
async fn there_is_no_timeout_by_default() {
    // The longest one is as good as none.
    for options in [RunOptions::new(), RunOptions::new().timeout(Duration::MAX)] {
        let run = budget::Budget.run_with(Begin { n: 3_600_000 }, options);
        run.send_event(Go {}).unwrap();
        after(2 * 3_600_000 + 1_000).await;
        assert!(run.is_done());
        assert_eq!(within(run.result()).await.unwrap(), done("in time"));
    }
}

/// Where the injected parameters stand makes no difference.
mod anywhere {
    use super::*;

    #[step]
    pub async fn work(
        ctx: Context,
        attempt: Attempt,
        ev: Begin,
        began: State<Began>,
        cancel: CancelToken,
    ) -> Result<Done> {
        began.edit(|began| began.0 += ev.n).await?;
        assert!(!cancel.is_cancelled());
        Ok(done(format!("{} {} {}", ctx.step_name(), attempt.number(), began.get().0)))
    }

    flow!(pub Anywhere: Begin => Done { work });
}

#[tokio::test(start_paused = true)]
async fn injected_parameters_stand_anywhere() {
    assert_eq!(within(anywhere::Anywhere.run(Begin { n: 3 })).await.unwrap(), done("work 1 3"));
}

/// One step in several workflows, and called as the function it is.
mod shared {
    use super::*;

    #[step]
    pub async fn double(item: Item) -> Done {
        done(item.n * 2)
    }

    #[step]
    pub async fn as_it_is(ev: Begin) -> Item {
        Item { n: ev.n }
    }

    #[step]
    pub async fn one_more(ev: Begin) -> Item {
        Item { n: ev.n + 1 }
    }

    flow!(pub First: Begin => Done { as_it_is, double });
    flow!(pub Second: Begin => Done { one_more, double });
}

#[tokio::test(start_paused = true)]
async fn a_step_serves_several_workflows() {
    assert_eq!(within(shared::First.run(Begin { n: 5 })).await.unwrap(), done(10));
    assert_eq!(within(shared::Second.run(Begin { n: 5 })).await.unwrap(), done(12));
    assert_eq!(shared::double(Item { n: 4 }).await, done(8));
    let def = WorkflowBuilder::new::<Begin, Done>("third")
        .step_fn("two_more", async |ev: Begin| Item { n: ev.n + 2 })
        .step::<shared::double>()
        .build()
        .unwrap();
    let third = BuiltWorkflow::<Begin, Done>::new(def).unwrap();
    assert_eq!(within(third.run(Begin { n: 5 })).await.unwrap(), done(14));
}

#[test]
fn a_built_workflow_is_told_every_fault_at_once() {
    let error = WorkflowBuilder::new::<Begin, Done>("faulty")
        .step_fn("lonely", async |_ev: Stray| {})
        .step_fn("first", async |ev: Begin| Item { n: ev.n })
        .step_fn("first", async |_all: Vec<Item>| Some(done("never")))
        .build()
        .unwrap_err();
    let found: Vec<(FaultKind, Option<&str>, Option<&str>)> =
        error.faults().iter().map(|fault| (fault.kind, fault.step.as_deref(), fault.event.as_deref())).collect();
    for expected in
        [(FaultKind::NotGiven, Some("lonely"), Some("Stray")), (FaultKind::NoBatch, Some("first"), Some("Item"))]
    {
        assert!(found.contains(&expected), "{expected:?} in {found:?}");
    }
    assert!(
        found.iter().any(|(kind, step, _)| *kind == FaultKind::DuplicateStep && *step == Some("first")),
        "{found:?}"
    );
    let text = error.to_string();
    assert!(text.contains("mark it `#[event(external)]`"), "a fault says what to do: {text}");
}

#[test]
fn a_definition_lists_its_events() {
    let def = WorkflowDef::of::<budget::Budget>().unwrap();
    let mut tags: Vec<&str> = def.events().map(|meta| meta.tag).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["Begin", "Done", "Go", "Item", "StepFailedEvent"]);
    assert_eq!((def.event(def.start()).tag, def.event(def.stop()).tag), ("Begin", "Done"));
}

/// What a step sends is in the sender's batch; a collector outside is not disturbed.
mod outside {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> (Vec<Item>, Stray) {
        ((0..ev.n).map(|n| Item { n }).collect(), Stray { n: 77 })
    }

    #[step]
    pub async fn stray(stray: Stray, ctx: Context<(Item,)>) -> Result<()> {
        ctx.send_event(Item { n: stray.n })?;
        Ok(())
    }

    #[step]
    pub async fn gather(all: Vec<Item>) -> Option<Done> {
        (!all.is_empty()).then(|| done(all.len()))
    }

    flow!(pub Outside: Begin => Done { split, stray, gather });
}

#[tokio::test(start_paused = true)]
async fn an_event_sent_from_outside_a_batch_does_not_join_it() {
    let run = outside::Outside.run_with(Begin { n: 3 }, recorded());
    assert_eq!(within(run.result()).await.unwrap(), done(3));
    // Nothing is dropped in silence: without the batch, the run says what reached nobody.
    let run = outside::Outside.run_with(Begin { n: 0 }, recorded());
    let error = within(run.result()).await.unwrap_err().to_string();
    assert!(error.contains("the last event that reached nobody was `Item`"), "{error}");
    assert_eq!(unhandled(&run).await, ["Item"]);
}

#[derive(Default)]
struct Waits {
    made: AtomicUsize,
}

#[workflow(Begin => Done)]
impl Waits {
    #[step(workers = 4)]
    async fn work(&self, ev: Begin) -> Result<Done> {
        self.made.fetch_add(1, Ordering::SeqCst);
        Err(StepError::msg(format!("no {}", ev.n)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_without_a_policy_is_tried_once() {
    let flow = Arc::new(Waits::default());
    let error = within(Arc::clone(&flow).run(Begin { n: 1 })).await.unwrap_err();
    assert!(matches!(error, RunError::StepFailed { attempts: 1, .. }), "{error}");
    assert_eq!(flow.made.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_an_ended_run_is_its_end() {
    let run = Answering.run(Begin { n: 9 });
    within(run.result()).await.unwrap();
    let text = within(run.snapshot()).await.unwrap().to_json().unwrap();
    let again = Answering.restore(RunSnapshot::from_json(&text).unwrap()).unwrap();
    assert_eq!(within(again.result()).await.unwrap(), done(9));
}
