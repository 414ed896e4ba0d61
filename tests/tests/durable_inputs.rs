//! Questions to people are records: listed over all runs, answered from anywhere, checked, and kept with who and when.

#![allow(clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stepcast::backend::{InputFilter, InputRecord, InputStatus, RunStatus};
use stepcast::prelude::*;
use stepcast::{AnswerRunError, AnyRun, HumanResponseEvent, InputExpiredEvent, InputRequiredEvent, RunId, Runtime};
use support::stores::Store;
use support::within;

#[event(start)]
struct Draft {
    text: String,
}

#[event(input_required)]
struct ApprovalNeeded {
    prompt: String,
    text: String,
}

#[event(human_response)]
struct Approval {
    approved: bool,
    comment: Option<String>,
}

#[event(stop)]
struct Published {
    text: String,
    approved: bool,
}

/// Asks by a wait with an announcement.
#[derive(Default)]
struct Announced;

#[workflow(Draft => Published)]
impl Announced {
    #[step(waits(Approval))]
    async fn review(&self, draft: Draft, ctx: Context) -> Result<Published> {
        let question = ApprovalNeeded { prompt: "Publish it?".into(), text: draft.text.clone() };
        let answer = ctx.wait_for_event::<Approval>().announce(question).timeout(Duration::from_secs(3600)).await?;
        let text = answer.comment.unwrap_or(draft.text);
        Ok(Published { text, approved: answer.approved })
    }
}

/// Asks by an event that a step returns.
#[derive(Default)]
struct Returned;

#[workflow(Draft => Published)]
impl Returned {
    #[step]
    async fn ask(&self, draft: Draft) -> ApprovalNeeded {
        ApprovalNeeded { prompt: "Publish it?".into(), text: draft.text }
    }

    #[step]
    async fn publish(&self, answer: Approval) -> Published {
        Published { text: answer.comment.unwrap_or_default(), approved: answer.approved }
    }
}

/// Asks what becomes of a step that fails.
#[derive(Default)]
struct Paused;

#[workflow(Draft => Published)]
impl Paused {
    #[step(on_failure = "pause")]
    async fn publish(&self, draft: Draft, attempt: Attempt) -> Result<Published> {
        match attempt.number() {
            1 => Err(StepError::msg("the printer is on fire")),
            _ => Ok(Published { text: draft.text, approved: true }),
        }
    }
}

/// Gives up by itself.
#[derive(Default)]
struct Hasty;

#[workflow(Draft => Published)]
impl Hasty {
    #[step(waits(Approval))]
    async fn review(&self, draft: Draft, ctx: Context) -> Result<Published> {
        let question = ApprovalNeeded { prompt: "Quick?".into(), text: draft.text.clone() };
        let wait = ctx.wait_for_event::<Approval>().announce(question).timeout(Duration::from_millis(5));
        let approved = wait.await.is_ok();
        Ok(Published { text: draft.text, approved })
    }
}

fn runtime(store: &Store) -> Runtime {
    let runtime = Runtime::on(store.open());
    runtime.register(Announced).expect("it is registered");
    runtime.register(Returned).expect("it is registered");
    runtime.register(Paused).expect("it is registered");
    runtime.register(Hasty).expect("it is registered");
    runtime
}

fn start(runtime: &Runtime, workflow: &str, id: &str) -> AnyRun {
    runtime.start(workflow, json!({"text": "hello"}), RunOptions::new().run_id(id)).expect("it starts")
}

/// The first input of a run, once there is one.
async fn asked(runtime: &Runtime, run: &str) -> InputRecord {
    let filter = InputFilter { run: Some(Arc::from(run)), ..InputFilter::default() };
    within(async {
        loop {
            if let Some(input) = runtime.list_inputs(filter.clone(), None, 1).await.expect("it is read").pop() {
                return input;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[test]
fn a_question_says_what_it_takes_and_the_first_answer_wins() {
    for store in Store::all() {
        let id = RunId::from("announced");
        let number = store.process(async {
            let runtime = runtime(&store);
            start(&runtime, "Announced", "announced");
            let input = asked(&runtime, "announced").await;
            assert_eq!((input.workflow.as_str(), input.asked.step.as_str()), ("Announced", "review"));
            assert_eq!(input.asked.reason, "input_required");
            assert_eq!(input.asked.expects.as_deref(), Some("Approval"));
            assert_eq!(input.asked.prompt.as_deref(), Some("Publish it?"));
            assert!(input.asked.data.as_deref().expect("the question").contains("hello"));
            assert!(input.asked.schema.as_deref().expect("a schema").contains("approved"));
            assert!(input.asked.expires.is_some_and(|at| at > input.opened));
            assert_eq!(input.status, InputStatus::Pending);
            input.asked.input
        });
        // Another process, which holds nothing of the run.
        store.process(async {
            let runtime = runtime(&store);
            let wrong = runtime.answer_input(&id, number, json!({"approved": "maybe"}), None).await;
            let wrong = wrong.expect_err("it does not fit").to_string();
            assert!(wrong.contains("approved") && wrong.contains("Approval"), "{wrong}");
            let unknown = runtime.answer_input(&id, number + 40, json!({"approved": true}), None).await;
            assert!(matches!(unknown, Err(AnswerRunError::Unknown { .. })), "{unknown:?}");
            let answer = json!({"approved": true, "comment": "hello, world"});
            runtime.answer_input(&id, number, answer, Some("ada".into())).await.expect("it is recorded");
            let second = runtime.answer_input(&id, number, json!({"approved": false}), Some("bob".into())).await;
            let Err(AnswerRunError::Conflict { status: InputStatus::Answered { by, .. }, .. }) = second else {
                panic!("{}: {second:?}", store.name());
            };
            assert_eq!(by.as_deref(), Some("ada"), "the error names the winner");
            // Answering has woken the run.
            let ended = within(async {
                loop {
                    let record = runtime.find_run(&id).await.expect("it is read").expect("it is there");
                    if record.status.is_end() {
                        return record;
                    }
                    tokio::task::yield_now().await;
                }
            })
            .await;
            assert_eq!(ended.status, RunStatus::Completed, "{}", store.name());
            assert_eq!(ended.result.as_deref(), Some(r#"{"approved":true,"text":"hello, world"}"#));
            let kept = asked(&runtime, "announced").await;
            let InputStatus::Answered { answer, by, at } = kept.status else { panic!("{:?}", kept.status) };
            assert!(answer.contains("hello, world") && by.as_deref() == Some("ada") && at >= kept.opened);
        });
    }
}

#[test]
fn a_returned_question_and_a_failed_step_are_answered_the_same_way() {
    for store in Store::all() {
        store.process(async {
            let runtime = runtime(&store);
            let run = start(&runtime, "Returned", "returned");
            let input = asked(&runtime, "returned").await;
            assert_eq!(input.asked.step, "ask");
            let answer = json!({"approved": true, "comment": "fine"});
            runtime.answer_input(run.run_id(), input.asked.input, answer, None).await.expect("it is recorded");
            let stop = within(run.outcome()).await.expect("it ends");
            assert_eq!(stop.get::<Published>().expect("the stop event").text, "fine", "{}", store.name());

            let run = start(&runtime, "Paused", "paused");
            let input = asked(&runtime, "paused").await;
            assert_eq!((input.asked.reason.as_str(), input.asked.step.as_str()), ("step_failure", "publish"));
            assert!(input.asked.prompt.as_deref().expect("a prompt").contains("the printer is on fire"));
            let wrong = runtime.answer_input(run.run_id(), input.asked.input, json!("shrug"), None).await;
            let Err(AnswerRunError::Choice { choices, .. }) = wrong else { panic!("{wrong:?}") };
            assert_eq!(choices, ["retry", "skip", "continue", "fail"]);
            runtime.answer_input(run.run_id(), input.asked.input, json!("retry"), None).await.expect("it is recorded");
            let stop = within(run.outcome()).await.expect("it ends");
            assert!(stop.get::<Published>().expect("the stop event").approved);
        });
    }
}

#[test]
fn the_handle_of_a_live_run_answers_through_the_store_too() {
    for store in Store::all() {
        store.process(async {
            let runtime = runtime(&store);
            let run = start(&runtime, "Announced", "handle");
            let input = asked(&runtime, "handle").await;
            let pending = within(run.pending_inputs()).await;
            assert_eq!(pending[0].input.id, input.asked.input);
            let answer = Approval { approved: false, comment: None };
            within(run.respond(&pending[0].id, answer)).await.expect("it is recorded");
            let stop = within(run.outcome()).await.expect("it ends");
            assert!(!stop.get::<Published>().expect("the stop event").approved);
            let kept = asked(&runtime, "handle").await;
            assert!(matches!(kept.status, InputStatus::Answered { .. }), "{:?}", kept.status);
        });
    }
}

#[test]
fn an_expired_question_takes_no_answer() {
    for store in Store::all() {
        store.process(async {
            let runtime = runtime(&store);
            let run = start(&runtime, "Hasty", "hasty");
            let stop = within(run.outcome()).await.expect("it ends");
            assert!(!stop.get::<Published>().expect("the stop event").approved);
            let input = asked(&runtime, "hasty").await;
            assert!(matches!(input.status, InputStatus::Expired { .. }), "{:?}", input.status);
            // Those who follow the stream learn it too, as a typed event.
            let mut stream = run.stream_events();
            let mut expired = None;
            while let Some(item) = within(stream.next()).await {
                expired = expired.or(item.get::<InputExpiredEvent>().cloned());
            }
            assert_eq!(expired, Some(InputExpiredEvent { input: input.asked.input, step: "review".into() }));
            let late = runtime.answer_input(run.run_id(), input.asked.input, json!({"approved": true}), None).await;
            let late = late.expect_err("it is too late");
            assert!(matches!(late, AnswerRunError::Conflict { status: InputStatus::Expired { .. }, .. }), "{late:?}");
        });
    }
}

/// Takes only some answers, by code.
#[derive(Default)]
struct Picky;

#[workflow(Draft => Published)]
impl Picky {
    #[step(waits(Approval))]
    async fn review(&self, draft: Draft, ctx: Context) -> Result<Published> {
        let question = ApprovalNeeded { prompt: "Why?".into(), text: draft.text };
        let wait = ctx.wait_for_event::<Approval>().announce(question);
        let answer = wait.matching(|answer| answer.comment.is_some()).await?;
        Ok(Published { text: answer.comment.unwrap_or_default(), approved: answer.approved })
    }
}

#[test]
fn an_answer_that_the_wait_refuses_is_asked_again() {
    for store in Store::all() {
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Picky).expect("it is registered");
            let run = start(&runtime, "Picky", "picky");
            let id = run.run_id().clone();
            let input = asked(&runtime, "picky").await.asked.input;
            for _ in 0..2 {
                let no = json!({"approved": true, "comment": null});
                runtime.answer_input(&id, input, no, Some("ada".into())).await.expect("it is recorded");
                // The run finds out that it cannot use it, and asks again.
                within(async {
                    while asked(&runtime, "picky").await.status != InputStatus::Pending {
                        tokio::task::yield_now().await;
                    }
                })
                .await;
            }
            let yes = json!({"approved": true, "comment": "it is good"});
            runtime.answer_input(&id, input, yes, Some("bob".into())).await.expect("it is recorded");
            let stop = within(run.outcome()).await.expect("it ends");
            assert_eq!(stop.get::<Published>().expect("the stop event").text, "it is good", "{}", store.name());
            let kept = asked(&runtime, "picky").await;
            assert!(
                matches!(&kept.status, InputStatus::Answered { by: Some(by), .. } if by == "bob"),
                "{:?}",
                kept.status
            );
        });
    }
}

/// Asks with an event that says by itself what it takes.
#[derive(Default)]
struct Dynamic;

#[workflow(Draft => Published)]
impl Dynamic {
    #[step(waits(HumanResponseEvent))]
    async fn review(&self, draft: Draft, ctx: Context) -> Result<Published> {
        let question = InputRequiredEvent::default().with("prompt", "How many?");
        let schema = json!({"type": "object", "properties": {"copies": {"type": "integer", "minimum": 1}}, "required": ["copies"]});
        let many = ctx.wait_for_event::<HumanResponseEvent>().announce(question.with("schema", schema)).await?;
        let question = InputRequiredEvent::default().with("prompt", "Which?").with("choices", json!(["red", "blue"]));
        let which = ctx.wait_for_event::<HumanResponseEvent>().announce(question).await?;
        let text = format!("{} {} of {}", many.fields()["response"]["copies"], which.fields()["response"], draft.text);
        Ok(Published { text, approved: true })
    }
}

#[test]
fn a_question_may_bring_its_own_choices_and_schema() {
    for store in Store::all() {
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Dynamic).expect("it is registered");
            let run = start(&runtime, "Dynamic", "dynamic");
            let id = run.run_id().clone();
            let first = asked(&runtime, "dynamic").await.asked.input;
            let wrong = runtime.answer_input(&id, first, json!({"response": {"copies": 0}}), None).await;
            let Err(AnswerRunError::Schema { faults, .. }) = wrong else { panic!("{wrong:?}") };
            assert!(faults[0].contains("/copies") && faults[0].contains("minimum"), "{faults:?}");
            let pending = within(run.pending_inputs()).await;
            let wrong = within(run.respond_value(&pending[0].id, json!({"response": {"copies": "two"}}))).await;
            assert!(wrong.expect_err("it does not fit").to_string().contains("/copies"));
            runtime.answer_input(&id, first, json!({"response": {"copies": 2}}), None).await.expect("it is recorded");
            let filter = InputFilter { pending: true, ..InputFilter::default() };
            let second = within(async {
                loop {
                    let open = runtime.list_inputs(filter.clone(), None, 1).await.expect("it is read").pop();
                    match open {
                        Some(input) if input.asked.input != first => return input,
                        _ => tokio::task::yield_now().await,
                    }
                }
            })
            .await;
            let wrong = runtime.answer_input(&id, second.asked.input, json!("green"), None).await;
            assert!(matches!(wrong, Err(AnswerRunError::Choice { .. })), "{wrong:?}");
            // A plain value is the response.
            runtime.answer_input(&id, second.asked.input, json!("blue"), None).await.expect("it is recorded");
            let stop = within(run.outcome()).await.expect("it ends");
            assert_eq!(
                stop.get::<Published>().expect("the stop event").text,
                "2 \"blue\" of hello",
                "{}",
                store.name()
            );
        });
    }
}

#[test]
fn a_cancelled_run_withdraws_what_it_asked() {
    for store in Store::all() {
        store.process(async {
            let runtime = runtime(&store);
            let run = start(&runtime, "Announced", "cancelled");
            let input = asked(&runtime, "cancelled").await;
            runtime.cancel_run(run.run_id()).await.expect("it is recorded");
            assert!(matches!(within(run.outcome()).await, Err(stepcast::RunError::Cancelled)));
            let late = runtime.answer_input(run.run_id(), input.asked.input, json!({"approved": true}), None).await;
            assert!(matches!(late, Err(AnswerRunError::Conflict { .. })), "{late:?}");
            let filter = InputFilter { pending: true, ..InputFilter::default() };
            assert_eq!(runtime.list_inputs(filter, None, 10).await.expect("it is read"), Vec::new());
        });
    }
}

#[test]
fn questions_of_all_runs_are_listed_in_pages() {
    for store in Store::all() {
        store.process(async {
            let runtime = runtime(&store);
            for n in 0..5 {
                start(&runtime, "Announced", &format!("run-{n}"));
                asked(&runtime, &format!("run-{n}")).await;
            }
            start(&runtime, "Paused", "other");
            asked(&runtime, "other").await;
            let filter = InputFilter { workflow: Some("Announced".into()), pending: true, ..InputFilter::default() };
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = runtime.list_inputs(filter.clone(), after, 2).await.expect("it is read");
                let Some(last) = page.last() else { break };
                after = Some(last.cursor);
                seen.extend(page.iter().map(|input| input.run.to_string()));
            }
            assert_eq!(seen, ["run-0", "run-1", "run-2", "run-3", "run-4"], "{}", store.name());
        });
    }
}
