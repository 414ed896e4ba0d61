//! A parent that is held leaves memory with its children while all of them wait, and they come back for each other.

#![allow(clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use stepcast::backend::{Answer, Holder, InputFilter, RunFilter, RunRecord, RunStatus};
use stepcast::engine::Time;
use stepcast::prelude::*;
use stepcast::{RunError, RunId, Runtime};
use support::failing::Failing;
use support::stores::Store;
use support::within;

#[event(start)]
struct Begin {
    n: u32,
}

#[event(input_required)]
struct Asked {
    prompt: String,
}

#[event(human_response)]
struct Go {
    n: u32,
}

#[event(stop)]
struct Done {
    n: u32,
}

#[derive(Default)]
struct Counts {
    /// Bodies of the parent's step that began.
    asked: AtomicU32,
    /// What it did as a recorded call.
    called: AtomicU32,
    /// Bodies of the child's step that began.
    waited: AtomicU32,
    /// Bodies of either that were let go of.
    let_go: AtomicU32,
}

#[derive(Clone, Default)]
struct Child(Arc<Counts>);

#[derive(Clone, Default)]
struct Parent(Arc<Counts>);

struct Noticed(Arc<Counts>);

impl Drop for Noticed {
    fn drop(&mut self) {
        self.0.let_go.fetch_add(1, Ordering::SeqCst);
    }
}

#[workflow(Begin => Done, name = "Child")]
impl Child {
    #[step(waits(Go))]
    async fn wait(&self, ev: Begin, ctx: Context) -> Result<Done> {
        self.0.waited.fetch_add(1, Ordering::SeqCst);
        let _noticed = Noticed(Arc::clone(&self.0));
        let go = ctx.wait_for_event::<Go>().announce(Asked { prompt: "How many?".into() }).await?;
        match go.n {
            0 => Err(StepError::msg("it is told to fail").fatal()),
            n => Ok(Done { n: ev.n + n }),
        }
    }
}

#[workflow(Begin => Done, name = "Parent")]
impl Parent {
    #[step]
    async fn ask(&self, ev: Begin, ctx: Context) -> Result<Done> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let _noticed = Noticed(Arc::clone(&self.0));
        let called =
            ctx.call("count", async || Ok::<_, StepError>(self.0.called.fetch_add(1, Ordering::SeqCst))).await?;
        let child = ctx.run_child(Child(Arc::clone(&self.0)), ev).await;
        Ok(Done { n: child.map_or(1_000, |child| child.n * 10) + called })
    }
}

/// A parent and its child that have left memory, with the parent's handle.
struct Away {
    runtime: Runtime,
    run: Run<Done>,
    child: RunId,
    counts: Arc<Counts>,
    store: &'static str,
}

async fn begun(store: &Store, knows_child: bool) -> Away {
    let parent = Parent::default();
    let counts = Arc::clone(&parent.0);
    let runtime = Runtime::on(store.open()).with_idle(Duration::from_millis(2));
    runtime.register(parent.clone()).expect("it is registered");
    if knows_child {
        runtime.register(Child(Arc::clone(&counts))).expect("it is registered");
    }
    let run = runtime.run(parent, Begin { n: 1 }, RunOptions::new().run_id("held"));
    // The question's word to the parent is the last that comes by itself.
    let mut events = run.stream_events();
    while within(events.next()).await.expect("it goes on").get::<Asked>().is_none() {}
    drop(events);
    let child = the_child(&runtime, |child| child.status == RunStatus::Waiting).await;
    Away { runtime, run, child: RunId::from(child.run), counts, store: store.name() }
}

async fn away(store: &Store) -> Away {
    let away = begun(store, true).await;
    // One that is in memory keeps its child there.
    the_child(&away.runtime, |child| child.holder == Holder::Nobody).await;
    away
}

/// A parent that nobody holds and its child, whose workflow is not registered: both have left memory.
struct Gone {
    runtime: Runtime,
    parent: RunId,
    child: RunId,
    counts: Arc<Counts>,
    store: &'static str,
}

async fn gone(store: &Store) -> Gone {
    let Away { runtime, run, child, counts, store } = begun(store, false).await;
    let parent = run.run_id().clone();
    drop(run);
    the_child(&runtime, |child| child.holder == Holder::Nobody).await;
    assert!(runtime.get(&parent).is_none(), "{store}");
    Gone { runtime, parent, child, counts, store }
}

/// The one child, once it is like that.
async fn the_child(runtime: &Runtime, is: impl Fn(&RunRecord) -> bool) -> RunRecord {
    let filter = RunFilter { parent: Some(Arc::from("held")), ..RunFilter::default() };
    within(async {
        loop {
            let mut found = runtime.list_runs(filter.clone(), None, 10).await.expect("they are read");
            assert!(found.len() <= 1, "there is one child: {found:?}");
            match found.pop() {
                Some(child) if is(&child) => break child,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

/// The number of the one question.
async fn question(runtime: &Runtime) -> u64 {
    let mut found = runtime.list_inputs(InputFilter::default(), None, 2).await.expect("they are read");
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0).asked.input
}

impl Away {
    fn counts(&self) -> [u32; 3] {
        [&self.counts.asked, &self.counts.waited, &self.counts.called].map(|count| count.load(Ordering::SeqCst))
    }

    /// The parent ends with this, and the child like that; steps are repeated up to their waits.
    async fn ends(&self, before: [u32; 3], n: u32, child: RunStatus) {
        assert_eq!(within(self.run.result()).await.expect("it ends").n, n, "{}", self.store);
        let found = the_child(&self.runtime, |child| child.status.is_end()).await;
        assert_eq!(found.status, child, "{}", self.store);
        let now = self.counts();
        assert!(now[1] > before[1], "{}: the child was brought back: {now:?}", self.store);
        assert_eq!(now[2], 1, "{}: what is recorded is not done again", self.store);
    }
}

#[test]
fn answering_the_child_ends_both() {
    for store in Store::all() {
        store.process(async {
            let away = away(&store).await;
            let before = away.counts();
            let question = question(&away.runtime).await;
            away.runtime.answer_input(&away.child, question, json!({"n": 7}), None).await.expect("it is answered");
            away.ends(before, 80, RunStatus::Completed).await;
        });
    }
}

#[test]
fn the_childs_question_is_listed_and_answered_through_the_parent() {
    for store in Store::all() {
        store.process(async {
            let away = away(&store).await;
            let asked = within(away.run.pending_inputs()).await;
            let [asked] = &asked[..] else { panic!("{}: there is one question: {asked:?}", store.name()) };
            assert_eq!(asked.id.run_id, away.child, "{}", store.name());
            // They leave again, and the number is still that of the question.
            the_child(&away.runtime, |child| child.holder == Holder::Nobody).await;
            within(away.run.respond(&asked.id, Go { n: 7 })).await.expect("it is answered");
            assert_eq!(within(away.run.result()).await.expect("it ends").n, 80, "{}", store.name());
            assert_eq!(away.counts.called.load(Ordering::SeqCst), 1, "{}", store.name());
        });
    }
}

#[test]
fn a_snapshot_has_the_child_in_it() {
    for store in Store::all() {
        store.process(async {
            let away = away(&store).await;
            let question = question(&away.runtime).await;
            let snapshot = within(away.run.snapshot()).await.expect("it is taken");
            away.run.cancel();
            // In memory alone.
            let flow = Parent(Arc::clone(&away.counts));
            let before = away.counts();
            let run = flow.restore(snapshot).expect("it fits");
            let asked = within(async {
                loop {
                    match run.pending_inputs().await.pop() {
                        Some(asked) => break asked,
                        None => tokio::task::yield_now().await,
                    }
                }
            })
            .await;
            assert_eq!(asked.id.number, question, "{}: it is the question that was asked", store.name());
            run.respond(&asked.id, Go { n: 7 }).await.expect("it is answered");
            assert_eq!(within(run.result()).await.expect("it ends").n, 80, "{}", store.name());
            assert_eq!(away.counts()[2], before[2], "{}", store.name());
        });
    }
}

#[test]
fn a_child_that_is_cancelled_fails_its_call() {
    for store in Store::all() {
        store.process(async {
            let away = away(&store).await;
            away.runtime.cancel_run(&away.child).await.expect("it is cancelled");
            assert_eq!(within(away.run.result()).await.expect("it ends").n, 1_000, "{}", store.name());
            let child = the_child(&away.runtime, |child| child.status.is_end()).await;
            assert_eq!(child.status, RunStatus::Cancelled, "{}", store.name());
            assert_eq!(away.counts()[2], 1, "{}: what is recorded is not done again", store.name());
        });
    }
}

#[test]
fn a_child_that_fails_fails_its_call() {
    for store in Store::all() {
        store.process(async {
            let away = away(&store).await;
            let before = away.counts();
            away.runtime.send_event(&away.child, Go { n: 0 }).await.expect("it is sent");
            away.ends(before, 1_000, RunStatus::Failed).await;
        });
    }
}

#[test]
fn cancelling_the_parent_cancels_the_child() {
    for store in Store::all() {
        store.process(async {
            let away = away(&store).await;
            away.run.cancel();
            let error = within(away.run.result()).await.expect_err("it ends");
            assert!(matches!(error, RunError::Cancelled), "{}: {error:?}", store.name());
            let child = the_child(&away.runtime, |child| child.status.is_end()).await;
            assert_eq!(child.status, RunStatus::Cancelled, "{}", store.name());
        });
    }
}

#[test]
fn a_child_whose_workflow_only_the_parents_step_knows_stays_while_the_parent_is_held() {
    for store in Store::all() {
        store.process(async {
            let away = begun(&store, false).await;
            // The parent leaves: its step is let go of.
            within(async {
                while away.counts.let_go.load(Ordering::SeqCst) == 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            away.runtime.send_event(&away.child, Go { n: 7 }).await.expect("it is sent");
            assert_eq!(within(away.run.result()).await.expect("it ends").n, 80, "{}", store.name());
            assert_eq!(away.counts()[1..], [1, 1], "{}: the child was there all the time", store.name());
        });
    }
}

#[test]
fn a_child_whose_workflow_only_the_parents_step_knows_is_brought_back_by_the_parent() {
    for store in Store::all() {
        store.process(async {
            let Gone { runtime, parent, child, counts, store } = gone(&store).await;
            let question = question(&runtime).await;
            runtime.answer_input(&child, question, json!({"n": 7}), None).await.expect("it is answered");
            let ended = the_child(&runtime, |child| child.status.is_end()).await;
            assert_eq!(ended.status, RunStatus::Completed, "{store}");
            let run = runtime.attach(&parent).await.expect("it goes on, or has ended");
            let done = within(run.outcome()).await.expect("it ends");
            assert_eq!(done.get::<Done>().expect("the stop event").n, 80, "{store}");
            assert_eq!(counts.called.load(Ordering::SeqCst), 1, "{store}");
        });
    }
}

#[test]
fn a_letter_that_nobody_saw_come_brings_the_parent_back_too() {
    for store in Store::all() {
        let (parent, child, counts) = store.process(async {
            let Gone { parent, child, counts, .. } = gone(&store).await;
            (parent, child, counts)
        });
        // Nobody runs anything when the answer comes.
        store.process(async {
            let backend = store.open();
            let input = backend.inputs(&InputFilter::default(), None, 1).expect("they are read").remove(0).asked.input;
            let (run, answer) = (Arc::from(child.as_str()), json!({"n": 7}).to_string());
            let answer = Answer { run, input, answer, by: None, at: Time(1), trace: None };
            backend.answer(answer).expect("it is answered");
        });
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Parent(Arc::clone(&counts))).expect("it is registered");
            let ended = the_child(&runtime, |child| child.status.is_end()).await;
            assert_eq!(ended.status, RunStatus::Completed, "{}", store.name());
            let run = runtime.attach(&parent).await.expect("it goes on, or has ended");
            let done = within(run.outcome()).await.expect("it ends");
            assert_eq!(done.get::<Done>().expect("the stop event").n, 80, "{}", store.name());
        });
    }
}

#[test]
fn a_child_whose_workflow_only_the_parents_step_knows_ends_with_a_parent_that_is_cancelled() {
    for store in Store::all() {
        store.process(async {
            let Gone { runtime, parent, child, counts, store } = gone(&store).await;
            let before = counts.waited.load(Ordering::SeqCst);
            runtime.cancel_run(&parent).await.expect("it is cancelled");
            let ended = the_child(&runtime, |child| child.status.is_end()).await;
            assert_eq!(ended.status, RunStatus::Cancelled, "{store}");
            assert_eq!(counts.waited.load(Ordering::SeqCst), before, "{store}: its step does not begin for that");
            let events = runtime.stored_events(&child, 0, 100).await.expect("they are read");
            assert_eq!(events.last().expect("its end").tag, "WorkflowCancelledEvent", "{store}");
            let open = InputFilter { pending: true, ..InputFilter::default() };
            let open = runtime.list_inputs(open, None, 2).await.expect("they are read");
            assert!(open.is_empty(), "{store}: nobody is asked any more: {open:?}");
        });
    }
}

#[test]
fn a_parent_is_not_said_to_wait_before_its_child_is_stored() {
    for store in Store::all() {
        store.process(async {
            // Whoever took up runs after a crash would leave one that waits, and nothing would ever wake it.
            let backend = Failing::later_for(store.open(), "held.");
            let runtime = Runtime::on(Arc::clone(&backend) as Arc<_>);
            let parent = Parent::default();
            runtime.register(Child(Arc::clone(&parent.0))).expect("it is registered");
            let id = RunId::from("held");
            let run = runtime.run(parent, Begin { n: 1 }, RunOptions::new().run_id("held"));
            within(async {
                while backend.kept_back() == 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            let status = async || runtime.find_run(&id).await.expect("it is read").expect("it is there").status;
            for _ in 0..50 {
                assert_eq!(status().await, RunStatus::Running, "{}", store.name());
            }
            backend.let_go();
            within(async {
                while status().await != RunStatus::Waiting {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            let child = the_child(&runtime, |child| child.status == RunStatus::Waiting).await;
            let question = question(&runtime).await;
            runtime
                .answer_input(&RunId::from(child.run), question, json!({"n": 7}), None)
                .await
                .expect("it is answered");
            assert_eq!(within(run.result()).await.expect("it ends").n, 80, "{}", store.name());
        });
    }
}

/// A child that no runtime knows, and its parent.
mod strangers {
    use super::*;

    #[derive(Clone, Default)]
    pub(super) struct Stranger(pub(super) Arc<AtomicU32>);

    #[workflow(Begin => Done)]
    impl Stranger {
        /// 0: works for ever in its first process. 1: waits for what nobody sends.
        #[step(waits(Go))]
        async fn work(&self, ev: Begin, ctx: Context) -> Result<Done> {
            let before = self.0.fetch_add(1, Ordering::SeqCst);
            if (ev.n, before) == (0, 0) {
                tokio::time::sleep(Duration::from_secs(100_000)).await;
            }
            match ev.n {
                0 => Ok(Done { n: 5 }),
                _ => {
                    let go = ctx.wait_for_event::<Go>().timeout(Duration::from_millis(300)).await;
                    Ok(Done { n: go.map_or(6, |go| go.n) })
                }
            }
        }
    }

    #[derive(Clone, Default)]
    pub(super) struct Knower(pub(super) Arc<AtomicU32>);

    #[workflow(Begin => Done)]
    impl Knower {
        #[step]
        async fn run(&self, ev: Begin, ctx: Context) -> Result<Done> {
            Ok(Done { n: 10 * ctx.run_child(Stranger(Arc::clone(&self.0)), ev).await?.n })
        }
    }
}

/// The parent waits and nobody asks for it; what there is to do is its child's.
fn a_stranger_goes_on(n: u32, child: RunStatus, result: &str) {
    for store in Store::all() {
        let begun = Arc::default();
        let runtime = |backend| {
            let runtime = Runtime::on(backend);
            runtime.register(strangers::Knower(Arc::clone(&begun))).expect("it is registered");
            runtime
        };
        let parent = RunId::from("held");
        store.process(async {
            let runtime = runtime(store.open());
            runtime.start("Knower", json!({"n": n}), RunOptions::new().run_id("held")).expect("it starts");
            the_child(&runtime, |found| found.status == child && begun.load(Ordering::SeqCst) == 1).await;
            while runtime.find_run(&parent).await.expect("it is read").expect("it is there").status
                != RunStatus::Waiting
            {
                tokio::task::yield_now().await;
            }
        });
        store.process(async {
            let runtime = runtime(store.open());
            let record = loop {
                let record = runtime.find_run(&parent).await.expect("it is read").expect("it is there");
                if record.status.is_end() {
                    break record;
                }
                tokio::task::yield_now().await;
            };
            assert_eq!(record.result.as_deref(), Some(result), "{}", store.name());
        });
    }
}

#[test]
fn a_child_at_work_that_only_its_parents_step_knows_goes_on_by_itself() {
    a_stranger_goes_on(0, RunStatus::Running, r#"{"n":50}"#);
}

#[test]
fn a_deadline_of_a_child_that_only_its_parents_step_knows_is_kept() {
    a_stranger_goes_on(1, RunStatus::Waiting, r#"{"n":60}"#);
}
