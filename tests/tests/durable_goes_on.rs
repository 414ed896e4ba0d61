//! A run whose writes failed goes on by itself once the store takes writes again; one that its dispatcher can bring no
//! further ends, and its end is on record.

#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "support/fuse.rs"]
mod fuse_events;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fuse_events::{Begin, Done, Fuse, begin, done, fuse};
use serde_json::json;
use stepcast::backend::{Backend, Batch, Holder, RunRecord, RunStatus, WriteError};
use stepcast::prelude::*;
use stepcast::{RunError, RunId, Runtime};
use support::failing::Failing;
use support::stores::Store;
use support::within;

const RUN: &str = "run";

#[event]
struct Half {
    text: String,
}

#[derive(Default)]
struct Chain {
    begun: Arc<AtomicU32>,
}

#[workflow(Begin => Done)]
impl Chain {
    #[step]
    async fn first(&self, ev: Begin) -> Half {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Half { text: ev.how.clone() }
    }

    #[step]
    async fn second(&self, half: Half) -> Done {
        done(half.text)
    }
}

async fn ended(runtime: &Runtime, run: &RunId) -> RunRecord {
    within(async {
        loop {
            match runtime.find_run(run).await.expect("it is read") {
                Some(record) if record.status.is_end() => return record,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

/// A run that has stopped because its third write failed, and the first try to give it back failed too.
async fn stopped(failing: &Failing, runtime: &Runtime, flow: Chain) {
    let run = runtime.run(flow, begin("well"), RunOptions::new().run_id(RUN));
    let error = within(run.result()).await.expect_err("it stops");
    assert!(matches!(error, RunError::Storage { .. }), "{error:?}");
    let seen = failing.failed.load(Ordering::SeqCst);
    within(async {
        while failing.failed.load(Ordering::SeqCst) < seen + 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let record = runtime.find_run(&RunId::from(RUN)).await.expect("it is read").expect("it is there");
    assert_eq!((record.status, record.holder), (RunStatus::Running, Holder::Me));
}

#[test]
fn a_run_that_could_not_be_written_goes_on_by_itself_where_its_workflow_is_registered() {
    for store in Store::all() {
        store.process(async {
            let failing = Failing::after(store.open(), 2);
            let runtime = Runtime::on(Arc::clone(&failing) as Arc<dyn Backend>);
            let flow = Chain::default();
            let begun = Arc::clone(&flow.begun);
            runtime.register(Chain { begun: Arc::clone(&begun) }).expect("it is registered");
            stopped(&failing, &runtime, flow).await;
            failing.heal();
            let record = ended(&runtime, &RunId::from(RUN)).await;
            assert_eq!(record.status, RunStatus::Completed, "{}", store.name());
            assert_eq!(begun.load(Ordering::SeqCst), 1, "what was recorded is not done again");
        });
    }
}

#[test]
fn a_run_that_could_not_be_written_goes_on_elsewhere() {
    for store in Store::all() {
        store.process(async {
            let other = Runtime::on(store.open());
            other.register(Chain::default()).expect("it is registered");
            let failing = Failing::after(store.open(), 2);
            let runtime = Runtime::on(Arc::clone(&failing) as Arc<dyn Backend>).only_attached();
            stopped(&failing, &runtime, Chain::default()).await;
            failing.heal();
            assert_eq!(ended(&other, &RunId::from(RUN)).await.status, RunStatus::Completed, "{}", store.name());
        });
    }
}

/// Leaves out a number, as a fault of the runtime itself would.
fn leave_out(batch: &mut Batch) {
    batch.rows.iter_mut().for_each(|row| row.n += 1);
}

#[test]
fn a_run_whose_batch_the_store_found_wrong_goes_on_from_what_is_stored() {
    for store in Store::all() {
        for elsewhere in [false, true] {
            store.process(async {
                let id = RunId::from(format!("run-{elsewhere}").as_str());
                let failing = Failing::once_spoilt(store.open(), 1, leave_out);
                let runtime = Runtime::on(failing as Arc<dyn Backend>);
                // Nobody asks for the run: whoever has its workflow takes it up.
                let taker = if elsewhere { Runtime::on(store.open()) } else { runtime.clone() };
                taker.register(Chain::default()).expect("it is registered");
                let run = runtime.run(Chain::default(), begin("well"), RunOptions::new().run_id(id.as_str()));
                let error = within(run.result()).await.expect_err("it stops");
                assert!(error.to_string().contains("next journal row"), "{error}");
                let record = ended(&taker, &id).await;
                assert_eq!(record.status, RunStatus::Completed, "{} {elsewhere}", store.name());
            });
        }
    }
}

#[test]
fn a_batch_that_can_never_be_written_is_the_runs_recorded_end() {
    for store in Store::all() {
        store.process(async {
            let failing = Failing::with(store.open(), 1, RUN, |batch| WriteError::TooLarge {
                run: Arc::clone(&batch.run),
                bytes: 2_000_000_000,
                limit: 1_000_000_000,
            });
            failing.most.store(1, Ordering::SeqCst);
            let runtime = Runtime::on(failing as Arc<dyn Backend>);
            let run = runtime.run(Chain::default(), begin("well"), RunOptions::new().run_id(RUN));
            let error = within(run.result()).await.expect_err("it ends");
            assert!(matches!(error, RunError::NotKept { .. }), "{error:?}");
            assert!(error.to_string().contains("2000000000 bytes"), "{error}");
            let record = ended(&runtime, &RunId::from(RUN)).await;
            assert_eq!(record.status, RunStatus::Failed, "{}", store.name());
            assert!(record.error.expect("an error").contains("2000000000 bytes"));
        });
    }
}

#[event]
struct Charge {
    fuse: Fuse,
}

/// Two steps take the charge, which is copied for them.
struct Forks;

#[workflow(Begin => Done)]
impl Forks {
    #[step]
    async fn begin(&self, ev: Begin) -> Charge {
        Charge { fuse: fuse(&ev.how) }
    }

    #[step]
    async fn one(&self, charge: Charge) {
        let _ = charge;
    }

    #[step]
    async fn two(&self, charge: Charge) -> Option<Done> {
        let _ = charge;
        Some(done("well"))
    }
}

#[test]
fn an_event_that_breaks_the_dispatcher_is_the_runs_recorded_end() {
    for store in Store::all() {
        let message = "the drop panicked";
        let runtime = || {
            let runtime = Runtime::on(store.open());
            runtime.register(Forks).expect("it is registered");
            runtime
        };
        store.process(async {
            let runtime = runtime();
            let run = runtime.start("Forks", json!({ "how": "drop" }), RunOptions::new().run_id(RUN)).unwrap();
            let error = within(run.outcome()).await.map(drop).expect_err("it ends");
            assert!(matches!(&error, RunError::EventPanicked { message: found } if found == message), "{error:?}");
            let record = runtime.find_run(&RunId::from(RUN)).await.unwrap().expect("it is there");
            assert_eq!((record.status, record.holder), (RunStatus::Failed, Holder::Nobody), "{}", store.name());
            assert!(record.error.expect("an error").contains(message));
            let stream = runtime.stored_events(&RunId::from(RUN), 0, 10).await.unwrap();
            let tags: Vec<&str> = stream.iter().map(|row| row.tag.as_str()).collect();
            assert_eq!(tags, ["WorkflowFailedEvent"], "{}", store.name());
        });
        // Another process has nothing to go on with, and tells the same.
        store.process(async {
            let run = runtime().attach(&RunId::from(RUN)).await.expect("it has ended");
            let error = within(run.outcome()).await.map(drop).expect_err("it has failed");
            assert!(error.to_string().contains(message), "{error}");
        });
    }
}
