//! What is sent to a stored run from outside is checked where it is sent, also by a process that does not have the run's
//! workflow.

#![allow(clippy::expect_used)]

mod support;

use serde_json::json;
use stepcast::backend::RunStatus;
use stepcast::prelude::*;
use stepcast::{AnyEvent, RunId, Runtime, SendRunError};
use support::stores::Store;
use support::within;

#[event(start)]
struct Begin {
    n: u32,
}

#[event]
struct Inner {
    n: u32,
}

/// Waited for, though it is not declared to come from outside.
#[event]
struct Told {
    n: u32,
}

#[event]
struct Teller {
    n: u32,
}

#[event(external)]
struct Go {
    n: u32,
}

#[event]
struct Stranger {
    n: u32,
}

#[event(stop)]
struct Done {
    n: u32,
}

#[derive(Default)]
struct Listens;

#[workflow(Begin => Done)]
impl Listens {
    #[step]
    async fn begin(&self, ev: Begin) -> (Inner, Teller) {
        (Inner { n: ev.n }, Teller { n: 0 })
    }

    #[step]
    async fn tell(&self, teller: Teller) -> Option<Told> {
        (teller.n > 0).then_some(Told { n: teller.n })
    }

    #[step(waits(Go, Told))]
    async fn listen(&self, inner: Inner, ctx: Context) -> Result<Done> {
        let go = ctx.wait_for_event::<Go>().await?;
        let told = ctx.wait_for_event::<Told>().await?;
        Ok(Done { n: inner.n + go.n + told.n })
    }
}

#[test]
fn a_process_without_the_workflow_sends_only_what_the_workflow_takes() {
    for store in Store::all() {
        let id = RunId::from("listens");
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Listens).expect("it is registered");
            let run = runtime.start("Listens", json!({"n": 1}), RunOptions::new().run_id("listens"));
            run.expect("it starts").recorded().await.expect("it is recorded");
        });
        store.process(async {
            // Nothing is registered here.
            let runtime = Runtime::on(store.open());
            let refused: [AnyEvent; 4] = [
                AnyEvent::new(Inner { n: 1 }),
                AnyEvent::new(Begin { n: 1 }),
                AnyEvent::new(Done { n: 1 }),
                AnyEvent::new(Stranger { n: 1 }),
            ];
            for event in refused {
                let tag = event.tag().to_owned();
                let error = runtime.send_event(&id, event).await.expect_err("it is refused");
                let SendRunError::NotExternal { workflow, event, expected } = &error else { panic!("{error:?}") };
                assert_eq!((workflow.as_str(), event.as_str()), ("Listens", tag.as_str()), "{}", store.name());
                assert_eq!(expected, &["Go"]);
            }
            runtime.send_event(&id, Go { n: 10 }).await.expect("it is taken");
            runtime.send_event_once(&id, Told { n: 100 }, "once").await.expect("it is waited for");
        });
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Listens).expect("it is registered");
            let run = runtime.attach(&id).await.expect("it goes on");
            let done = within(run.outcome()).await.expect("it ends");
            assert_eq!(done.get::<Done>().expect("the stop event").n, 111, "{}", store.name());
            let record = runtime.find_run(&id).await.expect("it is read").expect("it is there");
            assert_eq!(record.status, RunStatus::Completed);
        });
    }
}
