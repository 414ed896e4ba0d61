//! Promise 4: `ctx.wait_for_event` parks an execution without a worker slot; filters decide what it takes, and an event
//! goes to one waiter.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::json;
use stepcast::WaitError;
use stepcast::prelude::*;
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
pub struct Found {
    text: String,
}

#[event(external)]
#[derive(PartialEq)]
pub struct Go {
    to: u32,
    order: Order,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Order {
    id: String,
    lines: Vec<u32>,
}

#[event(external)]
pub struct Other {
    n: u32,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

fn go(to: u32) -> Go {
    Go { to, order: Order { id: format!("o{to}"), lines: vec![to, to + 1] } }
}

/// Collects what the waiting executions found; ends when all have.
#[step]
async fn gather(all: Vec<Found>) -> Done {
    done(all.into_iter().map(|found| found.text).collect::<Vec<_>>().join(", "))
}

fn found(text: impl ToString) -> Found {
    Found { text: text.to_string() }
}

#[step]
async fn split(ev: Begin) -> Vec<Item> {
    (0..ev.n).map(|n| Item { n }).collect()
}

/// Filters.
mod filters {
    use super::*;

    #[step(waits(Go))]
    pub async fn work(item: Item, ctx: Context) -> Result<Found> {
        let n = item.n;
        let go = match n {
            0 => ctx.wait_for_event::<Go>().matching(|go| go.to > 100).await?,
            1 => ctx.wait_for_event::<Go>().where_field("order.id", "o7").await?,
            2 => ctx.wait_for_event::<Go>().where_field("order.lines.1", 43).await?,
            // A predicate that panics accepts nothing.
            3 => ctx.wait_for_event::<Go>().matching(|go| [true][go.to as usize]).await?,
            _ => ctx.wait_for_event::<Go>().await?,
        };
        Ok(found(format!("{n}: {}", go.to)))
    }

    flow!(pub Filters: Begin => Done { split, work, gather });
}

#[tokio::test(start_paused = true)]
async fn filters_decide_which_event_a_wait_takes() {
    let run = filters::Filters.run(Begin { n: 5 });
    settle().await;
    // Nobody but the unfiltered wait accepts the first one.
    for to in [5, 42, 7, 101, 0] {
        run.send_event(go(to)).unwrap();
        settle().await;
    }
    assert_eq!(within(run.result()).await.unwrap(), done("0: 101, 1: 7, 2: 42, 3: 0, 4: 5"));
}

/// Who waited first gets the event.
mod order {
    use super::*;

    #[step(waits(Go))]
    pub async fn work(item: Item, ctx: Context) -> Result<Found> {
        let n = item.n;
        let wait = ctx.wait_for_event::<Go>();
        let go = if n < 10 { wait.await? } else { wait.shared().await? };
        Ok(found(format!("{n}: {}", go.to)))
    }

    flow!(pub Exclusive: Begin => Done { split, work, gather });

    #[step]
    pub async fn from_eight(ev: Begin) -> Vec<Item> {
        (8..8 + ev.n).map(|n| Item { n }).collect()
    }

    flow!(pub Both: Begin => Done { from_eight, work, gather });

    #[step]
    pub async fn from_ten(ev: Begin) -> Vec<Item> {
        (10..10 + ev.n).map(|n| Item { n }).collect()
    }

    flow!(pub Shared: Begin => Done { from_ten, work, gather });
}

#[tokio::test(start_paused = true)]
async fn an_event_goes_to_the_waiter_that_was_first() {
    let run = order::Exclusive.run(Begin { n: 3 });
    settle().await;
    for to in [5, 6] {
        run.send_event(go(to)).unwrap();
        settle().await;
        assert!(!run.is_done());
    }
    run.send_event(go(7)).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("0: 5, 1: 6, 2: 7"));
}

#[tokio::test(start_paused = true)]
async fn shared_waits_have_the_event_together() {
    let run = order::Shared.run(Begin { n: 3 });
    settle().await;
    run.send_event(go(1)).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("10: 1, 11: 1, 12: 1"));

    // Two exclusive waits were first, so the shared ones wait until it is the turn of one of them.
    let run = order::Both.run(Begin { n: 5 });
    settle().await;
    for to in [1, 2, 3] {
        run.send_event(go(to)).unwrap();
    }
    assert_eq!(within(run.result()).await.unwrap(), done("8: 1, 9: 2, 10: 3, 11: 3, 12: 3"));
}

/// Timeouts, deadlines, and what is wrong with a wait.
mod limits {
    use super::*;

    #[step(waits(Go))]
    pub async fn timeout(ev: Begin, ctx: Context) -> Result<Done> {
        let began = tokio::time::Instant::now();
        let first = match ev.n {
            0 => ctx.wait_for_event::<Go>().timeout(Duration::from_secs(10)).await,
            1 => {
                // Wall time moves with the paused clock, from where both were when the first run began.
                let at = SystemTime::now() + Duration::from_secs(1_000_000);
                ctx.wait_for_event::<Go>().timeout(Duration::from_secs(10)).deadline(at).await
            }
            2 => ctx.wait_for_event::<Go>().deadline(SystemTime::UNIX_EPOCH).await,
            3 => ctx.wait_for_event::<Go>().timeout(Duration::ZERO).await,
            _ => ctx.wait_for_event::<Go>().timeout(Duration::from_secs(10)).matching(|go| go.to == 1).await,
        };
        let text = match first {
            Ok(go) => go.to.to_string(),
            Err(error) => error.to_string(),
        };
        Ok(done(format!("{text} after {}", began.elapsed().as_secs())))
    }

    flow!(pub Limits: Begin => Done { timeout });

    #[step]
    pub async fn wrong(ev: Begin, ctx: Context) -> Result<Done> {
        after(1).await;
        let error = match ev.n {
            0 => ctx.wait_for_event::<Go>().await.unwrap_err(),
            _ => ctx.wait_for_event::<Unknown>().await.unwrap_err(),
        };
        let WaitError::Undeclared { step, event, declared } = error else { panic!("{error}") };
        Ok(done(format!("{step} {event} {declared:?}")))
    }

    #[event(external)]
    pub struct Unknown {}

    #[step(waits(Go))]
    pub async fn path(ev: Item, ctx: Context) -> Result<()> {
        let error = ctx.wait_for_event::<Go>().where_field("..", ev.n).await.unwrap_err();
        assert!(matches!(&error, WaitError::BadPath { path } if path == ".."), "{error}");
        let error = ctx.wait_for_event::<Unknown>().await.unwrap_err();
        let WaitError::Undeclared { declared, .. } = error else { panic!("{error}") };
        assert_eq!(declared, ["Go"]);
        ctx.store().set("looked", true).await?;
        Ok(())
    }

    #[step]
    pub async fn item(ev: Begin) -> Option<Item> {
        Some(Item { n: ev.n })
    }

    flow!(pub Wrong: Begin => Done { item, path, wrong });
}

#[tokio::test(start_paused = true)]
async fn a_wait_gives_up_at_its_deadline() {
    for (n, text) in [
        (0, "No `Go` came before the deadline. after 10"),
        (2, "No `Go` came before the deadline. after 0"),
        (3, "No `Go` came before the deadline. after 0"),
    ] {
        assert_eq!(within(limits::Limits.run(Begin { n })).await.unwrap(), done(text), "{n}");
    }
    // The later setting counts.
    let run = limits::Limits.run(Begin { n: 1 });
    after(60_000).await;
    run.send_event(go(4)).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("4 after 60"));
    // What does not match neither ends nor prolongs the wait.
    let run = limits::Limits.run(Begin { n: 4 });
    after(6_000).await;
    run.send_event(go(4)).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("No `Go` came before the deadline. after 10"));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_not_declared_is_an_error_at_the_call() {
    for (n, text) in [(0, "wrong Go []"), (1, "wrong Unknown []")] {
        let run = limits::Wrong.run(Begin { n });
        assert_eq!(within(run.result()).await.unwrap(), done(text));
        assert_eq!(run.store_value("looked"), Some(json!(true)));
    }
}

/// Parked executions hold no worker slot.
#[derive(Default)]
struct Slots {
    now: AtomicUsize,
    most: AtomicUsize,
    began: AtomicUsize,
}

#[workflow(Begin => Done)]
impl Slots {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    /// Comes to its wait at once, after a sleep, or after a task of its own.
    #[step(workers = 1, waits(Go))]
    async fn work(&self, item: Item, ctx: Context) -> Result<Found> {
        self.began.fetch_add(1, Ordering::SeqCst);
        self.enter();
        match item.n % 3 {
            0 => {}
            1 => after(10).await,
            _ => {
                let since = std::time::Instant::now();
                while since.elapsed() < Duration::from_micros(200) {
                    std::hint::spin_loop();
                }
                tokio::task::yield_now().await;
            }
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        let go = ctx.wait_for_event::<Go>().where_field("to", item.n).await?;
        self.enter();
        after(10).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(found(go.to))
    }

    #[step]
    async fn gather(&self, all: Vec<Found>) -> Done {
        done(all.len())
    }
}

impl Slots {
    fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_parked_executions_hold_no_worker_slot() {
    let flow = Arc::new(Slots::default());
    let run = Arc::clone(&flow).run(Begin { n: 99 });
    after(5_000).await;
    assert_eq!(flow.began.load(Ordering::SeqCst), 99, "the single worker is free for the next while one waits");
    for to in (0..99).rev() {
        run.send_event(go(to)).unwrap();
    }
    assert_eq!(within(run.result()).await.unwrap(), done(99));
    assert_eq!(flow.most.load(Ordering::SeqCst), 1, "an answered one takes the slot again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn so_it_is_on_several_threads() {
    for _ in 0..5 {
        let flow = Arc::new(threads::Quick::default());
        let run = Arc::clone(&flow).run(Begin { n: 50 });
        within(async {
            while flow.waiting.load(Ordering::SeqCst) < 50 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        for to in (0..50).rev() {
            run.send_event(go(to)).unwrap();
        }
        assert_eq!(within(run.result()).await.unwrap(), done("ok"));
        assert_eq!(flow.most.load(Ordering::SeqCst), 1);
    }
}

/// Executions on their own tasks that wait, woken from another thread.
mod threads {
    use super::*;

    #[derive(Default)]
    pub struct Quick {
        pub waiting: AtomicUsize,
        pub now: AtomicUsize,
        pub most: AtomicUsize,
    }

    #[workflow(Begin => Done)]
    impl Quick {
        #[step]
        async fn split(&self, ev: Begin) -> Vec<Item> {
            (0..ev.n).map(|n| Item { n }).collect()
        }

        #[step(workers = 1, waits(Go))]
        async fn work(&self, item: Item, ctx: Context) -> Result<Found> {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            if item.n.is_multiple_of(2) {
                let since = std::time::Instant::now();
                while since.elapsed() < Duration::from_micros(150) {
                    std::hint::spin_loop();
                }
            }
            for _ in 0..item.n % 4 {
                tokio::task::yield_now().await;
            }
            self.now.fetch_sub(1, Ordering::SeqCst);
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let go = ctx.wait_for_event::<Go>().matching(move |go| go.to == item.n).await?;
            tokio::task::yield_now().await;
            let again = ctx.wait_for_event::<Go>().where_field("to", 1_000 + item.n).timeout(Duration::ZERO).await;
            assert!(again.is_err());
            Ok(found(go.to))
        }

        #[step]
        async fn gather(&self, all: Vec<Found>) -> Done {
            let in_order = all.iter().enumerate().all(|(n, found)| found.text == n.to_string());
            done(if in_order { "ok" } else { "not in order" })
        }
    }
}

/// An answered execution goes on before new ones begin.
mod ahead {
    use super::*;

    #[step]
    pub async fn begin(ev: Begin, ctx: Context<(Item,)>) -> Result<()> {
        (0..ev.n).try_for_each(|n| ctx.send_event(Item { n }))?;
        Ok(())
    }

    #[step(workers = 1, waits(Go))]
    pub async fn work(item: Item, ctx: Context) -> Result<Option<Done>> {
        if item.n == 0 {
            ctx.wait_for_event::<Go>().await?;
        }
        let mut order: Vec<u32> = ctx.store().get_or("order", vec![]).await?;
        order.push(item.n);
        ctx.store().set("order", &order).await?;
        after(1_000).await;
        Ok((order.len() == 5).then(|| done(format!("{order:?}"))))
    }

    flow!(pub Ahead: Begin => Done { begin, work });
}

#[tokio::test(start_paused = true)]
async fn an_answered_execution_takes_a_slot_ahead_of_new_work() {
    let run = ahead::Ahead.run(Begin { n: 5 });
    after(500).await;
    run.send_event(go(1)).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("[1, 0, 2, 3, 4]"));
}

/// Several waits of one execution.
mod several {
    use super::*;

    #[step(waits(Go, Other))]
    pub async fn both(ev: Begin, ctx: Context) -> Result<Done> {
        match ev.n {
            // Both, in whatever order they come.
            0 => {
                let (go, other) = tokio::join!(ctx.wait_for_event::<Go>(), ctx.wait_for_event::<Other>());
                Ok(done(format!("{} {}", go?.to, other?.n)))
            }
            // Whichever comes first; the other wait is withdrawn.
            1 => {
                let first = tokio::select! {
                    go = ctx.wait_for_event::<Go>() => format!("go {}", go?.to),
                    other = ctx.wait_for_event::<Other>() => format!("other {}", other?.n),
                };
                let then = ctx.wait_for_event::<Go>().await?;
                Ok(done(format!("{first} then {}", then.to)))
            }
            // One type under two ids.
            2 => {
                let (first, second) = tokio::join!(
                    ctx.wait_for_event::<Go>().id("small").matching(|go| go.to < 10),
                    ctx.wait_for_event::<Go>().id("large").matching(|go| go.to >= 10),
                );
                Ok(done(format!("{} {}", first?.to, second?.to)))
            }
            // A wait against a clock.
            _ => {
                let first = tokio::select! {
                    go = ctx.wait_for_event::<Go>() => format!("go {}", go?.to),
                    () = after(5_000) => "late".to_owned(),
                };
                let then = ctx.wait_for_event::<Go>().timeout(Duration::from_secs(5)).await;
                Ok(done(format!("{first} then {}", then.map_or("none".to_owned(), |go| go.to.to_string()))))
            }
        }
    }

    flow!(pub Several: Begin => Done { both });
}

#[tokio::test(start_paused = true)]
async fn two_waits_may_be_joined() {
    for swapped in [false, true] {
        let run = several::Several.run(Begin { n: 0 });
        settle().await;
        if swapped {
            run.send_event(Other { n: 2 }).unwrap();
            settle().await;
        }
        run.send_event(go(1)).unwrap();
        settle().await;
        if !swapped {
            run.send_event(Other { n: 2 }).unwrap();
        }
        assert_eq!(within(run.result()).await.unwrap(), done("1 2"));
    }
    let run = several::Several.run(Begin { n: 2 });
    settle().await;
    run.send_event(go(77)).unwrap();
    run.send_event(go(7)).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("7 77"));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_is_withdrawn() {
    let run = several::Several.run(Begin { n: 1 });
    settle().await;
    run.send_event(Other { n: 2 }).unwrap();
    settle().await;
    // Were the dropped wait still there, it would swallow this one.
    run.send_event(go(3)).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("other 2 then 3"));

    let run = several::Several.run(Begin { n: 3 });
    after(6_000).await;
    run.send_event(go(4)).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("late then 4"));

    let run = several::Several.run(Begin { n: 3 });
    settle().await;
    run.send_event(go(4)).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("go 4 then none"));
}

/// A step that waits for the type it also takes.
mod own {
    use super::*;

    #[step]
    pub async fn begin(_ev: Begin) {}

    /// A conversation: what is not for one that goes on begins another.
    #[step(waits(Go))]
    pub async fn talk(first: Go, ctx: Context) -> Result<Option<Done>> {
        let began = ctx.store().get_or("began", 0).await?;
        ctx.store().set("began", began + 1).await?;
        let to = first.to;
        let second = ctx.wait_for_event::<Go>().matching(move |go| go.to == to).await?;
        let talks = ctx.store().get_or("talks", 0).await? + 1;
        ctx.store().set("talks", talks).await?;
        Ok((talks == 2).then(|| done(second.to)))
    }

    /// Also takes it, without waiting.
    #[step]
    pub async fn watch(_go: Go, ctx: Context) -> Result<()> {
        let seen = ctx.store().get_or("seen", 0).await?;
        ctx.store().set("seen", seen + 1).await?;
        Ok(())
    }

    flow!(pub Own: Begin => Done { begin, talk, watch });
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_preferred_over_a_new_execution_of_the_same_step() {
    let run = own::Own.run_with(Begin { n: 0 }, recorded());
    for to in [1, 2, 1] {
        run.send_event(go(to)).unwrap();
        settle().await;
    }
    assert_eq!((run.store_value("began"), run.store_value("talks")), (Some(json!(2)), Some(json!(1))));
    assert_eq!(run.store_value("seen"), Some(json!(3)), "the other steps get every one");
    run.send_event(go(2)).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done(2));
    assert_eq!(run.store_value("began"), Some(json!(2)));
    assert!(unhandled(&run).await.is_empty());
}

/// Events of steps satisfy waits too, in the middle of a list of outputs.
mod inside {
    use super::*;

    #[event]
    pub struct Ready {
        pub n: u32,
    }

    #[step]
    pub async fn begin(ev: Begin) -> (Item, Vec<Item>) {
        (Item { n: ev.n }, (0..ev.n).map(|n| Item { n }).collect())
    }

    #[step(waits(Ready))]
    pub async fn work(item: Item, ctx: Context) -> Result<(Option<Ready>, Option<Found>)> {
        after(u64::from(item.n)).await;
        if item.n == 0 {
            return Ok((Some(Ready { n: 1 }), None));
        }
        let ready = ctx.wait_for_event::<Ready>().matching(move |ready| ready.n == item.n).await?;
        Ok((Some(Ready { n: ready.n + 1 }), Some(found(item.n))))
    }

    /// The one outside the batch comes last.
    #[step]
    pub async fn end(all: Vec<Found>) -> Done {
        done(all.len())
    }

    flow!(pub Inside: Begin => Done { begin, work, end });
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_step_satisfies_a_wait_of_another() {
    assert_eq!(within(inside::Inside.run(Begin { n: 6 })).await.unwrap(), done(5));
}
