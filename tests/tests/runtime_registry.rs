//! `Runtime`: named workflows, live runs, a bound of concurrent ones, a shutdown that drains.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::json;
use stepcast::prelude::*;
use stepcast::testing::{advance, settle};
use stepcast::{HeldRun, Payload, RunError, RunId, RunSnapshot, Runtime, RuntimeError, StartWith, TraceContext};
use tokio::time::sleep;

#[event(start)]
struct Begin {
    name: String,
    seconds: u64,
}

#[event(external)]
struct Go {}

#[event(stop)]
struct Done {
    name: String,
}

fn begin(name: &str, seconds: u64) -> Begin {
    Begin { name: name.to_owned(), seconds }
}

/// Takes as long as it is told, and notes when it began and ended.
#[derive(Default)]
struct Worker {
    log: Arc<Mutex<Vec<String>>>,
}

#[workflow(Begin => Done)]
impl Worker {
    #[step]
    async fn work(&self, ev: Begin) -> Done {
        self.log.lock().unwrap().push(format!("+{}", ev.name));
        sleep(Duration::from_secs(ev.seconds)).await;
        self.log.lock().unwrap().push(format!("-{}", ev.name));
        Done { name: ev.name }
    }
}

/// Waits for a word from outside.
#[derive(Default)]
struct Waiting;

#[workflow(Begin => Done)]
impl Waiting {
    #[step(waits(Go))]
    async fn wait(&self, ev: Begin, ctx: Context) -> Result<Done> {
        ctx.wait_for_event::<Go>().await?;
        Ok(Done { name: ev.name })
    }
}

/// Fails a test that would hang for ever.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(1_000_000), future).await.expect("it hangs")
}

fn ids(runtime: &Runtime) -> Vec<String> {
    runtime.runs().into_iter().map(String::from).collect()
}

#[tokio::test(start_paused = true)]
async fn workflows_are_started_by_name_with_json() {
    let runtime = Runtime::new();
    runtime.register(Worker::default()).unwrap();
    runtime.register_as("waiter", Waiting, None).unwrap();
    assert_eq!(runtime.workflows(), ["Worker", "waiter"]);
    assert_eq!(runtime.definition("waiter").unwrap().steps()[0].name(), "wait");
    assert!(runtime.definition("nobody").is_none());
    let run = runtime.start("Worker", json!({ "name": "a", "seconds": 3 }), RunOptions::new().run_id("one")).unwrap();
    assert_eq!((run.workflow(), run.run_id().as_str()), ("Worker", "one"));
    assert_eq!(within(run.outcome()).await.unwrap().get::<Done>().unwrap().name, "a");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_started_is_an_error_that_says_why() {
    let runtime = Runtime::new();
    runtime.register(Worker::default()).unwrap();
    let error = runtime.register(Worker::default()).unwrap_err();
    assert!(matches!(&error, RuntimeError::DuplicateWorkflow { name } if name == "Worker"), "{error}");
    let error = runtime.start("worker", json!({}), RunOptions::new()).unwrap_err();
    assert!(matches!(&error, RuntimeError::UnknownWorkflow { known, .. } if known == &["Worker"]), "{error}");
    for bad in [json!(null), json!({ "name": 3, "seconds": 1 }), json!({ "name": "x" }), json!([])] {
        let error = runtime.start("Worker", bad, RunOptions::new()).unwrap_err();
        assert!(matches!(&error, RuntimeError::Start { event: "Begin", .. }), "{error}");
    }
    assert!(runtime.runs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_live_run_is_found_by_its_id_and_one_that_ended_is_not() {
    let runtime = Runtime::new();
    let run = runtime.run(Waiting, begin("a", 0), RunOptions::new().run_id("b"));
    let other = runtime.run(Worker::default(), begin("a", 5), RunOptions::new().run_id("a"));
    assert_eq!(ids(&runtime), ["a", "b"]);
    let clone = runtime.clone();
    assert_eq!(clone.get(run.run_id()).unwrap().workflow(), "Waiting");
    assert!(clone.get(&RunId::from("c")).is_none());
    within(other).await.unwrap();
    assert_eq!(ids(&clone), ["b"]);
    clone.get(run.run_id()).unwrap().send_event(Go {}).unwrap();
    within(run).await.unwrap();
    assert!(runtime.runs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_id_belongs_to_one_live_run_at_a_time() {
    let runtime = Runtime::new();
    let first = runtime.run(Waiting, begin("first", 0), RunOptions::new().run_id("same"));
    let second = runtime.run(Worker::default(), begin("second", 0), RunOptions::new().run_id("same"));
    assert!(matches!(within(second.result()).await, Err(RunError::DuplicateRunId { id }) if id == "same"));
    first.send_event(Go {}).unwrap();
    assert_eq!(within(first.result()).await.unwrap().name, "first", "the live one is unharmed");
    let third = runtime.run(Worker::default(), begin("third", 0), RunOptions::new().run_id("same"));
    assert_eq!(within(third).await.unwrap().name, "third");
}

#[tokio::test(start_paused = true)]
async fn a_run_lives_without_a_handle() {
    let runtime = Runtime::new();
    drop(runtime.run(Waiting, begin("a", 0), RunOptions::new().run_id("x")));
    advance(Duration::from_secs(60)).await;
    let run = runtime.get(&RunId::from("x")).expect("it is still live");
    run.send_event(Go {}).unwrap();
    assert!(within(run.outcome()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn past_the_bound_runs_wait_for_their_turn() {
    let (runtime, flow) = (Runtime::new(), Arc::new(Worker::default()));
    runtime.register_as("Worker", Arc::clone(&flow), Some(2)).unwrap();
    let start = |name: &str| {
        runtime.start("Worker", json!({ "name": name, "seconds": 10 }), RunOptions::new().run_id(name)).unwrap()
    };
    let runs: Vec<_> = ["a", "b", "c", "d"].into_iter().map(start).collect();
    let typed = runtime.run(Arc::clone(&flow), begin("e", 10), RunOptions::new());
    advance(Duration::from_secs(5)).await;
    assert_eq!(*flow.log.lock().unwrap(), ["+a", "+b"]);
    assert_eq!(ids(&runtime).len(), 5, "a run that waits for its turn is live");
    for run in &runs {
        within(run.outcome()).await.unwrap();
    }
    within(typed).await.unwrap();
    let log = flow.log.lock().unwrap().clone();
    let (mut open, mut most) = (0_i32, 0_i32);
    for line in &log {
        open += if line.starts_with('+') { 1 } else { -1 };
        most = most.max(open);
    }
    assert_eq!((most, open, log.len()), (2, 0, 10), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_its_turn_can_be_cancelled() {
    let runtime = Runtime::new();
    runtime.register_as("Waiting", Waiting, Some(1)).unwrap();
    let first = runtime.run(Waiting, begin("first", 0), RunOptions::new());
    let second = runtime.run(Waiting, begin("second", 0), RunOptions::new());
    let third = runtime.run(Waiting, begin("third", 0), RunOptions::new());
    settle().await;
    second.cancel();
    assert!(matches!(within(second.result()).await, Err(RunError::Cancelled)), "although nobody makes room");
    first.send_event(Go {}).unwrap();
    within(first).await.unwrap();
    third.send_event(Go {}).unwrap();
    assert_eq!(within(third.result()).await.unwrap().name, "third", "its turn was not used up");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_its_turn_answers_questions() {
    let runtime = Runtime::new();
    runtime.register_as("Waiting", Waiting, Some(1)).unwrap();
    let first = runtime.run(Waiting, begin("first", 0), RunOptions::new());
    let second = runtime.run(Waiting, begin("second", 0), RunOptions::new().run_id("second"));
    settle().await;
    assert!(within(second.pending_inputs()).await.is_empty());
    let snapshot = within(second.snapshot()).await.unwrap();
    // What it was sent meanwhile waits with it.
    second.send_event(Go {}).unwrap();
    first.send_event(Go {}).unwrap();
    within(first).await.unwrap();
    assert_eq!(within(second).await.unwrap().name, "second");
    let again = Waiting.restore(RunSnapshot::from_json(&snapshot.to_json().unwrap()).unwrap()).unwrap();
    settle().await;
    again.send_event(Go {}).unwrap();
    assert_eq!(within(again).await.unwrap().name, "second");
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains_what_ends_in_time() {
    let runtime = Runtime::new();
    let (short, long) = (begin("short", 5), begin("long", 20));
    let runs = [short, long].map(|start| runtime.run(Worker::default(), start, RunOptions::new()));
    assert_eq!(within(runtime.shutdown(Duration::from_secs(30))).await, 0);
    for run in runs {
        assert!(run.is_done() && within(run).await.is_ok());
    }
    let late = runtime.run(Worker::default(), begin("late", 0), RunOptions::new());
    assert!(matches!(within(late).await, Err(RunError::ShuttingDown)));
    assert_eq!(within(runtime.shutdown(Duration::ZERO)).await, 0, "a second time does nothing");
}

#[tokio::test(start_paused = true)]
async fn shutdown_cancels_what_does_not_end_in_time() {
    let runtime = Runtime::new();
    runtime.register_as("Waiting", Waiting, Some(1)).unwrap();
    let waiting = runtime.run(Waiting, begin("a", 0), RunOptions::new());
    let queued = runtime.run(Waiting, begin("b", 0), RunOptions::new());
    let short = runtime.run(Worker::default(), begin("c", 5), RunOptions::new());
    let begun = tokio::time::Instant::now();
    assert_eq!(within(runtime.shutdown(Duration::from_secs(30))).await, 2);
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert!(matches!(within(waiting).await, Err(RunError::Cancelled)));
    assert!(matches!(within(queued).await, Err(RunError::Cancelled)));
    assert!(within(short).await.is_ok());
    assert!(runtime.runs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stored_run_goes_on_under_its_own_id() {
    let runtime = Runtime::new();
    runtime.register(Waiting).unwrap();
    let run = runtime.run(Waiting, begin("a", 0), RunOptions::new().run_id("stored"));
    settle().await;
    let snapshot = within(run.snapshot()).await.unwrap();
    let twice = runtime.restore(snapshot.clone(), RunOptions::new()).unwrap();
    assert!(matches!(within(twice.outcome()).await, Err(RunError::DuplicateRunId { .. })), "it is live here");
    run.cancel();
    assert!(within(run).await.is_err());
    let again = runtime.restore(snapshot.clone(), RunOptions::new().run_id("ignored")).unwrap();
    assert_eq!((again.run_id().as_str(), ids(&runtime).len()), ("stored", 1));
    settle().await;
    again.send_event(Go {}).unwrap();
    assert_eq!(within(again.outcome()).await.unwrap().get::<Done>().unwrap().name, "a");
    let stranger = Runtime::new();
    let error = stranger.restore(snapshot, RunOptions::new()).unwrap_err();
    assert!(matches!(&error, RuntimeError::UnknownWorkflow { name, .. } if name == "Waiting"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_stored_run_that_had_ended_shows_its_end() {
    let runtime = Runtime::new();
    runtime.register(Worker::default()).unwrap();
    let run = runtime.run(Worker::default(), begin("a", 1), RunOptions::new().run_id("ended"));
    within(run.result()).await.unwrap();
    let snapshot = within(run.snapshot()).await.unwrap();
    let (send, receive) = mpsc::channel();
    // On a thread of its own: what this guards against would lock up the thread.
    let tokio = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        let _context = tokio.enter();
        let again = runtime.restore(snapshot, RunOptions::new()).unwrap();
        send.send((again.is_done(), runtime.runs().len(), again)).unwrap();
    });
    let (done, live, again) = receive.recv_timeout(Duration::from_secs(20)).expect("it locks up");
    assert!(done);
    assert_eq!(live, 0);
    assert_eq!(within(again.outcome()).await.unwrap().get::<Done>().unwrap().name, "a");
}

#[test]
fn outside_tokio_a_run_is_refused_and_leaves_nothing_behind() {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = Runtime::new();
        let run = runtime.run(Waiting, begin("a", 0), RunOptions::new());
        send.send((run.is_done(), runtime.runs().len(), run)).unwrap();
    });
    let (done, live, run) = receive.recv_timeout(Duration::from_secs(20)).expect("it locks up");
    assert!(done);
    assert_eq!(live, 0);
    let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(matches!(tokio.block_on(run), Err(RunError::NoRuntime)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_runs_at_once_leave_nothing_behind() {
    let runtime = Runtime::new();
    runtime.register_as("Worker", Worker::default(), Some(7)).unwrap();
    let runs: Vec<_> = (0..500)
        .map(|n| runtime.start("Worker", json!({ "name": n.to_string(), "seconds": 0 }), RunOptions::new()).unwrap())
        .collect();
    for run in runs {
        run.outcome().await.unwrap();
    }
    assert!(runtime.runs().is_empty());
    assert_eq!(runtime.shutdown(Duration::from_secs(60)).await, 0);
}

fn held(runtime: &Runtime, workflow: &str, id: &str, seconds: u64) -> HeldRun {
    let data = json!({ "name": id, "seconds": seconds });
    runtime.hold(workflow, StartWith::Data(&data), RunOptions::new().run_id(id)).unwrap()
}

/// A runtime with a worker whose log is given as well.
fn with_worker() -> (Runtime, Arc<Worker>) {
    let (runtime, flow) = (Runtime::new(), Arc::new(Worker::default()));
    runtime.register_as("Worker", Arc::clone(&flow), None).unwrap();
    runtime.register_as("waiter", Waiting, None).unwrap();
    runtime.register_as("instant", Instant, None).unwrap();
    (runtime, flow)
}

/// Is over at once.
#[derive(Default)]
struct Instant;

#[workflow(Begin => Done)]
impl Instant {
    #[step]
    async fn work(&self, ev: Begin) -> Done {
        Done { name: ev.name }
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_run_is_known_and_does_nothing_until_it_is_let_go() {
    let (runtime, flow) = with_worker();
    let run = held(&runtime, "Worker", "a", 3);
    settle().await;
    assert_eq!((ids(&runtime), run.is_done()), (vec!["a".to_owned()], false));
    assert!(flow.log.lock().unwrap().is_empty());
    assert!(matches!(within(held(&runtime, "Worker", "a", 3).outcome()).await, Err(RunError::DuplicateRunId { .. })));
    assert_eq!(run.kept_as(), "Worker");
    let run = run.begin();
    assert_eq!(within(run.outcome()).await.unwrap().get::<Done>().unwrap().name, "a");
    assert_eq!(*flow.log.lock().unwrap(), ["+a", "-a"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_holds_a_run_for_good() {
    let (runtime, flow) = with_worker();
    drop(held(&runtime, "Worker", "dropped", 0));
    settle().await;
    assert_eq!(*flow.log.lock().unwrap(), ["+dropped", "-dropped"]);
    // Word from outside lets it go too.
    let told = held(&runtime, "waiter", "told", 0);
    told.send_event(Go {}).unwrap();
    assert_eq!(within(told.outcome()).await.unwrap().get::<Done>().unwrap().name, "told");
    let cancelled = held(&runtime, "Worker", "cancelled", 5);
    cancelled.cancel();
    assert!(matches!(within(cancelled.outcome()).await, Err(RunError::Cancelled)));
    // That it was let go before does no harm.
    assert!(cancelled.begin_here().is_done());
    assert_eq!(within(runtime.shutdown(Duration::from_secs(1))).await, 0);
    assert!(matches!(within(held(&runtime, "Worker", "late", 0).outcome()).await, Err(RunError::ShuttingDown)));
}

/// As [`Worker`], of this test alone: a step that other tests saw take long begins in a task of its own at once.
#[derive(Default)]
struct WorkerHere {
    log: Arc<Mutex<Vec<String>>>,
}

#[workflow(Begin => Done)]
impl WorkerHere {
    #[step]
    async fn work_here(&self, ev: Begin) -> Done {
        self.log.lock().unwrap().push(format!("+{}", ev.name));
        sleep(Duration::from_secs(ev.seconds)).await;
        self.log.lock().unwrap().push(format!("-{}", ev.name));
        Done { name: ev.name }
    }
}

/// As [`Waiting`], of this test alone.
#[derive(Default)]
struct WaitingHere;

#[workflow(Begin => Done)]
impl WaitingHere {
    #[step(waits(Go))]
    async fn wait_here(&self, ev: Begin, ctx: Context) -> Result<Done> {
        ctx.wait_for_event::<Go>().await?;
        Ok(Done { name: ev.name })
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_begins_in_a_task_is_over_at_once_if_it_can_be() {
    let (runtime, _) = with_worker();
    let flow = Arc::new(WorkerHere::default());
    runtime.register_as("worker here", Arc::clone(&flow), None).unwrap();
    runtime.register_as("waiter here", WaitingHere, None).unwrap();
    let here = tokio::spawn({
        let (runtime, flow) = (runtime.clone(), Arc::clone(&flow));
        async move {
            let short = held(&runtime, "instant", "short", 0).begin_here();
            assert!(short.is_done());
            assert_eq!(short.outcome().await.unwrap().get::<Done>().unwrap().name, "short");
            let traced =
                TraceContext::scope(trace(), async { held(&runtime, "instant", "traced", 0).begin_here() }).await;
            assert!(!traced.is_done(), "its steps would be in the caller's trace");
            // What has to wait goes on in a task of its own, whoever goes away.
            let long = held(&runtime, "worker here", "long", 7).begin_here();
            assert!(!long.is_done());
            assert_eq!(*flow.log.lock().unwrap(), ["+long"]);
            let waiting = held(&runtime, "waiter here", "waiting", 0).begin_here();
            assert!(waiting.is_waiting());
        }
    });
    within(here).await.unwrap();
    settle().await;
    assert_eq!(ids(&runtime), ["long", "waiting"]);
    let (long, waiting) = (runtime.get(&RunId::from("long")).unwrap(), runtime.get(&RunId::from("waiting")).unwrap());
    assert!(within(long.outcome()).await.is_ok());
    waiting.send_event(Go {}).unwrap();
    assert!(within(waiting.outcome()).await.is_ok());
    assert_eq!(*flow.log.lock().unwrap(), ["+long", "-long"]);
}

fn trace() -> TraceContext {
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_held_run_is_started_with_data_or_with_its_event() {
    let (runtime, _) = with_worker();
    let hold = |start| runtime.hold("instant", start, RunOptions::new());
    let run = hold(StartWith::Event(Payload::new(begin("a", 0)))).unwrap().begin();
    assert_eq!(within(run.outcome()).await.unwrap().get::<Done>().unwrap().name, "a");
    for bad in [StartWith::Data(&json!({ "name": 3 })), StartWith::Event(Payload::new(Done { name: String::new() }))] {
        let error = hold(bad).unwrap_err();
        assert!(matches!(&error, RuntimeError::Start { event: "Begin", .. }), "{error}");
    }
    let nobody = runtime.hold("nobody", StartWith::Data(&json!({})), RunOptions::new()).unwrap_err();
    assert!(matches!(nobody, RuntimeError::UnknownWorkflow { .. }), "{nobody}");
}

#[tokio::test(start_paused = true)]
async fn a_bounded_workflow_is_not_held() {
    let runtime = Runtime::new();
    runtime.register_as("Worker", Worker::default(), Some(1)).unwrap();
    let (first, second) = (held(&runtime, "Worker", "a", 1), held(&runtime, "Worker", "b", 1));
    assert!(within(first.outcome()).await.is_ok());
    assert!(within(second.outcome()).await.is_ok());
}
