//! Promise 2: a step's outputs are atomic. A failed attempt delivers nothing since its last commit point; a wait, a child
//! and a collected set are commit points; `send_now` delivers at once, and once.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use stepcast::prelude::*;
use stepcast::{ChildError, EmitError};
use support::{after, recorded, settle, unhandled, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event]
pub struct Note {
    text: String,
}

#[event]
pub struct Memo {
    text: String,
}

#[event(external)]
pub struct Go {
    n: u32,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    text: String,
}

fn note(text: impl ToString) -> Note {
    Note { text: text.to_string() }
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

/// Keeps every note it sees in the store, in order.
#[step]
async fn keep(note: Note, ctx: Context) -> Result<()> {
    let mut notes: Vec<String> = ctx.store().get_or("notes", vec![]).await?;
    notes.push(note.text);
    ctx.store().set("notes", notes).await?;
    Ok(())
}

fn notes(run: &stepcast::AnyRun) -> Vec<String> {
    run.store_value("notes").map_or_else(Vec::new, |notes| serde_json::from_value(notes).unwrap())
}

/// Sends, then fails, by an error, a panic, or a timeout.
mod failing {
    use super::*;

    #[step(emits(Note), retry(attempts = 3, backoff = "1s"), timeout = "10s")]
    pub async fn work(ev: Begin, ctx: Context, attempt: Attempt) -> Result<Note> {
        ctx.send_event(note(format!("sent by {}", attempt.number())))?;
        after(1).await;
        ctx.send_event(note(format!("sent again by {}", attempt.number())))?;
        match (ev.n, attempt.number()) {
            (0, 1 | 2) => Err(StepError::msg("no")),
            (1, 1 | 2) => panic!("no"),
            (2, 1 | 2) => {
                after(60_000).await;
                unreachable!("its timeout is 10 s")
            }
            (_, number) => Ok(note(format!("returned by {number}"))),
        }
    }

    #[step]
    pub async fn end(note: Note) -> Option<Done> {
        after(1).await;
        note.text.starts_with("returned").then(|| done(note.text))
    }

    flow!(pub Failing: Begin => Done { work, keep, end });
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_delivers_nothing() {
    for n in 0..3 {
        let run = failing::Failing.run(Begin { n });
        settle().await;
        assert!(notes(&run).is_empty(), "sends are not delivered before the attempt succeeds");
        assert_eq!(within(run.result()).await.unwrap(), done("returned by 3"));
        assert_eq!(notes(&run), ["sent by 3", "sent again by 3", "returned by 3"]);
    }
}

/// What is sent before a wait is delivered with it.
mod waiting {
    use super::*;

    #[step(emits(Note), waits(Go), retry(attempts = 3, backoff = "1s"))]
    pub async fn work(_ev: Begin, ctx: Context, attempt: Attempt) -> Result<Done> {
        let number = attempt.number();
        ctx.send_event(note(format!("before by {number}")))?;
        let go = ctx.wait_for_event::<Go>().await?;
        ctx.send_event(note(format!("after by {number}")))?;
        if number < 3 {
            return Err(StepError::msg("no"));
        }
        Ok(done(go.n))
    }

    flow!(pub Waiting: Begin => Done { work, keep });
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_a_commit_point() {
    let run = waiting::Waiting.run(Begin { n: 0 });
    settle().await;
    assert_eq!(notes(&run), ["before by 1"]);
    run.send_event(Go { n: 5 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done(5));
    settle().await;
    // What came before the commit point is not sent again; what came after it was sent by the last attempt alone.
    assert_eq!(notes(&run), ["before by 1"]);
}

/// As above, with a second wait that shows what the third attempt sent.
mod waiting_twice {
    use super::*;

    #[step(emits(Note), waits(Go), retry(attempts = 3, backoff = "1s"))]
    pub async fn work(_ev: Begin, ctx: Context, attempt: Attempt) -> Result<Done> {
        let number = attempt.number();
        ctx.send_event(note(format!("before by {number}")))?;
        let first = ctx.wait_for_event::<Go>().await?;
        ctx.send_event(note(format!("after by {number}")))?;
        if number < 3 {
            return Err(StepError::msg("no"));
        }
        let second = ctx.wait_for_event::<Go>().await?;
        Ok(done(first.n * 10 + second.n))
    }

    flow!(pub Twice: Begin => Done { work, keep });
}

#[tokio::test(start_paused = true)]
async fn what_came_after_a_commit_point_is_sent_by_the_attempt_that_succeeds() {
    let run = waiting_twice::Twice.run(Begin { n: 0 });
    run.send_event(Go { n: 1 }).unwrap();
    after(10_000).await;
    assert_eq!(notes(&run), ["before by 1", "after by 3"]);
    run.send_event(Go { n: 2 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done(12));
}

/// `send_now` delivers while the step goes on.
mod now {
    use super::*;

    #[step(emits(Note), retry(attempts = 4, backoff = "1s"))]
    pub async fn work(_ev: Begin, ctx: Context, attempt: Attempt) -> Result<Done> {
        for n in 0..attempt.number() * 2 {
            ctx.send_now(note(format!("{n} by {}", attempt.number()))).await?;
            after(10).await;
        }
        ctx.send_event(note("last"))?;
        if attempt.number() < 3 { Err(StepError::msg("no")) } else { Ok(done("sent")) }
    }

    flow!(pub Now: Begin => Done { work, keep });
}

#[tokio::test(start_paused = true)]
async fn send_now_delivers_at_once_and_once() {
    let run = now::Now.run(Begin { n: 0 });
    settle().await;
    assert_eq!(notes(&run), ["0 by 1"]);
    after(12).await;
    assert_eq!(notes(&run), ["0 by 1", "1 by 1"]);
    assert_eq!(within(run.result()).await.unwrap(), done("sent"));
    // Each ordinal once: a repeated attempt sends only what no earlier one sent. The last note came with the stop.
    assert_eq!(notes(&run), ["0 by 1", "1 by 1", "2 by 2", "3 by 2", "4 by 3", "5 by 3"]);
}

/// Typed sends, and sends that are not declared.
mod declared {
    use super::*;

    #[step]
    pub async fn typed(ev: Begin, ctx: Context<(Note, Memo)>) -> Result<()> {
        ctx.send_event(note("typed"))?;
        ctx.send_event(Memo { text: "memo".into() })?;
        ctx.send_now(note(ev.n)).await?;
        Ok(())
    }

    #[step]
    pub async fn memo(memo: Memo, ctx: Context) -> Result<Done> {
        let sent = ctx.send_event(note("undeclared"));
        let EmitError::UndeclaredEvent { step, event, declared } = sent.unwrap_err() else { panic!("sent") };
        assert_eq!((step.as_str(), event, declared), ("memo", "Note", vec![]));
        assert!(matches!(ctx.send_now(note("undeclared")).await, Err(EmitError::UndeclaredEvent { .. })));
        after(1).await;
        Ok(done(memo.text))
    }

    flow!(pub Declared: Begin => Done { typed, memo, keep });

    /// Declares one event and tries another of the workflow's events.
    #[step(emits(Memo))]
    pub async fn other(ev: Begin, ctx: Context) -> Result<Note> {
        let sent = ctx.send_event(note("undeclared"));
        let EmitError::UndeclaredEvent { declared, .. } = sent.unwrap_err() else { panic!("sent") };
        assert_eq!(declared, ["Memo"]);
        ctx.send_event(Memo { text: ev.n.to_string() })?;
        Ok(note("returned"))
    }

    flow!(pub Other: Begin => Done { other, memo, keep });
}

#[tokio::test(start_paused = true)]
async fn a_step_sends_what_it_declares_and_nothing_else() {
    let run = declared::Declared.run(Begin { n: 3 });
    assert_eq!(within(run.result()).await.unwrap(), done("memo"));
    assert_eq!(notes(&run), ["3", "typed"], "what is sent now comes before what is sent with the outputs");
    let run = declared::Other.run_with(Begin { n: 4 }, recorded());
    assert_eq!(within(run.result()).await.unwrap(), done("4"));
    assert_eq!(notes(&run), ["returned"]);
    assert!(unhandled(&run).await.is_empty());
}

/// A child run is a commit point.
mod child {
    use super::*;

    #[step]
    pub async fn answer(ev: Begin) -> Done {
        after(1_000).await;
        done(ev.n)
    }

    flow!(pub Child: Begin => Done { answer });

    #[step(emits(Note), retry(attempts = 2))]
    pub async fn work(ev: Begin, ctx: Context, attempt: Attempt) -> Result<Done> {
        ctx.send_event(note(format!("before by {}", attempt.number())))?;
        let child: Result<Done, ChildError> = ctx.run_child(Child, Begin { n: ev.n + 1 }).await;
        ctx.send_event(note(format!("after by {}", attempt.number())))?;
        if attempt.number() == 1 {
            return Err(StepError::msg("no"));
        }
        Ok(child?)
    }

    flow!(pub Parent: Begin => Done { work, keep });
}

#[tokio::test(start_paused = true)]
async fn a_child_run_is_a_commit_point() {
    let run = child::Parent.run(Begin { n: 1 });
    settle().await;
    assert_eq!(notes(&run), ["before by 1"]);
    assert_eq!(within(run.result()).await.unwrap(), done(2));
    assert_eq!(notes(&run), ["before by 1"]);
}

/// What an execution sends belongs to its batch member.
mod lineage {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> Vec<Memo> {
        (0..ev.n).map(|n| Memo { text: n.to_string() }).collect()
    }

    #[step]
    pub async fn work(memo: Memo, ctx: Context<(Note,)>) -> Result<()> {
        let place: u64 = memo.text.parse()?;
        after(100 - place).await;
        ctx.send_now(note(format!("now {place}"))).await?;
        after(10 * place).await;
        ctx.send_event(note(format!("then {place}")))?;
        Ok(())
    }

    #[step]
    pub async fn join(all: Vec<Note>) -> Done {
        done(all.into_iter().map(|note| note.text).collect::<Vec<_>>().join(", "))
    }

    flow!(pub Lineage: Begin => Done { split, work, join });
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_belongs_to_the_senders_batch_member() {
    let stop = within(lineage::Lineage.run(Begin { n: 3 })).await.unwrap();
    assert_eq!(stop, done("now 0, then 0, now 1, then 1, now 2, then 2"));
}
