//! The AI SDK's UI message stream.

use serde_json::{Value, json};
use stepcast::Event;
use stepcast_examples::flows::Approval;

use crate::served::{DONE, READER, Reply, Served, both, bounded};

impl Served {
    async fn chat(&self, workflow: &str, chat: &Value) -> Reply {
        self.post(&format!("/workflows/{workflow}/ai-sdk"), chat).await
    }

    /// What goes on with an assistant's message of these parts.
    async fn answer(&self, workflow: &str, chat: &str, parts: Value) -> Reply {
        let messages = json!([user("Hi"), { "id": chat, "role": "assistant", "parts": parts }]);
        let body = json!({ "id": chat, "messages": messages, "trigger": "submit-message", "messageId": chat });
        self.chat(workflow, &body).await
    }
}

fn user(text: &str) -> Value {
    json!({ "id": "u1", "role": "user", "parts": [{ "type": "text", "text": text }] })
}

fn saying(chat: &str, text: &str) -> Value {
    json!({ "id": chat, "messages": [user(text)], "trigger": "submit-message" })
}

fn start(run: &str, workflow: &str) -> Value {
    json!({ "type": "start", "messageId": run, "messageMetadata": { "run_id": run, "workflow": workflow } })
}

fn part(kind: &str) -> Value {
    json!({ "type": kind })
}

fn step(name: &str, state: &str) -> Value {
    let data = json!({ "name": name, "state": state, "worker": "0", "attempt": 1 });
    json!({ "type": "data-step", "id": format!("{name}#0"), "data": data })
}

fn data(tag: &str, seq: u64, data: Value) -> Value {
    json!({ "type": format!("data-{tag}"), "id": seq.to_string(), "data": data })
}

fn text(id: &str, text: &str) -> [Value; 3] {
    [
        json!({ "type": "text-start", "id": id }),
        json!({ "type": "text-delta", "id": id, "delta": text }),
        json!({ "type": "text-end", "id": id }),
    ]
}

fn finish(reason: &str) -> [Value; 3] {
    [part("finish-step"), json!({ "type": "finish", "finishReason": reason }), DONE.into()]
}

/// Frames without those that tell how steps do: on a store they pass before the events that are written meanwhile.
fn told(mut frames: Vec<Value>) -> Vec<Value> {
    frames.retain(|frame| frame["type"] != "data-step");
    frames
}

/// The numbers of the questions that the frames have, in order.
fn numbers(frames: &[Value]) -> Vec<u64> {
    let asked = frames.iter().filter(|frame| frame["type"] == "data-input");
    asked.map(|frame| frame["data"]["input"].as_u64().unwrap()).collect()
}

/// The frames of the example's question with a number.
fn asked(number: u64, seq: u64, text: &str) -> Vec<Value> {
    let id = format!("a/{number}@{seq}");
    let question = json!({ "prompt": "Publish this text?", "text": text });
    let schema = Approval::META.schema();
    let details = json!({
        "run_id": "a", "input": number, "step": "approve", "reason": "input_required", "prompt": "Publish this text?",
        "event": "ApprovalNeeded", "data": question, "choices": null, "expects": "Approval", "schema": schema,
        "expires_at": null,
    });
    vec![
        json!({ "type": "data-input", "id": id, "data": details }),
        json!({ "type": "tool-input-available", "toolCallId": id, "toolName": "ApprovalNeeded", "input": question }),
        json!({ "type": "tool-approval-request", "approvalId": id, "toolCallId": id }),
    ]
}

#[tokio::test]
async fn a_run_is_a_message_from_its_start_to_its_end() {
    bounded(async {
        for served in both().await {
            let greet = json!({ "id": "g", "messages": [], "input": { "name": "Ada" } });
            let reply = served.chat("greet", &greet).await;
            assert_eq!(reply.header("content-type").as_deref(), Some("text/event-stream; charset=utf-8"));
            assert_eq!(reply.header("cache-control").as_deref(), Some("no-cache"));
            assert_eq!(reply.header("x-accel-buffering").as_deref(), Some("no"));
            assert_eq!(reply.header("x-vercel-ai-ui-message-stream").as_deref(), Some("v1"));
            assert_eq!(reply.header("x-run-id").as_deref(), Some("g"));
            let mut expected = vec![
                start("g", "greet"),
                part("start-step"),
                step("greet", "running"),
                step("greet", "not_running"),
                data("StopEvent", 1, json!({ "result": "Hello, Ada!" })),
            ];
            expected.extend(text("g/result", "Hello, Ada!"));
            expected.extend(finish("stop"));
            assert_eq!(reply.frames().await, expected, "{}", served.name);

            let frames = served.chat("typed", &saying("t", "sea")).await.frames().await;
            let answered = data("Answered", 1, json!({ "answer": "SEA", "score": 0.5 }));
            let expected = [&[start("t", "typed"), part("start-step"), answered][..], &finish("stop")].concat();
            assert_eq!(told(frames), expected, "{}", served.name);

            let count = json!({ "id": "c", "messages": [], "input": { "from": 1 } });
            let frames = served.chat("countdown", &count).await.frames().await;
            let expected = [
                &[start("c", "countdown"), part("start-step")][..],
                &[data("Tick", 1, json!({ "left": 1 })), data("Tick", 2, json!({ "left": 0 }))],
                &[data("Liftoff", 3, json!({}))],
                &finish("stop"),
            ];
            assert_eq!(told(frames), expected.concat(), "{}", served.name);

            let frames = served.chat("failing", &saying("f", "go")).await.frames().await;
            let boom = json!({ "type": "error", "errorText": "boom" });
            assert_eq!(told(frames), [start("f", "failing"), part("start-step"), boom, DONE.into()], "{}", served.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_that_is_cancelled_elsewhere_aborts_its_message() {
    bounded(async {
        for served in both().await {
            let count = json!({ "id": "c", "messages": [], "input": { "from": 9, "delay_ms": 600_000 } });
            let mut reply = served.chat("countdown", &count).await;
            while reply.frame().await != Some(data("Tick", 1, json!({ "left": 9 }))) {}
            served.cancel("c").await;
            let abort = json!({ "type": "abort", "reason": "Workflow was cancelled" });
            assert_eq!(told(reply.frames().await), [abort, DONE.into()], "{}", served.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_yes_or_no_question_is_an_approval_of_a_tool_call() {
    bounded(async {
        for served in both().await {
            let frames = told(served.chat("approval", &saying("a", "Hi")).await.frames().await);
            let question = json!({ "prompt": "Publish this text?", "text": "Hi" });
            let first = [start("a", "approval"), part("start-step"), data("ApprovalNeeded", 1, question)];
            let number = numbers(&frames)[0];
            let expected = [&first[..], &asked(number, 1, "Hi"), &finish("tool-calls")].concat();
            assert_eq!(frames, expected, "{}", served.name);
            let first_id = format!("a/{number}@1");

            // A new message waits until the question is settled.
            let busy = served.chat("approval", &saying("a", "And?")).await;
            assert_eq!(busy.status, 409);
            assert_eq!(busy.json().await["code"], "run_active");

            let said = |id: &str, approved: bool, reason: Option<&str>| {
                json!({
                    "type": "tool-ApprovalNeeded", "toolCallId": id, "state": "approval-responded",
                    "approval": { "id": id, "approved": approved, "reason": reason },
                })
            };
            let no = said(&first_id, false, Some("shorter"));
            let frames = told(served.answer("approval", "a", json!([no])).await.frames().await);
            let denied = json!({ "type": "tool-output-denied", "toolCallId": first_id });
            let question = json!({ "prompt": "Publish this text?", "text": "Hi (shorter)" });
            let first = [start("a", "approval"), denied, part("start-step"), data("ApprovalNeeded", 2, question)];
            let number = numbers(&frames)[0];
            let expected = [&first[..], &asked(number, 2, "Hi (shorter)"), &finish("tool-calls")].concat();
            assert_eq!(frames, expected, "{}", served.name);
            let second_id = format!("a/{number}@2");

            // The settled answer stays in the message and is no news.
            let denied = json!({ "type": "tool-ApprovalNeeded", "toolCallId": first_id, "state": "output-denied" });
            let yes = said(&second_id, true, None);
            let frames = told(served.answer("approval", "a", json!([denied, yes])).await.frames().await);
            let output = json!({ "approved": true });
            let approved = json!({ "type": "tool-output-available", "toolCallId": second_id, "output": output });
            let published = data("Published", 3, json!({ "text": "Hi (shorter)", "rounds": 2 }));
            let first = [start("a", "approval"), approved, part("start-step"), published];
            assert_eq!(frames, [&first[..], &finish("stop")].concat(), "{}", served.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_typed_question_is_an_open_tool_call_and_a_misfit_is_told_beside_it() {
    bounded(async {
        for served in both().await {
            let frames = told(served.chat("talk", &saying("t", "Why")).await.frames().await);
            let piece = |delta: &str| json!({ "type": "text-delta", "id": "t/text/1", "delta": delta });
            let call = |id: &str| {
                let input = json!({ "prompt": "How many?", "account": "42" });
                json!({ "type": "tool-input-available", "toolCallId": id, "toolName": "HowMany", "input": input })
            };
            let mut expected = vec![start("t", "talk"), part("start-step")];
            expected.extend([json!({ "type": "text-start", "id": "t/text/1" }), piece("Why"), piece("?")]);
            expected.push(data("HowMany", 3, json!({ "prompt": "How many?", "account": "42" })));
            expected.push(json!({ "type": "text-end", "id": "t/text/1" }));
            assert_eq!(frames[..expected.len()], expected, "{}", served.name);
            let rest = &frames[expected.len()..];
            let asked = format!("t/{}@3", numbers(&frames)[0]);
            assert_eq!((rest[0]["type"].as_str(), rest[0]["id"].as_str()), (Some("data-input"), Some(&*asked)));
            assert_eq!(rest[1..], [&[call(&asked)][..], &finish("tool-calls")].concat(), "{}", served.name);

            let filled = |id: &str, output: Value| {
                json!({ "type": "tool-HowMany", "toolCallId": id, "state": "output-available", "output": output })
            };
            let wrong = json!([filled(&asked, json!({ "number": "many" }))]);
            let frames = told(served.answer("talk", "t", wrong).await.frames().await);
            assert_eq!(frames[1]["type"], "tool-output-error", "{}", served.name);
            assert_eq!(frames[1]["toolCallId"], *asked);
            assert!(frames[1]["errorText"].as_str().unwrap().contains("number"), "{}", frames[1]);
            let again = format!("{asked}#1");
            assert_eq!(frames[4..], [&[call(&again)][..], &finish("tool-calls")].concat(), "{}", served.name);

            let before = json!({ "type": "tool-HowMany", "toolCallId": asked, "state": "output-error" });
            let right = json!([before, filled(&again, json!({ "number": 7 }))]);
            let frames = told(served.answer("talk", "t", right.clone()).await.frames().await);
            let passing = json!({ "type": "data-Percent", "data": { "percent": 50 }, "transient": true });
            let told = data("Told", 4, json!({ "number": 7 }));
            let expected = [&[start("t", "talk"), part("start-step"), passing, told][..], &finish("stop")].concat();
            assert_eq!(frames, expected, "{}", served.name);

            // The same again, as after a lost connection; the passing frame is over.
            let again = served.answer("talk", "t", right).await.frames().await;
            let told = data("Told", 4, json!({ "number": 7 }));
            let expected = [&[start("t", "talk"), part("start-step"), told][..], &finish("stop")].concat();
            assert_eq!(again, expected, "{}", served.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_comes_back_gets_the_whole_message_anew() {
    bounded(async {
        for served in both().await {
            assert_eq!(served.get("/workflows/approval/ai-sdk/a/stream").await.status, 204);
            let first = numbers(&served.chat("approval", &saying("a", "Hi")).await.frames().await)[0];
            let id = format!("a/{first}@1");
            let no = json!({
                "type": "tool-ApprovalNeeded", "toolCallId": id, "state": "approval-responded",
                "approval": { "id": id, "approved": false },
            });
            let second = numbers(&served.answer("approval", "a", json!([no])).await.frames().await)[0];

            let reply = served.get("/workflows/approval/ai-sdk/a/stream").await;
            assert_eq!(reply.header("x-vercel-ai-ui-message-stream").as_deref(), Some("v1"));
            let question = |text: &str| json!({ "prompt": "Publish this text?", "text": text });
            let expected = [
                &[start("a", "approval"), part("start-step"), data("ApprovalNeeded", 1, question("Hi"))][..],
                &asked(first, 1, "Hi"),
                &[json!({ "type": "tool-output-denied", "toolCallId": id })],
                &[part("finish-step"), part("start-step")],
                &[data("ApprovalNeeded", 2, question("Hi (refused)"))],
                &asked(second, 2, "Hi (refused)"),
                &finish("tool-calls"),
            ];
            assert_eq!(told(reply.frames().await), expected.concat(), "{}", served.name);

            // The client gives up: the run is cancelled, and nothing is active any more.
            let gone = format!("a/{second}@2");
            let gone = json!({ "type": "tool-ApprovalNeeded", "toolCallId": gone, "state": "output-error" });
            let frames = told(served.answer("approval", "a", json!([gone])).await.frames().await);
            assert_eq!(frames[2]["type"], "abort", "{}", served.name);
            assert_eq!(served.get("/workflows/approval/ai-sdk/a/stream").await.status, 204, "{}", served.name);

            // Another message begins another run.
            let frames = served.chat("approval", &saying("a", "Ho")).await.frames().await;
            assert_eq!(frames[0], start("a:2", "approval"), "{}", served.name);
        }
    })
    .await;
}

#[tokio::test]
async fn who_may_only_look_sees_no_secrets_and_starts_nothing() {
    bounded(async {
        for served in both().await {
            served.chat("talk", &saying("t", "Why")).await.frames().await;
            let path = "/workflows/talk/ai-sdk/t/stream";
            let shown = served.get_as(READER, path).await.frames().await;
            let (mut asked, mut secrets) = (0, 0);
            for frame in &shown {
                let question = ["/data", "/data/data", "/input"].into_iter().filter_map(|at| frame.pointer(at));
                let account = question.filter_map(|data| data.get("account")).inspect(|_| asked += 1);
                secrets += account.filter(|account| *account != "***").count();
            }
            assert_eq!((asked, secrets), (3, 0), "{}: {shown:?}", served.name);
            assert!(!format!("{shown:?}").contains("\"42\""), "{}: {shown:?}", served.name);

            let inputs = served.get_as(READER, "/runs/t/inputs").await.json().await;
            assert_eq!(inputs["inputs"][0]["data"]["account"], "***", "{}: {inputs}", served.name);

            for path in ["/workflows/talk/ai-sdk", "/workflows/talk/ag-ui"] {
                let refused = served.post_as(READER, path, &saying("other", "Why")).await;
                assert_eq!(refused.status, 403, "{}: {path}", served.name);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_begin_is_a_problem() {
    bounded(async {
        for served in both().await {
            served.chat("approval", &saying("taken", "Hi")).await.frames().await;
            let going_on = |chat: &str, parts: Value| {
                json!({ "id": chat, "messages": [{ "id": "m", "role": "assistant", "parts": parts }] })
            };
            let tool = |id: &str| json!([{ "type": "tool-x", "toolCallId": id, "state": "output-available" }]);
            for (workflow, body, status, code) in [
                ("nothing", saying("x", "Hi"), 404, "workflow_not_found"),
                ("approval", json!({ "id": "x" }), 400, "invalid_request"),
                ("approval", json!({ "id": 1, "messages": [] }), 400, "invalid_request"),
                ("approval", json!({ "id": "x", "messages": [] }), 400, "invalid_start_event"),
                ("approval", saying("", "Hi"), 400, "invalid_thread"),
                ("typed", saying("taken", "Hi"), 409, "thread_of_another_workflow"),
                ("approval", going_on("x", tool("x/1")), 404, "chat_not_found"),
                ("approval", going_on("taken", json!([])), 409, "nothing_to_answer"),
                ("approval", going_on("taken", tool("other/1")), 404, "input_not_found"),
                ("approval", going_on("taken", tool("taken/9")), 404, "input_not_found"),
            ] {
                let reply = served.chat(workflow, &body).await;
                assert_eq!(reply.status, status, "{}: {body}", served.name);
                assert_eq!(reply.header("content-type").as_deref(), Some("application/problem+json"));
                assert_eq!(reply.json().await["code"], code, "{}: {body}", served.name);
            }
            assert_eq!(served.get("/workflows/nothing/ai-sdk/taken/stream").await.status, 404);
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_child_asks_is_a_tool_call_of_the_chat() {
    bounded(async {
        for served in both().await {
            let frames = served.chat("outer", &saying("c", "Why")).await.frames().await;
            let call = frames.iter().find(|frame| frame["type"] == "tool-input-available").unwrap();
            assert_eq!(call["toolName"], "HowMany", "{}: {frames:?}", served.name);
            let id = call["toolCallId"].as_str().unwrap().to_owned();
            assert!(!id.starts_with("c/"), "{}: {id}", served.name);
            let tool = |id: &str, output: Value| {
                json!({ "type": "tool-HowMany", "toolCallId": id, "state": "output-available", "output": output })
            };
            let wrong = served.answer("outer", "c", json!([tool(&id, json!({ "number": "x" }))])).await;
            let frames = wrong.frames().await;
            assert!(frames.iter().any(|frame| frame["type"] == "tool-output-error"), "{}: {frames:?}", served.name);
            let again = frames.iter().find(|frame| frame["type"] == "tool-input-available").unwrap();
            let again = again["toolCallId"].as_str().unwrap();
            assert_ne!(again, id, "{}", served.name);

            let replay = served.get("/workflows/outer/ai-sdk/c/stream").await.frames().await;
            assert!(replay.iter().any(|frame| frame["toolName"] == "HowMany"), "{}: {replay:?}", served.name);
            let ended = served.answer("outer", "c", json!([tool(again, json!({ "number": 2 }))])).await.frames().await;
            assert!(
                ended.iter().any(|frame| frame["type"] == "data-Told" && frame["data"] == json!({ "number": 2 })),
                "{}: {ended:?}",
                served.name
            );
        }
    })
    .await;
}
