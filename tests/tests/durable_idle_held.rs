//! A run that rests leaves memory also while somebody holds a handle of it, and whatever the handle is asked brings it
//! back.

#![allow(clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use stepcast::backend::{Holder, RunStatus};
use stepcast::prelude::*;
use stepcast::{EventStream, RunError, Runtime, StreamItem};
use support::stores::Store;
use support::within;

#[event(start)]
struct Begin {
    /// Milliseconds after which the wait gives up.
    patience: u64,
    text: String,
}

#[event(external)]
struct Go {
    n: u32,
}

#[event]
struct Note {
    text: String,
}

#[event(stop)]
struct Done {
    n: u32,
}

#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, State)]
struct Tally {
    begun: u32,
}

#[derive(Clone, Default)]
struct Waits {
    begun: Arc<AtomicU32>,
    let_go: Arc<AtomicU32>,
    /// Nobody lets go of the step while this is set.
    clings: Arc<AtomicBool>,
    /// Shows a frame in passing before it waits.
    passing: bool,
}

struct Noticed(Waits);

impl Drop for Noticed {
    fn drop(&mut self) {
        self.0.let_go.fetch_add(1, Ordering::SeqCst);
        if self.0.clings.load(Ordering::SeqCst) {
            tokio::task::block_in_place(|| {
                while self.0.clings.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            });
        }
    }
}

#[workflow(Begin => Done)]
impl Waits {
    #[step(waits(Go), streams(Note))]
    async fn wait(&self, ev: Begin, ctx: Context, tally: State<Tally>) -> Result<Done> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let _noticed = Noticed(self.clone());
        tally.edit(|tally| tally.begun += 1).await?;
        ctx.write_event_to_stream(Note { text: "before".to_owned() });
        if self.passing {
            ctx.write_ephemeral(Note { text: "passing".to_owned() });
        }
        let go = ctx.wait_for_event::<Go>().timeout(Duration::from_millis(ev.patience)).await;
        ctx.write_event_to_stream(Note { text: "after".to_owned() });
        // The edit is not done again, however often the execution is repeated.
        Ok(Done { n: go.map_or(0, |go| go.n) + 100 * tally.get().begun + ev.text.len() as u32 })
    }
}

const LONG: u64 = 3_600_000;

/// A run that has left memory, with its handle.
async fn away(store: &Store, patience: u64, text: &str) -> (Runtime, Run<Done>, Waits) {
    let flow = Waits::default();
    let runtime = Runtime::on(store.open()).with_idle(Duration::from_millis(2));
    runtime.register(flow.clone()).expect("it is registered");
    let run = runtime.run(flow.clone(), Begin { patience, text: text.to_owned() }, RunOptions::new().run_id("held"));
    left(&flow, 1).await;
    is_away(&run).await;
    (runtime, run, flow)
}

/// A run lets go of its step, and then of itself.
async fn is_away(run: &Run<Done>) {
    within(async {
        // Its deadline may be there first.
        while !run.is_waiting() && !run.is_done() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The step was let go of so many times.
async fn left(flow: &Waits, times: u32) {
    within(async {
        while flow.let_go.load(Ordering::SeqCst) < times {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn holder(runtime: &Runtime, run: &Run<Done>) -> Holder {
    runtime.find_run(run.run_id()).await.expect("it is read").expect("it is there").holder
}

#[test]
fn an_event_to_its_handle_brings_it_back() {
    for store in Store::all() {
        store.process(async {
            let (runtime, run, flow) = away(&store, LONG, "").await;
            assert_eq!(holder(&runtime, &run).await, Holder::Me, "{}: nobody else may have it", store.name());
            assert_eq!(run.state::<Tally>().expect("a state").begun, 1, "what a handle shows is there");
            run.send_event(Go { n: 7 }).expect("it is sent");
            assert_eq!(within(run.result()).await.expect("it ends").n, 107, "{}", store.name());
            assert_eq!(flow.begun.load(Ordering::SeqCst), 2, "it was repeated up to its wait");
        });
    }
}

#[test]
fn whatever_asks_brings_it_back_and_it_leaves_again() {
    for store in Store::all() {
        store.process(async {
            let (runtime, run, flow) = away(&store, LONG, "").await;
            assert!(within(run.pending_inputs()).await.is_empty());
            left(&flow, 2).await;
            within(run.snapshot()).await.expect("it is taken");
            left(&flow, 3).await;
            runtime.send_event(run.run_id(), Go { n: 3 }).await.expect("it is sent");
            assert_eq!(within(run.result()).await.expect("it ends").n, 103, "{}", store.name());
            let record = runtime.find_run(run.run_id()).await.expect("it is read").expect("it is there");
            assert_eq!(record.status, RunStatus::Completed, "{}", store.name());
        });
    }
}

#[test]
fn one_that_is_about_to_leave_is_not_called_back_to_leave() {
    for store in Store::all() {
        store.process(async {
            let runtime = Runtime::on(store.open()).with_idle(Duration::from_millis(2));
            let flow = Waits::default();
            flow.clings.store(true, Ordering::SeqCst);
            let begin = || Begin { patience: LONG, text: String::new() };
            let run = runtime.run(flow.clone(), begin(), RunOptions::new().run_id("slow"));
            left(&flow, 1).await;
            // Runs that rest are looked for again and again while it lets go of its step: these leave in turn.
            for other in ["one", "two", "three"] {
                let flow = Waits::default();
                let _other = runtime.run(flow.clone(), begin(), RunOptions::new().run_id(other));
                left(&flow, 1).await;
            }
            flow.clings.store(false, Ordering::SeqCst);
            is_away(&run).await;
            assert_eq!(flow.begun.load(Ordering::SeqCst), 1, "{}: it began anew, only to leave", store.name());
            run.send_event(Go { n: 7 }).expect("it is sent");
            assert_eq!(within(run.result()).await.expect("it ends").n, 107, "{}", store.name());
        });
    }
}

#[test]
fn its_deadline_brings_it_back() {
    for store in Store::all() {
        store.process(async {
            let (_runtime, run, _) = away(&store, 60, "").await;
            assert_eq!(within(run.result()).await.expect("it ends").n, 100, "{}", store.name());
        });
    }
}

#[test]
fn one_with_a_long_journal_leaves_with_a_checkpoint() {
    for store in Store::all() {
        store.process(async {
            let (_runtime, run, flow) = away(&store, LONG, &"x".repeat(10_000)).await;
            run.send_event(Go { n: 7 }).expect("it is sent");
            assert_eq!(within(run.result()).await.expect("it ends").n, 10_107, "{}", store.name());
            assert_eq!(flow.begun.load(Ordering::SeqCst), 2, "{}", store.name());
        });
    }
}

/// The events of a stream up to its end, with their numbers.
async fn read(mut stream: EventStream) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    while let Some(item) = within(stream.next()).await {
        let StreamItem::Event(item) = item else { panic!("{item:?}") };
        all.push((item.seq, item.event.get::<Note>().map_or_else(String::new, |note| note.text.clone())));
    }
    all
}

#[test]
fn who_reads_its_stream_loses_nothing_and_sees_nothing_twice() {
    for store in Store::all() {
        store.process(async {
            let flow = Waits::default();
            let runtime = Runtime::on(store.open()).with_idle(Duration::from_millis(2));
            runtime.register(flow.clone()).expect("it is registered");
            let begin = Begin { patience: LONG, text: String::new() };
            let run = runtime.run(flow.clone(), begin, RunOptions::new().run_id("held"));
            let reader = run.stream_events();
            let mut live = tokio::spawn(read(reader));
            left(&flow, 1).await;
            // It comes back and leaves again, still with its reader.
            assert!(within(run.pending_inputs()).await.is_empty());
            left(&flow, 2).await;
            assert!(!live.is_finished(), "{}", store.name());
            run.send_event(Go { n: 7 }).expect("it is sent");
            let seen = within(&mut live).await.expect("it reads");
            let expected = [(1, "before".to_owned()), (2, "after".to_owned()), (3, String::new())];
            assert_eq!(seen, expected, "{}", store.name());
            assert_eq!(read(run.stream_events()).await, expected, "{}: as anybody sees it afterwards", store.name());
        });
    }
}

#[test]
fn one_whose_reader_would_see_frames_again_stays() {
    for store in Store::all() {
        store.process(async {
            let (within_run, passing) = (Waits::default(), Waits { passing: true, ..Waits::default() });
            let runtime = Runtime::on(store.open()).with_idle(Duration::from_millis(2));
            runtime.register(Waits::default()).expect("it is registered");
            let begin = || Begin { patience: LONG, text: String::new() };
            let run = |flow: &Waits, id: &str| runtime.run(flow.clone(), begin(), RunOptions::new().run_id(id));
            let (one, other) = (run(&within_run, "within"), run(&passing, "passing"));
            let (internal, plain) = (one.events_internal(), other.stream_events());
            // Others leave meanwhile, one after the other, so there was time for these.
            for id in ["first", "second"] {
                let flow = Waits::default();
                let _held = run(&flow, id);
                left(&flow, 1).await;
            }
            let stayed = [&within_run, &passing].map(|flow| flow.let_go.load(Ordering::SeqCst));
            assert_eq!(stayed, [0, 0], "{}", store.name());
            drop((internal, plain));
            left(&within_run, 1).await;
            left(&passing, 1).await;
        });
    }
}

#[test]
fn cancelling_it_ends_it() {
    for store in Store::all() {
        store.process(async {
            let (runtime, run, _) = away(&store, LONG, "").await;
            run.cancel();
            let error = within(run.result()).await.expect_err("it ends");
            assert!(matches!(error, RunError::Cancelled), "{}: {error:?}", store.name());
            let record = runtime.find_run(run.run_id()).await.expect("it is read").expect("it is there");
            assert_eq!(record.status, RunStatus::Cancelled, "{}", store.name());
        });
    }
}

#[test]
fn its_lease_goes_with_its_last_handle() {
    for store in Store::all() {
        store.process(async {
            let (runtime, run, flow) = away(&store, LONG, "").await;
            let id = run.run_id().clone();
            drop(run);
            within(async {
                while runtime.get(&id).is_some()
                    || runtime.find_run(&id).await.expect("it is read").expect("it is there").holder != Holder::Nobody
                {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            assert_eq!(flow.begun.load(Ordering::SeqCst), 1, "{}: it was not brought back for that", store.name());
            runtime.send_event(&id, Go { n: 1 }).await.expect("it is sent");
            let run = runtime.attach(&id).await.expect("it goes on");
            let done = within(run.outcome()).await.expect("it ends");
            assert_eq!(done.get::<Done>().expect("the stop event").n, 101, "{}", store.name());
        });
    }
}

#[test]
fn a_runtime_that_ends_leaves_it_to_others() {
    for store in Store::all() {
        store.process(async {
            let (runtime, run, _) = away(&store, LONG, "").await;
            runtime.shutdown(Duration::from_secs(5)).await;
            let error = within(run.result()).await.expect_err("it stops");
            assert!(matches!(error, RunError::ShuttingDown), "{}: {error:?}", store.name());
            let other = Runtime::on(store.open());
            other.register(Waits::default()).expect("it is registered");
            let run = other.attach(run.run_id()).await.expect("it goes on");
            run.send_event(Go { n: 2 }).expect("it is sent");
            let done = within(run.outcome()).await.expect("it ends");
            assert_eq!(done.get::<Done>().expect("the stop event").n, 102, "{}", store.name());
        });
    }
}
