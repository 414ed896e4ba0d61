//! `Attempt` and `CancelToken` as parameters, and `blocking` steps.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stepcast::prelude::*;
use stepcast::testing::{TestKit, advance, settle};
use stepcast::{RunError, StepStateChanged, StepTimedOut};
use tokio::time::{Instant, sleep};

#[event(start)]
struct Begin {
    how: String,
}

#[event]
struct Item {
    n: u32,
}

#[event]
struct Other {
    n: u32,
}

#[event(external)]
struct Go {}

#[event(stop)]
struct Done {
    text: String,
}

fn begin(how: &str) -> Begin {
    Begin { how: how.to_owned() }
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

#[step]
async fn direct(ev: Begin, attempt: Attempt, cancel: CancelToken) -> Done {
    done(format!("{} {} {} {:?}", ev.how, attempt.number(), cancel.is_cancelled(), attempt.last_error()))
}

#[tokio::test]
async fn a_step_with_them_can_be_called_directly() {
    assert_eq!(direct(begin("hi"), Attempt::first(), CancelToken::new()).await.text, "hi 1 false None");
    let token = CancelToken::new();
    token.as_tokio().cancel();
    assert_eq!(direct(begin("hi"), Attempt::first(), token.clone()).await.text, "hi 1 true None");
    token.cancelled().await;
}

/// Two steps: one ends the run, the other goes on until its token tells it.
#[derive(Default)]
struct Racing {
    seen: Mutex<Vec<(String, u64)>>,
    dropped: Arc<AtomicBool>,
}

struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

impl Racing {
    fn note(&self, what: &str, begun: Instant) {
        self.seen.lock().unwrap().push((what.to_owned(), begun.elapsed().as_millis() as u64));
    }
}

#[workflow(Begin => Done)]
impl Racing {
    #[step]
    async fn begin(&self, ev: Begin) -> (Item, Either<Item2, Other>) {
        let second = if ev.how == "deaf" { Either::Right(Other { n: 1 }) } else { Either::Left(Item2 { n: 1 }) };
        (Item { n: 1 }, second)
    }

    #[step]
    async fn ends(&self, item: Item) -> Done {
        sleep(Duration::from_secs(1)).await;
        done(item.n)
    }

    #[step(allow(unconsumed))]
    async fn listens(&self, item: Item2, cancel: CancelToken) -> Option<Done> {
        let begun = Instant::now();
        cancel.cancelled().await;
        self.note("told", begun);
        sleep(Duration::from_millis(300)).await;
        self.note("tidied up", begun);
        (item.n == 0).then(|| done("never"))
    }

    #[step(allow(unconsumed))]
    async fn deaf(&self, other: Other, cancel: CancelToken) -> Option<Done> {
        let (begun, _guard) = (Instant::now(), OnDrop(Arc::clone(&self.dropped)));
        assert!(!cancel.is_cancelled());
        loop {
            sleep(Duration::from_millis(100)).await;
            self.note(if cancel.is_cancelled() { "too late" } else { "at work" }, begun);
            if other.n == 0 {
                return None;
            }
        }
    }
}

#[event]
struct Item2 {
    n: u32,
}

#[tokio::test(start_paused = true)]
async fn the_run_s_end_cancels_the_token_and_leaves_a_grace() {
    let flow = Arc::new(Racing::default());
    let begun = Instant::now();
    flow.clone().run(begin("listens")).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 1, "the end waits for nobody");
    advance(Duration::from_secs(2)).await;
    assert_eq!(*flow.seen.lock().unwrap(), [("told".to_owned(), 1_000), ("tidied up".to_owned(), 1_300)]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_listen_is_dropped_after_the_grace() {
    for (grace, last) in [(None, 1_500), (Some(Duration::from_millis(250)), 1_200), (Some(Duration::ZERO), 1_000)] {
        let flow = Arc::new(Racing::default());
        let options = grace.map_or_else(RunOptions::new, |grace| RunOptions::new().grace(grace));
        flow.clone().run_with(begin("deaf"), options).await.unwrap();
        advance(Duration::from_secs(5)).await;
        assert!(flow.dropped.load(SeqCst), "{grace:?}");
        let seen = flow.seen.lock().unwrap();
        let (_, at) = seen.last().unwrap();
        assert!(*at <= last && *at + 200 >= last, "{grace:?}: {seen:?}");
    }
}

/// Its token follows its attempt.
#[derive(Default)]
struct Attempts {
    tokens: Mutex<Vec<CancelToken>>,
}

#[workflow(Begin => Done)]
impl Attempts {
    #[step(timeout = "1s", retry(attempts = 3, backoff = "1s", factor = 1), waits(Go))]
    async fn work(&self, ev: Begin, attempt: Attempt, cancel: CancelToken, ctx: Context) -> Result<Done> {
        assert!(!ctx.cancel_token().is_cancelled());
        self.tokens.lock().unwrap().push(cancel);
        match (ev.how.as_str(), attempt.number()) {
            ("slow", 1 | 2) => sleep(Duration::from_secs(60)).await,
            ("fails", 1 | 2) => return Err(StepError::msg("no")),
            _ => {}
        }
        if ev.how == "waits" {
            ctx.wait_for_event::<Go>().await?;
        }
        Ok(done(attempt.number()))
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_ended_has_a_cancelled_token() {
    for how in ["slow", "fails"] {
        let flow = Arc::new(Attempts::default());
        assert_eq!(flow.clone().run(begin(how)).await.unwrap().text, "3");
        let tokens = flow.tokens.lock().unwrap();
        assert_eq!(tokens.iter().map(CancelToken::is_cancelled).collect::<Vec<_>>(), [true; 3], "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn cancelling_a_run_cancels_the_tokens_of_what_it_does() {
    for how in ["slow", "waits"] {
        let flow = Arc::new(Attempts::default());
        let run = flow.clone().run(begin(how));
        settle().await;
        assert!(!flow.tokens.lock().unwrap()[0].is_cancelled());
        run.cancel();
        assert!(matches!(run.await, Err(RunError::Cancelled)));
        assert!(flow.tokens.lock().unwrap()[0].is_cancelled(), "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_does_not_use_up_the_step_s_time() {
    let run = Attempts::default().run(begin("waits"));
    advance(Duration::from_secs(3_600)).await;
    assert!(!run.is_done());
    run.send_event(Go {}).unwrap();
    assert_eq!(run.await.unwrap().text, "1");
}

/// Blocking steps, with everything that async ones get.
#[derive(Default)]
struct Blocking {
    threads: Mutex<Vec<std::thread::ThreadId>>,
    stopped: AtomicBool,
    made: AtomicU32,
}

#[workflow(Begin => Done)]
impl Blocking {
    #[step(blocking, retry(attempts = 2, backoff = "1s"))]
    fn work(&self, ev: Begin, attempt: Attempt, ctx: Context) -> Result<Either<Item, Other>> {
        self.threads.lock().unwrap().push(std::thread::current().id());
        ctx.write_event_to_stream(Item { n: attempt.number() });
        match ev.how.as_str() {
            "fails once" if attempt.number() == 1 => Err(StepError::msg("once")),
            "spins" => Ok(Either::Right(Other { n: 1 })),
            _ => Ok(Either::Left(Item { n: attempt.number() })),
        }
    }

    #[step(blocking, workers = 1)]
    fn ends(&self, item: Item) -> Done {
        self.threads.lock().unwrap().push(std::thread::current().id());
        done(item.n)
    }

    #[step(blocking)]
    fn spins(&self, other: Other, cancel: CancelToken) -> Option<Done> {
        while !cancel.is_cancelled() {
            self.made.store(other.n, SeqCst);
            std::thread::yield_now();
        }
        self.stopped.store(true, SeqCst);
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_blocking_step_runs_off_the_run_s_own_thread() {
    for (how, expected) in [("fine", "1"), ("fails once", "2")] {
        let flow = Arc::new(Blocking::default());
        let recorded = TestKit::new().run(flow.clone(), begin(how)).await;
        assert_eq!(recorded.stop().text, expected);
        let here = std::thread::current().id();
        assert!(flow.threads.lock().unwrap().iter().all(|thread| *thread != here));
        assert_eq!(recorded.all::<Item>().len(), flow.threads.lock().unwrap().len() - 1);
    }
}

#[tokio::test]
async fn a_blocking_step_is_stopped_by_its_token() {
    let flow = Arc::new(Blocking::default());
    let run = flow.clone().run(begin("spins"));
    while flow.made.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    run.cancel();
    assert!(matches!(run.await, Err(RunError::Cancelled)));
    while !flow.stopped.load(SeqCst) {
        tokio::task::yield_now().await;
    }
}

/// A blocking attempt that ran out of time cannot be stopped, but what comes of it is not used.
#[derive(Default)]
struct Overdue {
    calls: AtomicU32,
    gate: Arc<(Mutex<bool>, std::sync::Condvar)>,
}

#[workflow(Begin => Done)]
impl Overdue {
    #[step(blocking, timeout = "1s", retry(attempts = 2, backoff = "1s"))]
    fn work(&self, _ev: Begin, attempt: Attempt, ctx: Context) -> Result<Done> {
        let call = ctx.call("pay", || async { Ok::<_, StepError>(self.calls.fetch_add(1, SeqCst) + 1) });
        let paid = futures_util::FutureExt::now_or_never(std::future::IntoFuture::into_future(call)).unwrap()?;
        if attempt.number() == 1 {
            let (open, changed) = &*self.gate;
            let mut open = open.lock().unwrap();
            while !*open {
                open = changed.wait(open).unwrap();
            }
        }
        Ok(done(format!("attempt {} paid {paid}", attempt.number())))
    }
}

#[tokio::test(start_paused = true)]
async fn an_overdue_blocking_attempt_is_not_waited_for_and_its_records_are_kept() {
    let flow = Arc::new(Overdue::default());
    let run = flow.clone().run_with(begin(""), RunOptions::new().record_internal());
    while flow.calls.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    // A thread that blocks keeps the clock from moving by itself.
    tokio::time::advance(Duration::from_millis(1_100)).await;
    let mut frames = run.events_internal();
    while frames.next().await.unwrap().get::<StepStateChanged>().is_none_or(|frame| frame.error.is_none()) {}
    // The first attempt comes to its end while the second waits for its turn.
    *flow.gate.0.lock().unwrap() = true;
    flow.gate.1.notify_all();
    let recorded = TestKit::new().watch(run).await;
    assert_eq!(recorded.stop().text, "attempt 2 paid 1");
    assert_eq!(flow.calls.load(SeqCst), 1);
    let errors = &recorded.executions("work")[0].errors;
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].exception_type, std::any::type_name::<StepTimedOut>());
}
