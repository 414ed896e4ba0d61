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
