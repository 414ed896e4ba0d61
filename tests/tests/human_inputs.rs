//! Pending inputs: listed, answered once, validated; a pending input keeps its batch open, and its answer continues the
//! lineage of the question.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::time::Duration;

use serde_json::json;
use stepcast::engine::InputReason;
use stepcast::prelude::*;
use stepcast::{HumanResponseEvent, InputId, InputRecord, InputRequiredEvent, RespondError, WaitError};
use support::{after, recorded, rest, settle, unhandled, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event]
pub struct Item {
    n: u32,
}

#[event(input_required)]
pub struct Ask {
    what: String,
}

#[event(human_response)]
pub struct Answer {
    text: String,
}

#[event(human_response)]
pub struct Number {
    n: u32,
}

#[event]
pub struct Found {
    text: String,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    text: String,
}

fn ask(what: impl ToString) -> Ask {
    Ask { what: what.to_string() }
}

fn answer(text: impl ToString) -> Answer {
    Answer { text: text.to_string() }
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

/// What is asked, by input.
fn asked(inputs: &[InputRecord]) -> Vec<String> {
    inputs.iter().map(|record| record.input.event.as_ref().unwrap().get::<Ask>().unwrap().what.clone()).collect()
}

/// Waits with an announcement.
mod waiting {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    #[step(waits(Answer, Number))]
    pub async fn work(item: Item, ctx: Context) -> Result<Found> {
        let wait = ctx.wait_for_event::<Answer>().announce(ask(item.n));
        let text = match item.n {
            0..10 => wait.await?.text,
            10 => wait.matching(|answer| answer.text.len() > 3).await?.text,
            _ => match wait.timeout(Duration::from_secs(10)).await {
                Err(WaitError::TimedOut { .. }) => "nothing".to_owned(),
                other => other?.text,
            },
        };
        Ok(Found { text })
    }

    #[step]
    pub async fn gather(all: Vec<Found>) -> Done {
        done(all.into_iter().map(|found| found.text).collect::<Vec<_>>().join(" "))
    }

    flow!(pub Waiting: Begin => Done { split, work, gather });

    #[step]
    pub async fn one(ev: Begin) -> Item {
        Item { n: ev.n }
    }

    #[step]
    pub async fn end(found: Found) -> Done {
        done(found.text)
    }

    flow!(pub One: Begin => Done { one, work, end });
}

#[tokio::test(start_paused = true)]
async fn pending_inputs_are_listed_with_what_answers_them() {
    let run = waiting::One.run(Begin { n: 7 });
    settle().await;
    let [record] = &run.pending_inputs().await[..] else { panic!("not one input") };
    assert_eq!(record.id.run_id, *run.run_id());
    assert_eq!((record.input.step.as_str(), record.input.reason), ("work", InputReason::InputRequired));
    assert_eq!(record.input.expects.as_deref(), Some("Answer"));
    assert_eq!(asked(std::slice::from_ref(record)), ["7"]);
    assert!(record.input.choices.is_empty() && record.input.error.is_none());
    // The question is on the stream, once.
    run.respond(&record.id, answer("yes")).await.unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("yes"));
    let questions = rest(run.stream_events()).await.iter().filter(|item| item.get::<Ask>().is_some()).count();
    assert_eq!(questions, 1);
    assert!(run.pending_inputs().await.is_empty());
    let error = run.respond(&record.id, answer("late")).await.unwrap_err();
    assert!(matches!(error, RespondError::Ended { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_satisfies_the_wait_that_asked_and_no_other() {
    let run = waiting::Waiting.run(Begin { n: 3 });
    settle().await;
    let inputs = run.pending_inputs().await;
    assert_eq!(asked(&inputs), ["0", "1", "2"]);
    run.respond(&inputs[2].id, answer("c")).await.unwrap();
    settle().await;
    assert_eq!(asked(&run.pending_inputs().await), ["0", "1"]);
    // An answer that names no input goes to who asked first.
    run.send_event(answer("a")).unwrap();
    settle().await;
    assert_eq!(asked(&run.pending_inputs().await), ["1"]);
    run.respond_value(&inputs[1].id, json!({"text": "b"})).await.unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("a b c"));
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_wins_and_the_second_is_a_conflict() {
    let run = waiting::Waiting.run_with(Begin { n: 2 }, recorded());
    settle().await;
    let inputs = run.pending_inputs().await;
    run.respond(&inputs[0].id, answer("first")).await.unwrap();
    let error = run.respond(&inputs[0].id, answer("second")).await.unwrap_err();
    assert!(matches!(&error, RespondError::Conflict { id } if *id == inputs[0].id.number.to_string()), "{error}");
    // It is not kept either: the other question still waits.
    settle().await;
    assert_eq!(asked(&run.pending_inputs().await), ["1"]);
    run.respond(&inputs[1].id, answer("other")).await.unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("first other"));
    assert!(unhandled(&run).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn wrong_answers_are_refused_and_the_input_stays() {
    let run = waiting::One.run(Begin { n: 10 });
    settle().await;
    let id = run.pending_inputs().await[0].id.clone();

    let unknown = InputId { number: 999, ..id.clone() };
    let error = run.respond(&unknown, answer("long enough")).await.unwrap_err();
    let RespondError::Unknown { pending, .. } = error else { panic!("{error}") };
    assert_eq!(pending, [id.number.to_string()]);

    let elsewhere = InputId { run_id: "another".into(), ..id.clone() };
    let error = run.respond(&elsewhere, answer("long enough")).await.unwrap_err();
    assert!(matches!(error, RespondError::Unknown { .. }), "{error}");

    let error = run.respond(&id, Number { n: 1 }).await.unwrap_err();
    let RespondError::WrongAnswer { expected, found, .. } = error else { panic!("{error}") };
    assert_eq!((expected.as_str(), found.as_str()), ("`Answer`", "`Number`"));

    let error = run.respond_failure(&id, stepcast::engine::FailureChoice::Retry).await.unwrap_err();
    assert!(matches!(error, RespondError::WrongAnswer { .. }), "{error}");

    for bad in [json!({"text": 5}), json!({}), json!(null), json!([1, 2])] {
        let error = run.respond_value(&id, bad).await.unwrap_err();
        assert!(matches!(&error, RespondError::Data { tag, .. } if tag == "Answer"), "{error}");
    }

    let error = run.respond(&id, answer("no")).await.unwrap_err();
    assert!(matches!(error, RespondError::Filtered { .. }), "{error}");

    assert_eq!(run.pending_inputs().await.len(), 1);
    run.respond(&id, answer("long enough")).await.unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("long enough"));
}

#[tokio::test(start_paused = true)]
async fn an_expired_input_is_a_conflict_and_its_late_answer_is_not_kept() {
    let run = waiting::Waiting.run(Begin { n: 12 });
    settle().await;
    let inputs = run.pending_inputs().await;
    assert_eq!(inputs.len(), 12);
    after(11_000).await;
    assert_eq!(run.pending_inputs().await.len(), 11);
    let error = run.respond(&inputs[11].id, answer("late")).await.unwrap_err();
    assert!(matches!(error, RespondError::Conflict { .. }), "{error}");
    for record in &inputs[..11] {
        run.respond(&record.id, answer("text")).await.unwrap();
    }
    let wanted = [vec!["text"; 11], vec!["nothing"]].concat().join(" ");
    assert_eq!(within(run.result()).await.unwrap(), done(wanted));
}

/// Questions that steps give as events; the answers go to the steps that take them.
mod given {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    #[step]
    pub async fn question(item: Item) -> Ask {
        ask(item.n)
    }

    #[step]
    pub async fn heard(answer: Answer) -> Found {
        Found { text: answer.text }
    }

    #[step]
    pub async fn counted(number: Number) -> Found {
        Found { text: number.n.to_string() }
    }

    #[step]
    pub async fn gather(all: Vec<Found>) -> Done {
        done(all.into_iter().map(|found| found.text).collect::<Vec<_>>().join(" "))
    }

    flow!(pub Given: Begin => Done { split, question, heard, counted, gather });
}

#[tokio::test(start_paused = true)]
async fn a_pending_input_keeps_its_batch_open_and_its_answer_stays_in_the_member() {
    let run = given::Given.run_with(Begin { n: 4 }, recorded());
    settle().await;
    let inputs = run.pending_inputs().await;
    assert_eq!(asked(&inputs), ["0", "1", "2", "3"]);
    assert!(inputs.iter().all(|record| record.input.step == "question" && record.input.expects.is_none()));
    for at in [3, 1] {
        run.respond(&inputs[at].id, answer(format!("answer {at},"))).await.unwrap();
        after(60_000).await;
        assert!(!run.is_done(), "the batch waits for people as long as it takes");
    }
    // Any declared response answers; data without a type cannot say which it is.
    let error = run.respond_value(&inputs[2].id, json!({"n": 2})).await.unwrap_err();
    assert!(matches!(error, RespondError::WrongAnswer { .. }), "{error}");
    run.respond(&inputs[2].id, Number { n: 2 }).await.unwrap();
    let error = run.respond(&inputs[2].id, Number { n: 3 }).await.unwrap_err();
    assert!(matches!(error, RespondError::Conflict { .. }), "{error}");
    // An answer that names no input answers the oldest question.
    run.send_event(answer("answer 0,")).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("answer 0, answer 1, 2 answer 3,"));
    assert!(unhandled(&run).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_sent_to_one_step_answers_the_oldest_question_too() {
    let run = given::Given.run(Begin { n: 2 });
    settle().await;
    run.send_event_to("heard", answer("a")).unwrap();
    settle().await;
    assert_eq!(asked(&run.pending_inputs().await), ["1"]);
    run.send_event_to("counted", Number { n: 5 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("a 5"));
}

#[tokio::test(start_paused = true)]
async fn questions_without_answers_leave_the_run_waiting() {
    let run = given::Given.run(Begin { n: 1 });
    after(1_000_000).await;
    assert!(!run.is_done());
    let id = run.pending_inputs().await[0].id.clone();
    let text = id.to_string();
    assert_eq!(text.parse::<InputId>().unwrap(), id);
    run.respond(&id, answer("at last")).await.unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("at last"));
}

/// A question of each kind at once: a wait of one step, and an event of another.
mod mixed {
    use super::*;

    #[step]
    pub async fn begin(ev: Begin) -> (Ask, Item) {
        (ask("given"), Item { n: ev.n })
    }

    /// Its filter refuses what is not for it.
    #[step(waits(Answer))]
    pub async fn waits(_item: Item, ctx: Context) -> Result<Found> {
        let wait = ctx.wait_for_event::<Answer>().where_field("text", "for the wait").announce(ask("announced"));
        Ok(Found { text: wait.await?.text })
    }

    #[step]
    pub async fn takes(answer: Answer, ctx: Context) -> Result<()> {
        let taken = ctx.store().get_or("taken", 0).await?;
        ctx.store().set("taken", taken + 1).await?;
        let _ = answer;
        Ok(())
    }

    #[step]
    pub async fn end(found: Found) -> Done {
        after(10).await;
        done(found.text)
    }

    flow!(pub Mixed: Begin => Done { begin, waits, takes, end });
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_no_wait_accepts_answers_the_oldest_question() {
    let run = mixed::Mixed.run(Begin { n: 0 });
    settle().await;
    assert_eq!(asked(&run.pending_inputs().await), ["given", "announced"]);
    run.send_event(answer("for the other")).unwrap();
    settle().await;
    assert_eq!(asked(&run.pending_inputs().await), ["announced"]);
    assert_eq!(run.store_value("taken"), Some(json!(1)));
    run.send_event(answer("for the wait")).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("for the wait"));
}

/// A dropped wait withdraws its question.
mod dropped {
    use super::*;

    #[step(waits(Answer, Number))]
    pub async fn work(_ev: Begin, ctx: Context) -> Result<Done> {
        let first = tokio::select! {
            heard = ctx.wait_for_event::<Answer>().announce(ask("text")) => heard?.text,
            number = ctx.wait_for_event::<Number>().announce(ask("number")) => number?.n.to_string(),
        };
        let second = ctx.wait_for_event::<Answer>().id("second").announce(ask("again")).await?;
        Ok(done(format!("{first} {}", second.text)))
    }

    flow!(pub Dropped: Begin => Done { work });
}

#[tokio::test(start_paused = true)]
async fn the_question_of_a_dropped_wait_is_withdrawn() {
    let run = dropped::Dropped.run(Begin { n: 0 });
    settle().await;
    let inputs = run.pending_inputs().await;
    assert_eq!(asked(&inputs).len(), 2);
    let number = inputs.iter().find(|record| record.input.expects.as_deref() == Some("Number")).unwrap();
    let text = inputs.iter().find(|record| record.input.expects.as_deref() == Some("Answer")).unwrap();
    run.respond(&number.id, Number { n: 5 }).await.unwrap();
    settle().await;
    assert_eq!(asked(&run.pending_inputs().await), ["again"]);
    let error = run.respond(&text.id, answer("late")).await.unwrap_err();
    assert!(matches!(error, RespondError::Conflict { .. }), "{error}");
    let again = run.pending_inputs().await[0].id.clone();
    run.respond(&again, answer("yes")).await.unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("5 yes"));
}

/// The dynamic events carry JSON.
mod dynamic {
    use super::*;

    #[step]
    pub async fn question(ev: Begin) -> InputRequiredEvent {
        InputRequiredEvent::default().with("prompt", format!("{}?", ev.n))
    }

    #[step]
    pub async fn heard(response: HumanResponseEvent) -> Result<Done> {
        let reply = response.get("reply").and_then(|reply| reply.as_str()).ok_or_else(|| StepError::msg("no reply"))?;
        Ok(done(reply))
    }

    flow!(pub Dynamic: Begin => Done { question, heard });
}

#[tokio::test(start_paused = true)]
async fn dynamic_questions_and_answers_carry_json() {
    let run = dynamic::Dynamic.run(Begin { n: 3 });
    settle().await;
    let [record] = &run.pending_inputs().await[..] else { panic!("not one input") };
    let event = record.input.event.as_ref().unwrap().get::<InputRequiredEvent>().unwrap();
    assert_eq!(event.get("prompt"), Some(&json!("3?")));
    run.respond_value(&record.id, json!({"reply": "fine"})).await.unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("fine"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_from_many_threads_each_count_once() {
    let run = waiting::Waiting.run(Begin { n: 10 });
    let inputs = within(async {
        loop {
            let inputs = run.pending_inputs().await;
            if inputs.len() == 10 {
                break inputs;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Two people answer every question.
    let run = std::sync::Arc::new(run);
    let mut people = tokio::task::JoinSet::new();
    for person in ["a", "b"] {
        for record in inputs.clone() {
            let run = std::sync::Arc::clone(&run);
            people.spawn(async move { run.respond(&record.id, answer(person)).await.is_ok() });
        }
    }
    let taken = within(people.join_all()).await.into_iter().filter(|taken| *taken).count();
    assert_eq!(taken, 10);
    assert_eq!(within(run.result()).await.unwrap().text.split(' ').count(), 10);
}
