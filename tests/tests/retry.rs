//! Promise 6, retries: a failed attempt is repeated as the step's policy says, at the times it says, without holding a
//! worker meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use stepcast::prelude::*;
use stepcast::testing::{TestKit, assert_events};
use stepcast::{Condition, RetryPolicy, RunError, StepTimedOut, Stop, Wait};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

#[event(start)]
struct Begin {
    n: u32,
}

#[event]
struct Item {
    n: u32,
}

#[event]
struct Part {
    n: u32,
}

#[event(stop)]
struct Done {
    all: Vec<u32>,
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("busy")]
struct Busy;

#[derive(Debug, Clone, thiserror::Error)]
#[error("closed for good")]
struct Closed;

/// Seconds since the first call, one for each call.
#[derive(Default)]
struct Times(Mutex<Vec<(Instant, u32)>>);

impl Times {
    fn note(&self, n: u32) -> usize {
        let mut times = self.0.lock().unwrap();
        times.push((Instant::now(), n));
        times.iter().filter(|(_, other)| *other == n).count()
    }

    fn seconds(&self) -> Vec<f64> {
        let times = self.0.lock().unwrap();
        times.iter().map(|(at, _)| (*at - times[0].0).as_secs_f64()).collect()
    }

    fn order(&self) -> Vec<u32> {
        self.0.lock().unwrap().iter().map(|(_, n)| *n).collect()
    }
}

/// One step that fails `begin.n` times, under several policies.
macro_rules! flaky {
    ($flow:ident, $($policy:tt)*) => {
        #[derive(Default)]
        struct $flow {
            times: Times,
        }

        #[workflow(Begin => Done)]
        impl $flow {
            #[step($($policy)*)]
            async fn work(&self, ev: Begin) -> Result<Done> {
                let made = self.times.note(0) as u32;
                if made <= ev.n { Err(Busy.into()) } else { Ok(Done { all: vec![made] }) }
            }
        }
    };
}

/// Runs it, failing `n` times; gives when each attempt began, and how it ended.
macro_rules! run_flaky {
    ($flow:ident, $n:expr) => {{
        let flow = std::sync::Arc::new($flow::default());
        let recorded =
            TestKit::new().options(RunOptions::new().run_id("fixed")).run(flow.clone(), Begin { n: $n }).await;
        (flow.times.seconds(), recorded)
    }};
}

flaky!(Doubling, retry(attempts = 5, backoff = "1s", max_backoff = "3s"));
flaky!(AtOnce, retry = RetryPolicy::new().wait(Wait::none()).stop(Stop::after_attempt(4)));
flaky!(Usual, retry(attempts = 4));
flaky!(Elapsed, retry(attempts = 100, backoff = "10s", factor = 1, max_elapsed = "35s"));
flaky!(
    Incrementing,
    retry = RetryPolicy::new().wait(Wait::incrementing(SECOND, 2 * SECOND, 60 * SECOND)).stop(Stop::after_attempt(4))
);
flaky!(Jittered, retry(attempts = 6, backoff = "10s", jitter = full));
flaky!(Endless, retry = RetryPolicy::new().wait(Wait::fixed(SECOND)).stop(Stop::never()));

#[tokio::test(start_paused = true)]
async fn attempts_begin_when_the_policy_says() {
    let (seconds, recorded) = run_flaky!(Doubling, 4);
    assert_eq!(seconds, [0.0, 1.0, 3.0, 6.0, 9.0]);
    assert_eq!(recorded.stop().all, [5]);
    assert_eq!(recorded.executions("work")[0].attempts, 5);
    assert_events!(recorded, [Begin, Done]);

    let (seconds, _) = run_flaky!(AtOnce, 3);
    assert_eq!(seconds, [0.0; 4]);
    let (seconds, _) = run_flaky!(Usual, 3);
    assert_eq!(seconds, [0.0, 5.0, 10.0, 15.0]);
    let (seconds, _) = run_flaky!(Incrementing, 3);
    assert_eq!(seconds, [0.0, 1.0, 4.0, 9.0]);
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_fails_the_run_with_its_error() {
    let (seconds, recorded) = run_flaky!(Doubling, 9);
    assert_eq!(seconds.len(), 5);
    let RunError::StepFailed { step, attempts, source, .. } = recorded.error() else {
        panic!("{:?}", recorded.error())
    };
    assert_eq!((step.as_str(), *attempts), ("work", 5));
    assert!(source.downcast_ref::<Busy>().is_some(), "the error itself, not its text");
}

#[tokio::test(start_paused = true)]
async fn a_bound_on_time_counts_the_coming_wait() {
    let (seconds, recorded) = run_flaky!(Elapsed, 100);
    assert_eq!(seconds, [0.0, 10.0, 20.0, 30.0], "the attempt at 40 s would begin too late");
    assert!(matches!(recorded.error(), RunError::StepFailed { attempts: 4, .. }));
}

#[tokio::test(start_paused = true)]
async fn jitter_is_the_same_for_the_same_run_and_differs_between_runs() {
    let (first, _) = run_flaky!(Jittered, 5);
    let (again, _) = run_flaky!(Jittered, 5);
    assert_eq!(first, again);
    let flow = std::sync::Arc::new(Jittered::default());
    flow.clone().run_with(Begin { n: 5 }, RunOptions::new().run_id("another")).await.unwrap();
    let other = flow.times.seconds();
    assert_eq!(other.len(), 6);
    assert_ne!(first, other);
    let bound = 0.0..=60.0;
    assert!(first.windows(2).all(|pair| bound.contains(&(pair[1] - pair[0]))), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn a_policy_without_end_is_ended_by_the_run() {
    let flow = std::sync::Arc::new(Endless::default());
    let run = flow.clone().run(Begin { n: u32::MAX });
    sleep(1_000 * SECOND + SECOND / 2).await;
    run.cancel();
    assert!(matches!(run.await, Err(RunError::Cancelled)));
    assert_eq!(flow.times.seconds().len(), 1_001);
    sleep(10 * SECOND).await;
    assert_eq!(flow.times.seconds().len(), 1_001, "no attempt after the end");
}

#[derive(Default)]
struct Choosy {
    made: AtomicU32,
}

#[workflow(Begin => Done)]
impl Choosy {
    #[step(retry = RetryPolicy::new().wait(Wait::none()).when(Condition::error_is::<Busy>()).stop(Stop::after_attempt(9)))]
    async fn work(&self, ev: Begin) -> Result<Done> {
        let made = self.made.fetch_add(1, SeqCst) + 1;
        match (made, ev.n) {
            (1 | 2, _) => Err(Busy.into()),
            (_, 0) => Err(Closed.into()),
            (_, 1) => Err(StepError::from(Busy).fatal()),
            _ => Ok(Done { all: vec![made] }),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_the_condition_takes_is_repeated() {
    for (n, cause) in [(0, "closed for good"), (1, "busy")] {
        let recorded = TestKit::new().run(Choosy::default(), Begin { n }).await;
        let RunError::StepFailed { attempts, source, .. } = recorded.error() else { panic!("{:?}", recorded.error()) };
        assert_eq!((*attempts, source.to_string().as_str()), (3, cause));
    }
    assert_eq!(TestKit::new().run(Choosy::default(), Begin { n: 2 }).await.stop().all, [3]);
}

struct BrokenPolicy;

#[workflow(Begin => Done)]
impl BrokenPolicy {
    #[step(retry = RetryPolicy::new().when(Condition::predicate(|_| panic!("policy bug"))))]
    async fn work(&self, _ev: Begin) -> Result<Done> {
        Err(Busy.into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_panics_gives_up_and_says_so() {
    let recorded = TestKit::new().run(BrokenPolicy, Begin { n: 0 }).await;
    let RunError::StepFailed { attempts: 1, source, .. } = recorded.error() else { panic!("{:?}", recorded.error()) };
    assert!(source.downcast_ref::<Busy>().is_some());
    let errors = &recorded.executions("work")[0].errors;
    assert!(errors[0].causes.iter().any(|cause| cause.contains("policy bug")), "{errors:?}");
}

/// Two items and one worker: the first item fails at first and waits an hour.
#[derive(Default)]
struct OneWorker {
    times: Times,
}

#[workflow(Begin => Done)]
impl OneWorker {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (1..=ev.n).map(|n| Item { n }).collect()
    }

    #[step(workers = 1, retry(attempts = 2, backoff = "1h"))]
    async fn work(&self, item: Item) -> Result<Part> {
        match (item.n, self.times.note(item.n)) {
            (1, 1) => Err(Busy.into()),
            (n, _) => Ok(Part { n }),
        }
    }

    #[step]
    async fn gather(&self, all: Vec<Part>) -> Done {
        Done { all: all.into_iter().map(|part| part.n).collect() }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delayed_retry_holds_no_worker_and_keeps_its_batch_open() {
    for options in [RunOptions::new(), RunOptions::new().max_running(1)] {
        let flow = std::sync::Arc::new(OneWorker::default());
        let done = flow.clone().run_with(Begin { n: 3 }, options).await.unwrap();
        assert_eq!(flow.times.order(), [1, 2, 3, 1]);
        assert_eq!(flow.times.seconds(), [0.0, 0.0, 0.0, 3_600.0]);
        assert_eq!(done.all, [1, 2, 3], "collected in the producer's order");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_retry_does_not_use_up_the_run_s_time() {
    let options = RunOptions::new().timeout(SECOND);
    assert_eq!(OneWorker::default().run_with(Begin { n: 2 }, options).await.unwrap().all, [1, 2]);
}

/// What an attempt knows of those before it.
#[derive(Default)]
struct Knowing {
    seen: Mutex<Vec<String>>,
}

#[workflow(Begin => Done)]
impl Knowing {
    #[step(retry(attempts = 3, backoff = "2s", factor = 1))]
    async fn work(&self, ev: Begin, attempt: Attempt, ctx: Context) -> Result<Done> {
        assert_eq!(attempt.number(), ctx.attempt());
        let passed = attempt.last_failed_at().zip(attempt.first_started_at()).map(|(last, first)| last - first);
        let last = attempt.last_error().map(|error| error.exception_message.clone());
        self.seen.lock().unwrap().push(format!("{} {} {last:?} {passed:?}", attempt.number(), attempt.retries()));
        if attempt.number() <= ev.n {
            Err(StepError::msg(format!("no {}", attempt.number())))
        } else {
            Ok(Done { all: vec![] })
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_knows_why_the_one_before_failed() {
    let flow = std::sync::Arc::new(Knowing::default());
    flow.clone().run(Begin { n: 2 }).await.unwrap();
    assert_eq!(
        *flow.seen.lock().unwrap(),
        ["1 0 None None", "2 1 Some(\"no 1\") Some(0)", "3 2 Some(\"no 2\") Some(2000000)"]
    );
}

#[derive(Default)]
struct Slow {
    times: Times,
}

#[workflow(Begin => Done)]
impl Slow {
    #[step(timeout = "5s", retry(attempts = 3, backoff = "1s", factor = 1))]
    async fn work(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let made = ctx.call("count", || async { Ok::<_, StepError>(self.times.note(0) as u32) }).await?;
        assert_eq!(made, 1, "the call's result outlives the attempts that ran out of time");
        if ctx.attempt() <= ev.n {
            sleep(60 * SECOND).await;
        }
        Ok(Done { all: vec![ctx.attempt()] })
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_runs_out_of_time_is_repeated_with_its_records() {
    let begun = Instant::now();
    let recorded = TestKit::new().run(Slow::default(), Begin { n: 2 }).await;
    assert_eq!(recorded.stop().all, [3]);
    assert_eq!(begun.elapsed().as_secs(), 5 + 1 + 5 + 1);
    let failed = TestKit::new().run(Slow::default(), Begin { n: 3 }).await;
    let RunError::StepFailed { attempts: 3, source, .. } = failed.error() else { panic!("{:?}", failed.error()) };
    assert_eq!(source.downcast_ref::<StepTimedOut>().unwrap().after, 5 * SECOND);
}

/// Fails after it has sent something, before and behind a commit point.
struct Sender;

#[event(external)]
struct Go {}

#[workflow(Begin => Done)]
impl Sender {
    #[step(waits(Go), retry(attempts = 2))]
    async fn work(&self, ev: Begin, ctx: Context<(Item, Part)>) -> Result<()> {
        ctx.send_event(Item { n: ev.n })?;
        ctx.wait_for_event::<Go>().await?;
        ctx.send_event(Part { n: ctx.attempt() })?;
        if ctx.attempt() == 1 { Err(Busy.into()) } else { Ok(()) }
    }

    #[step]
    async fn gather(&self, item: Item, part: Part) -> Done {
        Done { all: vec![item.n, part.n] }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_delivers_nothing_since_its_last_commit_point() {
    let kit = TestKit::new();
    let run = Sender.run_with(Begin { n: 7 }, RunOptions::new().record_internal());
    run.send_event(Go {}).unwrap();
    let recorded = kit.watch(run).await;
    assert_eq!(recorded.stop().all, [7, 2]);
    assert_events!(recorded, [Begin, Item, .., Part, Done]);
    assert_eq!(recorded.events().iter().filter(|link| link.event == "Part").count(), 1);
    assert_eq!(recorded.events().iter().filter(|link| link.event == "Item").count(), 1);
}

/// The events of a join and of a collector are there again for the next attempt.
#[derive(Default)]
struct Keeping {
    joined: AtomicU32,
    collected: AtomicU32,
}

#[event]
struct Pair {
    n: u32,
}

#[workflow(Begin => Done)]
impl Keeping {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<(Item, Part)> {
        (1..=ev.n).map(|n| (Item { n }, Part { n: 10 * n })).collect()
    }

    #[step(retry(attempts = 3, backoff = "1s"))]
    async fn pair(&self, item: Item, part: Part) -> Result<Pair> {
        if self.joined.fetch_add(1, SeqCst) < 2 { Err(Busy.into()) } else { Ok(Pair { n: item.n + part.n }) }
    }

    #[step(retry(attempts = 2, backoff = "1s"))]
    async fn gather(&self, all: Vec<Pair>) -> Result<Done> {
        if self.collected.fetch_add(1, SeqCst) == 0 {
            Err(Busy.into())
        } else {
            Ok(Done { all: all.into_iter().map(|pair| pair.n).collect() })
        }
    }
}

#[tokio::test(start_paused = true)]
async fn joins_and_collectors_keep_their_events_for_the_next_attempt() {
    for kit in TestKit::seeds(20) {
        let recorded = kit.run(Keeping::default(), Begin { n: 3 }).await;
        assert_eq!(recorded.stop().all, [11, 22, 33]);
    }
}

#[derive(Default)]
struct Blocking {
    made: AtomicU32,
}

#[workflow(Begin => Done)]
impl Blocking {
    #[step(blocking, retry(attempts = 3))]
    fn work(&self, ev: Begin) -> Result<Done> {
        let made = self.made.fetch_add(1, SeqCst) + 1;
        if made <= ev.n { Err(Busy.into()) } else { Ok(Done { all: vec![made] }) }
    }
}

#[tokio::test(start_paused = true)]
async fn a_blocking_step_is_repeated_too() {
    assert_eq!(TestKit::new().run(Blocking::default(), Begin { n: 2 }).await.stop().all, [3]);
    let failed = TestKit::new().run(Blocking::default(), Begin { n: 3 }).await;
    assert!(matches!(failed.error(), RunError::StepFailed { attempts: 3, .. }));
}

/// A run that is never idle: a loop of quick events beside a retry.
struct Busybody;

#[workflow(Begin => Done)]
impl Busybody {
    #[step]
    async fn begin(&self, ev: Begin) -> (Item, Part) {
        (Item { n: ev.n }, Part { n: 0 })
    }

    #[step]
    async fn spin(&self, item: Item) -> Either<Item, Done> {
        if item.n > 0 { Either::Left(Item { n: item.n - 1 }) } else { Either::Right(Done { all: vec![] }) }
    }

    #[step(retry(attempts = 2, backoff = "1ms"))]
    async fn retried(&self, _part: Part, attempt: Attempt) -> Result<Done> {
        if attempt.number() == 1 { Err(Busy.into()) } else { Ok(Done { all: vec![attempt.number()] }) }
    }
}

/// On a real clock, since a paused one stands still while a run is busy; the loop is long enough for any machine.
#[tokio::test]
async fn a_busy_run_comes_to_its_retries() {
    assert_eq!(Busybody.run(Begin { n: 20_000_000 }).await.unwrap().all, [2]);
}
