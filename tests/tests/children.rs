//! Child runs: an ordinary call with an id of its own, failure as an error value, cancelled with the parent, not repeated
//! when the parent is, and its questions visible on the parent.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use stepcast::prelude::*;
use stepcast::{ChildError, RespondError, RunError};
use support::{after, rest, settle, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    text: String,
}

#[event]
pub struct Item {
    n: u32,
}

#[event]
pub struct Found {
    text: String,
}

#[event(input_required)]
pub struct Ask {
    what: String,
}

#[event(human_response)]
pub struct Answer {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

/// A child that counts its executions, and does what its start event says.
#[derive(Default)]
struct Child {
    began: AtomicU32,
    ended: AtomicU32,
}

#[workflow(Begin => Done)]
impl Child {
    #[step(waits(Answer))]
    async fn work(&self, ev: Begin, ctx: Context) -> Result<Done> {
        self.began.fetch_add(1, Ordering::SeqCst);
        match ev.n {
            0 => return Err(StepError::msg("the child fails")),
            100 => {
                let answer = ctx.wait_for_event::<Answer>().announce(Ask { what: "child?".into() }).await?;
                return Ok(done(format!("{} heard {}", ctx.run_id(), answer.text)));
            }
            101 => after(1_000_000).await,
            _ => after(u64::from(ev.n) * 1_000).await,
        }
        self.ended.fetch_add(1, Ordering::SeqCst);
        Ok(done(ev.n))
    }
}

/// Runs children, one after the other or side by side.
struct Parent {
    child: Arc<Child>,
}

#[workflow(Begin => Done)]
impl Parent {
    #[step(retry(attempts = 3, backoff = "1s"))]
    async fn work(&self, ev: Begin, ctx: Context, attempt: Attempt) -> Result<Done> {
        let child = || Arc::clone(&self.child);
        match ev.n {
            // Its failure is a value.
            0 => {
                let error = ctx.run_child(child(), Begin { n: 0 }).await.unwrap_err();
                let ChildError::Failed { workflow, error, run_id } = &error else { return Err(error.into()) };
                assert!(run_id.starts_with(ctx.run_id().as_str()), "{run_id}");
                Ok(done(format!("{workflow}: {}", error.exception_message)))
            }
            // Repeated, it does not run the child again.
            1 => {
                let stop = ctx.run_child(child(), Begin { n: 2 }).await?;
                if attempt.number() < 3 {
                    return Err(StepError::msg("again"));
                }
                Ok(done(format!("{} in attempt {}", stop.text, attempt.number())))
            }
            // Side by side: two of one kind are told apart by their order.
            2 => {
                let (first, second) =
                    tokio::join!(ctx.run_child(child(), Begin { n: 5 }), ctx.run_child(child(), Begin { n: 4 }));
                Ok(done(format!("{} {}", first?.text, second?.text)))
            }
            // Repeated while the child still runs: the same child is taken up again.
            3 => {
                let run = ctx.run_child(child(), Begin { n: 10 });
                if attempt.number() == 1 {
                    let first: Result<(), StepError> = tokio::select! {
                        stop = run => Err(StepError::msg(format!("too early: {stop:?}"))),
                        () = after(1_000) => Err(StepError::msg("again")),
                    };
                    first?;
                    unreachable!()
                }
                Ok(done(run.await?.text))
            }
            4 => {
                let options = RunOptions::new().timeout(Duration::from_secs(3));
                let error = ctx.run_child(child(), Begin { n: 101 }).options(options).await.unwrap_err();
                Ok(done(error))
            }
            n => Ok(ctx.run_child(child(), Begin { n }).await?),
        }
    }
}

fn parent() -> (Arc<Child>, Parent) {
    let child = Arc::new(Child::default());
    (Arc::clone(&child), Parent { child })
}

#[tokio::test(start_paused = true)]
async fn a_childs_failure_is_an_error_value() {
    let (_, flow) = parent();
    let stop = within(flow.run(Begin { n: 0 })).await.unwrap();
    assert_eq!(stop, done("Child: The step `work` failed after 1 attempt(s): the child fails"));
    let (_, flow) = parent();
    let stop = within(flow.run(Begin { n: 4 })).await.unwrap();
    assert!(stop.text.contains("busy for longer than its timeout of 3s"), "{}", stop.text);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_ended_is_not_run_again() {
    let (child, flow) = parent();
    let stop = within(flow.run(Begin { n: 1 })).await.unwrap();
    assert_eq!(stop, done("2 in attempt 3"));
    assert_eq!(child.began.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_still_runs_is_taken_up_again() {
    let (child, flow) = parent();
    let began = tokio::time::Instant::now();
    let stop = within(flow.run(Begin { n: 3 })).await.unwrap();
    assert_eq!(stop, done(10));
    assert_eq!(child.began.load(Ordering::SeqCst), 1);
    assert_eq!(began.elapsed(), Duration::from_secs(10), "the child went on while its parent was repeated");
}

#[tokio::test(start_paused = true)]
async fn children_run_side_by_side() {
    let (child, flow) = parent();
    let began = tokio::time::Instant::now();
    assert_eq!(within(flow.run(Begin { n: 2 })).await.unwrap(), done("5 4"));
    assert_eq!((began.elapsed(), child.began.load(Ordering::SeqCst)), (Duration::from_secs(5), 2));
}

#[tokio::test(start_paused = true)]
async fn a_child_is_cancelled_with_its_parent() {
    let (child, flow) = parent();
    let run = flow.run(Begin { n: 9 });
    after(1_000).await;
    let [live] = &run.children()[..] else { panic!("not one child") };
    assert_eq!((live.parent_id().as_ref(), run.parent_id()), (Some(run.run_id()), None));
    assert!(live.run_id() != run.run_id() && live.ended_at().is_none());
    run.cancel();
    assert!(matches!(within(run.result()).await, Err(RunError::Cancelled)));
    after(100_000).await;
    assert!(run.children().is_empty() && live.is_done() && live.ended_at() >= run.ended_at());
    assert_eq!((child.began.load(Ordering::SeqCst), child.ended.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_childs_question_is_visible_and_answered_on_the_parent() {
    let (_, flow) = parent();
    let run = flow.run_with(Begin { n: 100 }, RunOptions::new().run_id("top"));
    let mut stream = run.stream_events();
    let item = within(stream.next()).await.unwrap();
    assert_eq!(item.get::<Ask>().unwrap().what, "child?");
    after(1_000_000).await;
    assert!(!run.is_done(), "a child that asks is no reason to end");
    let [record] = &run.pending_inputs().await[..] else { panic!("not one input") };
    assert_ne!(record.id.run_id, *run.run_id());
    assert!(record.id.run_id.as_str().starts_with("top."), "{}", record.id);
    run.respond(&record.id, Answer { text: "yes".into() }).await.unwrap();
    let second = run.respond(&record.id, Answer { text: "no".into() }).await.unwrap_err();
    assert!(matches!(second, RespondError::Conflict { .. } | RespondError::Ended { .. }), "{second}");
    assert_eq!(within(run.result()).await.unwrap(), done(format!("{} heard yes", record.id.run_id)));
    assert_eq!(rest(stream).await.len(), 1, "then only the stop event");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_asks_fails_with_its_parent_when_nobody_can_answer() {
    let (_, flow) = parent();
    let run = flow.run(Begin { n: 100 });
    let stream = run.stream_events();
    settle().await;
    drop(run);
    let items = rest(stream).await;
    let failed = items.last().unwrap().get::<stepcast::WorkflowFailedEvent>().unwrap();
    assert!(failed.exception.exception_message.contains("nobody is left who could send"), "{failed:?}");
}

/// A child for every member of a batch, and children of children.
mod many {
    use super::*;

    #[derive(Clone)]
    pub struct Leaf;

    #[workflow(Begin => Done)]
    impl Leaf {
        #[step]
        async fn work(&self, ev: Begin) -> Done {
            after(u64::from(100 - ev.n)).await;
            done(ev.n)
        }
    }

    pub struct Tree;

    #[workflow(Begin => Done)]
    impl Tree {
        #[step]
        async fn split(&self, ev: Begin) -> Vec<Item> {
            (0..ev.n).map(|n| Item { n }).collect()
        }

        #[step]
        async fn leaf(&self, item: Item, ctx: Context) -> Result<Found> {
            let stop = ctx.run_child(Leaf, Begin { n: item.n }).await?;
            Ok(Found { text: stop.text })
        }

        #[step]
        async fn gather(&self, all: Vec<Found>) -> Done {
            done(all.into_iter().map(|found| found.text).collect::<Vec<_>>().join(" "))
        }
    }

    pub struct Wood;

    #[workflow(Begin => Done)]
    impl Wood {
        #[step]
        async fn grow(&self, ev: Begin, ctx: Context) -> Result<Done> {
            let tree = ctx.run_child(Tree, Begin { n: ev.n }).await?;
            ctx.store().set("run", ctx.run_id().as_str()).await?;
            Ok(done(format!("wood of {}", tree.text)))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn children_of_batch_members_keep_their_order() {
    let stop = within(many::Wood.run(Begin { n: 20 })).await.unwrap();
    let wanted = (0..20).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(stop, done(format!("wood of {wanted}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn so_they_do_on_several_threads() {
    let wanted = (0..20).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    for _ in 0..5 {
        let run = many::Wood.run_with(Begin { n: 20 }, RunOptions::new().run_id("wood"));
        assert_eq!(within(run.result()).await.unwrap(), done(format!("wood of {wanted}")));
        assert_eq!(run.store_value("run"), Some(json!("wood")));
    }
}

/// Waiting for a child holds no worker and counts in no timeout.
mod slow {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    #[step(workers = 1, timeout = "5s")]
    pub async fn leaf(_item: Item, ctx: Context) -> Result<Found> {
        after(1_000).await;
        let stop = ctx.run_child(Child::default(), Begin { n: 50 }).await?;
        Ok(Found { text: stop.text })
    }

    #[step]
    pub async fn gather(all: Vec<Found>) -> Done {
        done(all.len())
    }

    flow!(pub Slow: Begin => Done { split, leaf, gather });
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_child_holds_no_worker_and_no_time() {
    let began = tokio::time::Instant::now();
    let options = RunOptions::new().timeout(Duration::from_secs(20));
    let run = slow::Slow.run_with(Begin { n: 10 }, options);
    assert_eq!(within(run.result()).await.unwrap(), done(10));
    assert_eq!(began.elapsed(), Duration::from_secs(60), "ten one after the other, then their children at once");
}
