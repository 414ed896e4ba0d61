//! Promise 10: a snapshot holds everything a run is. Each run here is stored half-way, as JSON text, and goes on in
//! another run from there, as it would have gone on by itself.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/stored.rs"]
mod stored;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stepcast::prelude::*;
use stepcast::testing::{TestKit, advance, settle};
use stepcast::{RunError, RunSnapshot, StepFailedEvent, WaitError};
use tokio::time::Instant;

use stored::*;

/// Queue, running executions, half a batch.
#[derive(Default)]
struct Half {
    gate: Gate,
}

#[workflow(Begin => Done)]
impl Half {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (1..=ev.n).map(|n| Item { n }).collect()
    }

    #[step(workers = 2)]
    async fn work(&self, item: Item) -> Part {
        self.gate.pass(item.n).await;
        Part { n: item.n }
    }

    #[step]
    async fn gather(&self, all: Vec<Part>) -> Done {
        done(numbers(all.into_iter().map(|part| part.n)))
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_what_runs_and_half_a_batch() {
    let flow = Arc::new(Half::default());
    flow.gate.open(2);
    let run = flow.clone().run(Begin { n: 6 });
    settle().await;
    assert_eq!(flow.gate.began(), [1, 2, 3, 4], "two are done, two run, two are queued");
    let run = moved(run, flow.clone()).await;
    settle().await;
    assert_eq!(flow.gate.began(), [1, 2, 3, 4, 3, 4], "what ran runs again; what was done does not; two at a time");
    flow.gate.open(9);
    assert_eq!(within(run).await.unwrap().text, "1 2 3 4 5 6");
    assert_eq!(flow.gate.began(), [1, 2, 3, 4, 3, 4, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_does_not_disturb_the_run_it_is_of() {
    let flow = Arc::new(Half::default());
    let run = flow.clone().run(Begin { n: 3 });
    for open in 0..=3 {
        flow.gate.open(open);
        settle().await;
        run.snapshot().await.unwrap();
    }
    assert_eq!(within(run).await.unwrap().text, "1 2 3");
    assert_eq!(flow.gate.began().len(), 3);
}

/// Batches in batches, with a `Take` inside.
#[derive(Default)]
struct Nested {
    gate: Gate,
}

#[workflow(Begin => Done)]
impl Nested {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (1..=ev.n).map(|n| Item { n }).collect()
    }

    #[step]
    async fn again(&self, item: Item) -> Vec<Part> {
        (1..=3).map(|n| Part { n: item.n * 10 + n }).collect()
    }

    #[step]
    async fn work(&self, part: Part) -> Piece {
        self.gate.pass(part.n).await;
        Piece { n: part.n }
    }

    #[step]
    async fn two(&self, first: Take<Piece, 2>) -> Note {
        Note { n: first.iter().map(|piece| piece.n).sum() }
    }

    #[step]
    async fn gather(&self, all: Vec<Note>) -> Done {
        done(numbers(all.into_iter().map(|note| note.n)))
    }
}

#[tokio::test(start_paused = true)]
async fn nested_batches_and_takes() {
    for kit in TestKit::seeds(10) {
        let flow = Arc::new(Nested::default());
        let mut kit = kit;
        let run = flow.clone().run_with(Begin { n: 3 }, kit.take_options());
        settle().await;
        // The first inner batch has fired, the second has one of two, the third nothing.
        flow.gate.open(21);
        settle().await;
        let run = moved(run, flow.clone()).await;
        settle().await;
        flow.gate.open(22);
        let run = moved(run, flow.clone()).await;
        flow.gate.open(99);
        let text = within(run).await.unwrap().text;
        assert!(["23 43 63", "24 43 63", "25 43 63"].contains(&text.as_str()), "{text}");
    }
}

/// The slots of a join, inside and outside a batch.
struct Joining;

#[workflow(Begin => Done)]
impl Joining {
    #[step]
    async fn begin(&self, ev: Begin) -> (Item, Part) {
        (Item { n: ev.n }, Part { n: 7 })
    }

    #[step(waits(Go))]
    async fn late(&self, part: Part, ctx: Context) -> Result<Piece> {
        ctx.wait_for_event::<Go>().await?;
        Ok(Piece { n: part.n })
    }

    #[step]
    async fn join(&self, item: Item, piece: Piece) -> Done {
        done(format!("{} {}", item.n, piece.n))
    }
}

#[tokio::test(start_paused = true)]
async fn the_slots_of_a_join() {
    let run = Joining.run(Begin { n: 3 });
    settle().await;
    let run = moved(run, Joining).await;
    run.send_event(go(0, "")).unwrap();
    assert_eq!(within(run).await.unwrap().text, "3 7");
}

/// Waits: with a filter that is data, with one that is code, with a deadline.
struct Waiting;

#[workflow(Begin => Done)]
impl Waiting {
    #[step]
    async fn begin(&self, ev: Begin) -> Vec<Item> {
        (1..=ev.n).map(|n| Item { n }).collect()
    }

    #[step(waits(Go))]
    async fn wait(&self, item: Item, ctx: Context) -> Result<Part> {
        let wait = ctx.wait_for_event::<Go>();
        let got = match item.n {
            1 => wait.where_field("who", "data").await,
            2 => wait.matching(|go| go.who == "code").await,
            _ => wait.where_field("who", "nobody").timeout(Duration::from_secs(10)).await,
        };
        match got {
            Ok(go) => Ok(Part { n: item.n * 100 + go.n }),
            Err(WaitError::TimedOut { .. }) => Ok(Part { n: 0 }),
            Err(error) => Err(error.into()),
        }
    }

    #[step]
    async fn gather(&self, all: Vec<Part>) -> Done {
        done(numbers(all.into_iter().map(|part| part.n)))
    }
}

#[tokio::test(start_paused = true)]
async fn waits_with_their_filters_and_deadlines() {
    let begun = Instant::now();
    let run = Waiting.run(Begin { n: 3 });
    advance(Duration::from_secs(4)).await;
    let run = moved(run, Waiting).await;
    // At once, before any of the executions has come to its wait again.
    for (n, who) in [(1, "code"), (2, "nobody else"), (3, "data"), (4, "code")] {
        run.send_event(go(n, who)).unwrap();
    }
    assert_eq!(within(run).await.unwrap().text, "103 201 0");
    assert_eq!(begun.elapsed().as_secs(), 10, "the deadline did not move");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passed_while_the_run_was_stored() {
    let run = Waiting.run(Begin { n: 3 });
    advance(Duration::from_secs(4)).await;
    let text = run.snapshot().await.unwrap().to_json().unwrap();
    run.cancel();
    advance(Duration::from_secs(3_600)).await;
    let run = Waiting.restore(RunSnapshot::from_json(&text).unwrap()).unwrap();
    let begun = Instant::now();
    run.send_event(go(1, "code")).unwrap();
    run.send_event(go(2, "data")).unwrap();
    assert_eq!(within(run).await.unwrap().text, "102 201 0");
    assert!(begun.elapsed() < Duration::from_secs(1));
}

/// What came before anybody waited for it.
#[derive(Default)]
struct Early {
    gate: Gate,
}

#[workflow(Begin => Done)]
impl Early {
    #[step(waits(Go))]
    async fn work(&self, _ev: Begin, ctx: Context) -> Result<Done> {
        self.gate.pass(1).await;
        let first = ctx.wait_for_event::<Go>().await?;
        let second = ctx.wait_for_event::<Go>().await?;
        Ok(done(format!("{} {}", first.n, second.n)))
    }
}

#[tokio::test(start_paused = true)]
async fn the_mailbox_of_early_events() {
    let flow = Arc::new(Early::default());
    let run = flow.clone().run(Begin { n: 0 });
    run.send_event(go(1, "")).unwrap();
    settle().await;
    let run = moved(run, flow.clone()).await;
    run.send_event(go(2, "")).unwrap();
    flow.gate.open(1);
    assert_eq!(within(run).await.unwrap().text, "1 2");
}

/// A retry that is delayed.
#[derive(Default)]
struct Retried {
    attempts: Mutex<Vec<String>>,
}

#[workflow(Begin => Done)]
impl Retried {
    #[step(retry(attempts = 3, backoff = "1h", factor = 1))]
    async fn work(&self, ev: Begin, attempt: Attempt) -> Result<Done> {
        let last = attempt.last_error().map(|error| error.exception_message.clone());
        self.attempts.lock().unwrap().push(format!("{} {last:?}", attempt.number()));
        if attempt.number() <= ev.n {
            Err(StepError::msg(format!("no {}", attempt.number())))
        } else {
            Ok(done(attempt.number()))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_timer_and_the_count_of_a_retry() {
    let flow = Arc::new(Retried::default());
    let begun = Instant::now();
    let mut run = flow.clone().run(Begin { n: 2 });
    for _ in 0..7 {
        advance(Duration::from_secs(17 * 60)).await;
        run = moved(run, flow.clone()).await;
    }
    assert_eq!(within(run).await.unwrap().text, "3");
    assert_eq!(begun.elapsed().as_secs(), 2 * 3_600);
    assert_eq!(*flow.attempts.lock().unwrap(), ["1 None", "2 Some(\"no 1\")", "3 Some(\"no 2\")"]);

    let run = flow.clone().run(Begin { n: 9 });
    advance(Duration::from_secs(90 * 60)).await;
    let error = within(moved(run, flow).await).await.unwrap_err();
    assert!(matches!(&error, RunError::StepFailed { attempts: 3, .. }), "{error}");
}

/// A budget of recoveries.
struct Recovering;

#[workflow(Begin => Done)]
impl Recovering {
    #[step(waits(Go))]
    async fn work(&self, either: Either<Begin, Item>, ctx: Context) -> Result<Done> {
        let n = match either {
            Either::Left(begin) => begin.n,
            Either::Right(item) => item.n,
        };
        ctx.wait_for_event::<Go>().await?;
        Err(StepError::msg(n.to_string()))
    }

    #[step(catch, max_recoveries = 2)]
    async fn recover(&self, failed: StepFailedEvent) -> Item {
        Item { n: failed.exception.exception_message.parse::<u32>().unwrap() + 1 }
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_of_recoveries_is_not_made_new() {
    let mut run = Recovering.run(Begin { n: 0 });
    for _ in 0..3 {
        settle().await;
        run = moved(run, Recovering).await;
        run.send_event(go(0, "")).unwrap();
    }
    let error = within(run).await.unwrap_err();
    assert!(error.to_string().contains("`work` failed") && error.to_string().ends_with(": 2"), "{error}");
}

/// A collection that is not complete.
struct Collecting;

#[workflow(Begin => Done)]
impl Collecting {
    #[step]
    async fn begin(&self, ev: Begin) -> Vec<Item> {
        (1..=ev.n).map(|n| Item { n }).collect()
    }

    #[step(waits(Go))]
    async fn collect(&self, item: Item, ctx: Context) -> Result<Option<Done>> {
        if item.n == 3 {
            ctx.wait_for_event::<Go>().await?;
        }
        let set = ctx.collect_n(item, 3).buffer("b").key(1).await?;
        Ok(set.map(|set| done(numbers(set.into_iter().map(|item| item.n)))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_is_not_complete() {
    let run = Collecting.run(Begin { n: 3 });
    settle().await;
    let run = moved(run, Collecting).await;
    settle().await;
    let run = moved(run, Collecting).await;
    run.send_event(go(0, "")).unwrap();
    assert_eq!(within(run).await.unwrap().text, "1 2 3");
}

#[tokio::test(start_paused = true)]
async fn a_run_may_be_stored_before_its_first_step() {
    let flow = Arc::new(Half::default());
    let run = flow.clone().run(Begin { n: 2 });
    let snapshot = run.snapshot().await.unwrap();
    run.cancel();
    assert_eq!((snapshot.workflow(), snapshot.run_id()), ("Half", run.run_id()));
    flow.gate.open(9);
    assert_eq!(within(flow.restore(snapshot).unwrap()).await.unwrap().text, "1 2");
}
