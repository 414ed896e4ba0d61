//! The events of LlamaIndex Workflows, row by row: their wire form, their fields, and what becomes of them in a run.
//! The rows are in `docs/coming-from-llamaindex.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod support;

use std::time::Duration;

use serde_json::{Map, Value, json};
use stepcast::prelude::*;
use stepcast::{
    DecodeEventError, HumanResponseEvent, InputRequiredEvent, StartEvent, StepState, StepStateChanged, StopEvent,
    UnhandledEvent, WorkflowCancelledEvent, WorkflowFailedEvent, WorkflowIdleEvent, WorkflowTimedOutEvent,
};
use support::{after, recorded, rest, settle, unhandled, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event]
pub struct Plain {
    n: u32,
}

#[event(external)]
pub struct Poke {}

#[event(input_required)]
pub struct Ask {
    prompt: String,
}

#[event(human_response)]
pub struct Answer {
    text: String,
}

#[event(stop)]
pub struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

fn wire(event: impl Into<AnyEvent>) -> String {
    serde_json::to_string(&event.into()).unwrap()
}

#[test]
fn the_wire_form_of_an_event() {
    let forms = [
        (
            wire(Plain { n: 1 }),
            r#"{"value":{"n":1},"qualified_name":"llamaindex_events::Plain","type":"Plain","types":null}"#,
        ),
        (wire(Poke {}), r#"{"value":{},"qualified_name":"llamaindex_events::Poke","type":"Poke","types":null}"#),
        (
            wire(Begin { n: 2 }),
            r#"{"value":{"n":2},"qualified_name":"llamaindex_events::Begin","type":"Begin","types":["StartEvent"]}"#,
        ),
        (
            wire(done("x")),
            r#"{"value":{"text":"x"},"qualified_name":"llamaindex_events::Done","type":"Done","types":["StopEvent"]}"#,
        ),
        (
            wire(Ask { prompt: "name?".into() }),
            r#"{"value":{"prompt":"name?"},"qualified_name":"llamaindex_events::Ask","type":"Ask","types":["InputRequiredEvent"]}"#,
        ),
        (
            wire(Answer { text: "Al".into() }),
            r#"{"value":{"text":"Al"},"qualified_name":"llamaindex_events::Answer","type":"Answer","types":["HumanResponseEvent"]}"#,
        ),
        (
            wire(StopEvent::new("Hello, Bob!")),
            r#"{"value":{"result":"Hello, Bob!"},"qualified_name":"stepcast::StopEvent","type":"StopEvent","types":null}"#,
        ),
        (
            wire(WorkflowIdleEvent {}),
            r#"{"value":{},"qualified_name":"stepcast::WorkflowIdleEvent","type":"WorkflowIdleEvent","types":null}"#,
        ),
        (
            wire(WorkflowCancelledEvent {}),
            r#"{"value":{},"qualified_name":"stepcast::WorkflowCancelledEvent","type":"WorkflowCancelledEvent","types":["StopEvent"]}"#,
        ),
    ];
    for (found, expected) in forms {
        assert_eq!(found, expected);
        // An event whose type is not known here is kept as it came.
        let back: AnyEvent = serde_json::from_str(expected).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), expected);
    }
}

#[test]
fn names_may_be_missing_on_the_wire() {
    let expected = r#"{"value":{"n":7},"qualified_name":null,"type":"Plain","types":null}"#;
    for text in [r#"{"type":"Plain","value":{"n":7}}"#, expected] {
        let event: AnyEvent = serde_json::from_str(text).unwrap();
        assert_eq!(event.decode::<Plain>().unwrap().n, 7);
        assert_eq!(serde_json::to_string(&event).unwrap(), expected, "the key stays");
    }
}

/// Declared fields, and a place for all others.
#[event(start)]
pub struct Loose {
    topic: String,
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[test]
fn fields_are_declared_or_free() {
    let event: AnyEvent =
        serde_json::from_value(json!({"type": "Loose", "value": {"topic": "x", "lang": "en"}})).unwrap();
    let loose = event.decode::<Loose>().unwrap();
    assert_eq!((loose.topic.as_str(), loose.more.get("lang")), ("x", Some(&json!("en"))));
    assert_eq!(AnyEvent::new(loose).value(), json!({"topic": "x", "lang": "en"}));

    let wrong: AnyEvent = serde_json::from_value(json!({"type": "Loose", "value": {"lang": "en"}})).unwrap();
    let error = wrong.decode::<Loose>().unwrap_err();
    assert!(matches!(&error, DecodeEventError::Data { tag, .. } if tag == "Loose"), "{error}");
    assert!(error.to_string().contains("missing field `topic`"), "{error}");

    // The built-in ones carry whatever they are given; a result that was not given is not written.
    let start = StartEvent::default().with("topic", "x").with("n", 1);
    assert_eq!((start.get("topic"), start.fields().len()), (Some(&json!("x")), 2));
    assert_eq!(AnyEvent::new(InputRequiredEvent::default().with("a", 1)).value(), json!({"a": 1}));
    assert_eq!(AnyEvent::new(HumanResponseEvent::default().with("b", 2)).value(), json!({"b": 2}));
    assert_eq!(AnyEvent::new(StopEvent::default()).value(), json!({}));
    assert_eq!(AnyEvent::new(StopEvent::new(3)).value(), json!({"result": 3}));
}

/// Asks by returning the question; the answer begins another step.
mod asking {
    use super::*;

    #[step]
    pub async fn ask(ev: Begin) -> Ask {
        Ask { prompt: format!("{}?", ev.n) }
    }

    #[step]
    pub async fn answered(answer: Answer) -> Done {
        done(answer.text)
    }

    flow!(pub Asking: Begin => Done { ask, answered });
}

#[tokio::test(start_paused = true)]
async fn a_returned_question_is_published_and_needs_no_taker() {
    let run = asking::Asking.run_with(Begin { n: 3 }, recorded());
    settle().await;
    let inputs = within(run.pending_inputs()).await;
    assert_eq!(inputs[0].input.event.as_ref().unwrap().get::<Ask>().unwrap().prompt, "3?");
    run.send_event(Answer { text: "yes".into() }).unwrap();
    assert_eq!(within(run.result()).await.unwrap().text, "yes");
    let stream = rest(run.stream_events()).await;
    let tags: Vec<_> =
        stream.iter().map(|item| (item.seq().unwrap(), item.event().unwrap().tag().to_owned())).collect();
    assert_eq!(tags, [(1, "Ask".to_owned()), (2, "Done".to_owned())], "the stop event is always published");
    assert!(unhandled(&run).await.is_empty());
}

/// The ways of ending without a stop event.
mod ends {
    use super::*;

    #[step(retry(attempts = 2, backoff = "1s"))]
    pub async fn go(ev: Begin) -> Result<Option<Done>> {
        match ev.n {
            0 => Err(StepError::msg("boom")),
            1 => {
                after(3_600_000).await;
                Ok(Some(done("late")))
            }
            _ => Ok(None),
        }
    }

    flow!(pub Ends: Begin => Done { go });
}

async fn terminal(run: &stepcast::Run<Done>) -> Value {
    let items = rest(run.stream_events()).await;
    let last = items.last().unwrap().event().unwrap();
    // It is there for who reads the stream, whether or not anybody awaits the run.
    serde_json::to_value(last).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_end_has_its_terminal_event() {
    let run = ends::Ends.run(Begin { n: 0 });
    let event = terminal(&run).await;
    assert_eq!((&event["type"], &event["types"]), (&json!("WorkflowFailedEvent"), &json!(["StopEvent"])));
    let value = &event["value"];
    assert_eq!((&value["step_name"], &value["attempts"]), (&json!("go"), &json!(2)));
    assert_eq!(value["exception"]["exception_message"], "boom");
    assert!(value["exception"]["exception_type"].is_string());
    assert!(value["elapsed_seconds"].as_f64().unwrap() >= 1.0, "{value}");
    assert!(matches!(within(run.result()).await, Err(RunError::StepFailed { attempts: 2, .. })));

    let run = ends::Ends.run_with(Begin { n: 1 }, RunOptions::new().timeout(Duration::from_millis(300)));
    let event = terminal(&run).await;
    assert_eq!(event["value"], json!({"timeout": 0.3, "active_steps": ["go"]}));
    assert_eq!((&event["type"], &event["types"]), (&json!("WorkflowTimedOutEvent"), &json!(["StopEvent"])));
    assert!(matches!(within(run.result()).await, Err(RunError::TimedOut { .. })));

    let run = ends::Ends.run(Begin { n: 1 });
    run.cancel();
    assert_eq!(terminal(&run).await["type"], "WorkflowCancelledEvent");
    assert!(matches!(within(run.result()).await, Err(RunError::Cancelled)));

    // Stuck: a failure of no step.
    let run = ends::Ends.run(Begin { n: 2 });
    let event = terminal(&run).await;
    assert_eq!((&event["type"], &event["value"]["attempts"]), (&json!("WorkflowFailedEvent"), &json!(null)));
    assert!(matches!(within(run.result()).await, Err(RunError::Stuck { .. })));

    // They are types of their own for who reads them typed.
    assert!(WorkflowFailedEvent::META.role == WorkflowTimedOutEvent::META.role);
}

/// Two workers for three members; one fails once.
mod frames {
    use super::*;

    #[event]
    pub struct Piece {
        pub n: u32,
    }

    #[event]
    pub struct Stray {}

    #[step(allow(unconsumed))]
    pub async fn split(ev: Begin) -> (Vec<Plain>, Stray) {
        ((0..ev.n).map(|n| Plain { n }).collect(), Stray {})
    }

    #[step(workers = 1, waits(Poke), retry(attempts = 2, backoff = "1s"))]
    pub async fn work(item: Plain, ctx: Context, attempt: Attempt) -> Result<Piece> {
        if item.n == 0 {
            ctx.wait_for_event::<Poke>().await?;
        }
        if item.n == 1 && attempt.number() == 1 {
            return Err(StepError::msg("once"));
        }
        Ok(Piece { n: item.n })
    }

    #[step]
    pub async fn gather(all: Vec<Piece>) -> Done {
        done(all.len())
    }

    flow!(pub Frames: Begin => Done { split, work, gather });
}

#[tokio::test(start_paused = true)]
async fn internal_frames_are_consistent() {
    let run = frames::Frames.run_with(Begin { n: 2 }, recorded());
    after(60_000).await;
    run.send_event(Poke {}).unwrap();
    within(run.result()).await.unwrap();
    let items = rest(run.events_internal()).await;
    let all: Vec<&StepStateChanged> = items.iter().filter_map(|item| item.get()).collect();
    for frame in &all {
        let input = match frame.name.as_str() {
            "split" => "Begin",
            "work" => "Plain",
            _ => "Piece",
        };
        assert_eq!(frame.input_event_name.as_deref(), Some(input), "one form of name in every state: {frame:?}");
        assert!(frame.at > 0 && frame.execution > 0 && frame.attempt > 0, "{frame:?}");
    }
    let states = |execution: u64| -> Vec<(StepState, u32)> {
        all.iter().filter(|frame| frame.execution == execution).map(|frame| (frame.step_state, frame.attempt)).collect()
    };
    let of = |nth: usize| {
        let mut executions: Vec<u64> =
            all.iter().filter(|frame| frame.name == "work").map(|frame| frame.execution).collect();
        executions.sort_unstable();
        executions.dedup();
        states(executions[nth])
    };
    use StepState::{NotRunning, Preparing, Running, Waiting};
    assert_eq!(of(0), [(Preparing, 1), (Running, 1), (Waiting, 1), (Running, 1), (NotRunning, 1)]);
    assert_eq!(of(1), [(Preparing, 1), (Running, 1), (NotRunning, 1), (Running, 2), (NotRunning, 2)]);

    let stray: Vec<&UnhandledEvent> = items.iter().filter_map(|item| item.get()).collect();
    assert_eq!(stray.len(), 1);
    assert_eq!(
        serde_json::to_value(stray[0]).unwrap(),
        json!({"event_type": "Stray", "qualified_name": "llamaindex_events::frames::Stray", "step_name": null, "idle": false})
    );
    assert!(items.iter().any(|item| item.get::<WorkflowIdleEvent>().is_some()), "it was idle while it waited");
    assert!(
        rest(run.stream_events()).await.iter().all(|item| item.seq().is_some()),
        "they are hidden unless asked for"
    );
}

/// A collector that fails: what its catch step learns.
mod caught {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> Vec<Plain> {
        (0..ev.n).map(|n| Plain { n }).collect()
    }

    #[step]
    pub async fn gather(all: Vec<Plain>) -> Result<Done> {
        Err(std::io::Error::other(format!("{} are too many", all.len())))?
    }

    #[step(catch(gather))]
    pub async fn failed(failed: StepFailedEvent) -> Result<Done> {
        Ok(done(serde_json::to_string(&failed)?))
    }

    flow!(pub Caught: Begin => Done { split, gather, failed });
}

#[tokio::test(start_paused = true)]
async fn a_failure_crosses_serialization_as_texts() {
    let text = within(caught::Caught.run(Begin { n: 2 })).await.unwrap().text;
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&value["step_name"], &value["attempts"]), (&json!("gather"), &json!(1)));
    assert_eq!(value["input_event"]["type"], "Plain", "the first member of the batch");
    assert_eq!(
        value["exception"],
        json!({"exception_type": "std::io::error::Error", "exception_message": "2 are too many"})
    );
    assert!(value["failed_at"].as_u64().unwrap() > 0 && value["elapsed_seconds"].is_number());
    let back: StepFailedEvent = serde_json::from_value(value).unwrap();
    assert_eq!(back.input_event.unwrap().decode::<Plain>().unwrap().n, 0);
}
