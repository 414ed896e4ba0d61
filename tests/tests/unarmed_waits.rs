//! Promise 4, while the predicate of a wait does not exist because its attempt has failed: what the wait may want is held
//! for it, no longer than it takes, and for nobody who came later.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::time::Duration;

use stepcast::prelude::*;
use support::{after, settle, within};

#[event(start)]
pub struct Begin {
    how: String,
}

fn begin(how: &str) -> Begin {
    Begin { how: how.to_owned() }
}

#[event]
pub struct Item {
    how: String,
}

#[event]
pub struct Other {}

#[event(external)]
pub struct Go {
    n: u32,
}

#[event(external)]
pub struct Crash {}

#[event(stop)]
#[derive(Debug, PartialEq)]
pub struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

/// Fails when a `Crash` comes, and leaves its other wait behind.
async fn crash<T>(ctx: &Context) -> Result<T> {
    ctx.wait_for_event::<Crash>().await?;
    Err(StepError::msg("crashed"))
}

/// A wait with a predicate, and behind it one that takes anything.
mod gone {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> (Item, Other) {
        (Item { how: ev.how }, Other {})
    }

    #[step(waits(Go, Crash), retry(attempts = 2, backoff = "10s"), on_failure = "continue")]
    pub async fn picky(item: Item, ctx: Context) -> Result<()> {
        let go = ctx.wait_for_event::<Go>().matching(|go| go.n > 100);
        let go = if item.how == "timed out" { go.timeout(Duration::from_secs(5)) } else { go };
        match (ctx.attempt(), item.how.as_str()) {
            (1, _) => {
                tokio::try_join!(async { go.await.map_err(StepError::from) }, crash::<()>(&ctx))?;
            }
            (_, "failed") => return Err(StepError::msg("for good")),
            (_, "withdrawn") => {}
            _ => drop(go.await),
        }
        Ok(())
    }

    #[step(waits(Go))]
    pub async fn plain(_other: Other, ctx: Context) -> Result<Done> {
        after(100).await;
        Ok(done(ctx.wait_for_event::<Go>().await?.n))
    }

    flow!(pub Gone: Begin => Done { split, picky, plain });
}

#[tokio::test(start_paused = true)]
async fn what_was_held_for_a_wait_that_is_gone_is_for_the_others() {
    for (how, seconds) in [("withdrawn", 11), ("failed", 11), ("timed out", 5), ("refused", 11)] {
        let began = tokio::time::Instant::now();
        let run = gone::Gone.run(begin(how));
        after(1_000).await;
        run.send_event(Crash {}).unwrap();
        settle().await;
        run.send_event(Go { n: 1 }).unwrap();
        after(3_000).await;
        assert!(!run.is_done(), "{how}: the first wait might want it");
        assert_eq!(within(run.result()).await.unwrap(), done(1), "{how}");
        assert_eq!(began.elapsed().as_secs(), seconds, "{how}");
    }
}

/// Two waits share what comes; the second loses its predicate.
mod together {
    use super::*;

    #[step(waits(Go))]
    pub async fn first(_begin: Begin, ctx: Context) -> Result<Other> {
        let go = ctx.wait_for_event::<Go>().shared().await?;
        ctx.store().set("first", go.n).await?;
        Ok(Other {})
    }

    #[step(waits(Go, Crash), retry(attempts = 2, backoff = "10s"))]
    pub async fn second(begin: Begin, ctx: Context) -> Result<Item> {
        after(100).await;
        let go = ctx.wait_for_event::<Go>().matching(|go| go.n > 1).shared();
        let go = match ctx.attempt() {
            1 => tokio::try_join!(async { go.await.map_err(StepError::from) }, crash::<()>(&ctx))?.0,
            _ => go.await?,
        };
        ctx.store().set("second", go.n).await?;
        Ok(Item { how: begin.how })
    }

    #[step]
    pub async fn end(_item: Item, _other: Other) -> Done {
        done("both")
    }

    flow!(pub Together: Begin => Done { first, second, end });
}

#[tokio::test(start_paused = true)]
async fn a_shared_wait_lets_an_event_wait_for_an_unarmed_one_that_shares_it() {
    let run = together::Together.run(begin(""));
    after(1_000).await;
    run.send_event(Crash {}).unwrap();
    settle().await;
    run.send_event(Go { n: 7 }).unwrap();
    after(5_000).await;
    assert_eq!(run.store_value("first"), None, "the other one has not seen it yet");
    assert_eq!(within(run.result()).await.unwrap(), done("both"));
    assert_eq!((run.store_value("first"), run.store_value("second")), (Some(7.into()), Some(7.into())));
}

/// Executions of a step wait for the type that begins them.
mod own {
    use super::*;

    #[step]
    pub async fn begin(_ev: Begin) {}

    #[step(waits(Go, Crash), retry(attempts = 2, backoff = "10s"))]
    pub async fn talk(first: Go, ctx: Context) -> Result<Option<Done>> {
        if first.n > 1 {
            let second = ctx.wait_for_event::<Go>().await?;
            return Ok(Some(done(format!("{} then {}", first.n, second.n))));
        }
        let never = ctx.wait_for_event::<Go>().matching(|go| go.n > 100);
        match ctx.attempt() {
            1 => {
                tokio::try_join!(async { never.await.map_err(StepError::from) }, crash::<()>(&ctx))?;
            }
            _ => {
                never.await?;
            }
        }
        Ok(None)
    }

    flow!(pub Own: Begin => Done { begin, talk });
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_not_for_a_later_wait_of_a_step_that_has_had_it() {
    let run = own::Own.run(begin(""));
    run.send_event(Go { n: 1 }).unwrap();
    settle().await;
    run.send_event(Crash {}).unwrap();
    settle().await;
    // Held for the first execution; it also begins a second, whose wait it is not for.
    run.send_event(Go { n: 2 }).unwrap();
    after(60_000).await;
    assert!(!run.is_done());
    run.send_event(Go { n: 3 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("2 then 3"));
}
