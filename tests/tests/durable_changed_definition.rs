//! A stored run whose workflow has changed since: accepted if everything the run still refers to exists unchanged, else
//! refused with every difference and left as it is.

#![allow(unreachable_pub)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use stepcast::backend::{Holder, RunRecord, RunStatus};
use stepcast::journal::JournalError;
use stepcast::prelude::*;
use stepcast::{AttachError, RetryPolicy, RunId, Runtime, SharedWorkflow, Stop};
use support::stores::Store;
use support::within;

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event]
pub struct First {
    n: u32,
}

#[event(external)]
pub struct Go {
    by: u32,
}

#[event]
pub struct Second {
    n: u32,
}

#[event(stop)]
pub struct Done {
    n: u32,
}

#[derive(Default)]
pub struct Seen {
    first: AtomicU32,
    second: AtomicU32,
    third: AtomicU32,
    added: AtomicU32,
    /// Steps that look at it do not go on.
    hang: AtomicBool,
}

fn count(counter: &AtomicU32) {
    counter.fetch_add(1, Ordering::SeqCst);
}

fn counted(counter: &AtomicU32) -> u32 {
    counter.load(Ordering::SeqCst)
}

async fn hangs(seen: &Seen) {
    if seen.hang.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
}

/// The workflow as the run began with it.
mod before {
    use super::*;

    pub struct Flow(pub Arc<Seen>);

    #[workflow(Begin => Done)]
    impl Flow {
        #[step]
        async fn note(&self, _ev: Begin) {}

        #[step]
        async fn first(&self, ev: Begin) -> First {
            count(&self.0.first);
            First { n: ev.n + 1 }
        }

        #[step(waits(Go))]
        async fn second(&self, ev: First, ctx: Context) -> Result<Done> {
            count(&self.0.second);
            hangs(&self.0).await;
            let go = ctx.wait_for_event::<Go>().await?;
            Ok(Done { n: ev.n + go.by })
        }
    }
}

/// `note` is removed, `first` takes another name for it, `second` gives something else, and bounds and failure policies
/// are others. The steps have another order.
mod after {
    use super::*;

    pub struct Flow(pub Arc<Seen>);

    #[workflow(Begin => Done, policy = stepcast::RunPolicy::new().max_mailbox(7).max_queued(9))]
    impl Flow {
        #[step(waits(Go), on_failure = "continue")]
        async fn third(&self, ev: Second, ctx: Context) -> Result<Done> {
            count(&self.0.third);
            let go = ctx.wait_for_event::<Go>().await?;
            Ok(Done { n: ev.n * 10 + go.by })
        }

        #[step(waits(Go), on_failure = "continue", retry = RetryPolicy::new().stop(Stop::after_attempt(3)))]
        async fn second(&self, ev: First, ctx: Context) -> Result<Second> {
            count(&self.0.second);
            let go = ctx.wait_for_event::<Go>().await?;
            Ok(Second { n: ev.n + go.by })
        }

        #[step]
        async fn added(&self, _ev: First) {
            count(&self.0.added);
        }

        #[step(on_failure = "continue")]
        async fn begins(&self, ev: Begin) -> First {
            count(&self.0.first);
            First { n: ev.n + 2 }
        }
    }
}

/// The step that waits takes something else, and nothing that the run holds is there any more.
mod broken {
    use super::*;

    pub struct Flow;

    #[event]
    pub struct Other;

    #[workflow(Begin => Done)]
    impl Flow {
        #[step]
        async fn first(&self, _ev: Begin) -> Other {
            Other
        }

        #[step]
        async fn second(&self, _ev: Other) -> Done {
            Done { n: 0 }
        }
    }
}

/// The step that waits is a join now.
mod joined {
    use super::*;

    pub struct Flow;

    #[workflow(Begin => Done)]
    impl Flow {
        #[step]
        async fn first(&self, ev: Begin) -> (First, Second) {
            (First { n: ev.n }, Second { n: ev.n })
        }

        #[step(waits(Go))]
        async fn second(&self, _first: First, _second: Second, _ctx: Context) -> Done {
            Done { n: 0 }
        }
    }
}

/// It ends with something else.
mod ending {
    use super::*;

    pub struct Flow;

    #[event(stop)]
    pub struct Finished;

    #[workflow(Begin => Finished)]
    impl Flow {
        #[step]
        async fn note(&self, _ev: Begin) {}

        #[step]
        async fn first(&self, ev: Begin) -> First {
            First { n: ev.n }
        }

        #[step(waits(Go))]
        async fn second(&self, _ev: First, _ctx: Context) -> Finished {
            Finished
        }
    }
}

fn id() -> RunId {
    RunId::from("changed-1")
}

async fn record(runtime: &Runtime) -> RunRecord {
    runtime.find_run(&id()).await.expect("it is read").expect("it is there")
}

async fn until(runtime: &Runtime, reached: impl Fn(&RunRecord) -> bool) {
    within(async {
        while !reached(&record(runtime).await) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A run that was killed while `second` waited, or before it got there.
fn killed(store: &Store, waiting: bool) -> Arc<Seen> {
    let seen = Arc::<Seen>::default();
    seen.hang.store(!waiting, Ordering::SeqCst);
    store.process(async {
        let runtime = Runtime::on(store.open());
        runtime.register_as("flow", before::Flow(seen.clone()), None).expect("it is registered");
        let options = RunOptions::new().run_id(id().as_str());
        let run = runtime.start("flow", serde_json::json!({ "n": 1 }), options).expect("it starts");
        run.recorded().await.expect("it is recorded");
        until(&runtime, |record| match waiting {
            true => record.status == RunStatus::Waiting,
            false => counted(&seen.second) == 1,
        })
        .await;
    });
    seen.hang.store(false, Ordering::SeqCst);
    assert_eq!((counted(&seen.first), counted(&seen.second)), (1, 1));
    seen
}

#[test]
fn a_run_goes_on_where_what_it_needs_is_unchanged() {
    for store in Store::all() {
        for waiting in [true, false] {
            let seen = killed(&store, waiting);
            store.process(async {
                let runtime = Runtime::on(store.open());
                runtime.register_as("flow", after::Flow(seen.clone()), None).expect("it is registered");
                runtime.send_event(&id(), Go { by: 40 }).await.expect("it is sent");
                // `second` is through, and what it gave runs the step that is new. Here the process is killed.
                until(&runtime, |record| counted(&seen.third) == 1 && record.status == RunStatus::Waiting).await;
            });
            store.process(async {
                let runtime = Runtime::on(store.open());
                runtime.register_as("flow", after::Flow(seen.clone()), None).expect("it is registered");
                runtime.send_event(&id(), Go { by: 5 }).await.expect("it is sent");
                let run = runtime.attach(&id()).await.expect("it is there");
                let done = within(run.outcome()).await.expect("it ends");
                assert_eq!(done.get::<Done>().expect("the stop event").n, 425, "{}", store.name());
                assert_eq!(record(&runtime).await.status, RunStatus::Completed);
                runtime.purge_run(&id()).await.expect("it is purged");
            });
            let counts = (counted(&seen.first), counted(&seen.second), counted(&seen.third), counted(&seen.added));
            // What was routed stays routed: the step that takes the event of before as well does not run.
            assert_eq!(counts, (1, 2, 2, 0), "{}", store.name());
        }
    }
}

/// What a changed workflow says to the run; the run stays as it is, and its own program ends it.
fn refused<F: SharedWorkflow + 'static>(flow: impl Fn() -> F, waiting: bool, expected: &[&str]) {
    for store in Store::all() {
        let seen = killed(&store, waiting);
        store.process(async {
            let backend = store.open();
            let runtime = Runtime::on(backend.clone());
            let was = record(&runtime).await;
            runtime.register_as("flow", flow(), None).expect("it is registered");
            for _ in 0..2 {
                let error = runtime.attach(&id()).await.expect_err("the workflow has changed");
                let AttachError::Journal { source: JournalError::Refused { differences, workflow }, .. } = &error
                else {
                    panic!("{error}")
                };
                assert_eq!(workflow, "Flow");
                let found: Vec<String> = differences.iter().map(ToString::to_string).collect();
                assert_eq!(found.len(), expected.len(), "{found:?}");
                for (found, expected) in found.iter().zip(expected) {
                    assert!(found.contains(expected), "{found}");
                    assert!(error.to_string().contains(found), "{error}");
                }
            }
            // Nobody holds it while this process lives, so that another can have it.
            let is = record(&runtime).await;
            assert_eq!(is.holder, Holder::Nobody, "{}", store.name());
            assert_eq!((is.status, is.changed, is.due), (was.status, was.changed, was.due));

            let other = store.open();
            let runtime = Runtime::on(other);
            runtime.register_as("flow", before::Flow(seen.clone()), None).expect("it is registered");
            runtime.send_event(&id(), Go { by: 3 }).await.expect("it is sent");
            let run = runtime.attach(&id()).await.expect("it is there");
            let done = within(run.outcome()).await.expect("it ends");
            assert_eq!(done.get::<Done>().expect("the stop event").n, 5, "{}", store.name());
        });
    }
}

#[test]
fn what_a_waiting_run_needs_is_named() {
    let expected = [
        "the step `second` has another signature",
        "the event `First` does not exist",
        "the event `Go` does not exist",
    ];
    refused(|| broken::Flow, true, &expected);
}

#[test]
fn what_a_running_run_needs_is_named() {
    let expected = ["the step `second` has another signature", "the event `First` does not exist"];
    refused(|| broken::Flow, false, &expected);
}

#[test]
fn another_shape_is_refused() {
    refused(|| joined::Flow, true, &["the step `second` has another signature"]);
}

#[test]
fn another_stop_event_is_refused() {
    refused(|| ending::Flow, false, &["ended with `Done` when the run began, now it ends with `Finished`"]);
}
