//! A run survives its process: what was acknowledged is there, what was finished does not run again.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use stepcast::backend::RunStatus;
use stepcast::prelude::*;
use stepcast::{RunId, Runtime};
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

#[event(external)]
struct Go {
    by: u32,
}

#[event]
struct Note {
    text: String,
}

#[event(stop)]
struct Done {
    n: u32,
}

#[derive(Default)]
struct Counts {
    first: AtomicU32,
    second: AtomicU32,
}

struct Chain(Arc<Counts>);

#[workflow(Begin => Done)]
impl Chain {
    #[step]
    async fn first(&self, ev: Begin, ctx: Context) -> First {
        self.0.first.fetch_add(1, Ordering::SeqCst);
        ctx.write_event_to_stream(Note { text: "first".into() });
        First { n: ev.n + 1 }
    }

    #[step(waits(Go))]
    async fn second(&self, ev: First, ctx: Context) -> Result<Done> {
        self.0.second.fetch_add(1, Ordering::SeqCst);
        ctx.write_event_to_stream(Note { text: "second".into() });
        let go = ctx.wait_for_event::<Go>().await?;
        Ok(Done { n: ev.n + go.by })
    }
}

async fn events_of(runtime: &Runtime, id: &RunId) -> Vec<String> {
    let rows = runtime.stored_events(id, 0, 100).await.expect("they are read");
    assert!(rows.iter().zip(1..).all(|(row, seq)| row.seq == seq), "{rows:?}");
    rows.into_iter().map(|row| row.tag).collect()
}

#[test]
fn finished_steps_do_not_run_again_and_waits_go_on() {
    for store in Store::all() {
        let counts = Arc::<Counts>::default();
        let id = RunId::from("chain-1");
        store.process(async {
            let runtime = Runtime::on(store.open());
            let run = runtime.run(Chain(counts.clone()), Begin { n: 1 }, RunOptions::new().run_id("chain-1"));
            run.recorded().await.expect("it is recorded");
            let mut events = run.stream_events();
            for text in ["first", "second"] {
                let item = within(events.next()).await.expect("an event");
                assert_eq!(item.get::<Note>().expect("a note").text, text, "{}", store.name());
            }
            // The wait is durable once the store says so.
            loop {
                let record = runtime.find_run(&id).await.expect("it is read").expect("it is there");
                if record.status == RunStatus::Waiting {
                    break;
                }
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(counts.first.load(Ordering::SeqCst), 1);
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Chain(counts.clone())).expect("it is registered");
            runtime.send_event(&id, Go { by: 40 }).await.expect("it is sent");
            let run = runtime.attach(&id).await.expect("it is there");
            let done = within(run.outcome()).await.expect("it ends");
            assert_eq!(done.get::<Done>().expect("the stop event").n, 42, "{}", store.name());
            assert_eq!(events_of(&runtime, &id).await, ["Note", "Note", "Done"], "{}", store.name());
            let record = runtime.find_run(&id).await.expect("it is read").expect("it is there");
            assert_eq!(record.status, RunStatus::Completed);
        });
        assert_eq!(counts.first.load(Ordering::SeqCst), 1, "{}", store.name());
        assert_eq!(counts.second.load(Ordering::SeqCst), 2, "the waiting step is repeated up to its wait");
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Chain(counts.clone())).expect("it is registered");
            let run = runtime.attach(&id).await.expect("it is there");
            assert!(run.is_done());
            let done = within(run.outcome()).await.expect("it has ended");
            assert_eq!(done.get::<Done>().expect("the stop event").n, 42);
        });
    }
}
