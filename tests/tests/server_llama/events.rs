//! Events are sent into runs, in every form.

use super::*;

#[tokio::test]
async fn every_form_of_an_event_reaches_its_run() {
    bounded(async {
        for server in Both::new().await.each() {
            let qualified = "stepcast_examples::flows::Approval";
            let forms = [
                json!({"event": {"type": "Approval", "value": {"approved": true}}}),
                json!({"event": {"type": "Approval", "value": {"approved": true}, "qualified_name": null}, "step": null}),
                json!({"event": {"type": "Approval", "value": {"approved": true, "_data": {"more": 1}}}, "step": ""}),
                json!({"event": {"type": "Approval", "data": {"approved": true}}}),
                json!({"event": {"qualified_name": qualified, "value": {"approved": true}}}),
                json!({"event": r#"{"type":"Approval","value":{"approved":true}}"#}),
                // As the debugger sends it.
                json!({"event": r#"{"type":"Approval","data":{"approved":true}}"#}),
                json!({"event": {"type": "Approval", "value": {"approved": true}}, "step": "approve"}),
            ];
            for (number, body) in forms.into_iter().enumerate() {
                let id = format!("form-{number}");
                begin(server, "approval", json!({"handler_id": id, "start_event": {"text": "a"}})).await;
                // What comes before the question does not answer it.
                streamed(server, &id, 1).await;
                let sent = server.post(&format!("/events/{id}"), body.clone()).await;
                assert_eq!((sent.status, sent.text.as_str()), (200, r#"{"status":"sent"}"#), "{body}");
                assert_eq!(sent.run.as_deref(), Some(id.as_str()));
                let done = ended(server, &id).await;
                assert_eq!(done.body["result"]["value"], json!({"rounds": 1, "text": "a"}), "{body}: {}", done.text);
                refused(&server.post(&format!("/events/{id}"), body).await, 409, "Workflow already completed");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_that_does_not_fit_harms_nothing() {
    bounded(async {
        for server in Both::new().await.each() {
            begin(server, "approval", json!({"handler_id": "h", "start_event": {"text": "a"}})).await;
            streamed(server, "h", 1).await;
            let approval = json!({"type": "Approval", "value": {"approved": true}});
            let cases = [
                (json!({}), "Event data is required"),
                (json!({"event": null}), "Event data is required"),
                (json!({"event": {}}), "Event data is required"),
                (json!({"event": ""}), "Event data is required"),
                (json!({"event": {"type": "Nope", "value": {}}}), "Invalid event type: Nope. Expected one of Approval"),
                // Events of the workflow's own do not come from outside.
                (
                    json!({"event": {"type": "Revision", "value": {"text": "", "round": 1}}}),
                    "Invalid event type: Revision. Expected one of Approval",
                ),
                (
                    json!({"event": {"type": "Approval", "value": {}}}),
                    "Failed to deserialize event: Approval: missing field `approved`",
                ),
                (json!({"event": {"approved": true}}), "Invalid client data. Must have a type or a qualified name"),
                (
                    json!({"event": [1]}),
                    "Failed to deserialize event. Must be a json object, or stringified json object",
                ),
                (
                    json!({"event": "{"}),
                    "Failed to deserialize event. Must be a json object, or stringified json object",
                ),
                (json!({"event": approval, "step": "nope"}), "Failed to send event: Step nope does not exist"),
                (
                    json!({"event": approval, "step": "submit"}),
                    "Failed to send event: Step submit does not accept Approval",
                ),
                (json!({"event": approval, "step": 7}), "A step is named by a text."),
            ];
            for (body, detail) in cases {
                refused(&server.post("/events/h", body).await, 400, detail);
            }
            let raw = server.request("POST", "/events/h").body("[1]").send().await.unwrap();
            refused(&Reply::of(raw).await, 400, "Error processing request: 'list' object has no attribute 'get'");
            let raw = Reply::of(server.request("POST", "/events/h").body("{x").send().await.unwrap()).await;
            assert!(raw.body["detail"].as_str().unwrap().starts_with("Error processing request: "), "{}", raw.text);
            refused(&server.post("/events/nope", json!({"event": approval})).await, 404, "Handler not found");
            // After all that the run goes on as if nothing had been.
            assert_eq!(server.post("/events/h", json!({"event": approval})).await.status, 200);
            assert_eq!(ended(server, "h").await.body["status"], "completed", "{}", server.name);
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_for_one_step_reaches_that_one_alone() {
    bounded(async {
        for server in Both::new().await.each() {
            for side in ["left", "right"] {
                begin(server, "sides", json!({"handler_id": side})).await;
                let body = json!({"event": {"type": "Go", "value": {"n": 7}}, "step": side});
                assert_eq!(server.post(&format!("/events/{side}"), body).await.status, 200);
                let done = ended(server, side).await;
                assert_eq!(done.body["result"]["value"], json!({"by": side, "n": 7}), "{}", server.name);
            }
        }
    })
    .await;
}
