#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stepcast::prelude::*;
use stepcast::{AnyEvent, ErrorInfo, EventKind, StreamEvent, StreamItem, WorkflowFailedEvent};

use super::body::{Chat, Said};
use super::machine::{AiSdk, Past, Settled};
use super::part::Fixed;
use crate::access::Access;
use crate::ui::question::YesNo;
use crate::ui::{Machine, Question};

#[event]
struct Token {
    delta: String,
}

#[event]
struct Login {
    #[event(secret)]
    password: String,
}

#[event(input_required)]
struct Sure {
    prompt: String,
}

#[event(stop)]
struct Done {
    result: String,
}

fn item(seq: u64, kind: EventKind, event: impl Into<AnyEvent>) -> StreamItem {
    StreamItem::Event(StreamEvent { seq, kind, at: None, event: event.into() })
}

fn logged(seq: u64, event: impl Into<AnyEvent>) -> StreamItem {
    item(seq, EventKind::Logged, event)
}

fn machine() -> AiSdk {
    AiSdk::new("r".into(), "w".into(), Access::Full, 0)
}

fn told(machine: &mut AiSdk, items: &[StreamItem]) -> Vec<Value> {
    let mut out = Vec::new();
    items.iter().for_each(|item| machine.item(item, &mut out));
    out.iter().map(|part| serde_json::to_value(part).unwrap()).collect()
}

fn question(yes_no: bool) -> Question {
    Question {
        run: "r".into(),
        input: 1,
        step: "a".into(),
        reason: "input_required".into(),
        prompt: None,
        event: Some("Sure".into()),
        data: json!({ "prompt": "sure?" }),
        choices: None,
        expects: None,
        schema: json!({ "type": "object" }),
        yes_no: yes_no.then_some(YesNo { field: "yes", comment: None }),
        expires: None,
    }
}

#[test]
fn events_are_data_parts_and_pieces_of_text_are_text() {
    let items = [
        logged(1, Login { password: "x".into() }),
        item(1, EventKind::Ephemeral, Login { password: "y".into() }),
        item(1, EventKind::Ephemeral, Token { delta: "Hi".into() }),
        logged(2, Done { result: "Hi".into() }),
    ];
    assert_eq!(
        told(&mut machine(), &items),
        [
            json!({ "type": "data-Login", "id": "1", "data": { "password": "x" } }),
            json!({ "type": "data-Login", "data": { "password": "y" }, "transient": true }),
            json!({ "type": "text-start", "id": "r/text/1" }),
            json!({ "type": "text-delta", "id": "r/text/1", "delta": "Hi" }),
            json!({ "type": "data-Done", "id": "2", "data": { "result": "Hi" } }),
            json!({ "type": "text-end", "id": "r/text/1" }),
            json!({ "type": "finish-step" }),
            json!({ "type": "finish", "finishReason": "stop" }),
        ]
    );
    let mut reader = AiSdk::new("r".into(), "w".into(), Access::ReadOnly, 0);
    assert_eq!(told(&mut reader, &items[..1])[0]["data"], json!({ "password": "***" }));
}

#[test]
fn a_failure_is_an_error() {
    let exception = ErrorInfo { exception_type: "E".into(), exception_message: "boom".into(), causes: Vec::new() };
    let failed = WorkflowFailedEvent { step_name: None, exception, attempts: None, elapsed_seconds: None };
    let mut machine = machine();
    let parts = told(&mut machine, &[logged(1, AnyEvent::new(failed))]);
    assert_eq!(parts, [json!({ "type": "error", "errorText": "boom" })]);
    assert!(machine.is_over());
}

#[test]
fn a_refused_answer_is_told_and_the_question_asked_under_another_id() {
    let refused = Fixed::ToolOutputError { tool_call_id: "r/1@3".into(), error_text: "no".into() };
    let mut machine = AiSdk::new("r".into(), "w".into(), Access::Full, 3)
        .answered(vec![refused], BTreeMap::from([(("r".into(), 1), 1)]));
    let mut out = Vec::new();
    machine.begin(&mut out);
    machine.paused(&[question(false)], &mut out);
    let parts = serde_json::to_value(&out).unwrap();
    let kinds: Vec<&str> = parts.as_array().unwrap().iter().map(|part| part["type"].as_str().unwrap()).collect();
    let expected =
        ["start", "tool-output-error", "start-step", "data-input", "tool-input-available", "finish-step", "finish"];
    assert_eq!(kinds, expected);
    assert_eq!(parts[4]["toolCallId"], "r/1@3#1");
    assert_eq!(parts[6]["finishReason"], "tool-calls");
}

#[test]
fn a_replay_has_the_answers_that_were_given() {
    let past = |answer: bool| Past {
        question: question(true),
        asked: json!({ "prompt": "sure?" }),
        end: Settled::Answered(json!({ "yes": answer })),
    };
    let mut machine = machine().replaying(vec![past(false), past(true)]);
    let sure = |seq| logged(seq, Sure { prompt: "sure?".into() });
    let parts = told(&mut machine, &[sure(1), sure(2), sure(3)]);
    let kinds: Vec<&str> = parts.iter().map(|part| part["type"].as_str().unwrap()).collect();
    let ask = ["data-Sure", "data-input", "tool-input-available", "tool-approval-request"];
    let settled = |kind| [kind, "finish-step", "start-step"];
    let expected =
        [&ask[..], &settled("tool-output-denied"), &ask, &settled("tool-output-available"), &["data-Sure"]].concat();
    assert_eq!(kinds, expected);
}

#[test]
fn the_newest_word_on_each_question_counts() {
    let tool = |id: &str, state: &str, more: Value| {
        let mut part = json!({ "type": "tool-Sure", "toolCallId": id, "state": state });
        part.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        part
    };
    let approved = json!({ "approval": { "id": "x", "approved": false, "reason": "later" } });
    let body = json!({
        "id": "c",
        "messages": [
            { "role": "assistant", "parts": [tool("r/9@1", "output-available", json!({ "output": 1 }))] },
            { "role": "assistant", "parts": [
                { "type": "step-start" },
                tool("r/1@3", "output-error", json!({ "errorText": "no" })),
                tool("r/1@3#1", "output-available", json!({ "output": { "yes": true } })),
                tool("r/2@3", "approval-responded", approved),
                tool("r/3@3", "input-available", json!({})),
                tool("r/4@3", "output-error", json!({ "errorText": "closed" })),
            ] },
        ],
    });
    let chat = serde_json::from_value::<Chat>(body).unwrap();
    assert!(chat.continues());
    let replies: Vec<_> =
        chat.replies().into_iter().map(|reply| (reply.tool_call_id, reply.said, reply.refused)).collect();
    let denied = Said::Approval { approved: false, reason: Some("later".into()) };
    assert_eq!(
        replies,
        [
            ("r/1@3#1".to_owned(), Said::Output(json!({ "yes": true })), 1),
            ("r/2@3".to_owned(), denied, 0),
            ("r/4@3".to_owned(), Said::Failed, 0),
        ]
    );
}
