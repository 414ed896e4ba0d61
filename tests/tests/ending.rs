//! Promise 7: the first stop event wins; the others get their token cancelled and a grace; timeouts count running time
//! only; a run that can never end fails with what was missing.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stepcast::engine::StuckReason;
use stepcast::prelude::*;
use stepcast::{
    CollectError, EmitError, RunError, StepTimedOut, WaitError, WorkflowCancelledEvent, WorkflowFailedEvent,
    WorkflowTimedOutEvent,
};
use support::{after, rest, settle, within};
use tokio::time::Instant;

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event]
pub struct Item {
    n: u32,
}

#[event(external)]
pub struct Go {
    n: u32,
}

#[event]
pub struct Note {
    text: String,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

/// What the steps of a run saw of its end.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn all(&self) -> Vec<String> {
        let mut all = self.0.lock().unwrap().clone();
        all.sort();
        all
    }
}

/// Notes when it is dropped.
struct Dropped {
    seen: Seen,
    since: Instant,
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.seen.note(format!("dropped after {} ms", self.since.elapsed().as_millis()));
    }
}

/// Several executions of which the first to stop wins.
struct Race(Seen);

#[workflow(Begin => Done)]
impl Race {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (1..=ev.n).map(|n| Item { n }).collect()
    }

    #[step]
    async fn race(&self, item: Item, ctx: Context) -> Done {
        after(u64::from(1_000 - item.n)).await;
        // The first asks for no token, so that the others' are made after the end.
        let late = if item.n < 5 && ctx.cancel_token().is_cancelled() { "late" } else { "first" };
        self.0.note(format!("{} came {late}", item.n));
        done(item.n)
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_stop_event_wins() {
    let seen = Seen::default();
    let run = Race(seen.clone()).run(Begin { n: 5 });
    assert_eq!(within(run.result()).await.unwrap(), done(5));
    after(10_000).await;
    // The others may end within their grace; what they give goes nowhere.
    assert_eq!(seen.all(), ["1 came late", "2 came late", "3 came late", "4 came late", "5 came first"]);
    assert_eq!(within(run.result()).await.unwrap(), done(5));
    let stops = rest(run.stream_events()).await.iter().filter(|item| item.get::<Done>().is_some()).count();
    assert_eq!(stops, 1);
}

/// What goes on when the run ends, in each place where an execution can be.
struct After(Seen);

#[workflow(Begin => Done)]
impl After {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..=ev.n).map(|n| Item { n }).collect()
    }

    #[step(emits(Note), waits(Go), retry(attempts = 5, backoff = "100s"))]
    async fn work(&self, item: Item, ctx: Context, token: CancelToken) -> Result<Option<Done>> {
        match item.n {
            0 => {
                after(1_000).await;
                return Ok(Some(done("stop")));
            }
            // Asleep beyond its grace.
            1 => {
                let _dropped = Dropped { seen: self.0.clone(), since: Instant::now() };
                after(60_000).await;
                self.0.note("never");
            }
            // Parked in a wait.
            2 => self.0.note(format!(
                "wait {:?}",
                matches!(ctx.wait_for_event::<Go>().await, Err(WaitError::RunEnded { .. }))
            )),
            // In a wait, beside something else.
            3 => {
                let (wait, ()) = tokio::join!(ctx.wait_for_event::<Go>().id("beside"), after(1_200));
                self.0.note(format!("beside {:?}", matches!(wait, Err(WaitError::RunEnded { .. }))));
            }
            // Looks at its token.
            4 => {
                token.cancelled().await;
                self.0.note("cancelled");
                after(100).await;
                assert!(token.is_cancelled());
                let ended = matches!(ctx.send_event(Note { text: "late".into() }), Err(EmitError::RunEnded { .. }));
                self.0.note(format!("send {ended}"));
                let ended = matches!(ctx.send_now(Note { text: "late".into() }).await, Err(EmitError::RunEnded { .. }));
                self.0.note(format!("send_now {ended}"));
                let ended = matches!(ctx.collect_n(item, 2).await, Err(CollectError::RunEnded));
                self.0.note(format!("collect {ended}"));
                let wait = ctx.wait_for_event::<Go>().id("late").await;
                self.0.note(format!("late wait {}", matches!(wait, Err(WaitError::RunEnded { .. }))));
                let call = ctx.call("late", || async { Ok::<_, StepError>(1) }).await;
                self.0.note(format!("call {}", matches!(call, Err(stepcast::CallError::RunEnded { .. }))));
                let set = ctx.store().set("late", 1).await;
                self.0.note(format!("store {}", matches!(set, Err(stepcast::StoreEditError::RunEnded))));
                ctx.write_event_to_stream(Note { text: "late".into() });
            }
            // Between two attempts.
            _ => return Err(StepError::msg("again")),
        }
        Ok(None)
    }

    #[step]
    async fn note(&self, note: Note) {
        self.0.note(note.text);
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_end_there_is_a_grace_and_every_operation_is_refused() {
    let seen = Seen::default();
    let began = Instant::now();
    let run = After(seen.clone()).run(Begin { n: 5 });
    assert_eq!(within(run.result()).await.unwrap(), done("stop"));
    assert_eq!(began.elapsed().as_millis(), 1_000, "the result does not wait for the grace");
    after(100_000).await;
    let wanted = [
        "beside true",
        "call true",
        "cancelled",
        "collect true",
        "dropped after 1500 ms",
        "late wait true",
        "send true",
        "send_now true",
        "store true",
        "wait true",
    ];
    assert_eq!(seen.all(), wanted);
    assert_eq!(run.store_value("late"), None);
    assert_eq!(rest(run.stream_events()).await.len(), 1, "only the stop event");
}

#[tokio::test(start_paused = true)]
async fn the_grace_can_be_set() {
    for (grace, text) in [(0, "dropped after 1000 ms"), (2_000, "dropped after 3000 ms"), (200_000, "never")] {
        let seen = Seen::default();
        let options = RunOptions::new().grace(Duration::from_millis(grace));
        let run = After(seen.clone()).run_with(Begin { n: 1 }, options);
        assert_eq!(within(run.result()).await.unwrap(), done("stop"));
        after(100_000).await;
        assert!(seen.all().contains(&text.to_owned()), "{:?}", seen.all());
    }
}

/// A cancelled run.
#[tokio::test(start_paused = true)]
async fn a_cancelled_run_says_so_everywhere() {
    let seen = Seen::default();
    let run = After(seen.clone()).run(Begin { n: 5 });
    after(10).await;
    run.cancel();
    let error = within(run.result()).await.unwrap_err();
    assert!(matches!(error, RunError::Cancelled), "{error}");
    assert!(run.is_done());
    run.cancel();
    after(100_000).await;
    assert!(seen.all().contains(&"dropped after 510 ms".to_owned()), "{:?}", seen.all());
    assert!(seen.all().contains(&"wait true".to_owned()), "{:?}", seen.all());
    let items = rest(run.stream_events()).await;
    assert!(items.last().unwrap().get::<WorkflowCancelledEvent>().is_some());
    assert_eq!(items.len(), 1);
}

/// A step's error is the run's, with its source.
mod failing {
    use super::*;

    #[derive(Debug, PartialEq)]
    pub struct Broken(pub u32);

    impl std::fmt::Display for Broken {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "broken {}", self.0)
        }
    }

    impl std::error::Error for Broken {}

    #[step(retry(attempts = 2, backoff = "1s"))]
    pub async fn work(ev: Begin, attempt: Attempt) -> Result<Done, Broken> {
        if ev.n > 0 { Err(Broken(attempt.number())) } else { Ok(done("fine")) }
    }

    flow!(pub Failing: Begin => Done { work });
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_keeps_the_steps_error() {
    let run = failing::Failing.run(Begin { n: 1 });
    let error = within(run.result()).await.unwrap_err();
    let RunError::StepFailed { step, attempts, source } = &error else { panic!("{error}") };
    assert_eq!((step.as_str(), *attempts), ("work", 2));
    assert_eq!(source.downcast_ref::<failing::Broken>(), Some(&failing::Broken(2)));
    let items = rest(run.stream_events()).await;
    let failed = items.last().unwrap().get::<WorkflowFailedEvent>().unwrap();
    assert_eq!((failed.step_name.as_deref(), failed.attempts), (Some("work"), Some(2)));
    assert_eq!(failed.exception.exception_message, "broken 2");
    assert_eq!(failed.elapsed_seconds, Some(1.0));
}

/// Busy for some time, then waiting, then busy.
mod busy {
    use super::*;

    #[step(waits(Go), retry(attempts = 2, backoff = "100s"))]
    pub async fn work(ev: Begin, ctx: Context, attempt: Attempt) -> Result<Done> {
        if attempt.number() == 1 {
            after(1_000).await;
            return Err(StepError::msg("again"));
        }
        after(1_000).await;
        let go = ctx.wait_for_event::<Go>().await;
        after(u64::from(ev.n)).await;
        Ok(done(go?.n))
    }

    flow!(pub Busy: Begin => Done { work });
}

#[tokio::test(start_paused = true)]
async fn a_runs_timeout_counts_the_time_in_which_it_is_busy() {
    let options = || RunOptions::new().timeout(Duration::from_secs(5));
    // One second, a retry's delay, one second, a long wait: two seconds so far.
    let run = busy::Busy.run_with(Begin { n: 2_900 }, options());
    after(1_000_000).await;
    assert!(!run.is_done());
    run.send_event(Go { n: 1 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done(1));

    let run = busy::Busy.run_with(Begin { n: 3_100 }, options());
    after(1_000_000).await;
    run.send_event(Go { n: 1 }).unwrap();
    let began = Instant::now();
    let error = within(run.result()).await.unwrap_err();
    let RunError::TimedOut { after, active_steps } = &error else { panic!("{error}") };
    assert_eq!((*after, active_steps.as_slice()), (Duration::from_secs(5), ["work".to_owned()].as_slice()));
    assert_eq!(began.elapsed().as_millis(), 3_000);
    let items = rest(run.stream_events()).await;
    let timed_out = items.last().unwrap().get::<WorkflowTimedOutEvent>().unwrap();
    assert_eq!((timed_out.timeout, timed_out.active_steps.as_slice()), (5.0, ["work".to_owned()].as_slice()));
}

/// A step's timeout counts one attempt's running time.
mod step_timeout {
    use super::*;

    #[step(waits(Go), timeout = "5s", retry(attempts = 2, backoff = "1s"))]
    pub async fn work(ev: Begin, ctx: Context, attempt: Attempt) -> Result<Done> {
        match ev.n {
            0 => {
                after(2_000).await;
                let go = ctx.wait_for_event::<Go>().await?;
                after(2_900).await;
                Ok(done(go.n))
            }
            // Past it after the wait, which is not repeated.
            1 => {
                after(2_000).await;
                let go = ctx.wait_for_event::<Go>().await?;
                after(if attempt.number() == 1 { 3_100 } else { 0 }).await;
                Ok(done(format!("{} in attempt {}", go.n, attempt.number())))
            }
            // At once in a wait.
            2 => {
                let go = ctx.wait_for_event::<Go>().await?;
                after(4_900).await;
                Ok(done(go.n))
            }
            _ => {
                after(60_000).await;
                Ok(done("never"))
            }
        }
    }

    flow!(pub Timed: Begin => Done { work });
}

#[tokio::test(start_paused = true)]
async fn a_steps_timeout_counts_running_time_only() {
    for (n, text) in [(0, "7"), (1, "7 in attempt 2"), (2, "7")] {
        let run = step_timeout::Timed.run(Begin { n });
        after(1_000_000).await;
        assert!(!run.is_done(), "{n}");
        run.send_event(Go { n: 7 }).unwrap();
        assert_eq!(within(run.result()).await.unwrap(), done(text));
    }
    let began = Instant::now();
    let error = within(step_timeout::Timed.run(Begin { n: 3 })).await.unwrap_err();
    let RunError::StepFailed { attempts: 2, source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.downcast_ref::<StepTimedOut>().unwrap().after, Duration::from_secs(5));
    assert_eq!(began.elapsed(), Duration::from_secs(11));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_detaches() {
    let seen = Seen::default();
    drop(Race(seen.clone()).run(Begin { n: 1 }));
    after(10_000).await;
    assert_eq!(seen.all(), ["1 came first"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_only_waits_fails_when_nobody_can_send_any_more() {
    let run = busy::Busy.run(Begin { n: 0 });
    let again = run.stream_events();
    let handle = stepcast::AnyRun::clone(&run);
    after(1_000_000).await;
    drop(run);
    after(1_000_000).await;
    assert!(!handle.is_done(), "a handle is left");
    drop(handle);
    let items = rest(again).await;
    let failed = items.last().unwrap().get::<WorkflowFailedEvent>().unwrap();
    let text = &failed.exception.exception_message;
    assert!(text.contains("`work` for `Go`"), "{text}");
}

/// Runs that can never end.
mod stuck {
    use super::*;

    #[step(allow(unconsumed))]
    pub async fn begin(ev: Begin) -> (Option<Item>, Note) {
        (None, Note { text: ev.n.to_string() })
    }

    #[step]
    pub async fn end(item: Item) -> Done {
        done(item.n)
    }

    flow!(pub Stuck: Begin => Done { begin, end });

    #[step(on_failure = "continue")]
    pub async fn fails(ev: Begin) -> Result<Item> {
        if ev.n > 0 { Err(StepError::msg("no")) } else { Ok(Item { n: 0 }) }
    }

    flow!(pub GivenUp: Begin => Done { fails, end });

    /// A step takes an event from outside, so somebody may still send it.
    #[step]
    pub async fn open(go: Go) -> Done {
        done(go.n)
    }

    flow!(pub Open: Begin => Done { begin, end, open });
}

#[tokio::test(start_paused = true)]
async fn a_stuck_run_says_what_was_missing() {
    let error = within(stuck::Stuck.run(Begin { n: 1 })).await.unwrap_err();
    let text = error.to_string();
    let RunError::Stuck { reason: StuckReason::NoStopEvent { last_unhandled, failures, waiting_joins } } = error else {
        panic!("{text}")
    };
    assert_eq!((last_unhandled.as_deref(), failures, waiting_joins.len()), (Some("Note"), 0, 0));

    let error = within(stuck::GivenUp.run(Begin { n: 1 })).await.unwrap_err();
    assert!(error.to_string().contains("1 execution(s) failed and were given up"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_events_from_outside_waits_while_somebody_can_send() {
    let run = stuck::Open.run(Begin { n: 1 });
    let stream = run.stream_events();
    after(1_000_000).await;
    assert!(!run.is_done());
    drop(run);
    let items = rest(stream).await;
    assert!(items.last().unwrap().get::<WorkflowFailedEvent>().is_some());

    let run = stuck::Open.run(Begin { n: 1 });
    settle().await;
    run.send_event(Go { n: 5 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done(5));
}

/// A context that outlives its execution.
mod stray {
    use super::*;

    pub struct Stray(pub Seen, pub Mutex<Option<Context<(Note,)>>>);

    #[workflow(Begin => Done)]
    impl Stray {
        #[step]
        async fn lend(&self, ev: Begin, ctx: Context<(Note,)>) -> Item {
            *self.1.lock().unwrap() = Some(ctx);
            Item { n: ev.n }
        }

        #[step]
        async fn borrow(&self, _item: Item) -> Done {
            let ctx = self.1.lock().unwrap().take().unwrap();
            let sent = ctx.send_event(Note { text: "stray".into() });
            self.0.note(format!("send {}", matches!(sent, Err(EmitError::ExecutionEnded { .. }))));
            let sent = ctx.send_now(Note { text: "stray".into() }).await;
            self.0.note(format!("send_now {}", matches!(sent, Err(EmitError::ExecutionEnded { .. }))));
            assert!(ctx.cancel_token().is_cancelled());
            after(10).await;
            done("end")
        }

        #[step]
        async fn note(&self, note: Note) {
            self.0.note(note.text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_context_ends_with_its_execution() {
    let seen = Seen::default();
    let run = stray::Stray(seen.clone(), Mutex::default()).run(Begin { n: 0 });
    assert_eq!(within(run.result()).await.unwrap(), done("end"));
    assert_eq!(seen.all(), ["send true", "send_now true"]);
}

/// Heavy executions in tasks of their own, and blocking ones.
mod heavy {
    use super::*;

    pub struct Heavy(pub Seen);

    #[workflow(Begin => Done)]
    impl Heavy {
        #[step]
        async fn split(&self, ev: Begin) -> Vec<Item> {
            (0..ev.n).map(|n| Item { n }).collect()
        }

        #[step]
        async fn spin(&self, item: Item, token: CancelToken) -> Option<Done> {
            let since = std::time::Instant::now();
            while since.elapsed() < Duration::from_micros(300) {
                std::hint::spin_loop();
            }
            if item.n == 7 {
                return Some(done("spun"));
            }
            token.cancelled().await;
            self.0.note("token");
            None
        }

        #[step(blocking)]
        fn block(&self, _item: Item, token: CancelToken) {
            while !token.is_cancelled() {
                std::thread::yield_now();
            }
            self.0.note("blocked");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_token_reaches_executions_on_every_thread() {
    let seen = Seen::default();
    let options = RunOptions::new().grace(Duration::from_secs(60));
    let run = heavy::Heavy(seen.clone()).run_with(Begin { n: 8 }, options);
    assert_eq!(within(run.result()).await.unwrap(), done("spun"));
    within(async {
        while seen.all().len() < 15 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
