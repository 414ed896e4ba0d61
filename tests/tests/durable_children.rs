//! A child that another living process holds is waited for: until it has ended there, or is to be had here.

#![allow(clippy::expect_used)]

mod support;

use std::sync::Arc;

use serde_json::json;
use stepcast::backend::{Backend, Holder, RunFilter, RunStatus};
use stepcast::prelude::*;
use stepcast::{AnyRun, RunId, Runtime, WorkflowIdleEvent};
use support::failing::Failing;
use support::stores::Store;
use support::within;

#[event(start)]
struct Begin {
    n: u32,
}

#[event(external)]
struct Go {
    n: u32,
}

#[event(stop)]
struct Done {
    n: u32,
}

#[derive(Default)]
struct Child;

#[workflow(Begin => Done)]
impl Child {
    #[step(waits(Go))]
    async fn wait(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let go = ctx.wait_for_event::<Go>().await?;
        Ok(Done { n: ev.n + go.n })
    }
}

#[derive(Default)]
struct Parent;

#[workflow(Begin => Done)]
impl Parent {
    #[step]
    async fn ask(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let child = ctx.run_child(Child, Begin { n: ev.n }).await?;
        Ok(Done { n: child.n * 10 })
    }
}

const PARENT: &str = "parent";

/// A process begins a parent with its child, and is gone while both wait.
fn begun(store: &Store) -> RunId {
    store.process(async {
        let runtime = Runtime::on(store.open());
        runtime.register(Parent).expect("it is registered");
        runtime.start("Parent", json!({"n": 1}), RunOptions::new().run_id(PARENT)).expect("it starts");
        loop {
            let of = RunFilter { parent: Some(Arc::from(PARENT)), ..RunFilter::default() };
            let child = runtime.list_runs(of, None, 1).await.expect("they are read").pop();
            if let Some(child) = child {
                return RunId::from(child.run);
            }
            tokio::task::yield_now().await;
        }
    })
}

/// The parent's process comes back while another one has the child; it has come to the call once this returns.
async fn parent_is_back(store: &Store, child: &RunId) -> (Runtime, AnyRun) {
    let runtime = Runtime::on(store.open());
    runtime.register(Parent).expect("it is registered");
    let record = runtime.find_run(child).await.expect("it is read").expect("it is there");
    assert_eq!(record.holder, Holder::Other, "{}", store.name());
    let parent = runtime.attach(&RunId::from(PARENT)).await.expect("it goes on");
    let mut frames = parent.events_internal();
    // It rests once its step waits for the child; where it did before this looked, it rests again.
    parent.pending_inputs().await;
    while let Some(item) = within(frames.next()).await {
        if item.get::<WorkflowIdleEvent>().is_some() {
            return (runtime, parent);
        }
    }
    panic!("{}: the parent ended: {:?}", store.name(), parent.outcome().await.map(drop));
}

async fn end_of(parent: &AnyRun) -> u32 {
    let done = within(parent.outcome()).await.expect("it ends");
    done.get::<Done>().expect("the stop event").n
}

/// Another process that holds the child.
async fn holder(backend: Arc<dyn Backend>, child: &RunId) -> (Runtime, AnyRun) {
    let runtime = Runtime::on(backend);
    runtime.register(Child).expect("it is registered");
    let run = runtime.attach(child).await.expect("it goes on");
    (runtime, run)
}

#[test]
fn a_parent_goes_on_when_its_child_has_ended_in_another_process() {
    for store in Store::all() {
        let child = begun(&store);
        store.process(async {
            let (theirs, _held) = holder(store.open(), &child).await;
            let (_ours, parent) = parent_is_back(&store, &child).await;
            theirs.send_event(&child, Go { n: 4 }).await.expect("it is sent");
            assert_eq!(end_of(&parent).await, 50, "{}", store.name());
        });
    }
}

#[test]
fn a_parent_takes_its_child_up_when_that_becomes_free() {
    for store in Store::all() {
        let child = begun(&store);
        store.process(async {
            let backend = store.open();
            let (theirs, held) = holder(Arc::clone(&backend), &child).await;
            let (ours, parent) = parent_is_back(&store, &child).await;
            drop((theirs, held));
            backend.close().expect("it closes");
            // Nobody but the parent's step knows the child's workflow here.
            ours.send_event(&child, Go { n: 5 }).await.expect("it is sent");
            assert_eq!(end_of(&parent).await, 60, "{}", store.name());
        });
    }
}

/// A store with a child that has just been stored: its parent is not yet said to wait.
fn just_begun(store: fn() -> Store) -> (Store, RunId) {
    let begun = |writes| {
        let store = store();
        store.process(async {
            let runtime = Runtime::on(Failing::after(store.open(), writes) as Arc<dyn Backend>);
            runtime.register(Parent).expect("it is registered");
            let run = runtime.start("Parent", json!({"n": 1}), RunOptions::new().run_id(PARENT)).expect("it starts");
            assert!(run.outcome().await.is_err(), "the process is stopped");
        });
        let of = RunFilter { parent: Some(Arc::from(PARENT)), ..RunFilter::default() };
        let child = store.open().runs(&of, None, 1).expect("they are read").pop()?;
        Some((store, RunId::from(child.run)))
    };
    (1..10).find_map(begun).expect("it has a child")
}

#[test]
fn a_parent_that_waits_for_another_process_is_said_to_wait() {
    for store in [Store::memory, Store::sqlite] {
        let (store, child) = just_begun(store);
        store.process(async {
            let (_theirs, _held) = holder(store.open(), &child).await;
            let (ours, _parent) = parent_is_back(&store, &child).await;
            while ours.find_run(&RunId::from(PARENT)).await.expect("it is read").expect("it is there").status
                != RunStatus::Waiting
            {
                tokio::task::yield_now().await;
            }
        });
    }
}

#[test]
fn a_parent_that_waits_for_another_process_can_be_cancelled() {
    for store in Store::all() {
        let child = begun(&store);
        store.process(async {
            let (_theirs, held) = holder(store.open(), &child).await;
            let (_ours, parent) = parent_is_back(&store, &child).await;
            parent.cancel();
            let error = within(parent.outcome()).await.expect_err("it is cancelled");
            assert!(matches!(error, stepcast::RunError::Cancelled), "{error:?}");
            let error = within(held.outcome()).await.expect_err("its child ends with it");
            assert!(matches!(error, stepcast::RunError::Cancelled), "{error:?}");
        });
    }
}
