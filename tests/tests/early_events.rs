//! Promise 4, early events: what comes before anybody waits is kept, bounded and oldest first; a wait that announces
//! takes only what comes after its announcement.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::time::Duration;

use stepcast::prelude::*;
use support::{after, recorded, settle, unhandled, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event(external)]
pub struct Go {
    n: u32,
}

#[event(external)]
pub struct Open {}

#[event]
pub struct Asking {
    what: String,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    got: Vec<u32>,
}

fn done(got: impl IntoIterator<Item = u32>) -> Done {
    Done { got: got.into_iter().collect() }
}

/// Works for a second before it waits, in each of several ways.
#[step(waits(Go))]
async fn work(ev: Begin, ctx: Context) -> Result<Done> {
    after(1_000).await;
    let mut got = Vec::new();
    match ev.n {
        0 => {
            for _ in 0..3 {
                got.push(ctx.wait_for_event::<Go>().await?.n);
            }
        }
        1 => {
            got.push(ctx.wait_for_event::<Go>().matching(|go| go.n % 2 == 0).await?.n);
            got.push(ctx.wait_for_event::<Go>().where_field("n", 9).await?.n);
            got.push(ctx.wait_for_event::<Go>().await?.n);
        }
        2 => {
            let asking = Asking { what: "which".into() };
            got.push(ctx.wait_for_event::<Go>().announce(asking).await?.n);
            got.push(ctx.wait_for_event::<Go>().await?.n);
        }
        _ => {
            while let Ok(go) = ctx.wait_for_event::<Go>().timeout(Duration::ZERO).await {
                got.push(go.n);
            }
        }
    }
    Ok(done(got))
}

flow!(Early: Begin => Done { work });

#[tokio::test(start_paused = true)]
async fn an_event_that_came_early_is_kept_in_order() {
    let run = Early.run(Begin { n: 0 });
    for n in [4, 5] {
        run.send_event(Go { n }).unwrap();
    }
    after(5_000).await;
    assert!(!run.is_done());
    run.send_event(Go { n: 6 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done([4, 5, 6]));
}

#[tokio::test(start_paused = true)]
async fn a_filtered_wait_takes_the_first_kept_event_that_fits() {
    let run = Early.run(Begin { n: 1 });
    for n in [1, 9, 4, 6] {
        run.send_event(Go { n }).unwrap();
    }
    assert_eq!(within(run.result()).await.unwrap(), done([4, 9, 1]));
}

#[tokio::test(start_paused = true)]
async fn an_announced_wait_ignores_what_came_before() {
    let run = Early.run(Begin { n: 2 });
    run.send_event(Go { n: 1 }).unwrap();
    after(5_000).await;
    assert!(!run.is_done(), "the event came before the question");
    run.send_event(Go { n: 2 }).unwrap();
    // The early one is still there for a wait that asks for none.
    assert_eq!(within(run.result()).await.unwrap(), done([2, 1]));
    let asked: Vec<_> =
        support::rest(run.stream_events()).await.iter().filter_map(|item| item.get::<Asking>().cloned()).collect();
    assert_eq!(asked.iter().map(|asking| asking.what.as_str()).collect::<Vec<_>>(), ["which"]);
}

#[tokio::test(start_paused = true)]
async fn the_mailbox_is_bounded_and_drops_the_oldest_with_report() {
    let run = Early.run_with(Begin { n: 3 }, recorded());
    settle().await;
    for n in 0..1_030 {
        run.send_event(Go { n }).unwrap();
    }
    assert_eq!(within(run.result()).await.unwrap(), done(6..1_030));
    assert_eq!(unhandled(&run).await, vec!["Go"; 6]);
}

/// An event that a step takes is kept as well for a step that waits.
mod both {
    use super::*;

    #[step]
    pub async fn begin(_ev: Begin) {}

    #[step]
    pub async fn count(_go: Go, ctx: Context) -> Result<()> {
        let seen = ctx.store().get_or("seen", 0).await?;
        ctx.store().set("seen", seen + 1).await?;
        Ok(())
    }

    #[step(waits(Go))]
    pub async fn later(_open: Open, ctx: Context) -> Result<Done> {
        let first = ctx.wait_for_event::<Go>().await?;
        let second = ctx.wait_for_event::<Go>().timeout(Duration::from_secs(1)).await;
        Ok(done([first.n].into_iter().chain(second.ok().map(|go| go.n))))
    }

    flow!(pub Both: Begin => Done { begin, count, later });
}

#[tokio::test(start_paused = true)]
async fn an_event_that_a_step_takes_is_kept_for_the_waiter_of_another() {
    let run = both::Both.run_with(Begin { n: 0 }, recorded());
    run.send_event(Go { n: 1 }).unwrap();
    settle().await;
    assert_eq!(run.store_value("seen"), Some(1.into()));
    run.send_event(Open {}).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done([1]));
    assert_eq!(run.store_value("seen"), Some(1.into()));
    assert!(unhandled(&run).await.is_empty());
}

/// A step that waits for the very type it takes does not find its own input, or another execution's, in the mailbox.
mod own {
    use super::*;

    #[step]
    pub async fn begin(_ev: Begin) {}

    #[step(waits(Go))]
    pub async fn pair(first: Go, ctx: Context) -> Result<Option<Done>> {
        if first.n == 0 {
            return Ok(None);
        }
        let second = ctx.wait_for_event::<Go>().await?;
        Ok(Some(done([first.n, second.n])))
    }

    flow!(pub Own: Begin => Done { begin, pair });
}

#[tokio::test(start_paused = true)]
async fn what_has_run_a_step_does_not_also_satisfy_its_waits() {
    let run = own::Own.run(Begin { n: 0 });
    for n in [0, 1] {
        run.send_event(Go { n }).unwrap();
        after(1_000).await;
        assert!(!run.is_done());
    }
    run.send_event(Go { n: 2 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done([1, 2]));
}
