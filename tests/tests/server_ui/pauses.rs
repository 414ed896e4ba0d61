//! Pauses that outlive a server, runs that another one holds, and steps that failed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::served::{Served, both, bounded};

/// Runs a workflow for AG-UI and gives its frames.
async fn ag_ui(served: &Served, workflow: &str, segment: &str, more: Value) -> Vec<Value> {
    let mut input = json!({ "threadId": "t", "runId": segment });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    served.post(&format!("/workflows/{workflow}/ag-ui"), &input).await.frames().await
}

fn saying(text: &str) -> Value {
    json!({ "messages": [{ "id": "u", "role": "user", "content": text }] })
}

fn resume(id: &Value, payload: Value) -> Value {
    json!({ "resume": [{ "interruptId": id, "status": "resolved", "payload": payload }] })
}

/// The question that the frames end with.
fn interrupt(frames: &[Value]) -> &Value {
    &frames.last().unwrap()["outcome"]["interrupts"][0]
}

#[tokio::test]
async fn a_pause_outlives_the_server() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("runs.db");
        let first = Served::on(&file).await;
        let asked = ag_ui(&first, "approval", "s1", saying("Hi")).await;
        first.runtime.shutdown(Duration::from_secs(10)).await;
        drop(first);

        let second = Served::on(&file).await;
        let back = ag_ui(&second, "approval", "s2", json!({})).await;
        assert_eq!(interrupt(&back), interrupt(&asked));
        assert_eq!(back[1]["snapshot"]["stepcast"]["seq"], 1);
        let frames =
            ag_ui(&second, "approval", "s3", resume(&interrupt(&asked)["id"], json!({ "approved": true }))).await;
        assert_eq!(frames.last().unwrap()["result"], json!({ "text": "Hi", "rounds": 1 }));
    })
    .await;
}

#[tokio::test]
async fn a_run_that_another_server_holds_is_shown_and_answered() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("runs.db");
        let (holder, other) = (Served::on(&file).await, Served::on(&file).await);
        let asked = ag_ui(&holder, "approval", "s1", saying("Hi")).await;

        let back = ag_ui(&other, "approval", "s2", json!({})).await;
        assert_eq!(interrupt(&back), interrupt(&asked));
        let no = resume(&interrupt(&back)["id"], json!({ "approved": false, "comment": "shorter" }));
        let again = ag_ui(&other, "approval", "s3", no).await;
        assert_eq!(interrupt(&again)["metadata"]["data"]["text"], "Hi (shorter)");
        let yes = resume(&interrupt(&again)["id"], json!({ "approved": true }));
        let frames = ag_ui(&other, "approval", "s4", yes).await;
        assert_eq!(frames.last().unwrap()["result"], json!({ "text": "Hi (shorter)", "rounds": 2 }));
    })
    .await;
}

#[tokio::test]
async fn a_person_says_what_becomes_of_a_failed_step() {
    bounded(async {
        for served in both().await {
            let frames = ag_ui(&served, "deploy", "s1", json!({})).await;
            let asked = interrupt(&frames);
            assert_eq!(asked["reason"], "step_failure", "{}", served.name);
            assert_eq!(asked["metadata"]["data"]["exception_message"], "the disk is full", "{}", served.name);
            let choices = json!({ "enum": ["retry", "skip", "continue", "fail"] });
            let schema = json!({ "type": "object", "properties": { "choice": choices }, "required": ["choice"] });
            assert_eq!(asked["responseSchema"], schema, "{}", served.name);
            let frames = ag_ui(&served, "deploy", "s2", resume(&asked["id"], json!({ "choice": "retry" }))).await;
            assert_eq!(frames.last().unwrap()["result"], json!({ "attempt": 2 }), "{}", served.name);
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_child_asks_is_asked_in_the_thread() {
    bounded(async {
        for served in both().await {
            let name = served.name;
            let frames = ag_ui(&served, "outer", "s1", saying("Why")).await;
            let asked = interrupt(&frames).clone();
            let (child, number) = (&asked["metadata"]["run_id"], &asked["metadata"]["input"]);
            assert_ne!(child, "t", "{name}: {asked}");
            assert!(asked["id"].as_str().unwrap().starts_with(&format!("{}/{number}@", child.as_str().unwrap())));
            assert_eq!(asked["message"], "How many?", "{name}");
            assert_eq!(asked["metadata"]["expects"], "Number", "{name}");
            let mut events = frames;

            // Who comes back is asked again.
            let back = ag_ui(&served, "outer", "s2", json!({})).await;
            assert_eq!(interrupt(&back)["metadata"], asked["metadata"], "{name}");
            // The question of another thread's child is none of this one's.
            let mut other = json!({ "threadId": "u", "runId": "s" });
            other.as_object_mut().unwrap().extend(saying("Why").as_object().unwrap().clone());
            let others = served.post("/workflows/outer/ag-ui", &other).await.frames().await;
            let mut input = resume(&interrupt(&others)["id"], json!({ "number": 1 }));
            input.as_object_mut().unwrap().extend([("threadId".into(), "t".into()), ("runId".into(), "s".into())]);
            let refused = served.post("/workflows/outer/ag-ui", &input).await;
            assert_eq!(refused.status, 404, "{name}");
            assert_eq!(refused.json().await["code"], "input_not_found", "{name}");
            // Nor is an answer that does not fit one.
            let mut input = resume(&asked["id"], json!({ "number": "many" }));
            input.as_object_mut().unwrap().extend([("threadId".into(), "t".into()), ("runId".into(), "s".into())]);
            assert_eq!(served.post("/workflows/outer/ag-ui", &input).await.status, 422, "{name}");

            let frames = ag_ui(&served, "outer", "s3", resume(&asked["id"], json!({ "number": 3 }))).await;
            assert_eq!(frames.last().unwrap()["result"], json!({ "number": 3 }), "{name}: {frames:?}");
            // On a store the child's word may reach the thread a moment after its question does: then it is in the next segment.
            events.extend(frames);
            let told = events.iter().filter(|frame| frame["name"] == "HowMany").count();
            assert_eq!(told, 1, "{name}: {events:?}");

            // Whoever declines ends the thread's run.
            let declined = json!({
                "threadId": "u", "runId": "s2",
                "resume": [{ "interruptId": interrupt(&others)["id"], "status": "cancelled" }],
            });
            let frames = served.post("/workflows/outer/ag-ui", &declined).await.frames().await;
            assert_eq!(frames.last().unwrap()["outcome"]["type"], "cancelled", "{name}: {frames:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_child_asks_is_asked_by_a_server_that_does_not_hold_it() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("runs.db");
        let (holder, other) = (Served::on(&file).await, Served::on(&file).await);
        let asked = ag_ui(&holder, "outer", "s1", saying("Why")).await;
        let back = ag_ui(&other, "outer", "s2", json!({})).await;
        assert_eq!(interrupt(&back)["metadata"], interrupt(&asked)["metadata"]);
        let frames = ag_ui(&other, "outer", "s3", resume(&interrupt(&back)["id"], json!({ "number": 5 }))).await;
        assert_eq!(frames.last().unwrap()["result"], json!({ "number": 5 }), "{frames:?}");
    })
    .await;
}
