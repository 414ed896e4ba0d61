//! Invariant 9, of the step runner: what users hand over beside steps (policies, states, factories, filters, calls) may
//! panic, and that is a typed error or a failed attempt; the run goes on or ends with that error, its neighbours notice
//! nothing, and nothing hangs.
//!
//! Bodies, destructors of cut-off steps, edits and errors' texts are in `panics`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/fuse.rs"]
mod fuse_events;
mod support;

use fuse_events::*;
use serde::{Deserialize, Serialize};
use stepcast::prelude::*;
use stepcast::{AnyRun, Condition, RetryPolicy, RunSnapshot, Wait};
use support::{recorded, settle, within};

fn panicking_policy() -> RetryPolicy {
    panic!("no policy today")
}

fn panicking_condition() -> RetryPolicy {
    RetryPolicy::new().wait(Wait::none()).when(Condition::predicate(|error| panic!("asked about {error}")))
}

#[step(retry = panicking_policy())]
async fn without_policy(_ev: Begin) -> Done {
    done("never")
}

flow!(WithoutPolicy: Begin => Done { without_policy });

struct WithoutVerdict;

#[workflow(Begin => Done)]
impl WithoutVerdict {
    #[step]
    async fn both(&self, ev: Begin) -> (Charge, Spare) {
        (Charge { fuse: fuse(&ev.how) }, Spare { fuse: fuse("") })
    }

    #[step(retry = panicking_condition(), on_failure = "continue")]
    async fn fails(&self, _charge: Charge) -> Result<()> {
        Err(StepError::msg("the error"))
    }

    #[step]
    async fn goes_on(&self, _spare: Spare) -> Done {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        done("went on")
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_policy_that_panics_gives_up() {
    // Twice: the second run finds what the first one left.
    for _ in 0..2 {
        let error = beside(WithoutPolicy.run(begin(""))).await.unwrap_err();
        assert!(matches!(error, RunError::Definition(_)) && error.to_string().contains("no policy today"), "{error}");
    }
    let run = WithoutVerdict.run_with(begin(""), recorded());
    assert_eq!(beside(run.result()).await.unwrap().fuse.0, "went on");
    assert_eq!(run.failures(), 1);
}

/// A state that panics where its word says; the word comes from outside, because a default has none.
#[derive(Clone, Debug, Serialize, Deserialize, State)]
struct Cell {
    fuse: Fuse,
}

thread_local! {
    static DEFAULT_PANICS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl Default for Cell {
    fn default() -> Self {
        assert!(!DEFAULT_PANICS.get(), "the default panicked");
        Cell { fuse: Fuse::default() }
    }
}

struct Keeps;

#[workflow(Begin => Done)]
impl Keeps {
    #[step(on_failure = "continue")]
    async fn keep(&self, ev: Begin, cell: State<Cell>) -> Result<Charge> {
        cell.edit(|cell| cell.fuse.0.clone_from(&ev.how)).await?;
        Ok(Charge { fuse: fuse("") })
    }

    #[step(on_failure = "continue")]
    async fn give(&self, _charge: Charge, cell: State<Cell>) -> Result<()> {
        // Its result is written down; one that cannot be fails the step.
        let kept: Fuse = cell.edit(|cell| Fuse(cell.fuse.0.clone())).await?;
        drop(kept);
        Ok(())
    }

    #[step]
    async fn poked(&self, poke: Poke, cell: State<Cell>) -> Result<Done> {
        cell.edit(|cell| cell.fuse.0.push_str(" and on")).await?;
        Ok(done(format!("{} {}", cell.read(|cell| cell.fuse.0.clone()), poke.fuse.0)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_panics_fails_the_step_that_asks_and_no_other() {
    DEFAULT_PANICS.set(true);
    let run = Keeps.run(begin("x"));
    beside(settle()).await;
    DEFAULT_PANICS.set(false);
    run.send_event(Poke { fuse: fuse("later") }).unwrap();
    assert_eq!(within(run.result()).await.unwrap().fuse.0, " and on later", "the cell is made anew");
    assert_eq!(run.failures(), 1);

    let run = Keeps.run(begin("serialize"));
    beside(settle()).await;
    let error = run.snapshot().await.unwrap_err();
    assert!(error.to_string().contains("the serialize panicked"), "{error}");
    run.send_event(Poke { fuse: fuse("later") }).unwrap();
    assert_eq!(within(run.result()).await.unwrap().fuse.0, "serialize and on later");
    assert_eq!(run.failures(), 1, "the edit whose result panicked");

    let run = Keeps.run(begin("kept"));
    settle().await;
    let text = run.snapshot().await.unwrap().to_json().unwrap();
    let edited = RunSnapshot::from_json(&text.replace("kept", "deserialize")).unwrap();
    let restored = Keeps.restore(edited).unwrap();
    restored.send_event(Poke { fuse: fuse("later") }).unwrap();
    assert_eq!(panic_of(&within(restored).await.unwrap_err()), "the deserialize panicked");
}

struct Made;

#[step]
async fn use_made(ev: Begin, _made: Res<Made>) -> Done {
    done(&ev.how)
}

flow!(Uses: Begin => Done { use_made });

#[tokio::test(start_paused = true)]
async fn a_factory_that_panics_refuses_the_run() {
    let at_once = Resources::new().factory(|_| -> std::future::Ready<Result<Made>> { panic!("at once") });
    let later = Resources::new().factory(|_| async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        if true { panic!("later") } else { Ok::<_, StepError>(Made) }
    });
    for (resources, text) in [(at_once, "at once"), (later, "later")] {
        let both: Vec<_> =
            (0..2).map(|_| Uses.run_with(begin(""), RunOptions::new().resources(resources.clone()))).collect();
        for run in both {
            let error = beside(run).await.unwrap_err();
            assert!(matches!(error, RunError::Resources(_)) && error.to_string().contains(text), "{error}");
        }
    }
}

/// Waits with filters of all kinds.
struct Filters;

#[workflow(Begin => Done)]
impl Filters {
    #[step(waits(Poke))]
    async fn wait(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let wait = ctx.wait_for_event::<Poke>();
        let poke = match ev.how.as_str() {
            "field" => wait.where_field("fuse", "fine").await?,
            "captured" => {
                let captured = fuse("drop");
                wait.matching(move |poke| poke.fuse.0 == "fine" && !captured.0.is_empty()).await?
            }
            "late" => {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                wait.matching(|poke| poke.fuse.0 == "fine" || panic!("about an early event")).await?
            }
            _ => wait.matching(|poke| poke.fuse.0 == "fine" || panic!("in the filter")).await?,
        };
        Ok(done(&poke.fuse.0))
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_panics_accepts_nothing_and_the_wait_goes_on() {
    for how in ["matching", "late", "field", "captured"] {
        let run: AnyRun = Filters.run(begin(how)).into_any();
        if how != "late" {
            settle().await;
        }
        run.send_event(Poke { fuse: fuse("serialize") }).unwrap();
        run.send_event(Poke { fuse: fuse("fine") }).unwrap();
        match beside(run.outcome()).await {
            Ok(stop) => assert_eq!(stop.get::<Done>().unwrap().fuse.0, "fine", "{how}"),
            Err(error) => {
                assert_eq!(how, "captured", "{error}");
                assert!(error.to_string().contains("the drop panicked"), "{error}");
            }
        }
    }
}

/// Records results, and collects events, that may panic.
struct Records;

#[workflow(Begin => Done)]
impl Records {
    #[step]
    async fn fan(&self, ev: Begin) -> Vec<Charge> {
        (0..3).map(|_| Charge { fuse: fuse(&ev.how) }).collect()
    }

    #[step(retry(attempts = 2, backoff = "1s"))]
    async fn call(&self, charge: Charge, ctx: Context) -> Result<Spare> {
        let how = charge.fuse.0.clone();
        std::mem::forget(charge);
        let made: Fuse = ctx.call("made", || async { Ok::<_, StepError>(Fuse(how)) }).await?;
        let spare = Spare { fuse: Fuse(made.0.clone()) };
        std::mem::forget(made);
        Ok(spare)
    }

    #[step]
    async fn gather(&self, all: Vec<Spare>) -> Done {
        let count = all.len();
        std::mem::forget(all);
        done(count)
    }
}

#[tokio::test(start_paused = true)]
async fn what_panics_while_it_is_recorded_or_collected_fails_its_attempt() {
    assert_eq!(beside(Records.run(begin("fine"))).await.unwrap().fuse.0, "3");
    for how in ["clone", "serialize", "drop"] {
        match beside(Records.run(begin(how))).await {
            Ok(stop) => assert_eq!(stop.fuse.0, "3", "{how}"),
            Err(error) => assert!(error.to_string().contains(&format!("the {how} panicked")), "{error}"),
        }
    }
    let error = beside(Records.run(begin("serialize"))).await.unwrap_err();
    assert!(error.to_string().contains("the serialize panicked"), "{error}");
}
