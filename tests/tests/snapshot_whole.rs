//! Promise 10: what people were asked, state, store, stream, children, time and the end are in a snapshot too, and at
//! whatever moment it is taken the run ends the same way.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/stored.rs"]
mod stored;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepcast::engine::FailureChoice;
use stepcast::prelude::*;
use stepcast::testing::{TestKit, advance, settle};
use stepcast::{RespondError, RunError, RunSnapshot, StoredError, WaitError};
use tokio::time::sleep;

use stored::*;

/// Questions: one that is an event, one that a wait announces, one about a failure.
struct Asking;

#[workflow(Begin => Done)]
impl Asking {
    #[step]
    async fn begin(&self, ev: Begin) -> (Question, Item, Part) {
        (Question { n: ev.n }, Item { n: ev.n }, Part { n: ev.n })
    }

    #[step]
    async fn answered(&self, answer: Answer) -> Piece {
        Piece { n: answer.n }
    }

    #[step(waits(Go))]
    async fn announces(&self, item: Item, ctx: Context) -> Result<Note> {
        let go = ctx.wait_for_event::<Go>().announce(Question { n: 100 + item.n }).matching(|go| go.n > 5).await?;
        Ok(Note { n: go.n })
    }

    #[step(on_failure = "pause")]
    async fn fails(&self, part: Part, attempt: Attempt) -> Result<Half2> {
        if attempt.number() == 1 { Err(StepError::msg("broken")) } else { Ok(Half2 { n: part.n }) }
    }

    #[step]
    async fn join(&self, piece: Piece, note: Note, half: Half2) -> Done {
        done(format!("{} {} {}", piece.n, note.n, half.n))
    }
}

#[event]
struct Half2 {
    n: u32,
}

#[tokio::test(start_paused = true)]
async fn pending_inputs_keep_their_ids_and_nobody_is_asked_twice() {
    let run = Asking.run_with(Begin { n: 1 }, RunOptions::new().run_id("asks"));
    settle().await;
    let asked = within(run.pending_inputs()).await;
    let ids: Vec<String> = asked.iter().map(|asked| asked.id.to_string()).collect();
    assert_eq!(ids.len(), 3);
    let stored = run.snapshot().await.unwrap();
    let run = moved(run, Asking).await;
    assert_eq!(run.run_id().as_str(), "asks");
    let again = within(run.pending_inputs()).await;
    assert_eq!(again.iter().map(|asked| asked.id.to_string()).collect::<Vec<_>>(), ids);
    let find = |tag: &str| again.iter().find(|asked| asked.input.expects.as_deref() == Some(tag)).unwrap().id.clone();
    let failure = again.iter().find(|asked| asked.input.error.is_some()).unwrap();
    assert_eq!(failure.input.error.as_ref().unwrap().exception_message, "broken");
    let question = again.iter().find(|asked| asked.input.expects.is_none() && asked.input.error.is_none()).unwrap();
    assert_eq!(question.input.event.as_ref().unwrap().get::<Question>().unwrap().n, 1);

    // The predicate does not exist before its execution has come to the wait again: the answer waits for it.
    let refused = within(run.respond(&find("Go"), go(5, ""))).await.unwrap_err();
    assert!(matches!(refused, RespondError::Filtered { .. }), "{refused}");
    within(run.respond(&find("Go"), go(6, ""))).await.unwrap();
    within(run.respond(&question.id, Answer { n: 2 })).await.unwrap();
    let second = within(run.respond(&question.id, Answer { n: 3 })).await.unwrap_err();
    assert!(matches!(second, RespondError::Conflict { .. }), "{second}");
    within(run.respond_failure(&failure.id, FailureChoice::Retry)).await.unwrap();
    assert_eq!(within(run.result()).await.unwrap().text, "2 6 1");
    let mut stream = run.stream_events();
    let first = stream.next().await.unwrap();
    assert_eq!((first.seq(), first.get::<Done>().is_some()), (Some(3), true), "both questions had their number before");

    // The same again from the stored form, which can be used any number of times.
    let run = Asking.restore(stored).unwrap();
    within(run.respond_failure(&failure.id, FailureChoice::Fail)).await.unwrap();
    let RunError::StepFailed { source, .. } = within(run).await.unwrap_err() else { panic!() };
    assert_eq!(
        source.downcast_ref::<StoredError>().unwrap().info.exception_message,
        "broken",
        "its texts, after a restore"
    );
}

#[derive(Clone, Default, Serialize, Deserialize, State)]
struct Counter {
    n: u32,
    by: BTreeMap<String, u32>,
}

/// State, store, stream, and every operation once.
#[derive(Default)]
struct Everything {
    gate: Gate,
    calls: AtomicU32,
}

#[workflow(Begin => Done)]
impl Everything {
    #[step(streams(Note))]
    async fn work(&self, _ev: Begin, counter: State<Counter>, ctx: Context<(Item,)>) -> Result<Part> {
        ctx.write_event_to_stream(Note { n: 1 });
        let edited = counter
            .edit(|state| {
                state.n += 1;
                *state.by.entry("a".into()).or_default() += 1;
                state.n
            })
            .await?;
        ctx.store().set("x.y", edited).await?;
        let count = |count: &mut serde_json::Value| {
            *count = (count.as_u64().unwrap_or(0) + 1).into();
            Ok::<_, StepError>(count.as_u64())
        };
        let stored = ctx.store().edit("count", count).await??;
        let called = ctx.call("pay", || async { Ok::<_, StepError>(self.calls.fetch_add(1, SeqCst)) }).await?;
        ctx.send_event(Item { n: 1 })?;
        ctx.send_now(Item { n: 2 }).await?;
        ctx.write_event_to_stream(Note { n: 2 });
        self.gate.pass(1).await;
        ctx.write_event_to_stream(Note { n: 3 });
        ctx.send_event(Item { n: 3 })?;
        Ok(Part { n: edited * 100 + u32::try_from(stored.unwrap_or(0))? * 10 + called })
    }

    #[step]
    async fn count(&self, item: Item, counter: State<Counter>) -> Result<()> {
        counter.edit(|state| *state.by.entry(format!("item {}", item.n)).or_default() += 1).await?;
        Ok(())
    }

    #[step]
    async fn ends(&self, part: Part) -> Done {
        sleep(Duration::from_secs(1)).await;
        done(part.n)
    }
}

#[tokio::test(start_paused = true)]
async fn state_store_stream_and_every_operation_once() {
    let flow = Arc::new(Everything::default());
    let mut run = flow.clone().run(Begin { n: 0 });
    for _ in 0..3 {
        settle().await;
        run = moved(run, flow.clone()).await;
    }
    assert_eq!(run.store_value("x.y"), Some(1.into()), "also before any step has asked for it");
    assert_eq!(run.state::<Counter>().unwrap().n, 1);
    flow.gate.open(1);
    assert_eq!(within(run.result()).await.unwrap().text, "110");
    let state = run.state::<Counter>().unwrap();
    assert_eq!(
        state.by,
        BTreeMap::from([("a".into(), 1), ("item 1".into(), 1), ("item 2".into(), 1), ("item 3".into(), 1)])
    );
    assert_eq!((run.store_value("count"), flow.calls.load(SeqCst)), (Some(1.into()), 1));
    let mut seen = Vec::new();
    let mut stream = run.stream_events();
    while let Some(item) = stream.next().await {
        seen.push((item.seq().unwrap(), item.get::<Note>().map(|note| note.n)));
    }
    assert_eq!(seen, [(3, Some(3)), (4, None)], "numbers go on where they were");
    assert_eq!(flow.gate.began().len(), 4);
}

/// A child that asks a person.
#[derive(Default)]
struct Parent {
    begun: Arc<AtomicU32>,
}

struct Child {
    begun: Arc<AtomicU32>,
}

#[workflow(Begin => Done)]
impl Child {
    #[step]
    async fn begin(&self, ev: Begin) -> Question {
        self.begun.fetch_add(1, SeqCst);
        Question { n: ev.n }
    }

    #[step]
    async fn answered(&self, answer: Answer, counter: State<Counter>) -> Result<Done> {
        let n = counter
            .edit(|state| {
                state.n += answer.n;
                state.n
            })
            .await?;
        Ok(done(format!("child {n}")))
    }
}

#[workflow(Begin => Done)]
impl Parent {
    #[step]
    async fn work(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let first = ctx.run_child(Child { begun: Arc::clone(&self.begun) }, Begin { n: ev.n }).await?;
        let second = ctx.run_child(Child { begun: Arc::clone(&self.begun) }, Begin { n: ev.n + 1 }).await?;
        Ok(done(format!("{} {}", first.text, second.text)))
    }
}

#[tokio::test(start_paused = true)]
async fn children_go_on_with_their_parent() {
    let flow = Arc::new(Parent::default());
    let mut run = flow.clone().run_with(Begin { n: 5 }, RunOptions::new().run_id("p"));
    for n in [1, 2] {
        settle().await;
        run = moved(run, flow.clone()).await;
        settle().await;
        let asked = within(run.pending_inputs()).await;
        assert_eq!(asked.len(), 1, "question {n}");
        assert_eq!(asked[0].id.run_id.as_str(), if n == 1 { "p.1.Child" } else { "p.1.Child.2" });
        run = moved(run, flow.clone()).await;
        settle().await;
        within(run.respond(&asked[0].id, Answer { n })).await.unwrap();
    }
    assert_eq!(within(run).await.unwrap().text, "child 1 child 2");
    assert_eq!(flow.begun.load(SeqCst), 2, "no child began twice");
}

/// Ended runs are stored with their end.
struct Ending;

#[workflow(Begin => Done)]
impl Ending {
    #[step(streams(Note))]
    async fn work(&self, ev: Begin, counter: State<Counter>, ctx: Context) -> Result<Done> {
        ctx.write_event_to_stream(Note { n: 0 });
        counter.edit(|state| state.n = ev.n).await?;
        if ev.n == 0 { Err(StepError::msg("zero")) } else { Ok(done(ev.n)) }
    }
}

#[tokio::test(start_paused = true)]
async fn an_ended_run_keeps_its_end_its_state_and_its_place_in_the_stream() {
    for n in [4, 0] {
        let run = Ending.run(Begin { n });
        let end = run.result().await;
        let text = run.snapshot().await.unwrap().to_json().unwrap();
        let again = Ending.restore(RunSnapshot::from_json(&text).unwrap()).unwrap();
        assert!(again.is_done());
        match (end, within(again.result()).await) {
            (Ok(before), Ok(after)) => assert_eq!(before, after),
            (Err(before), Err(after)) => {
                assert!(matches!(after, RunError::EndedBefore { .. }), "{after:?}");
                assert!(after.to_string().ends_with(&before.to_string()), "{after}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(again.state::<Counter>().unwrap().n, n);
        let mut stream = again.stream_events();
        assert_eq!(stream.next().await.unwrap().seq(), Some(2), "the end has the number it had");
        assert!(stream.next().await.is_none());
        let twice = again.snapshot().await.unwrap().to_json().unwrap();
        assert_eq!(twice, text, "stored again, it is the same");
    }
}

/// The time a run has used.
struct Timed;

#[workflow(Begin => Done)]
impl Timed {
    #[step]
    async fn first(&self, ev: Begin) -> Item {
        sleep(Duration::from_secs(6)).await;
        Item { n: ev.n }
    }

    #[step(waits(Go))]
    async fn second(&self, item: Item, ctx: Context) -> Result<Done> {
        ctx.wait_for_event::<Go>().await?;
        sleep(Duration::from_secs(6)).await;
        Ok(done(item.n))
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_goes_on_where_it_was_and_does_not_count_the_time_in_storage() {
    for (seconds, in_time) in [(10, false), (13, true)] {
        let run = Timed.run_with(Begin { n: 0 }, RunOptions::new().timeout(Duration::from_secs(seconds)));
        advance(Duration::from_secs(100)).await;
        let text = run.snapshot().await.unwrap().to_json().unwrap();
        run.cancel();
        advance(Duration::from_secs(3_600)).await;
        let run = Timed.restore(RunSnapshot::from_json(&text).unwrap()).unwrap();
        advance(Duration::from_secs(100)).await;
        run.send_event(go(0, "")).unwrap();
        match within(run).await {
            Ok(_) => assert!(in_time),
            Err(RunError::TimedOut { after, active_steps }) => {
                assert!(!in_time);
                assert_eq!((after.as_secs(), &active_steps[..]), (seconds, &["second".to_owned()][..]));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restore_may_give_more_or_less_time() {
    for (seconds, in_time) in [(11, false), (13, true)] {
        let run = Timed.run_with(Begin { n: 0 }, RunOptions::new().timeout(Duration::from_secs(7)));
        advance(Duration::from_secs(10)).await;
        let snapshot = run.snapshot().await.unwrap();
        run.cancel();
        let run = Timed.restore_with(snapshot, RunOptions::new().timeout(Duration::from_secs(seconds))).unwrap();
        run.send_event(go(0, "")).unwrap();
        assert_eq!(within(run).await.is_ok(), in_time, "6 s were used before, 6 s are needed");
    }
    // A run without a timeout may be given one, and the longest there is.
    for timeout in [Duration::from_secs(5), Duration::MAX] {
        let run = Timed.run(Begin { n: 0 });
        advance(Duration::from_secs(10)).await;
        let run = Timed.restore_with(run.snapshot().await.unwrap(), RunOptions::new().timeout(timeout)).unwrap();
        run.send_event(go(0, "")).unwrap();
        assert_eq!(within(run).await.is_ok(), timeout == Duration::MAX);
    }
    assert!(within(Timed.run_with(Begin { n: 0 }, RunOptions::new().timeout(Duration::ZERO))).await.is_err());
}

/// A bit of everything that takes time, without a race: whenever it is stored, the result is the same.
#[derive(Default)]
struct Long {
    calls: Mutex<BTreeMap<String, u32>>,
}

#[workflow(Begin => Done)]
impl Long {
    #[step]
    async fn begin(&self, ev: Begin) -> Vec<Item> {
        sleep(Duration::from_secs(1)).await;
        (1..=ev.n).map(|n| Item { n }).collect()
    }

    #[step(workers = 2, retry(attempts = 3, backoff = "2s"))]
    async fn work(&self, item: Item, counter: State<Counter>, attempt: Attempt, ctx: Context) -> Result<(Part, Piece)> {
        let label = format!("call {}", item.n);
        ctx.call(label.clone(), || async {
            *self.calls.lock().unwrap().entry(label).or_default() += 1;
            Ok::<_, StepError>(())
        })
        .await?;
        sleep(Duration::from_secs(u64::from(item.n))).await;
        if attempt.number() == 1 && item.n.is_multiple_of(2) {
            return Err(StepError::msg("even"));
        }
        counter.edit(|state| state.n += item.n).await?;
        Ok((Part { n: item.n }, Piece { n: item.n }))
    }

    #[step(waits(Go))]
    async fn pairs(&self, part: Part, piece: Piece, ctx: Context) -> Result<Note> {
        let wait = ctx.wait_for_event::<Go>().id("pause").where_field("n", part.n).timeout(Duration::from_secs(3));
        assert!(matches!(wait.await, Err(WaitError::TimedOut { .. })));
        Ok(Note { n: part.n * piece.n })
    }

    #[step]
    async fn gather(&self, all: Vec<Note>, counter: State<Counter>) -> Done {
        sleep(Duration::from_secs(1)).await;
        done(format!("{} = {}", numbers(all.into_iter().map(|note| note.n)), counter.get().n))
    }
}

#[tokio::test(start_paused = true)]
async fn at_whatever_moment_it_is_stored_the_run_ends_the_same_way() {
    for (seed, kit) in TestKit::seeds(60).enumerate() {
        let mut kit = kit;
        let flow = Arc::new(Long::default());
        let mut run = flow.clone().run_with(Begin { n: 5 }, kit.take_options());
        // Stored up to three times, at moments that differ from seed to seed.
        let mut at = seed as u64 * 37;
        for _ in 0..3 {
            at = (at * 7 + 311) % 9_000;
            advance(Duration::from_millis(at + 1)).await;
            if run.is_done() {
                break;
            }
            run = moved(run, flow.clone()).await;
        }
        assert_eq!(within(run).await.unwrap().text, "1 4 9 16 25 = 15", "seed {seed}");
        let calls = flow.calls.lock().unwrap();
        assert!(calls.values().all(|count| *count == 1) && calls.len() == 5, "seed {seed}: {calls:?}");
    }
}
