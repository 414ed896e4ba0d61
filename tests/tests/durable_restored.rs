//! A run taken up from a snapshot by a runtime with a backend is kept from there on.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use stepcast::backend::{InputFilter, RunStatus};
use stepcast::prelude::*;
use stepcast::{RestoreRunError, RunError, RunId, RunSnapshot, Runtime, RuntimeError};
use support::stores::Store;
use support::within;

#[event(start)]
struct Begin {
    n: u32,
}

#[event]
struct First {
    n: u32,
}

#[event(input_required)]
struct Ask {
    prompt: String,
}

#[event(human_response)]
struct Reply {
    by: u32,
}

#[event]
struct Note {
    n: u32,
}

#[event(stop)]
struct Done {
    n: u32,
}

#[derive(Default)]
struct Seen {
    calls: AtomicU32,
    asks: AtomicU32,
}

struct Flow(Arc<Seen>);

#[workflow(Begin => Done)]
impl Flow {
    #[step]
    async fn first(&self, ev: Begin, ctx: Context) -> Result<First> {
        ctx.store().set("kept", 30).await?;
        ctx.write_event_to_stream(Note { n: ev.n });
        Ok(First { n: ev.n + 1 })
    }

    #[step(waits(Reply))]
    async fn second(&self, ev: First, ctx: Context) -> Result<Done> {
        let seen = &self.0;
        let called: u32 =
            ctx.call("once", || async { Ok::<_, StepError>(seen.calls.fetch_add(1, Ordering::SeqCst)) }).await?;
        seen.asks.fetch_add(1, Ordering::SeqCst);
        let ask = Ask { prompt: "How many?".into() };
        let reply = ctx.wait_for_event::<Reply>().announce(ask).await?;
        let kept: u32 = ctx.store().get("kept").await?.unwrap_or(0);
        Ok(Done { n: ev.n + called + reply.by + kept })
    }
}

/// A parent whose child waits.
struct Parent(Arc<Seen>);

#[workflow(Begin => Done)]
impl Parent {
    #[step]
    async fn only(&self, ev: Begin, ctx: Context) -> Result<Done> {
        Ok(ctx.run_child(Flow(Arc::clone(&self.0)), ev).await?)
    }
}

fn id() -> RunId {
    RunId::from("restored-1")
}

/// A run in memory that asks somebody, as data.
async fn snapshot(seen: &Arc<Seen>) -> RunSnapshot {
    let run = Flow(Arc::clone(seen)).run_with(Begin { n: 1 }, RunOptions::new().run_id(id().as_str()));
    within(async {
        while run.pending_inputs().await.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let text = run.snapshot().await.expect("it is taken").to_json().expect("it serializes");
    run.cancel();
    RunSnapshot::from_json(&text).expect("it is read")
}

async fn until(runtime: &Runtime, status: RunStatus) {
    within(async {
        while runtime.find_run(&id()).await.expect("it is read").is_none_or(|record| record.status != status) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[test]
fn a_run_from_a_snapshot_survives_its_process() {
    for store in Store::all() {
        let seen = Arc::<Seen>::default();
        store.process(async {
            let data = snapshot(&seen).await;
            let runtime = Runtime::on(store.open());
            runtime.register(Flow(Arc::clone(&seen))).expect("it is registered");
            let run = runtime.restore(data.clone(), RunOptions::default()).expect("it is taken up");
            run.recorded().await.expect("it is recorded");
            assert_eq!(*run.run_id(), id());
            // The store has it now: it cannot be taken up once more.
            until(&runtime, RunStatus::Waiting).await;
            let other = Runtime::on(store.open());
            other.register(Flow(Arc::clone(&seen))).expect("it is registered");
            let again = other.restore(data, RunOptions::default()).expect("the snapshot fits");
            let error = within(again.outcome()).await.expect_err("the run is there");
            assert!(matches!(error, RunError::DuplicateRunId { .. }), "{error}");
        });
        // What was asked is a record, and what was done is not done again.
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Flow(Arc::clone(&seen))).expect("it is registered");
            let inputs = runtime.list_inputs(InputFilter::default(), None, 10).await.expect("they are read");
            let [input] = &inputs[..] else { panic!("{inputs:?}") };
            assert_eq!(input.asked.prompt.as_deref(), Some("How many?"));
            runtime.answer_input(&id(), input.asked.input, json!({ "by": 5 }), None).await.expect("it is recorded");
            let run = runtime.attach(&id()).await.expect("it is there");
            let done = within(run.outcome()).await.expect("it ends");
            assert_eq!(done.get::<Done>().expect("the stop event").n, 37, "{}", store.name());
            let rows = runtime.stored_events(&id(), 0, 10).await.expect("they are read");
            let rows: Vec<_> = rows.iter().map(|row| (row.seq, row.tag.as_str())).collect();
            assert_eq!(rows, [(1, "Done")], "the stream begins anew: {}", store.name());
        });
        assert_eq!(seen.calls.load(Ordering::SeqCst), 1, "{}", store.name());
        assert_eq!(seen.asks.load(Ordering::SeqCst), 3, "the step is repeated up to its wait");
    }
}

#[test]
fn a_snapshot_with_children_is_refused() {
    for store in Store::all() {
        let seen = Arc::<Seen>::default();
        store.process(async {
            let run = Parent(Arc::clone(&seen)).run_with(Begin { n: 1 }, RunOptions::new().run_id(id().as_str()));
            within(async {
                while seen.asks.load(Ordering::SeqCst) == 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            let data = run.snapshot().await.expect("it is taken");
            run.cancel();
            let runtime = Runtime::on(store.open());
            runtime.register(Parent(seen)).expect("it is registered");
            let error = runtime.restore(data, RunOptions::default()).expect_err("it has a child");
            let RuntimeError::Restore(RestoreRunError::Children { run, children }) = &error else { panic!("{error}") };
            assert_eq!((run, children.len()), (&id(), 1), "{error}");
            assert!(runtime.find_run(&id()).await.expect("it is read").is_none());
        });
    }
}

#[test]
fn a_run_that_had_ended_is_shown_but_not_kept() {
    for store in Store::all() {
        store.process(async {
            let run = Ends.run_with(Begin { n: 4 }, RunOptions::new().run_id(id().as_str()));
            let _ = within(run.outcome()).await;
            let data = run.snapshot().await.expect("it is taken");
            let runtime = Runtime::on(store.open());
            runtime.register(Ends).expect("it is registered");
            let run = runtime.restore(data, RunOptions::default()).expect("it is taken up");
            let done = within(run.outcome()).await.expect("it had ended");
            assert_eq!(done.get::<Done>().expect("the stop event").n, 4);
            assert!(runtime.find_run(&id()).await.expect("it is read").is_none(), "{}", store.name());
        });
    }
}

struct Ends;

#[workflow(Begin => Done)]
impl Ends {
    #[step]
    async fn only(&self, ev: Begin) -> Done {
        Done { n: ev.n }
    }
}
