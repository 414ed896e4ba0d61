//! What a run shows of its state.

use serde_json::{Value, json};

use crate::served::{READER, both, bounded};

/// The frames of a kind.
fn of(frames: &[Value], kind: &str) -> Vec<Value> {
    frames.iter().filter(|frame| frame["type"] == kind).cloned().collect()
}

#[tokio::test]
async fn a_state_is_shared_with_a_client_of_ag_ui() {
    bounded(async {
        for served in both().await {
            let name = served.name;
            let ours = json!({ "run_id": "t", "ui": ["dishes", "done"] });
            let shown = json!({ "done": 0, "dishes": ["soup"], "stepcast": ours });
            let ag_ui = |segment: &str, more: Value| {
                let mut input = json!({ "threadId": "t", "runId": segment });
                input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                let served = &served;
                async move { served.post("/workflows/cooking/ag-ui", &input).await.frames().await }
            };
            let said = json!({ "messages": [{ "id": "u", "role": "user", "content": "Go" }] });
            let frames = ag_ui("s1", said).await;
            assert_eq!(
                of(&frames, "STATE_SNAPSHOT"),
                [json!({ "type": "STATE_SNAPSHOT", "snapshot": shown })],
                "{name}"
            );
            assert!(!format!("{frames:?}").contains("a secret"), "{name}: {frames:?}");

            // Who comes back has a state of its own: both are one.
            let back = ag_ui("s2", json!({ "state": { "theme": "dark" } })).await;
            let [snapshot] = &of(&back, "STATE_SNAPSHOT")[..] else { panic!("{name}: {back:?}") };
            assert_eq!(snapshot["snapshot"]["theme"], "dark", "{name}");
            let [delta] = &of(&back, "STATE_DELTA")[..] else { panic!("{name}: {back:?}") };
            let adds = json!([
                { "op": "add", "path": "/dishes", "value": ["soup"] }, { "op": "add", "path": "/done", "value": 0 },
                { "op": "add", "path": "/stepcast/ui", "value": ["dishes", "done"] },
            ]);
            assert_eq!(delta["delta"], adds, "{name}");

            let id = &back.last().unwrap()["outcome"]["interrupts"][0]["id"];
            let resume = json!([{ "interruptId": id, "status": "resolved", "payload": { "number": 4 } }]);
            let ended = ag_ui("s3", json!({ "state": shown, "resume": resume })).await;
            let [delta] = &of(&ended, "STATE_DELTA")[..] else { panic!("{name}: {ended:?}") };
            assert_eq!(delta["delta"], json!([{ "op": "replace", "path": "/done", "value": 4 }]), "{name}");
            assert_eq!(ended.last().unwrap()["type"], "RUN_FINISHED", "{name}");
        }
    })
    .await;
}

/// The state of a client that has done what it was told of its state.
fn after(mut state: Value, frames: &[Value]) -> Value {
    for frame in frames {
        match frame["type"].as_str() {
            Some("STATE_SNAPSHOT") => state = frame["snapshot"].clone(),
            Some("STATE_DELTA") => {
                let delta: json_patch::Patch = serde_json::from_value(frame["delta"].clone()).unwrap();
                json_patch::patch(&mut state, &delta).unwrap();
            }
            _ => {}
        }
    }
    state
}

#[tokio::test]
async fn what_a_run_shows_no_more_leaves_the_state_of_a_client_that_was_away() {
    bounded(async {
        for served in both().await {
            let name = served.name;
            let ask = |segment: &str, more: Value| {
                let mut input = json!({ "threadId": "t", "runId": segment });
                input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                let served = &served;
                async move { served.post("/workflows/tidying/ag-ui", &input).await.frames().await }
            };
            let said = json!([{ "id": "u", "role": "user", "content": "Go" }]);
            let frames = ask("s1", json!({ "messages": said, "state": { "theme": "dark" } })).await;
            let known = after(json!({ "theme": "dark" }), &frames);
            assert_eq!((&known["theme"], &known["draft"]), (&json!("dark"), &json!("Hello")), "{name}: {frames:?}");

            // Somebody else answers, and the run takes the draft away.
            let pending = async || served.get("/runs/t/inputs?status=pending").await.json().await["inputs"].clone();
            let first = pending().await[0]["input"].clone();
            let answer = json!({ "response": { "number": 4 } });
            served.post(&format!("/runs/t/inputs/{first}"), &answer).await.json().await;
            loop {
                let next = pending().await[0]["input"].clone();
                if next.is_u64() && next != first {
                    break;
                }
            }
            let frames = ask("s2", json!({ "state": known })).await;
            let known = after(known, &frames);
            assert_eq!(known.get("draft"), None, "{name}: {frames:?}");
            assert_eq!((&known["theme"], &known["kept"]), (&json!("dark"), &json!(true)), "{name}: {frames:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_state_is_a_part_of_the_chats_message() {
    bounded(async {
        for served in both().await {
            let name = served.name;
            let go = json!({ "role": "user", "parts": [{ "type": "text", "text": "Go" }] });
            let body = json!({ "id": "c", "messages": [go] });
            let frames = served.post("/workflows/cooking/ai-sdk", &body).await.frames().await;
            let state = |data: Value| json!({ "type": "data-state", "id": "state", "data": data });
            let shown = state(json!({ "done": 0, "dishes": ["soup"] }));
            assert_eq!(of(&frames, "data-state"), std::slice::from_ref(&shown), "{name}");
            let replay = served.get("/workflows/cooking/ai-sdk/c/stream").await.frames().await;
            assert_eq!(of(&replay, "data-state"), [shown], "{name}");
            // Nobody can say what in it is secret.
            let covered = served.get_as(READER, "/workflows/cooking/ai-sdk/c/stream").await.frames().await;
            assert!(of(&covered, "data-state").is_empty(), "{name}: {covered:?}");

            let call = &of(&frames, "tool-input-available")[0]["toolCallId"];
            let answer = json!({
                "type": "tool-HowMany", "toolCallId": call, "state": "output-available", "output": { "number": 4 },
            });
            let body = json!({ "id": "c", "messages": [{ "role": "assistant", "parts": [answer] }] });
            let ended = served.post("/workflows/cooking/ai-sdk", &body).await.frames().await;
            let last = of(&ended, "data-state").pop();
            assert_eq!(last, Some(state(json!({ "done": 4, "dishes": ["soup"] }))), "{name}: {ended:?}");
        }
    })
    .await;
}
