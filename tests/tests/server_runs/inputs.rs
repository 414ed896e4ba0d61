//! Questions of runs: listed, answered, raced for.

use super::*;

#[tokio::test]
async fn a_question_is_listed_answered_and_kept() {
    bounded(async {
        for served in both().await {
            let run = served.start("approval", json!({ "text": "Helo" })).await;
            let question = served.question(&run).await;
            let number = question["input"].as_u64().unwrap();
            assert_eq!(question["id"], format!("{run}/{number}"));
            assert_eq!(question["run_id"], run);
            assert_eq!(question["workflow"], "approval");
            assert_eq!(question["step"], "approve");
            assert_eq!(question["reason"], "input_required");
            assert_eq!((&question["event"], &question["expects"]), (&json!("ApprovalNeeded"), &json!("Approval")));
            assert_eq!(question["prompt"], "Publish this text?");
            assert_eq!(question["schema"]["title"], "Approval");
            assert_eq!(question["data"], json!({ "prompt": "Publish this text?", "text": "Helo" }));
            for absent in ["response", "by", "resolved_at", "expires_at"] {
                assert_eq!(question[absent], Value::Null, "{question}");
            }
            let everywhere = served.get("/inputs").await;
            assert_eq!(everywhere.body["inputs"], json!([question]), "{}", served.name);

            // What does not fit leaves it pending, and says which field.
            let path = format!("/runs/{run}/inputs/{number}");
            let wrong = served.post(&path, json!({ "response": { "approved": "yes" } })).await;
            refused(&wrong, 422, "answer_does_not_fit", Some(&run));
            assert!(wrong.body["faults"][0].as_str().unwrap().contains("`approved`"), "{}", wrong.text);
            refused(&served.post(&path, json!({})).await, 400, "invalid_request", Some(&run));
            refused(&served.post(&path, json!({ "response": {}, "bye": 1 })).await, 400, "invalid_request", Some(&run));
            let nothing = Reply::of(served.request("POST", &path).send().await.unwrap()).await;
            refused(&nothing, 400, "invalid_request", Some(&run));

            for missing in ["99", "x", "-1", "a%2F1"] {
                let reply = served.post(&format!("/runs/{run}/inputs/{missing}"), json!({ "response": {} })).await;
                refused(&reply, 404, "input_not_found", Some(&run));
            }
            refused(
                &served.post("/runs/no/inputs/1", json!({ "response": {} })).await,
                404,
                "run_not_found",
                Some("no"),
            );

            let body = json!({ "response": { "approved": true, "comment": null }, "by": "ada" });
            let answered = served.post(&path, body.clone()).await;
            assert_eq!((answered.status, answered.run.as_deref()), (200, Some(&*run)), "{}", answered.text);
            assert_eq!((&answered.body["status"], &answered.body["by"]), (&json!("answered"), &json!("ada")));
            assert_eq!(answered.body["response"], body["response"]);
            let again = served.post(&path, json!({ "response": { "approved": false }, "by": "bob" })).await;
            refused(&again, 409, "input_already_resolved", Some(&run));
            assert_eq!((&again.body["by"], &again.body["at"]), (&json!("ada"), &answered.body["resolved_at"]));
            assert!(again.body["detail"].as_str().unwrap().contains("ada"), "{}", again.text);

            let ended = served.until(&run, "completed").await;
            assert_eq!(ended["result"]["value"], json!({ "text": "Helo", "rounds": 1 }));
            refused(&served.post(&path, body.clone()).await, 409, "input_already_resolved", Some(&run));
            // The long form of its name is the same.
            let long = served.post(&format!("/runs/{run}/inputs/{run}%2F{number}"), body).await;
            refused(&long, 409, "input_already_resolved", Some(&run));
            let kept = served.get(&format!("/runs/{run}/inputs")).await;
            assert_eq!(kept.body["inputs"], json!([answered.body]));
            for (query, count) in [("pending", 0), ("answered", 1), ("withdrawn,expired", 0), ("all", 1)] {
                let page = served.get(&format!("/inputs?status={query}")).await;
                assert_eq!(page.body["inputs"].as_array().unwrap().len(), count, "{query}: {}", page.text);
            }
            assert_eq!(served.get("/inputs?status=all&workflow=other").await.body["inputs"], json!([]));
            refused(&served.get("/inputs?status=x").await, 400, "invalid_query_param", None);
            refused(&served.get("/inputs?cursor=r1").await, 400, "invalid_cursor", None);
            refused(&served.get("/runs/no/inputs").await, 404, "run_not_found", Some("no"));
        }
    })
    .await;
}

#[tokio::test]
async fn questions_of_many_runs_come_in_pages_the_oldest_first() {
    bounded(async {
        for served in both().await {
            let mut runs = Vec::new();
            for n in 0..5 {
                let run = served.start("approval", json!({ "text": n.to_string() })).await;
                served.question(&run).await;
                runs.push(run);
            }
            let first = served.get("/inputs?limit=2").await;
            let asked = |page: &Reply| -> Vec<String> {
                let inputs = page.body["inputs"].as_array().unwrap();
                inputs.iter().map(|input| input["run_id"].as_str().unwrap().to_owned()).collect()
            };
            assert_eq!(asked(&first), runs[..2]);
            // One that is answered between two pages shifts nothing.
            let input = &first.body["inputs"][0]["input"];
            let path = format!("/runs/{}/inputs/{input}", runs[0]);
            assert_eq!(served.post(&path, json!({ "response": { "approved": true } })).await.status, 200);
            let cursor = first.body["next_cursor"].as_str().unwrap();
            let second = served.get(&format!("/inputs?limit=2&cursor={cursor}")).await;
            assert_eq!(asked(&second), runs[2..4], "{}", served.name);
            let cursor = second.body["next_cursor"].as_str().unwrap();
            let third = served.get(&format!("/inputs?limit=2&cursor={cursor}")).await;
            assert_eq!((asked(&third), &third.body["next_cursor"]), (runs[4..].to_vec(), &Value::Null));
        }
    })
    .await;
}

#[tokio::test]
async fn of_two_who_race_for_an_answer_one_wins_and_is_named_to_the_other() {
    bounded(async {
        for served in both().await {
            for _ in 0..10 {
                let run = served.start("approval", json!({ "text": "Helo" })).await;
                let path = format!("/runs/{run}/inputs/{}", served.question(&run).await["input"]);
                let answer = |by: &str| json!({ "response": { "approved": true }, "by": by });
                let (a, b) = tokio::join!(served.post(&path, answer("ada")), served.post(&path, answer("bob")));
                let (won, lost) = if a.status == 200 { (a, b) } else { (b, a) };
                assert_eq!(won.status, 200, "{}: {}", served.name, won.text);
                refused(&lost, 409, "input_already_resolved", Some(&run));
                assert_eq!(lost.body["by"], won.body["by"], "{}", served.name);
                assert_eq!(lost.body["at"], won.body["resolved_at"]);
                served.until(&run, "completed").await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_from_outside_reaches_the_run_once() {
    bounded(async {
        for served in both().await {
            let run = served.start("approval", json!({ "text": "a" })).await;
            served.question(&run).await;
            let path = format!("/runs/{run}/events");
            let event = json!({ "type": "Approval", "value": { "approved": false, "comment": "b" } });
            // Sent twice under one id: one refusal, one more question.
            for _ in 0..2 {
                let sent = served.post(&path, json!({ "event": event, "id": "refusal-1" })).await;
                assert_eq!(sent.status, 202, "{}: {}", served.name, sent.text);
                assert_eq!((sent.run.as_deref(), &sent.body["status"]), (Some(&*run), &json!("accepted")));
            }
            while served.question(&run).await["data"]["text"] != "a (b)" {
                tokio::task::yield_now().await;
            }
            for (body, code) in [
                (json!({ "type": "Nothing", "value": {} }), "event_not_taken"),
                (json!({ "type": "Revision", "value": { "text": "x", "round": 1 } }), "event_not_taken"),
                (json!({ "type": "Approval", "value": { "approved": 1 } }), "invalid_event"),
                (json!({ "type": "Approval" }), "invalid_event"),
                (json!({ "value": {} }), "invalid_event"),
                (json!({ "type": 7, "value": {} }), "invalid_event"),
                (json!({ "type": "Approval", "value": {}, "extra": 1 }), "invalid_event"),
                (json!({ "type": "Approval", "value": {}, "types": "x" }), "invalid_event"),
                (json!({ "event": "text" }), "invalid_request"),
                (json!({ "event": event, "other": 1 }), "invalid_request"),
                (json!({ "event": event, "id": "" }), "invalid_request"),
                (json!({ "event": event, "id": 7 }), "invalid_request"),
                (json!({ "event": event, "step": "no" }), "step_not_found"),
                (json!([]), "invalid_request"),
                (Value::Null, "invalid_request"),
            ] {
                let reply = served.post(&path, body.clone()).await;
                assert_eq!(reply.body["code"], code, "{}: {body}: {}", served.name, reply.text);
                refused(&reply, 400, code, Some(&run));
            }
            // A bad event has harmed nothing.
            assert_eq!(
                served.post(&path, json!({ "type": "Approval", "value": { "approved": true } })).await.status,
                202
            );
            let ended = served.until(&run, "completed").await;
            assert_eq!(ended["result"]["value"], json!({ "text": "a (b)", "rounds": 2 }));
            refused(&served.post(&path, event.clone()).await, 409, "run_ended", Some(&run));
            refused(&served.post("/runs/no/events", event).await, 404, "run_not_found", Some("no"));
        }
    })
    .await;
}
