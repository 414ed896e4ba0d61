//! A write that fails stops the run with an error; nothing is shown that is not kept, and nothing is lost that was. What
//! can never be written is a typed error.

#![allow(clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Serialize, Serializer};
use serde_json::json;
use stepcast::backend::{Backend, RunStatus};
use stepcast::prelude::*;
use stepcast::{RunError, RunId, Runtime};
use support::failing::Failing;
use support::stores::Store;
use support::within;

#[event(start)]
struct Begin {
    n: u32,
}

#[event]
struct Half {
    n: u32,
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
struct Chain {
    begun: Arc<AtomicU32>,
}

#[workflow(Begin => Done)]
impl Chain {
    #[step]
    async fn first(&self, ev: Begin, ctx: Context) -> Half {
        self.begun.fetch_add(1, Ordering::SeqCst);
        ctx.write_event_to_stream(Note { n: 1 });
        Half { n: ev.n }
    }

    #[step]
    async fn second(&self, ev: Half, ctx: Context) -> Done {
        self.begun.fetch_add(100, Ordering::SeqCst);
        ctx.write_event_to_stream(Note { n: 2 });
        Done { n: ev.n + 1 }
    }
}

#[test]
fn a_failing_write_stops_the_run_and_another_process_goes_on() {
    for store in Store::all() {
        // However early the disk fails, the run is gone or goes on from what was kept.
        for writes in 0..3 {
            let id = format!("run-{writes}");
            let flow = Chain::default();
            let begun = Arc::clone(&flow.begun);
            let seen = store.process(async {
                let failing: Arc<dyn Backend> = Failing::after(store.open(), writes);
                let runtime = Runtime::on(failing);
                let run = runtime.run(flow, Begin { n: 1 }, RunOptions::new().run_id(id.as_str()));
                let mut stream = run.stream_events();
                let recorded = run.recorded().await;
                assert_eq!(recorded.is_ok(), writes > 0, "{recorded:?}");
                let error = within(run.result()).await.expect_err("it stops");
                let RunError::Storage { .. } = error else { panic!("{error:?}") };
                assert!(error.to_string().contains("the disk is on fire"), "{error}");
                let mut seen = 0;
                while let Some(item) = within(stream.next()).await {
                    seen += u32::from(item.get::<Note>().is_some());
                }
                seen
            });
            // What was shown was kept: one note for each report that was written.
            assert_eq!(u64::from(seen), writes.saturating_sub(1), "{} {writes}", store.name());
            store.process(async {
                let runtime = Runtime::on(store.open());
                runtime.register(Chain { begun: Arc::clone(&begun) }).expect("it is registered");
                let id = RunId::from(id.as_str());
                if writes == 0 {
                    assert_eq!(runtime.find_run(&id).await.expect("it is read"), None);
                    return;
                }
                let run = runtime.attach(&id).await.expect("it goes on");
                let done = within(run.outcome()).await.expect("it ends");
                assert_eq!(done.get::<Done>().expect("the stop event").n, 2);
                let tags: Vec<_> = runtime.stored_events(&id, 0, 10).await.expect("they are read");
                let tags: Vec<_> = tags.into_iter().map(|row| row.tag).collect();
                assert_eq!(tags, ["Note", "Note", "Done"], "{} {writes}", store.name());
                // The first step ran again only if its report had not been kept.
                let first = begun.load(Ordering::SeqCst) % 100;
                assert_eq!(first, if writes == 1 { 2 } else { 1 }, "{} {writes}", store.name());
            });
        }
    }
}

/// An event that cannot be written.
#[event]
struct Odd {
    #[serde(serialize_with = "refuse")]
    n: u32,
}

fn refuse<S: Serializer>(_: &u32, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom("it is too odd"))
}

#[derive(Default)]
struct GivesOdd;

#[workflow(Begin => Done)]
impl GivesOdd {
    #[step]
    async fn first(&self, ev: Begin) -> Odd {
        Odd { n: ev.n }
    }

    #[step]
    async fn second(&self, ev: Odd) -> Done {
        Done { n: ev.n }
    }
}

#[derive(Clone, Debug, Default, serde::Deserialize, State)]
struct OddState {
    n: u32,
}

impl Serialize for OddState {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("the state is too odd"))
    }
}

#[derive(Default)]
struct EditsOdd;

#[workflow(Begin => Done)]
impl EditsOdd {
    #[step]
    async fn first(&self, ev: Begin, state: State<OddState>) -> Result<Done> {
        state.edit(|state| state.n += 1).await?;
        Ok(Done { n: ev.n })
    }
}

#[test]
fn what_cannot_be_written_is_the_runs_error_and_recorded() {
    for store in Store::all() {
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(GivesOdd).expect("it is registered");
            runtime.register(EditsOdd).expect("it is registered");
            let run = runtime.start("GivesOdd", json!({"n": 1}), RunOptions::new()).expect("it starts");
            let error = within(run.outcome()).await.expect_err("the step fails");
            let RunError::StepFailed { step, .. } = &error else { panic!("{error:?}") };
            assert_eq!(step, "first");
            assert!(error.to_string().contains("it is too odd"), "{error}");
            let record = runtime.find_run(run.run_id()).await.expect("it is read").expect("it is there");
            assert_eq!(record.status, RunStatus::Failed, "{}", store.name());
            assert!(record.error.expect("an error").contains("it is too odd"));

            let run = runtime.start("EditsOdd", json!({"n": 1}), RunOptions::new()).expect("it starts");
            let error = within(run.outcome()).await.expect_err("it cannot be kept");
            assert!(matches!(error, RunError::NotKept { .. }), "{error:?}");
            assert!(error.to_string().contains("the state is too odd"), "{error}");
            let record = runtime.find_run(run.run_id()).await.expect("it is read").expect("it is there");
            assert_eq!(record.status, RunStatus::Failed, "{}", store.name());
        });
    }
}

#[test]
fn an_id_that_is_taken_is_an_error_and_the_first_run_unharmed() {
    for store in Store::all() {
        store.process(async {
            let runtime = Runtime::on(store.open());
            let first = runtime.run(Chain::default(), Begin { n: 1 }, RunOptions::new().run_id("a/../b"));
            within(first.result()).await.expect("it ends");
            let second = runtime.run(Chain::default(), Begin { n: 5 }, RunOptions::new().run_id("a/../b"));
            let error = within(second.result()).await.expect_err("the id is taken");
            assert!(matches!(error, RunError::DuplicateRunId { .. }), "{error:?}");
            let record = runtime.find_run(&RunId::from("a/../b")).await.expect("it is read").expect("it is there");
            assert_eq!(record.result.as_deref(), Some(r#"{"n":2}"#), "{}", store.name());
        });
    }
}

#[test]
fn large_and_deep_data_is_kept_or_refused_in_one_piece() {
    for store in Store::all() {
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Large).expect("it is registered");
            let text = "x".repeat(10 * 1024 * 1024);
            let run = runtime.start("Large", json!({"data": text}), RunOptions::new()).expect("it starts");
            let stop = within(run.outcome()).await.expect("it ends");
            assert_eq!(stop.get::<Len>().expect("the stop event").n, text.len(), "{}", store.name());

            let mut deep = json!(null);
            for _ in 0..1_000 {
                deep = json!([deep]);
            }
            let run = runtime.start("Large", json!({"data": deep}), RunOptions::new());
            let error = run.map(drop).expect_err("it is refused").to_string();
            assert!(error.contains("deep"), "{error}");
        });
    }
}

#[event(start)]
struct Blob {
    data: serde_json::Value,
}

#[event(stop)]
struct Len {
    n: usize,
}

#[derive(Default)]
struct Large;

#[workflow(Blob => Len)]
impl Large {
    #[step]
    async fn measure(&self, ev: Blob) -> Len {
        Len { n: ev.data.as_str().map_or(0, str::len) }
    }
}
