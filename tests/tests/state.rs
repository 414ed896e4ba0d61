//! Promise 3, typed state: one cell per type, edited one at a time, visible at once, rolled back by an `Err`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use stepcast::prelude::*;
use stepcast::testing::{TestKit, settle};
use stepcast::{EditStateError, RunError};

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
    n: u32,
}

#[event(stop)]
struct Done {
    text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, State)]
#[state(name = "tally")]
struct Tally {
    sum: u64,
    seen: Vec<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, State)]
struct Other {
    n: u32,
}

#[step]
async fn split(ev: Begin) -> Vec<Item> {
    (0..ev.n).map(|n| Item { n }).collect()
}

#[step]
async fn add(item: Item, tally: State<Tally>) -> Result<Part> {
    tokio::task::yield_now().await;
    let sum = tally
        .edit(|tally| {
            tally.sum += 1;
            tally.seen.push(item.n);
            tally.sum
        })
        .await?;
    assert!(tally.get().sum >= sum, "an edit is visible when it returns");
    Ok(Part { n: u32::try_from(sum)? })
}

#[step]
async fn gather(all: Vec<Part>, tally: State<Tally>, other: State<Other>) -> Done {
    let mut sums: Vec<u32> = all.into_iter().map(|part| part.n).collect();
    sums.sort_unstable();
    sums.dedup();
    assert_eq!(other.get(), Other::default(), "another type is another cell");
    Done { text: format!("{} different of {}", sums.len(), tally.read(|tally| tally.sum)) }
}

flow!(Adding: Begin => Done { split, add, gather });

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn edits_run_one_at_a_time_and_none_is_lost() {
    let run = Adding.run(Begin { n: 2_000 });
    assert_eq!(run.result().await.unwrap().text, "2000 different of 2000");
    let tally: Tally = run.state().unwrap();
    let mut seen = tally.seen;
    seen.sort_unstable();
    assert_eq!(seen, (0..2_000).collect::<Vec<_>>());
    assert_eq!(run.state::<Other>().unwrap(), Other::default());
}

#[tokio::test(start_paused = true)]
async fn another_run_may_begin_with_a_run_s_state_and_they_stay_apart() {
    let first = Adding.run(Begin { n: 3 });
    first.result().await.unwrap();
    let second = Adding.run_with(Begin { n: 2 }, RunOptions::new().state_from(&first));
    assert_eq!(second.result().await.unwrap().text, "2 different of 5");
    assert_eq!(first.state::<Tally>().unwrap().sum, 3);
    assert_eq!(second.state::<Tally>().unwrap().sum, 5);
    let fresh = Adding.run(Begin { n: 1 });
    assert_eq!(fresh.result().await.unwrap().text, "1 different of 1");
}

#[derive(Debug, thiserror::Error)]
#[error("refused")]
struct Refused;

/// A result that cannot be JSON.
#[derive(Serialize, Deserialize)]
struct NoJson(u8, #[serde(serialize_with = "refuse")] u8);

fn refuse<S: Serializer>(_: &u8, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom("no JSON"))
}

struct RollingBack;

#[workflow(Begin => Done)]
impl RollingBack {
    #[step]
    async fn work(&self, _ev: Begin, tally: State<Tally>) -> Result<Done> {
        tally.set(Tally { sum: 1, seen: vec![] }).await?;
        let refused = tally
            .try_edit(|tally| {
                tally.sum = 99;
                Err::<(), _>(Refused)
            })
            .await?;
        assert!(refused.is_err());
        let refused = tally
            .try_edit(|tally| {
                tally.sum = 99;
                Err::<u32, _>(Refused)
            })
            .await?;
        assert!(refused.is_err());
        assert_eq!(tally.get().sum, 1);
        let broken = tally.edit(|_| NoJson(1, 2)).await.map(|_| ()).unwrap_err();
        assert!(matches!(broken, EditStateError::Result { state: "tally", .. }), "{broken}");
        let two = tally
            .try_edit(|tally| {
                tally.sum += 1;
                Ok::<_, Refused>(tally.sum)
            })
            .await?
            .unwrap();
        Ok(Done { text: format!("{two} {}", tally.get().sum) })
    }
}

#[tokio::test(start_paused = true)]
async fn an_err_from_an_edit_changes_nothing() {
    assert_eq!(RollingBack.run(Begin { n: 0 }).await.unwrap().text, "2 2");
}

struct Failing;

#[workflow(Begin => Done)]
impl Failing {
    #[step(on_failure = "continue")]
    async fn work(&self, _ev: Begin, tally: State<Tally>, ctx: Context) -> Result<Done> {
        tally.edit(|tally| tally.sum += 5).await?;
        ctx.store().set("seen", true).await?;
        Err(Refused.into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_does_not_undo_an_edit() {
    let run = Failing.run(Begin { n: 0 });
    assert!(matches!(run.result().await, Err(RunError::Stuck { .. })));
    assert_eq!(run.state::<Tally>().unwrap().sum, 5);
    assert_eq!(run.store_value("seen"), Some(true.into()));
}

/// Lets its handles out of the step.
#[derive(Default)]
struct Leaking {
    out: Mutex<Option<(State<Tally>, Context)>>,
}

#[event(external)]
struct Go {}

#[workflow(Begin => Done)]
impl Leaking {
    #[step]
    async fn leak(&self, ev: Begin, tally: State<Tally>, ctx: Context) -> Item {
        *self.out.lock().unwrap() = Some((tally, ctx));
        Item { n: ev.n }
    }

    #[step(waits(Go))]
    async fn hold(&self, _item: Item, ctx: Context) -> Result<Done> {
        ctx.wait_for_event::<Go>().await?;
        Ok(Done { text: String::new() })
    }
}

#[tokio::test(start_paused = true)]
async fn a_handle_outlives_neither_its_execution_nor_its_run() {
    let flow = Arc::new(Leaking::default());
    let run = flow.clone().run(Begin { n: 0 });
    settle().await;
    let (tally, ctx) = flow.out.lock().unwrap().take().unwrap();
    let error = tally.edit(|tally| tally.sum += 1).await.unwrap_err();
    assert!(matches!(error, EditStateError::ExecutionEnded), "{error}");
    let error = ctx.store().set("a", 1).await.unwrap_err();
    assert!(matches!(error, stepcast::StoreEditError::ExecutionEnded), "{error}");
    run.send_event(Go {}).unwrap();
    run.result().await.unwrap();
    let error = tally.edit(|tally| tally.sum += 1).await.unwrap_err();
    assert!(matches!(error, EditStateError::RunEnded), "{error}");
    let error = ctx.store().clear().await.unwrap_err();
    assert!(matches!(error, stepcast::StoreEditError::RunEnded), "{error}");
    assert_eq!(run.state::<Tally>().unwrap(), Tally::default());
}

/// A step that goes on in its grace cannot change what the run ended with.
struct Late;

#[workflow(Begin => Done)]
impl Late {
    #[step]
    async fn begin(&self, ev: Begin) -> (Item, Part) {
        (Item { n: ev.n }, Part { n: ev.n })
    }

    #[step]
    async fn ends(&self, _item: Item) -> Done {
        Done { text: String::new() }
    }

    #[step(allow(unconsumed))]
    async fn goes_on(&self, _part: Part, tally: State<Tally>) -> Option<Done> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let late = tally.edit(|tally| tally.sum += 1).await;
        assert!(matches!(late, Err(EditStateError::RunEnded)), "{late:?}");
        None
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_end_state_stands_still() {
    for kit in TestKit::seeds(5) {
        let recorded = kit.run(Late, Begin { n: 0 }).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(recorded.state::<Tally>().unwrap().sum, 0);
    }
}
