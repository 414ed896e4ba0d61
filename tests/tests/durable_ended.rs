//! What a run that has ended still says in another process.

mod support;

use stepcast::backend::RunStatus;
use stepcast::prelude::*;
use stepcast::{RunId, Runtime};
use support::stores::Store;
use support::within;

#[event(start)]
struct Begin {
    items: u32,
}

#[event]
struct Item {
    n: u32,
}

#[event]
struct Good {
    n: u32,
}

#[event(stop)]
struct Done {
    good: usize,
}

struct Flow;

#[workflow(Begin => Done, on_failure = "continue")]
impl Flow {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..ev.items).map(|n| Item { n }).collect()
    }

    #[step]
    async fn check(&self, ev: Item) -> Result<Good> {
        if ev.n % 2 == 1 { Ok(Good { n: ev.n }) } else { Err(StepError::msg("it is even")) }
    }

    #[step]
    async fn collect(&self, good: Vec<Good>) -> Done {
        Done { good: good.len() }
    }
}

/// Another workflow under the same name, with the same end.
struct Later;

#[workflow(Begin => Done)]
impl Later {
    #[step]
    async fn only(&self, ev: Begin) -> Done {
        Done { good: ev.items as usize }
    }
}

#[test]
fn the_executions_that_were_given_up_are_counted_without_the_journal() {
    for store in Store::all() {
        let id = RunId::from("ended-1");
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register_as("flow", Flow, None).expect("it is registered");
            let options = RunOptions::new().run_id(id.as_str());
            let run = runtime.start("flow", serde_json::json!({ "items": 5 }), options).expect("it starts");
            within(run.outcome()).await.expect("it ends");
        });
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register_as("flow", Later, None).expect("it is registered");
            let record = runtime.find_run(&id).await.expect("it is read").expect("it is there");
            assert_eq!((record.status, record.failures), (RunStatus::CompletedWithFailures, 3), "{}", store.name());
            let run = runtime.attach(&id).await.expect("it is there");
            let done = within(run.outcome()).await.expect("it has ended");
            assert_eq!(done.get::<Done>().expect("the stop event").good, 2);
            assert_eq!(run.failures(), 3, "{}", store.name());
        });
    }
}

struct Spoilt;

#[workflow(Begin => Done)]
impl Spoilt {
    #[step]
    async fn only(&self, ev: Begin, ctx: Context) -> Result<Done> {
        ctx.store().set("items", ev.items).await?;
        Err(StepError::msg("it is spoilt"))
    }
}

#[test]
fn the_state_and_the_last_event_are_those_of_the_run() {
    for store in Store::all() {
        let id = RunId::from("ended-2");
        let first = store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register_as("spoilt", Spoilt, None).expect("it is registered");
            let options = RunOptions::new().run_id(id.as_str());
            let run = runtime.start("spoilt", serde_json::json!({ "items": 5 }), options).expect("it starts");
            within(run.outcome()).await.expect_err("it fails");
            run.terminal_event().expect("it has ended")
        });
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register_as("spoilt", Spoilt, None).expect("it is registered");
            let run = runtime.attach(&id).await.expect("it is there");
            assert_eq!(run.store_value("items"), Some(5.into()), "{}", store.name());
            let again = run.terminal_event().expect("it has ended");
            assert_eq!(again.to_envelope(), first.to_envelope(), "{}: step, attempts and time", store.name());
            assert_eq!(first.value()["step_name"], "only");
        });
    }
}
