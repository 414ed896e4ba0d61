//! The re-execution rule after a failed attempt: up to its last commit point nothing is done twice, and nobody is ever
//! asked twice. What a restore repeats is in `restore.rs`; calls have a file of their own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::future::IntoFuture;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use stepcast::prelude::*;
use stepcast::testing::{TestKit, advance, assert_events, settle};
use stepcast::{BuiltWorkflow, WorkflowBuilder};
use stepcast::{RespondError, RunPolicy, WaitError};
use tokio::time::sleep;

#[event(start)]
struct Begin {
    how: String,
}

#[event]
struct Item {
    n: u32,
}

#[event]
struct Note {
    text: String,
}

#[event(input_required)]
struct Question {
    text: String,
}

#[event(human_response)]
struct Answer {
    text: String,
}

#[event(external)]
struct Go {
    n: u32,
}

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

fn note(text: &str) -> Note {
    Note { text: text.to_owned() }
}

#[derive(Clone, Default, Serialize, Deserialize, State)]
struct Counter {
    n: u32,
}

/// Every kind of operation before and behind a commit point; the first two attempts fail at the end.
struct Everything;

#[workflow(Begin => Done)]
impl Everything {
    #[step(waits(Go), streams(Note), retry(attempts = 3, backoff = "1s"))]
    async fn work(&self, _ev: Begin, counter: State<Counter>, ctx: Context<(Item,)>) -> Result<()> {
        ctx.write_event_to_stream(note("before"));
        let before = counter
            .edit(|state| {
                state.n += 1;
                state.n
            })
            .await?;
        ctx.store().set("writes", counter.get().n).await?;
        ctx.send_event(Item { n: 1 })?;
        ctx.send_now(Item { n: 2 }).await?;
        let go = ctx.wait_for_event::<Go>().await?;
        // From here on nothing is committed.
        ctx.write_event_to_stream(note("behind"));
        counter.edit(|state| state.n += 100).await?;
        ctx.send_event(Item { n: 3 })?;
        ctx.send_now(Item { n: 4 }).await?;
        if ctx.attempt() < 3 {
            return Err(StepError::msg("not yet"));
        }
        ctx.send_event(Item { n: 1_000 + before + go.n })?;
        Ok(())
    }

    #[step]
    async fn count(&self, item: Item, ctx: Context) -> Result<Option<Done>> {
        let store = ctx.store();
        let seen = store.edit("seen", |seen| {
            if seen.is_null() {
                *seen = serde_json::json!([]);
            }
            seen.as_array_mut().unwrap().push(item.n.into());
            Ok::<_, StepError>(seen.to_string())
        });
        let seen = seen.await??;
        Ok((item.n >= 1_000).then(|| done(seen)))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_a_commit_point_is_done_once() {
    let kit = TestKit::new();
    let run = Everything.run_with(begin(""), RunOptions::new().record_internal());
    run.send_event(Go { n: 10 }).unwrap();
    let recorded = kit.watch(run).await;
    // Sent: 2 at once, 1 with the wait, 4 at once, and with the success 3 and the last.
    assert_eq!(recorded.stop().text, "[2,1,4,3,1011]");
    let notes: Vec<&str> = recorded.all::<Note>().iter().map(|note| note.text.as_str()).collect();
    assert_eq!(notes, ["before", "behind", "behind", "behind"], "what no commit point covers is done anew");
    assert_eq!(recorded.state::<Counter>().unwrap().n, 301);
    assert_eq!(recorded.store_value("writes"), Some(1.into()));
    assert_events!(recorded, [Begin, Item * 5, Done]);
}

/// Asks, and fails while the question is open: where the attempt runs makes no difference.
#[derive(Default)]
struct Asking {
    attempts: AtomicU32,
}

#[workflow(Begin => Done)]
impl Asking {
    #[step(waits(Answer), retry(attempts = 2, backoff = "5s"), timeout = "20s")]
    async fn ask(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let attempt = self.attempts.fetch_add(1, SeqCst) + 1;
        match ev.how.as_str() {
            // Polled by its run's task after it was woken from outside.
            "local" => sleep(Duration::from_millis(5)).await,
            // A long poll earns it a task of its own.
            "task" => {
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(2) {
                    std::hint::spin_loop();
                }
                sleep(Duration::from_millis(5)).await;
            }
            _ => {}
        }
        let answer = ctx.wait_for_event::<Answer>().announce(Question { text: "well?".into() }).into_future();
        let work = async {
            match (attempt, ev.how.as_str()) {
                (1, "panics") => {
                    sleep(Duration::from_secs(1)).await;
                    panic!("failed")
                }
                (1, "times out") => {
                    sleep(Duration::from_secs(90)).await;
                    Ok(())
                }
                (1, _) => {
                    sleep(Duration::from_secs(1)).await;
                    Err(StepError::msg("failed"))
                }
                _ => Ok(()),
            }
        };
        // The failure drops the wait.
        let (answer, ()) = tokio::try_join!(async { answer.await.map_err(StepError::from) }, work)?;
        Ok(done(format!("{} after {attempt}", answer.text)))
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_twice_because_an_attempt_failed() {
    for how in ["in place", "local", "task", "panics", "times out"] {
        let run = Asking::default().run(begin(how));
        settle().await;
        advance(Duration::from_millis(100)).await;
        let asked = run.pending_inputs().await;
        assert_eq!(asked.len(), 1, "{how}");
        advance(Duration::from_secs(60)).await;
        let still = run.pending_inputs().await;
        assert_eq!(still.iter().map(|asked| &asked.id).collect::<Vec<_>>(), [&asked[0].id], "{how}");
        run.respond(&asked[0].id, Answer { text: "fine".into() }).await.unwrap();
        assert_eq!(run.result().await.unwrap().text, "fine after 2", "{how}");
        let mut questions = 0;
        let mut stream = run.stream_events();
        while let Some(item) = stream.next().await {
            questions += u32::from(item.get::<Question>().is_some());
        }
        assert_eq!(questions, 1, "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_between_two_attempts_is_not_lost() {
    for how in ["in place", "local", "task"] {
        let run = Asking::default().run(begin(how));
        advance(Duration::from_secs(3)).await;
        let asked = run.pending_inputs().await;
        run.respond(&asked[0].id, Answer { text: "early".into() }).await.unwrap();
        let second = run.respond(&asked[0].id, Answer { text: "late".into() }).await.unwrap_err();
        assert!(matches!(second, RespondError::Conflict { .. }), "{second}");
        assert_eq!(run.await.unwrap().text, "early after 2", "{how}");
    }
}

/// Fails before its run has even heard of the wait.
struct TooSoon;

#[workflow(Begin => Done)]
impl TooSoon {
    #[step(waits(Answer), retry(attempts = 2, backoff = "1s"))]
    async fn ask(&self, _ev: Begin, ctx: Context) -> Result<Done> {
        let answer = ctx.wait_for_event::<Answer>().announce(Question { text: "well?".into() });
        let fails = async { if ctx.attempt() == 1 { Err(StepError::msg("at once")) } else { Ok(()) } };
        let (answer, ()) = tokio::try_join!(async { answer.await.map_err(StepError::from) }, fails)?;
        Ok(done(answer.text))
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_fails_at_once_asks_once() {
    let recorded = TestKit::new().answer(|_: &Question| Answer { text: "yes".into() }).run(TooSoon, begin("")).await;
    assert_eq!(recorded.stop().text, "yes");
    assert_eq!((recorded.asked().len(), recorded.all::<Question>().len()), (1, 1));
}

/// A wait that its body gives up is withdrawn, and so is its question.
struct GivingUp;

#[workflow(Begin => Done)]
impl GivingUp {
    #[step(waits(Answer, Go))]
    async fn ask(&self, ev: Begin, ctx: Context) -> Result<Done> {
        if ev.how == "local" {
            sleep(Duration::from_millis(1)).await;
        }
        tokio::select! {
            answer = ctx.wait_for_event::<Answer>().announce(Question { text: "?".into() }).into_future() => return Ok(done(answer?.text)),
            () = sleep(Duration::from_secs(5)) => {}
        }
        let go = ctx.wait_for_event::<Go>().await?;
        Ok(done(format!("gave up {}", go.n)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_is_withdrawn_with_its_question() {
    for how in ["in place", "local"] {
        let run = GivingUp.run(begin(how));
        advance(Duration::from_secs(1)).await;
        let asked = run.pending_inputs().await;
        assert_eq!(asked.len(), 1);
        advance(Duration::from_secs(5)).await;
        assert!(run.pending_inputs().await.is_empty(), "{how}");
        let error = run.respond(&asked[0].id, Answer { text: "late".into() }).await.unwrap_err();
        assert!(matches!(error, RespondError::Conflict { .. }), "{error}");
        run.send_event(Go { n: 1 }).unwrap();
        assert_eq!(run.await.unwrap().text, "gave up 1");
    }
}

/// The second attempt takes another way: what it does not reach any more is withdrawn when it ends.
struct OtherWay;

#[workflow(Begin => Done)]
impl OtherWay {
    #[step(waits(Answer, Go), retry(attempts = 2, backoff = "1s"))]
    async fn ask(&self, ev: Begin, ctx: Context<(Item,)>) -> Result<()> {
        if ctx.attempt() == 1 {
            let wait = ctx.wait_for_event::<Answer>().id("first").announce(Question { text: "first".into() });
            let fails = async {
                sleep(Duration::from_millis(100)).await;
                Err::<(), _>(StepError::msg("failed"))
            };
            tokio::try_join!(async { wait.await.map_err(StepError::from) }, fails)?;
        }
        if ev.how == "asks" {
            let answer =
                ctx.wait_for_event::<Answer>().id("second").announce(Question { text: "second".into() }).await?;
            ctx.send_event(Item { n: answer.text.len() as u32 })?;
        } else {
            ctx.send_event(Item { n: 0 })?;
        }
        Ok(())
    }

    #[step(waits(Go))]
    async fn ends(&self, item: Item, ctx: Context) -> Result<Done> {
        ctx.wait_for_event::<Go>().await?;
        Ok(done(item.n))
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_not_reached_any_more_is_withdrawn() {
    let run = OtherWay.run(begin("does not ask"));
    settle().await;
    let asked = run.pending_inputs().await;
    assert_eq!(asked.len(), 1);
    advance(Duration::from_secs(2)).await;
    assert!(run.pending_inputs().await.is_empty());
    assert!(matches!(run.respond(&asked[0].id, Answer { text: "x".into() }).await, Err(RespondError::Conflict { .. })));

    let run = OtherWay.run(begin("asks"));
    advance(Duration::from_secs(2)).await;
    let both = run.pending_inputs().await;
    let texts: Vec<_> =
        both.iter().map(|asked| asked.input.event.as_ref().unwrap().get::<Question>().unwrap().text.clone()).collect();
    assert_eq!(texts, ["first", "second"]);
    run.respond(&both[1].id, Answer { text: "four".into() }).await.unwrap();
    settle().await;
    assert!(run.pending_inputs().await.is_empty());
    run.send_event(Go { n: 0 }).unwrap();
    assert_eq!(run.await.unwrap().text, "4");
}

/// Waits keep their deadline over attempts.
struct Deadline;

#[workflow(Begin => Done)]
impl Deadline {
    #[step(waits(Go), retry(attempts = 9, backoff = "4s", factor = 1))]
    async fn wait(&self, _ev: Begin, ctx: Context) -> Result<Done> {
        let begun = ctx.call("begun", || async { Ok::<_, StepError>(0) }).await?;
        let wait = ctx.wait_for_event::<Go>().timeout(Duration::from_secs(10)).into_future();
        let fails = async {
            sleep(Duration::from_secs(1)).await;
            Err::<(), _>(StepError::msg("failed"))
        };
        tokio::select! {
            go = wait => match go {
                Err(WaitError::TimedOut { .. }) => Ok(done(begun)),
                other => Err(StepError::msg(format!("{other:?}"))),
            },
            error = fails => Err(error.unwrap_err()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_counted_from_the_first_attempt() {
    let begun = tokio::time::Instant::now();
    let recorded = TestKit::new().run(Deadline, begin("")).await;
    assert_eq!(recorded.stop().text, "0");
    assert_eq!(recorded.executions("wait")[0].attempts, 3, "at 0, 5 and 10 seconds");
    assert_eq!(begun.elapsed().as_secs(), 10);
}

/// A collection that was added to, and one that was handed out, are not repeated.
struct Collecting;

#[workflow(Begin => Done)]
impl Collecting {
    #[step]
    async fn begin(&self, _ev: Begin) -> Vec<Item> {
        vec![Item { n: 1 }, Item { n: 2 }, Item { n: 3 }]
    }

    #[step(workers = 1, retry(attempts = 2, backoff = "1s"))]
    async fn collect(&self, item: Item, ctx: Context) -> Result<Option<Note>> {
        let set = ctx.collect_n(item.clone(), 3).await?;
        if ctx.attempt() == 1 {
            return Err(StepError::msg("failed"));
        }
        Ok(set.map(|set| note(&set.iter().map(|item| item.n.to_string()).collect::<Vec<_>>().join(" "))))
    }

    #[step]
    async fn ends(&self, note: Note) -> Done {
        done(note.text)
    }
}

#[tokio::test(start_paused = true)]
async fn a_collection_is_not_repeated() {
    let recorded = TestKit::new().run(Collecting, begin("")).await;
    assert_eq!(recorded.stop().text, "1 2 3");
    assert!(recorded.executions("collect").iter().all(|execution| execution.attempts == 2));
}

/// A child that ended is not run again; one that failed stays failed.
#[derive(Default)]
struct Parent {
    children: Arc<Mutex<Vec<String>>>,
}

struct Child {
    begun: Arc<Mutex<Vec<String>>>,
}

#[workflow(Begin => Done)]
impl Child {
    #[step]
    async fn work(&self, ev: Begin) -> Result<Done> {
        self.begun.lock().unwrap().push(ev.how.clone());
        if ev.how == "bad" { Err(StepError::msg("the child fails")) } else { Ok(done(ev.how)) }
    }
}

#[workflow(Begin => Done)]
impl Parent {
    #[step(retry(attempts = 2, backoff = "1s"))]
    async fn work(&self, _ev: Begin, ctx: Context) -> Result<Done> {
        let child = || Child { begun: Arc::clone(&self.children) };
        let good = ctx.run_child(child(), begin("good")).await?;
        let bad = ctx.run_child(child(), begin("bad")).await.unwrap_err();
        if ctx.attempt() == 1 { Err(StepError::msg("failed")) } else { Ok(done(format!("{} | {bad}", good.text))) }
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_is_not_run_again() {
    let parent = Arc::new(Parent::default());
    let text = parent.clone().run_with(begin(""), RunOptions::new().run_id("p")).await.unwrap().text;
    assert_eq!(
        text,
        "good | The child run `p.1.Child.2` of `Child` failed: The step `work` failed after 1 attempt(s): the child fails"
    );
    assert_eq!(*parent.children.lock().unwrap(), ["good", "bad"]);
}

/// The bound on records holds for every kind of result.
#[tokio::test(start_paused = true)]
async fn the_record_of_an_execution_is_bounded() {
    let mut policy = RunPolicy::default();
    policy.max_records = 2;
    let def = WorkflowBuilder::new::<Begin, Done>("bounded").policy(policy).step_fn_with(
        "work",
        |ev: Begin, counter: State<Counter>, ctx: Context| async move {
            for _ in 0..2 {
                ctx.call("x", || async { Ok::<_, StepError>(()) }).await?;
            }
            let error = match ev.how.as_str() {
                "call" => ctx.call("x", || async { Ok::<_, StepError>(()) }).await.unwrap_err().to_string(),
                "wait" => ctx.wait_for_event::<Go>().await.unwrap_err().to_string(),
                "edit" => counter.edit(|state| state.n).await.unwrap_err().to_string(),
                "store" => ctx.store().edit("x", |_| Ok::<_, StepError>(1)).await.map(|_| ()).unwrap_err().to_string(),
                "collect" => ctx.collect_n(ev.clone(), 2).await.map(|_| ()).unwrap_err().to_string(),
                _ => ctx.run_child(Child { begun: Arc::default() }, ev.clone()).await.unwrap_err().to_string(),
            };
            // What leaves no result is not bounded.
            counter.edit(|state| state.n += 1).await?;
            ctx.store().set("a", 1).await?;
            ctx.write_event_to_stream(note("free"));
            Ok::<_, StepError>(done(error))
        },
        |step| {
            step.waits_for::<Go>();
        },
    );
    let flow = BuiltWorkflow::<Begin, Done>::new(def.build().unwrap()).unwrap();
    for how in ["call", "wait", "edit", "store", "collect", "child"] {
        let text = flow.run(begin(how)).await.unwrap().text;
        assert!(
            text.contains("The execution has recorded 2 results, the most it may; split the step"),
            "{how}: {text}"
        );
    }
}
