#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use stepcast::prelude::*;
use stepcast::{AnyEvent, EventKind, StepState, StepStateChanged, StreamEvent, StreamItem, WorkflowCancelledEvent};

use super::input::RunAgentInput;
use super::machine::AgUi;
use crate::access::Access;
use crate::ui::{Machine, Question};

#[event]
struct Token {
    delta: String,
    message_id: Option<String>,
}

#[event]
struct Login {
    user: String,
    #[event(secret)]
    password: String,
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

fn passing(seq: u64, event: impl Into<AnyEvent>) -> StreamItem {
    item(seq, EventKind::Ephemeral, event)
}

fn token(delta: &str, message: Option<&str>) -> Token {
    Token { delta: delta.into(), message_id: message.map(Into::into) }
}

fn step(name: &str, execution: u64, step_state: StepState) -> StreamItem {
    let frame = StepStateChanged {
        name: name.into(),
        step_state,
        worker_id: execution.to_string(),
        input_event_name: None,
        output_event_name: None,
        execution,
        attempt: 1,
        at: 0,
        cause: Vec::new(),
        outputs: Vec::new(),
        error: None,
    };
    item(0, EventKind::Internal, AnyEvent::new(frame))
}

fn machine(access: Access) -> AgUi {
    AgUi::new("t".into(), "s1".into(), "r".into(), access, 0)
}

/// What a machine makes of the items, in short: type, and what it is about.
fn told(machine: &mut AgUi, items: &[StreamItem]) -> Vec<Value> {
    let mut out = Vec::new();
    items.iter().for_each(|item| machine.item(item, &mut out));
    out.iter().map(|event| serde_json::to_value(event).unwrap()).collect()
}

#[test]
fn pieces_of_text_become_messages_that_end_with_the_run() {
    let items = [
        passing(0, token("Hel", None)),
        logged(1, token("other", Some("m"))),
        passing(1, token("lo", None)),
        logged(2, token("", Some("m"))),
        logged(3, Done { result: "Hello".into() }),
    ];
    let start = |id: &str| json!({ "type": "TEXT_MESSAGE_START", "messageId": id, "role": "assistant" });
    let content = |id: &str, delta: &str| json!({ "type": "TEXT_MESSAGE_CONTENT", "messageId": id, "delta": delta });
    let end = |id: &str| json!({ "type": "TEXT_MESSAGE_END", "messageId": id });
    assert_eq!(
        told(&mut machine(Access::Full), &items),
        [
            start("r/text/0"),
            content("r/text/0", "Hel"),
            start("m"),
            content("m", "other"),
            content("r/text/0", "lo"),
            end("r/text/0"),
            end("m"),
            json!({ "type": "RUN_FINISHED", "threadId": "t", "runId": "s1", "result": { "result": "Hello" },
                "outcome": { "type": "success" } }),
        ]
    );
}

#[test]
fn a_step_is_active_while_one_of_its_executions_runs() {
    let mut machine = machine(Access::Full);
    let items = [
        step("a", 1, StepState::Preparing),
        step("a", 1, StepState::Running),
        step("a", 1, StepState::Running),
        step("a", 2, StepState::Running),
        step("b", 3, StepState::Running),
        step("a", 1, StepState::NotRunning),
        step("a", 2, StepState::Waiting),
        // It began before the client came.
        step("c", 4, StepState::NotRunning),
        logged(1, AnyEvent::new(WorkflowCancelledEvent {})),
    ];
    let change = |kind: &str, step: &str| json!({ "type": kind, "stepName": step });
    assert_eq!(
        told(&mut machine, &items),
        [
            change("STEP_STARTED", "a"),
            change("STEP_STARTED", "b"),
            change("STEP_FINISHED", "a"),
            change("STEP_FINISHED", "b"),
            json!({ "type": "RUN_FINISHED", "threadId": "t", "runId": "s1", "outcome": { "type": "cancelled" } }),
        ]
    );
    assert!(machine.is_over());
}

#[test]
fn secret_fields_are_covered_for_who_may_only_look() {
    let login = || logged(1, Login { user: "ada".into(), password: "x".into() });
    let shown = |access| told(&mut machine(access), &[login()])[0]["value"].clone();
    assert_eq!(shown(Access::Full), json!({ "user": "ada", "password": "x" }));
    assert_eq!(shown(Access::ReadOnly), json!({ "user": "ada", "password": "***" }));
}

#[test]
fn what_is_missing_is_told() {
    let mut machine = machine(Access::Full);
    let gap = told(&mut machine, &[StreamItem::Lagged { from: 2, to: 5 }]);
    assert_eq!(gap, [json!({ "type": "CUSTOM", "name": "stepcast.lagged", "value": { "from": 2, "to": 5 } })]);
    let mut out = Vec::new();
    machine.lost(&mut out);
    let lost = serde_json::to_value(&out).unwrap();
    assert_eq!((lost[0]["type"].as_str(), lost[0]["code"].as_str()), (Some("RUN_ERROR"), Some("stream_lost")));
    assert!(machine.is_over());
}

#[test]
fn a_question_ends_the_segment_with_an_interrupt() {
    let mut machine = machine(Access::Full);
    told(&mut machine, &[step("a", 1, StepState::Running), logged(7, token("hm", Some("m")))]);
    let question = Question {
        run: "r".into(),
        input: 2,
        step: "a".into(),
        reason: "input_required".into(),
        prompt: None,
        event: None,
        data: Value::Null,
        choices: None,
        expects: None,
        schema: json!({ "type": "object" }),
        yes_no: None,
        expires: Some("2026-11-21T01:54:18.293001+00:00".into()),
    };
    let mut out = Vec::new();
    machine.paused(&[question], &mut out);
    let out = serde_json::to_value(&out).unwrap();
    assert_eq!(out[0], json!({ "type": "TEXT_MESSAGE_END", "messageId": "m" }));
    assert_eq!(out[1], json!({ "type": "STEP_FINISHED", "stepName": "a" }));
    let interrupt = &out[2]["outcome"]["interrupts"][0];
    assert_eq!(interrupt["id"], "r/2@7");
    assert_eq!(interrupt["responseSchema"], json!({ "type": "object" }));
    assert_eq!(interrupt["expiresAt"], "2026-11-21T01:54:18.293001+00:00");
    assert_eq!(interrupt.get("message"), None);
    assert!(machine.is_over());
}

#[test]
fn the_last_user_message_is_read_in_both_forms() {
    let text = |messages: Value| {
        let body = json!({ "threadId": "t", "runId": "s", "messages": messages });
        serde_json::from_value::<RunAgentInput>(body).unwrap().text()
    };
    let user = |content: Value| json!({ "id": "1", "role": "user", "content": content });
    assert_eq!(text(json!([user("a".into()), user("b".into())])).as_deref(), Some("b"));
    let parts = json!([{ "type": "text", "text": "a" }, { "type": "image" }, { "type": "text", "text": "b" }]);
    assert_eq!(text(json!([user(parts)])).as_deref(), Some("a\nb"));
    assert_eq!(text(json!([user("a".into()), { "id": "2", "role": "assistant", "content": "b" }])), None);
    assert_eq!(text(json!([])), None);
}

/// What a machine tells of the state that its run shows.
fn shows(machine: &mut AgUi, shown: Value) -> Vec<Value> {
    let mut out = Vec::new();
    machine.state(shown.as_object().unwrap().clone(), &mut out);
    out.iter().map(|event| serde_json::to_value(event).unwrap()).collect()
}

/// Our own member of the state, of a run that shows these.
fn ours(names: &[&str]) -> Value {
    json!({ "run_id": "r", "ui": names })
}

#[test]
fn a_changed_state_is_a_snapshot_for_who_has_none_and_else_a_difference() {
    let mut new = machine(Access::Full);
    assert!(shows(&mut new, json!({})).is_empty());
    let first = json!({ "done": 1, "list": ["a"] });
    let snapshot = json!({ "done": 1, "list": ["a"], "stepcast": ours(&["done", "list"]) });
    assert_eq!(shows(&mut new, first.clone()), [json!({ "type": "STATE_SNAPSHOT", "snapshot": snapshot })]);
    assert!(shows(&mut new, first).is_empty(), "nothing changed");
    let delta = json!([{ "op": "add", "path": "/list/1", "value": "b" }]);
    let longer = json!({ "done": 1, "list": ["a", "b"] });
    assert_eq!(shows(&mut new, longer), [json!({ "type": "STATE_DELTA", "delta": delta })], "the names stay");
    let delta = json!([
        { "op": "add", "path": "/~1x", "value": 1 },
        { "op": "replace", "path": "/stepcast/ui/0", "value": "/x" },
        { "op": "remove", "path": "/done" },
    ]);
    let next = json!({ "list": ["a", "b"], "/x": 1 });
    assert_eq!(shows(&mut new, next), [json!({ "type": "STATE_DELTA", "delta": delta })]);

    // The client's own fields stay, and ours.
    let mut knowing =
        machine(Access::Full).knowing(json!({ "theme": "dark", "stepcast": { "run_id": "r", "seq": 1 } }));
    let delta = json!([
        { "op": "add", "path": "/done", "value": 1 },
        { "op": "add", "path": "/stepcast/ui", "value": ["done"] },
    ]);
    let shown = json!({ "done": 1, "stepcast": "mine" });
    assert_eq!(shows(&mut knowing, shown), [json!({ "type": "STATE_DELTA", "delta": delta })]);
    let delta = json!([{ "op": "remove", "path": "/stepcast/ui/0" }, { "op": "remove", "path": "/done" }]);
    assert_eq!(shows(&mut knowing, json!({})), [json!({ "type": "STATE_DELTA", "delta": delta })]);
}

#[test]
fn what_vanished_between_two_segments_is_removed_where_it_was_the_runs() {
    let known = json!({ "theme": "dark", "done": 1, "list": [], "stepcast": ours(&["done", "gone", "list"]) });
    let mut next = machine(Access::Full).knowing(known.clone());
    assert!(shows(&mut next, json!({ "done": 1, "list": [] })).is_empty(), "the client has it");
    let mut next = machine(Access::Full).knowing(known.clone());
    let [told] = &shows(&mut next, json!({ "list": [] }))[..] else { panic!("one difference") };
    let mut state = known.clone();
    let delta: json_patch::Patch = serde_json::from_value(told["delta"].clone()).unwrap();
    json_patch::patch(&mut state, &delta).unwrap();
    assert_eq!(state, json!({ "theme": "dark", "list": [], "stepcast": ours(&["list"]) }));

    // What another run of the thread showed is the client's own by now.
    let mut other = known;
    other["stepcast"]["run_id"] = "before".into();
    let mut next = machine(Access::Full).knowing(other.clone());
    assert!(shows(&mut next, json!({})).is_empty());
    let [told] = &shows(&mut next, json!({ "list": [1] }))[..] else { panic!("one difference") };
    let delta: json_patch::Patch = serde_json::from_value(told["delta"].clone()).unwrap();
    json_patch::patch(&mut other, &delta).unwrap();
    assert_eq!(other, json!({ "theme": "dark", "done": 1, "list": [1], "stepcast": ours(&["list"]) }));

    // A client may say anything of what is whose.
    for odd in
        [json!(1), json!({ "run_id": "r", "ui": { "done": 1 } }), json!({ "run_id": "r", "ui": [1, "stepcast"] })]
    {
        let mut next = machine(Access::Full).knowing(json!({ "done": 1, "stepcast": odd }));
        assert!(shows(&mut next, json!({})).is_empty());
    }
}
