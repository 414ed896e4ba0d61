//! AG-UI 1.0.

use serde_json::{Value, json};
use stepcast::Event;
use stepcast_examples::flows::Approval;

use crate::served::{Reply, Served, both, bounded};

fn input(thread: &str, run: &str) -> Value {
    json!({
        "threadId": thread, "runId": run, "protocolVersion": "1.0", "state": {}, "messages": [], "tools": [],
        "context": [], "forwardedProps": {},
    })
}

/// The same with other members.
fn with(mut input: Value, members: Value) -> Value {
    input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    input
}

fn saying(text: &str) -> Value {
    json!({ "messages": [{ "id": "u1", "role": "user", "content": text }] })
}

impl Served {
    async fn ag_ui(&self, workflow: &str, input: &Value) -> Reply {
        self.post(&format!("/workflows/{workflow}/ag-ui"), input).await
    }

    async fn resume(&self, thread: &str, run: &str, resume: Value) -> Reply {
        self.ag_ui("approval", &with(input(thread, run), json!({ "resume": resume }))).await
    }
}

fn started(thread: &str, run: &str) -> Value {
    started_as(thread, run, thread)
}

fn started_as(thread: &str, run: &str, ours: &str) -> Value {
    json!({
        "type": "RUN_STARTED", "threadId": thread, "runId": run, "protocolVersion": "1.0",
        "metadata": { "stepcast": { "run_id": ours } },
    })
}

fn finished(thread: &str, run: &str, result: Value) -> Value {
    json!({
        "type": "RUN_FINISHED", "threadId": thread, "runId": run, "result": result, "outcome": { "type": "success" },
    })
}

fn cancelled(thread: &str, run: &str) -> Value {
    json!({ "type": "RUN_FINISHED", "threadId": thread, "runId": run, "outcome": { "type": "cancelled" } })
}

fn step(kind: &str, name: &str) -> Value {
    json!({ "type": kind, "stepName": name })
}

fn custom(name: &str, value: Value) -> Value {
    json!({ "type": "CUSTOM", "name": name, "value": value })
}

fn message(id: &str, text: &str) -> [Value; 3] {
    [
        json!({ "type": "TEXT_MESSAGE_START", "messageId": id, "role": "assistant" }),
        json!({ "type": "TEXT_MESSAGE_CONTENT", "messageId": id, "delta": text }),
        json!({ "type": "TEXT_MESSAGE_END", "messageId": id }),
    ]
}

/// The interrupt of the example's `approval`.
fn interrupt(thread: &str, run: &str, number: u64, seq: u64, text: &str) -> Value {
    let schema = Approval::META.schema();
    let data = json!({ "prompt": "Publish this text?", "text": text });
    json!({
        "type": "RUN_FINISHED", "threadId": thread, "runId": run,
        "outcome": { "type": "interrupt", "interrupts": [{
            "id": format!("{thread}/{number}@{seq}"), "reason": "input_required", "message": "Publish this text?",
            "responseSchema": schema,
            "metadata": {
                "run_id": thread, "input": number, "step": "approve", "reason": "input_required",
                "prompt": "Publish this text?", "event": "ApprovalNeeded", "data": data, "choices": null,
                "expects": "Approval", "schema": schema, "expires_at": null,
            },
        }] },
    })
}

/// The number of the question that the frames end with.
fn number(frames: &[Value]) -> u64 {
    frames.last().unwrap()["outcome"]["interrupts"][0]["metadata"]["input"].as_u64().unwrap()
}

fn resolved(id: &str, payload: Value) -> Value {
    json!([{ "interruptId": id, "status": "resolved", "payload": payload }])
}

#[tokio::test]
async fn a_run_is_told_from_its_start_to_its_end() {
    bounded(async {
        for served in both().await {
            let greet = with(input("g", "s1"), json!({ "state": { "name": "Ada" } }));
            let reply = served.ag_ui("greet", &greet).await;
            assert_eq!(reply.header("content-type").as_deref(), Some("text/event-stream; charset=utf-8"));
            assert_eq!(reply.header("cache-control").as_deref(), Some("no-cache"));
            assert_eq!(reply.header("x-accel-buffering").as_deref(), Some("no"));
            assert_eq!(reply.header("x-run-id").as_deref(), Some("g"));
            let mut expected = vec![started("g", "s1"), step("STEP_STARTED", "greet"), step("STEP_FINISHED", "greet")];
            expected.extend(message("g/result", "Hello, Ada!"));
            expected.push(finished("g", "s1", json!({ "result": "Hello, Ada!" })));
            assert_eq!(reply.frames().await, expected, "{}", served.name);

            let typed = with(input("t", "s1"), saying("sea"));
            let expected = [
                started("t", "s1"),
                step("STEP_STARTED", "answer"),
                step("STEP_FINISHED", "answer"),
                finished("t", "s1", json!({ "answer": "SEA", "score": 0.5 })),
            ];
            assert_eq!(served.ag_ui("typed", &typed).await.frames().await, expected, "{}", served.name);

            let count = with(input("c", "s1"), json!({ "forwardedProps": { "input": { "from": 2 } } }));
            let mut frames = served.ag_ui("countdown", &count).await.frames().await;
            // The store writes events together; the frames beside them pass at once.
            frames.retain(|frame| frame["stepName"].is_null());
            let expected = [
                started("c", "s1"),
                custom("Tick", json!({ "left": 2 })),
                custom("Tick", json!({ "left": 1 })),
                custom("Tick", json!({ "left": 0 })),
                finished("c", "s1", json!({})),
            ];
            assert_eq!(frames, expected, "{}", served.name);

            let failing = served.ag_ui("failing", &input("f", "s1")).await.frames().await;
            let expected = [
                started("f", "s1"),
                step("STEP_STARTED", "fail"),
                step("STEP_FINISHED", "fail"),
                json!({ "type": "RUN_ERROR", "message": "boom", "code": "failed" }),
            ];
            assert_eq!(failing, expected, "{}", served.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_that_is_cancelled_elsewhere_ends_as_cancelled() {
    bounded(async {
        for served in both().await {
            let start = json!({ "forwardedProps": { "input": { "from": 9, "delay_ms": 600_000 } } });
            let mut reply = served.ag_ui("countdown", &with(input("c", "s1"), start)).await;
            while reply.frame().await != Some(custom("Tick", json!({ "left": 9 }))) {}
            served.cancel("c").await;
            let rest = reply.frames().await;
            assert_eq!(rest, [step("STEP_FINISHED", "count"), cancelled("c", "s1")], "{}", served.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_question_is_an_interrupt_and_the_answer_goes_on_from_there() {
    bounded(async {
        for served in both().await {
            let draft = with(input("a", "s1"), json!({ "state": { "text": "Hi" } }));
            let frames = served.ag_ui("approval", &draft).await.frames().await;
            let asked = custom("ApprovalNeeded", json!({ "prompt": "Publish this text?", "text": "Hi" }));
            assert_eq!(frames[0], started("a", "s1"));
            assert!(frames.contains(&asked), "{}: {frames:?}", served.name);
            let first = number(&frames);
            assert_eq!(frames.last(), Some(&interrupt("a", "s1", first, 1, "Hi")), "{}", served.name);
            let first = format!("a/{first}@1");
            let balance = |kind: &str| frames.iter().filter(|frame| frame["type"] == kind).count();
            assert_eq!((balance("STEP_STARTED"), balance("STEP_FINISHED")), (2, 2), "{}", served.name);

            // What does not fit is a problem, and the question stays.
            let wrong = resolved(&first, json!({ "approved": "yes" }));
            let problem = served.resume("a", "s2", wrong).await;
            assert_eq!(problem.status, 422);
            assert_eq!(problem.header("content-type").as_deref(), Some("application/problem+json"));
            let problem = problem.json().await;
            assert_eq!((&problem["code"], &problem["run_id"]), (&"answer_does_not_fit".into(), &"a".into()));
            assert!(problem["detail"].as_str().unwrap().contains("approved"), "{problem}");

            // A refusal asks again.
            let no = resolved(&first, json!({ "approved": false, "comment": "shorter" }));
            let frames = served.resume("a", "s2", no).await.frames().await;
            assert_eq!(frames[0], started("a", "s2"));
            let second = number(&frames);
            assert_eq!(frames.last(), Some(&interrupt("a", "s2", second, 2, "Hi (shorter)")), "{}", served.name);
            let second = format!("a/{second}@2");

            let yes = resolved(&second, json!({ "approved": true }));
            let published = finished("a", "s3", json!({ "text": "Hi (shorter)", "rounds": 2 }));
            let frames = served.resume("a", "s3", yes.clone()).await.frames().await;
            let steps = [step("STEP_STARTED", "approve"), step("STEP_FINISHED", "approve")];
            assert_eq!(frames, [&[started("a", "s3")][..], &steps, &[published]].concat(), "{}", served.name);

            // The same answer again, as after a lost connection, shows the same end; another one is too late.
            let again = served.resume("a", "s4", yes).await.frames().await;
            let published = finished("a", "s4", json!({ "text": "Hi (shorter)", "rounds": 2 }));
            assert_eq!(again, [started("a", "s4"), published], "{}", served.name);
            let late = served.resume("a", "s5", resolved(&second, json!({ "approved": false }))).await;
            assert_eq!(late.status, 409);
            assert_eq!(late.json().await["code"], "input_already_resolved");
        }
    })
    .await;
}

#[tokio::test]
async fn who_does_not_answer_cancels_the_run() {
    bounded(async {
        for served in both().await {
            let draft = with(input("a", "s1"), saying("Hi"));
            let number = number(&served.ag_ui("approval", &draft).await.frames().await);
            // Without the place in the log: from the last event on.
            let never = json!([{ "interruptId": format!("a/{number}"), "status": "cancelled" }]);
            let frames = served.resume("a", "s2", never).await.frames().await;
            assert_eq!(frames, [started("a", "s2"), cancelled("a", "s2")], "{}", served.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_comes_back_gets_snapshots_and_what_comes() {
    bounded(async {
        for served in both().await {
            let talk = with(input("t", "s1"), saying("Why"));
            let frames = served.ag_ui("talk", &talk).await.frames().await;
            assert_eq!(frames.last().unwrap()["outcome"]["type"], "interrupt", "{}", served.name);
            let text: String = frames.iter().filter_map(|frame| frame["delta"].as_str()).collect();
            assert_eq!(text, "Why?", "{}", served.name);
            let asked = format!("t/{}@3", number(&frames));

            // Without messages it starts nothing, even though its state would do.
            let back = with(input("t", "s2"), json!({ "state": { "tab": 1, "question": "What" } }));
            let frames = served.ag_ui("talk", &back).await.frames().await;
            let ours = |seq: u64| {
                let events = json!({ "HowMany": { "prompt": "How many?", "account": "42" } });
                json!({ "run_id": "t", "workflow": "talk", "seq": seq, "events": events })
            };
            let state = json!({ "tab": 1, "question": "What", "stepcast": ours(3) });
            let spoken = json!({ "id": "t/text/1", "role": "assistant", "content": "Why?" });
            assert_eq!(frames[0], started("t", "s2"));
            assert_eq!(frames[1], json!({ "type": "STATE_SNAPSHOT", "snapshot": state }), "{}", served.name);
            assert_eq!(frames[2], json!({ "type": "MESSAGES_SNAPSHOT", "messages": [spoken] }), "{}", served.name);
            assert_eq!(frames[3]["outcome"]["interrupts"][0]["id"], *asked, "{}", served.name);
            assert_eq!(frames.len(), 4, "{}", served.name);

            let answer = resolved(&asked, json!({ "number": 7 }));
            let answer = with(input("t", "s3"), json!({ "resume": answer }));
            let frames = served.ag_ui("talk", &answer).await.frames().await;
            let expected = [
                started("t", "s3"),
                step("STEP_STARTED", "speak"),
                custom("Percent", json!({ "percent": 50 })),
                step("STEP_FINISHED", "speak"),
                finished("t", "s3", json!({ "number": 7 })),
            ];
            assert_eq!(frames, expected, "{}", served.name);

            // After the end: its snapshots and its result.
            let frames = served.ag_ui("talk", &input("t", "s4")).await.frames().await;
            assert_eq!(frames[1]["snapshot"], json!({ "stepcast": ours(3) }), "{}", served.name);
            assert_eq!(frames[3], finished("t", "s4", json!({ "number": 7 })), "{}", served.name);

            // In the middle: the rest comes live.
            let start = json!({ "forwardedProps": { "input": { "from": 9, "delay_ms": 600_000 } } });
            let mut first = served.ag_ui("countdown", &with(input("c", "s1"), start)).await;
            while first.frame().await != Some(custom("Tick", json!({ "left": 9 }))) {}
            drop(first);
            let mut second = served.ag_ui("countdown", &input("c", "s2")).await;
            second.frame().await.unwrap();
            let state = second.frame().await.unwrap();
            assert_eq!(state["snapshot"]["stepcast"]["events"], json!({ "Tick": { "left": 9 } }));
            served.cancel("c").await;
            let rest = second.frames().await;
            let none = json!({ "type": "MESSAGES_SNAPSHOT", "messages": [] });
            assert_eq!(rest, [none, cancelled("c", "s2")], "{}", served.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_thread_goes_on_with_another_run_when_a_person_speaks_again() {
    bounded(async {
        for served in both().await {
            for (turn, run) in ["t", "t:2", "t:3", "t:4", "t:5"].into_iter().enumerate() {
                let segment = format!("s{turn}");
                let said = with(input("t", &segment), saying("sea"));
                let frames = served.ag_ui("typed", &said).await.frames().await;
                assert_eq!(frames[0], started_as("t", &segment, run), "{}", served.name);
                assert_eq!(frames.last().unwrap()["result"]["answer"], "SEA");
            }
            let attach = with(input("t", "s9"), with(saying("sea"), json!({ "forwardedProps": { "attach": true } })));
            let frames = served.ag_ui("typed", &attach).await.frames().await;
            assert_eq!(frames[0], started_as("t", "s9", "t:5"), "{}", served.name);
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_begin_is_a_problem() {
    bounded(async {
        for served in both().await {
            served.ag_ui("greet", &input("taken", "s1")).await.frames().await;
            let resume = |id: &str| json!({ "resume": [{ "interruptId": id, "status": "resolved", "payload": {} }] });
            for (workflow, body, status, code) in [
                ("nothing", input("x", "s"), 404, "workflow_not_found"),
                ("typed", json!({}), 400, "invalid_request"),
                ("typed", json!([]), 400, "invalid_request"),
                ("typed", input("x", "s"), 400, "invalid_start_event"),
                ("typed", input("a/b", "s"), 400, "invalid_thread"),
                ("typed", input("", "s"), 400, "invalid_thread"),
                ("typed", input("taken", "s"), 409, "thread_of_another_workflow"),
                ("typed", with(input("x", "s"), resume("x/1")), 404, "thread_not_found"),
                ("greet", with(input("taken", "s"), resume("x/1")), 404, "input_not_found"),
                ("greet", with(input("taken", "s"), resume("taken")), 404, "input_not_found"),
                (
                    "greet",
                    with(input("x", "s"), json!({ "forwardedProps": { "attach": true } })),
                    404,
                    "thread_not_found",
                ),
            ] {
                let reply = served.ag_ui(workflow, &body).await;
                assert_eq!(reply.status, status, "{}: {body}", served.name);
                assert_eq!(reply.header("content-type").as_deref(), Some("application/problem+json"));
                assert_eq!(reply.json().await["code"], code, "{}: {body}", served.name);
            }
        }
    })
    .await;
}
