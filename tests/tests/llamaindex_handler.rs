//! The handler of LlamaIndex Workflows, row by row: what the tests of the promises do not show already.
//! The rows are in `docs/coming-from-llamaindex.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use stepcast::prelude::*;
use stepcast::{
    BuiltWorkflow, ChildError, EmitError, RunSnapshot, Runtime, SendError, StopEvent, StoredError, StreamStart,
    WorkflowBuilder, WorkflowCancelledEvent, WorkflowFailedEvent,
};
use support::{after, rest, settle, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event]
pub struct Tick {
    n: u32,
}

#[event]
pub struct Item {
    n: u32,
}

#[event(external)]
pub struct Go {}

#[event(input_required)]
pub struct Ask {}

#[event(human_response)]
pub struct Answer {
    text: String,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

/// Writes to its stream, waits, and writes again.
mod writing {
    use super::*;

    #[step(waits(Go), streams(Tick))]
    pub async fn work(ev: Begin, ctx: Context) -> Result<Done> {
        for n in 0..ev.n {
            ctx.write_event_to_stream(Tick { n });
            ctx.write_ephemeral(Tick { n: 1_000 + n });
        }
        ctx.wait_for_event::<Go>().await?;
        ctx.write_event_to_stream(Tick { n: ev.n });
        Ok(done("written"))
    }

    flow!(pub Writing: Begin => Done { work });
}

async fn logged(stream: stepcast::EventStream) -> Vec<(u64, String)> {
    let items = rest(stream).await;
    items.iter().filter_map(|item| Some((item.seq()?, item.event()?.value().to_string()))).collect()
}

#[tokio::test(start_paused = true)]
async fn the_stream_is_read_by_anybody_from_anywhere_at_any_time() {
    let run = writing::Writing.run(Begin { n: 3 });
    settle().await;
    // Visible while the step still runs.
    let mut early = run.stream_events();
    assert_eq!(within(early.next()).await.unwrap().seq(), Some(1));
    let from_now = run.stream_from(StreamStart::Now);
    run.send_event(Go {}).unwrap();
    within(run.result()).await.unwrap();

    let all = logged(run.stream_events()).await;
    let numbers: Vec<u64> = all.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5], "without gaps, the stop event included");
    assert_eq!(logged(run.stream_events()).await, all, "again, after the end");
    assert_eq!(logged(early).await, all[1..]);
    assert_eq!(logged(from_now).await, all[3..]);
    assert_eq!(logged(run.stream_from(StreamStart::After(2))).await, all[2..]);
    assert_eq!(logged(run.events_internal()).await, all, "internal frames take no numbers");
}

#[tokio::test(start_paused = true)]
async fn a_handle_is_read_as_often_as_one_likes() {
    let run = writing::Writing.run(Begin { n: 0 });
    assert!(!run.is_done());
    run.send_event(Go {}).unwrap();
    for _ in 0..2 {
        assert_eq!(within(run.result()).await.unwrap(), done("written"));
        assert_eq!(within(run.outcome()).await.unwrap().get::<Done>().unwrap(), &done("written"));
    }
    assert!(run.is_done());
    let SendError::Ended { event } = run.send_event(Go {}).unwrap_err() else { panic!("taken") };
    assert!(event.is::<Go>(), "what was not taken is given back");

    // A failed and a cancelled one, too: their record is data like any other.
    let failed = ends::Ends.run(Begin { n: 0 });
    for _ in 0..2 {
        assert!(matches!(within(failed.result()).await, Err(RunError::StepFailed { .. })));
        assert!(rest(failed.stream_events()).await.last().unwrap().get::<WorkflowFailedEvent>().is_some());
    }
}

/// Ends in several ways.
mod ends {
    use super::*;

    #[step]
    pub async fn end(ev: Begin, cancel: CancelToken) -> Result<Done> {
        match ev.n {
            0 => Err(StepError::msg("boom")),
            _ => {
                cancel.cancelled().await;
                Ok(done("too late"))
            }
        }
    }

    flow!(pub Ends: Begin => Done { end });
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_says_so() {
    let run = ends::Ends.run(Begin { n: 1 });
    settle().await;
    assert!(!run.is_done());
    run.cancel();
    assert!(matches!(within(run.result()).await, Err(RunError::Cancelled)));
    assert!(run.is_done());
    run.cancel();
    assert!(rest(run.stream_events()).await.last().unwrap().get::<WorkflowCancelledEvent>().is_some());
    assert!(matches!(
        run.send_event(Answer { text: "x".into() }),
        Err(SendError::Undeclared { .. } | SendError::Ended { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn the_dynamic_stop_event_carries_its_result() {
    let def = WorkflowBuilder::new::<Begin, StopEvent>("dynamic")
        .step_fn("end", async |ev: Begin| StopEvent::new(json!({"n": ev.n})))
        .build()
        .unwrap();
    let run = BuiltWorkflow::<Begin, StopEvent>::new(def).unwrap().run(Begin { n: 2 });
    assert_eq!(within(run.result()).await.unwrap().result(), Some(&json!({"n": 2})));
}

#[tokio::test(start_paused = true)]
async fn a_runtime_knows_its_live_runs_by_id() {
    let runtime = Runtime::new();
    let first = runtime.run(writing::Writing, Begin { n: 0 }, RunOptions::new().run_id("a"));
    let second = runtime.run(writing::Writing, Begin { n: 0 }, RunOptions::new().run_id("a"));
    assert!(matches!(within(second.result()).await, Err(RunError::DuplicateRunId { id }) if id == "a"));
    let found = runtime.get(first.run_id()).unwrap();
    found.send_event(Go {}).unwrap();
    assert_eq!(within(first.result()).await.unwrap(), done("written"));
    settle().await;
    assert!(runtime.get(first.run_id()).is_none(), "what has ended is kept by its handles alone");
    // The id is free again.
    let third = runtime.run(writing::Writing, Begin { n: 0 }, RunOptions::new().run_id("a"));
    third.send_event(Go {}).unwrap();
    assert_eq!(within(third.result()).await.unwrap(), done("written"));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_detaches_the_run() {
    let runtime = Runtime::new();
    let id = runtime.run(writing::Writing, Begin { n: 0 }, RunOptions::new()).run_id().clone();
    settle().await;
    let run = runtime.get(&id).expect("it goes on");
    run.send_event(Go {}).unwrap();
    assert_eq!(within(run.outcome()).await.unwrap().get::<Done>().unwrap(), &done("written"));
}

/// Two members race for the end; one hears of it, one tries to go on.
#[derive(Default)]
struct Race {
    told: AtomicUsize,
    refused: AtomicBool,
    dropped: AtomicBool,
}

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[workflow(Begin => Done)]
impl Race {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    #[step(emits(Item))]
    async fn run_one(&self, item: Item, ctx: Context, cancel: CancelToken) -> Result<Option<Done>> {
        match item.n {
            0 | 1 => {
                after(100).await;
                Ok(Some(done(item.n)))
            }
            2 => {
                cancel.cancelled().await;
                self.told.fetch_add(1, Ordering::SeqCst);
                let refused = matches!(ctx.send_event(Item { n: 9 }), Err(EmitError::RunEnded { .. }));
                self.refused.store(refused, Ordering::SeqCst);
                ctx.write_event_to_stream(Tick { n: 9 });
                Ok(Some(done("too late")))
            }
            _ => {
                let _dropped = OnDrop(&self.dropped);
                std::future::pending().await
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_stop_event_wins_and_the_others_are_told() {
    let flow = Arc::new(Race::default());
    let run = Arc::clone(&flow).run(Begin { n: 4 });
    assert_eq!(within(run.result()).await.unwrap(), done(0));
    after(10_000).await;
    assert_eq!(flow.told.load(Ordering::SeqCst), 1);
    assert!(flow.refused.load(Ordering::SeqCst), "a context operation after the end says so");
    assert!(flow.dropped.load(Ordering::SeqCst), "after its grace, what does not listen is dropped");
    let stream = rest(run.stream_events()).await;
    assert_eq!(stream.len(), 1, "one terminal event, and nothing after it: {stream:?}");
}

/// A parent of children that ask people.
mod family {
    use super::*;

    #[step(waits(Answer))]
    pub async fn ask(ev: Begin, ctx: Context) -> Result<Done> {
        let answer = ctx.wait_for_event::<Answer>().announce(Ask {}).await?;
        match answer.text.as_str() {
            "fail" => Err(StepError::msg("as told")),
            text => Ok(done(format!("{} {text}", ev.n))),
        }
    }

    flow!(pub Child: Begin => Done { ask });

    #[step]
    pub async fn call(ev: Begin, ctx: Context) -> Result<Done> {
        match ctx.run_child(Child, ev).await {
            Ok(child) => Ok(done(format!("child: {}", child.text))),
            Err(ChildError::Failed { workflow, error, .. }) => {
                Ok(done(format!("{workflow}: {}", error.exception_message)))
            }
            Err(other) => Err(other.into()),
        }
    }

    flow!(pub Parent: Begin => Done { call });
}

#[tokio::test(start_paused = true)]
async fn a_child_run_is_a_call_that_is_stored_with_its_parent() {
    for (text, expected) in
        [("yes", "child: 5 yes"), ("fail", "Child: The step `ask` failed after 1 attempt(s): as told")]
    {
        let run = family::Parent.run(Begin { n: 5 });
        settle().await;
        let stored = within(run.snapshot()).await.unwrap().to_json().unwrap();
        run.cancel();
        assert!(matches!(within(run.result()).await, Err(RunError::Cancelled)));

        let run = family::Parent.restore(RunSnapshot::from_json(&stored).unwrap()).unwrap();
        settle().await;
        let inputs = within(run.pending_inputs()).await;
        assert_eq!(inputs.len(), 1, "the child's question is seen on its parent, once");
        assert_ne!(&inputs[0].id.run_id, run.run_id());
        within(run.respond(&inputs[0].id, Answer { text: text.into() })).await.unwrap();
        assert_eq!(within(run.result()).await.unwrap(), done(expected));
    }
}

/// A child that hears of its end.
#[derive(Default)]
struct Listening {
    began: AtomicBool,
    told: AtomicBool,
}

#[workflow(Begin => Done)]
impl Listening {
    #[step]
    async fn listen(&self, _ev: Begin, cancel: CancelToken) -> Done {
        self.began.store(true, Ordering::SeqCst);
        cancel.cancelled().await;
        self.told.store(true, Ordering::SeqCst);
        done("too late")
    }
}

struct Calling {
    child: Arc<Listening>,
}

#[workflow(Begin => Done)]
impl Calling {
    #[step]
    async fn call(&self, ev: Begin, ctx: Context) -> Result<Done> {
        Ok(ctx.run_child(Arc::clone(&self.child), ev).await?)
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_run_is_cancelled_with_its_parent() {
    let child = Arc::new(Listening::default());
    let run = Calling { child: Arc::clone(&child) }.run(Begin { n: 0 });
    settle().await;
    assert!(child.began.load(Ordering::SeqCst) && !child.told.load(Ordering::SeqCst));
    run.cancel();
    assert!(matches!(within(run.result()).await, Err(RunError::Cancelled)));
    after(1_000).await;
    assert!(child.told.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_stored_failure_keeps_its_texts() {
    let run = ends::Ends.run(Begin { n: 0 });
    let before = within(run.result()).await.unwrap_err().to_string();
    let text = within(run.snapshot()).await.unwrap().to_json().unwrap();
    let again = ends::Ends.restore(RunSnapshot::from_json(&text).unwrap()).unwrap();
    let Err(RunError::EndedBefore { source }) = within(again.result()).await else { panic!("another end") };
    let stored = source.downcast_ref::<StoredError>().expect("the error itself did not cross");
    assert_eq!(stored.info.exception_message, before);
    assert_eq!(stored.info.causes, ["boom"]);
}
