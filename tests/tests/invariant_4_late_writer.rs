//! A former holder that writes late changes nothing: its batch is refused as a whole, nobody sees anything of it, and the
//! run goes on where it is held now.

#![allow(clippy::expect_used)]

mod support;

use std::sync::Arc;

use serde_json::json;
use stepcast::backend::{Backend, WriteError};
use stepcast::prelude::*;
use stepcast::{RunError, RunId, Runtime};
use support::stores::Store;
use support::within;
use tokio::sync::{Notify, Semaphore};

#[event(start)]
struct Begin {}

#[event]
struct Note {
    who: String,
}

#[event(stop)]
struct Done {
    who: String,
}

/// Stops on its way until it is let go, and says who has come through.
#[derive(Clone)]
struct Gated {
    who: &'static str,
    began: Arc<Notify>,
    gate: Arc<Semaphore>,
}

#[workflow(Begin => Done)]
impl Gated {
    #[step]
    async fn pass(&self, _ev: Begin, ctx: Context) -> Result<Done> {
        self.began.notify_one();
        let open = self.gate.acquire().await;
        drop(open.map_err(StepError::from)?);
        ctx.write_event_to_stream(Note { who: self.who.into() });
        Ok(Done { who: self.who.into() })
    }
}

/// A process with its copy of the workflow.
struct Process {
    runtime: Runtime,
    flow: Gated,
}

impl Process {
    fn new(backend: Arc<dyn Backend>, who: &'static str) -> Process {
        let flow = Gated { who, began: Arc::default(), gate: Arc::new(Semaphore::new(0)) };
        let runtime = Runtime::on(backend).only_attached();
        runtime.register(flow.clone()).expect("it is registered");
        Process { runtime, flow }
    }
}

const RUN: &str = "run";

/// The first process begins, the second gets the run while the first is in its step; then the first writes, and then the
/// second.
async fn late(store: &Store, first: Process, second: impl AsyncFnOnce() -> Process) {
    let id = RunId::from(RUN);
    let former = first.runtime.start("Gated", json!({}), RunOptions::new().run_id(RUN)).expect("it starts");
    within(first.flow.began.notified()).await;
    let second = second().await;
    let now = second.runtime.attach(&id).await.expect("it goes on");
    within(second.flow.began.notified()).await;

    let mut seen = former.stream_events();
    first.flow.gate.add_permits(1);
    let error = within(former.outcome()).await.map(drop).expect_err("it is not the first's any more");
    let RunError::Storage { source } = &error else { panic!("{}: {error:?}", store.name()) };
    assert!(matches!(**source, WriteError::FencedOff { fence: 1, current: 2, .. }), "{source:?}");
    while let Some(item) = within(seen.next()).await {
        assert!(item.get::<Note>().is_none() && item.get::<Done>().is_none(), "{item:?}");
    }

    second.flow.gate.add_permits(1);
    let done = within(now.outcome()).await.expect("it ends");
    assert_eq!(done.get::<Done>().expect("the stop event").who, "second", "{}", store.name());
    let record = second.runtime.find_run(&id).await.expect("it is read").expect("it is there");
    assert_eq!(record.result.as_deref(), Some(r#"{"who":"second"}"#));
    let stream = second.runtime.stored_events(&id, 0, 10).await.expect("it is read");
    let stream: Vec<_> = stream.iter().map(|row| (row.seq, row.tag.as_str())).collect();
    assert_eq!(stream, [(1, "Note"), (2, "Done")], "{}", store.name());
}

#[test]
fn what_was_claimed_anew_is_not_written_under_the_former_fence() {
    for store in Store::all() {
        store.process(async {
            let backend = store.open();
            let first = Process::new(Arc::clone(&backend), "first");
            late(&store, first, async || Process::new(backend, "second")).await;
        });
    }
}

#[test]
fn a_process_that_was_taken_for_gone_cannot_write_any_more() {
    let store = Store::sqlite();
    store.process(async {
        let first = Process::new(store.open(), "first");
        late(&store, first, async || {
            let file = rusqlite::Connection::open(store.file()).expect("it opens");
            let freed = file.execute("UPDATE runs SET holder = NULL", []).expect("it is written");
            assert_eq!(freed, 1);
            Process::new(store.open(), "second")
        })
        .await;
    });
}
