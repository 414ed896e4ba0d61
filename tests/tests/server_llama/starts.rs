//! Runs are started: every form of a start event, and every refusal.

use super::*;

#[tokio::test]
async fn every_form_of_a_start_event_is_taken() {
    bounded(async {
        for server in Both::new().await.each() {
            let qualified = "stepcast_examples::flows::Question";
            let typed = [
                json!({"start_event": {"topic": "a"}}),
                json!({"start_event": {"topic": "a", "bogus": 1}, "context": {}}),
                json!({"start_event": {"topic": "a", "_data": {"bogus": 1}}, "context": null}),
                json!({"start_event": {"type": "Question", "value": {"topic": "a"}, "qualified_name": null}}),
                json!({"start_event": {"type": "Question", "data": {"topic": "a"}}}),
                json!({"start_event": {"qualified_name": qualified, "value": {"topic": "a"}}}),
                json!({"start_event": r#"{"topic": "a"}"#}),
                json!({"start_event": r#"{"type": "Question", "data": {"topic": "a"}}"#}),
                json!({"kwargs": {"topic": "a"}}),
                json!({"start_event": null, "kwargs": {"topic": "a"}}),
            ];
            for body in typed {
                let reply = server.post("/workflows/typed/run", body.clone()).await;
                assert_eq!(reply.body["result"]["value"]["answer"], "A", "{}: {body}: {}", server.name, reply.text);
            }
            let dynamic = [
                (json!({}), "World"),
                (json!({"start_event": {}, "context": {}}), "World"),
                (json!({"start_event": {"value": {}, "type": "StartEvent", "qualified_name": null}}), "World"),
                (json!({"start_event": {"_data": {"name": "Bob"}}}), "Bob"),
                (json!({"start_event": {"value": {"_data": {"name": "Bob"}}, "type": "StartEvent"}}), "Bob"),
                (
                    json!({"start_event": {"qualified_name": "workflows.events.StartEvent", "value": {"name": "Bob"}}}),
                    "Bob",
                ),
                (json!({"kwargs": {"name": "Kw"}}), "Kw"),
            ];
            for (body, name) in dynamic {
                let reply = server.post("/workflows/greet/run", body.clone()).await;
                let greeting = format!("Hello, {name}!");
                assert_eq!(reply.body["result"]["value"]["result"], greeting, "{body}: {}", reply.text);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_does_not_start_a_run_is_told_in_that_servers_words() {
    bounded(async {
        for server in Both::new().await.each() {
            let raw = |body: &'static str| async move {
                let request = server.request("POST", "/workflows/greet/run").body(body);
                Reply::of(request.send().await.unwrap()).await
            };
            refused(&raw("").await, 400, "Invalid JSON body: Expecting value: line 1 column 1 (char 0)");
            let malformed = raw("{bad").await;
            assert_eq!(malformed.status, 400);
            assert!(
                malformed.body["detail"].as_str().unwrap().starts_with("Invalid JSON body: "),
                "{}",
                malformed.text
            );
            for (body, kind) in
                [("[1]", "list"), ("7", "int"), ("null", "NoneType"), (r#""x""#, "str"), ("1.5", "float")]
            {
                let detail = format!("Error processing request body: '{kind}' object has no attribute 'get'");
                refused(&raw(body).await, 400, &detail);
            }
            refused(&server.post("/workflows/nope/run", json!({})).await, 404, "Workflow not found");
            let prefix = "Validation error for 'start_event': ";
            for (start, detail) in [
                (json!({"type": "Nope", "value": {}}), "Invalid event type: Nope. Expected one of Question, Answered"),
                (
                    json!({"type": "StartEvent", "value": {}}),
                    "Invalid event type: StartEvent. Expected one of Question, Answered",
                ),
                (json!({}), "Failed to deserialize event: Question: missing field `topic`"),
                (json!([1]), "Failed to deserialize event. Must be a json object, or stringified json object"),
                (json!("text"), "Failed to deserialize event. Must be a json object, or stringified json object"),
            ] {
                for route in ["run", "run-nowait"] {
                    let reply = server.post(&format!("/workflows/typed/{route}"), json!({"start_event": start})).await;
                    refused(&reply, 400, &format!("{prefix}{detail}"));
                }
            }
            let stop = json!({"start_event": {"type": "Answered", "value": {"answer": "", "score": 0}}});
            let detail = "Start event must be an instance of <class 'stepcast_examples::flows::Question'>";
            refused(&server.post("/workflows/typed/run", stop).await, 400, detail);
            let context = server.post("/workflows/greet/run", json!({"context": {"version": 2}})).await;
            assert!(
                context.body["detail"].as_str().unwrap().starts_with("Context API is disabled."),
                "{}",
                context.text
            );
            for id in [json!(7), json!("a\nb"), json!("x".repeat(257))] {
                let reply = server.post("/workflows/greet/run", json!({"handler_id": id})).await;
                assert_eq!((reply.status, &reply.body["code"]), (400, &json!("invalid_handler_id")), "{}", reply.text);
            }
            assert_eq!(server.get("/handlers?workflow_name=typed").await.text, r#"{"handlers":[]}"#);
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_that_is_waited_for_says_all_in_that_servers_order() {
    bounded(async {
        for server in Both::new().await.each() {
            let body = json!({"start_event": {"topic": "x"}, "handler_id": "h"});
            let reply = server.post("/workflows/typed/run", body).await;
            let expected = concat!(
                r#"{"handler_id":"h","workflow_name":"typed","run_id":"h","error":null,"result":{"value":{"answer":"X","#,
                r#""score":0.5},"qualified_name":"stepcast_examples::flows::Answered","type":"Answered","#,
                r#""types":["StopEvent"]},"result_unreadable":false,"status":"completed","started_at":"T","#,
                r#""updated_at":"T","completed_at":"T"}"#
            );
            assert_eq!((reply.status, timeless(&reply.text).as_str()), (200, expected), "{}", server.name);
            assert_eq!((reply.content_type.as_str(), reply.run.as_deref()), ("application/json", Some("h")));
            assert_eq!(reply.body["updated_at"], reply.body["completed_at"]);
            assert_eq!(server.get("/handlers/h").await.text, reply.text);
            let bare = server.get("/results/h").await;
            let result = r#""result":{"answer":"X","score":0.5},"result_unreadable":false"#;
            assert!(bare.status == 200 && bare.text.contains(result), "{}", bare.text);

            let greeted = server.post("/workflows/greet/run", json!({"start_event": {"name": "Bob"}})).await;
            let envelope = concat!(
                r#""result":{"value":{"result":"Hello, Bob!"},"qualified_name":"workflows.events.StopEvent","#,
                r#""type":"StopEvent","types":null}"#
            );
            assert!(greeted.text.contains(envelope), "{}", greeted.text);
            let id = greeted.run.unwrap();
            assert_eq!(server.get(&format!("/results/{id}")).await.body["result"], "Hello, Bob!");

            let failed = server.post("/workflows/failing/run", json!({"handler_id": "f"})).await;
            let expected = concat!(
                r#"{"handler_id":"f","workflow_name":"failing","run_id":"f","error":"boom","result":null,"#,
                r#""result_unreadable":false,"status":"failed","started_at":"T","updated_at":"T","completed_at":"T"}"#
            );
            assert_eq!((failed.status, timeless(&failed.text).as_str()), (500, expected), "{}", server.name);
            if late(server).await {
                let late = ended(server, "late").await;
                assert_eq!((&late.body["status"], &late.body["result"]), (&json!("failed"), &Value::Null), "{}", late.text);
                assert_eq!(late.body["error"], "Workflow timed out after 0.05s");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_chosen_id_is_taken_while_its_run_lives_and_hands_its_state_on() {
    bounded(async {
        for server in Both::new().await.each() {
            let begun = begin(server, "approval", json!({"handler_id": "h1", "start_event": {"text": "a"}})).await;
            let expected = concat!(
                r#"{"handler_id":"h1","workflow_name":"approval","run_id":"h1","error":null,"result":null,"#,
                r#""result_unreadable":false,"status":"running","started_at":"T","updated_at":"T","completed_at":null}"#
            );
            assert_eq!(timeless(&begun.text), expected, "{}", server.name);
            assert_eq!(begun.body["started_at"], begun.body["updated_at"]);
            for workflow in ["approval", "greet"] {
                for route in ["run", "run-nowait"] {
                    let body = json!({"handler_id": "h1", "kwargs": {"text": "b"}});
                    let reply = server.post(&format!("/workflows/{workflow}/{route}"), body).await;
                    refused(&reply, 409, "Handler 'h1' is already running");
                }
            }
            for run in 1..=3 {
                let reply = server.post("/workflows/counting/run", json!({"handler_id": "again"})).await;
                assert_eq!(reply.body["result"]["value"]["result"], run, "{}: {}", server.name, reply.text);
                let events = server.get("/events/again?after_sequence=-1&sse=false").await;
                assert_eq!(events.text.lines().count(), 1, "{}: the earlier run's events are gone", server.name);
            }
            // Of another workflow, its state is none of this one's.
            let other = server.post("/workflows/greet/run", json!({"handler_id": "again"})).await;
            assert_eq!(other.status, 200, "{}", other.text);
            let back = server.post("/workflows/counting/run", json!({"handler_id": "again"})).await;
            assert_eq!(back.body["result"]["value"]["result"], 1, "{}: {}", server.name, back.text);
        }
    })
    .await;
}
