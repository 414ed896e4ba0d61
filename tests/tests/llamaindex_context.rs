//! The context of LlamaIndex Workflows, row by row: what the tests of the promises do not show already.
//! The rows are in `docs/coming-from-llamaindex.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use stepcast::prelude::*;
use support::{after, moved, recorded, settle, unhandled, within};

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
pub struct Reply {
    response: String,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

fn reply(response: &str) -> Reply {
    Reply { response: response.into() }
}

/// Waits for one reply in two ways.
mod requiring {
    use super::*;

    #[step(waits(Reply))]
    pub async fn work(ev: Begin, ctx: Context) -> Result<Done> {
        let wait = ctx.wait_for_event::<Reply>();
        let reply = match ev.n {
            0 => wait.where_field("response", "ok").await?,
            1 => wait.matching(|reply| reply.response == "ok").await?,
            2 => wait.timeout(Duration::from_secs(60)).await?,
            _ => wait.timeout(Duration::MAX).await?,
        };
        Ok(done(reply.response))
    }

    flow!(pub Requiring: Begin => Done { work });
}

#[tokio::test(start_paused = true)]
async fn a_filter_holds_across_a_restore() {
    for n in [0, 1] {
        let run = requiring::Requiring.run(Begin { n });
        settle().await;
        let run = moved(requiring::Requiring, &run).await;
        // Before the restored execution could come to its wait again.
        run.send_event(reply("no")).unwrap();
        after(1_000).await;
        run.send_event(reply("never")).unwrap();
        after(1_000).await;
        assert!(!run.is_done(), "{n}: a reply that is not wanted does not satisfy the wait");
        run.send_event(reply("ok")).unwrap();
        assert_eq!(within(run.result()).await.unwrap(), done("ok"), "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_holds_across_a_restore() {
    let began = tokio::time::Instant::now();
    let run = requiring::Requiring.run(Begin { n: 2 });
    after(20_000).await;
    let run = moved(requiring::Requiring, &run).await;
    let error = within(run.result()).await.unwrap_err();
    assert!(error.to_string().contains("No `Reply` came before the deadline."), "{error}");
    assert_eq!(began.elapsed().as_secs(), 60, "counted from the wait's beginning");
}

#[tokio::test(start_paused = true)]
async fn the_longest_deadline_is_as_good_as_none() {
    let run = requiring::Requiring.run(Begin { n: 3 });
    after(365 * 24 * 3_600_000).await;
    let run = moved(requiring::Requiring, &run).await;
    settle().await;
    run.send_event(reply("at last")).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("at last"));
}

/// Comes to its wait after a while.
mod early {
    use super::*;

    #[step(waits(Reply))]
    pub async fn work(ev: Begin, ctx: Context) -> Result<Done> {
        after(u64::from(ev.n)).await;
        let first = ctx.wait_for_event::<Reply>().await?;
        let second = ctx.wait_for_event::<Reply>().await?;
        Ok(done(format!("{} {}", first.response, second.response)))
    }

    flow!(pub Early: Begin => Done { work });
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_before_its_wait_is_kept() {
    let run = early::Early.run_with(Begin { n: 5_000 }, recorded());
    run.send_event(reply("first")).unwrap();
    settle().await;
    run.send_event(reply("second")).unwrap();
    let run = {
        settle().await;
        moved(early::Early, &run).await
    };
    assert_eq!(within(run.result()).await.unwrap(), done("first second"));
    assert!(unhandled(&run).await.is_empty());
}

/// Counts what stands before its wait.
#[derive(Default)]
struct Counting {
    bodies: AtomicU32,
    calls: AtomicU32,
}

#[workflow(Begin => Done)]
impl Counting {
    #[step(waits(Reply))]
    async fn work(&self, _ev: Begin, ctx: Context) -> Result<Done> {
        self.bodies.fetch_add(1, Ordering::SeqCst);
        let store = ctx.store();
        let seen: u32 = store
            .edit("seen", |seen| {
                let next = seen.as_u64().unwrap_or(0) + 1;
                *seen = next.into();
                Ok::<_, StepError>(next as u32)
            })
            .await??;
        let paid =
            ctx.call("pay", async || Ok::<_, StepError>(self.calls.fetch_add(1, Ordering::SeqCst) + 100)).await?;
        let first = ctx.wait_for_event::<Reply>().await?;
        let second = ctx.wait_for_event::<Reply>().await?;
        Ok(done(format!("{seen} {paid} {} {}", first.response, second.response)))
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_before_a_wait_is_not_repeated() {
    let flow = Arc::new(Counting::default());
    let run = Arc::clone(&flow).run(Begin { n: 0 });
    settle().await;
    run.send_event(reply("a")).unwrap();
    settle().await;
    assert_eq!(flow.bodies.load(Ordering::SeqCst), 1, "a wait that is answered goes on where it stood");
    // After a restore the body runs again, and is given the results it had.
    let run = moved(Arc::clone(&flow), &run).await;
    run.send_event(reply("b")).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("1 100 a b"));
    assert_eq!((flow.bodies.load(Ordering::SeqCst), flow.calls.load(Ordering::SeqCst)), (2, 1));
    assert_eq!(run.store_value("seen"), Some(json!(1)));
}

/// Two steps that ask for state of their own types, and one that looks at both from outside.
mod states {
    use super::*;

    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, State)]
    pub struct Limits {
        pub most: u32,
    }

    impl Default for Limits {
        fn default() -> Self {
            Limits { most: 10 }
        }
    }

    #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, State)]
    pub struct Tally {
        pub n: u32,
    }

    #[step]
    pub async fn begin(ev: Begin, tally: State<Tally>, limits: State<Limits>, ctx: Context) -> Result<Item> {
        assert_eq!(limits.read(|limits| limits.most), 10, "the type's own default");
        limits.set(Limits { most: ev.n }).await?;
        let refused = tally.try_edit(|tally| {
            tally.n = 99;
            Err::<(), _>("no")
        });
        assert_eq!(refused.await?, Err("no"));
        assert_eq!(tally.get(), Tally { n: 0 }, "rolled back");
        ctx.store().set("a.b", 1).await?;
        ctx.store().clear().await?;
        Ok(Item { n: ev.n })
    }

    #[step]
    pub async fn end(item: Item, limits: State<Limits>, tally: State<Tally>, ctx: Context) -> Result<Done> {
        tally.edit(|tally| tally.n += item.n).await?;
        // Back to the default.
        limits.set(Limits::default()).await?;
        assert!(ctx.store().keys().await.is_empty());
        Ok(done(limits.get().most))
    }

    flow!(pub States: Begin => Done { begin, end });
}

#[tokio::test(start_paused = true)]
async fn a_run_has_one_cell_per_type_of_state() {
    let run = states::States.run(Begin { n: 3 });
    assert_eq!(within(run.result()).await.unwrap(), done(10));
    assert_eq!(run.state::<states::Tally>().unwrap(), states::Tally { n: 3 });
    assert_eq!(serde_json::to_value(run.store_snapshot()).unwrap()["cells"]["Tally"], json!({"n": 3}));
}

static COPIES: AtomicU32 = AtomicU32::new(0);

/// State that counts its copies.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize, State)]
pub struct Heavy {
    n: u32,
}

impl Clone for Heavy {
    fn clone(&self) -> Self {
        COPIES.fetch_add(1, Ordering::SeqCst);
        Heavy { n: self.n }
    }
}

/// Many edits and reads, one copy.
mod heavy {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    #[step]
    pub async fn work(item: Item, heavy: State<Heavy>) -> Result<Found> {
        heavy.edit(|heavy| heavy.n += 1).await?;
        assert!(heavy.read(|heavy| heavy.n) > 0);
        Ok(Found { text: item.n.to_string() })
    }

    #[step]
    pub async fn gather(_all: Vec<Found>, heavy: State<Heavy>) -> Done {
        done(heavy.get().n)
    }

    flow!(pub HeavyFlow: Begin => Done { split, work, gather });
}

#[tokio::test(start_paused = true)]
async fn state_is_copied_only_on_request() {
    assert_eq!(within(heavy::HeavyFlow.run(Begin { n: 500 })).await.unwrap(), done(500));
    assert_eq!(COPIES.load(Ordering::SeqCst), 1, "by the one `get`");
}
