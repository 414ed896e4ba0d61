//! Runs are started, waited for and listed.

use super::*;

#[tokio::test]
async fn a_run_is_accepted_waited_for_or_followed_by_one_request() {
    bounded(async {
        for served in both().await {
            let accepted = served.post("/workflows/typed", json!({ "topic": "sea" })).await;
            assert_eq!(accepted.status, 202, "{}", accepted.text);
            let run = accepted.run.clone().unwrap();
            assert_eq!(accepted.body, json!({ "run_id": run, "status": "accepted", "workflow": "typed" }));
            served.until(&run, "completed").await;

            let ended = served.post("/workflows/typed?wait=result", json!({ "topic": "sea" })).await;
            assert_eq!(ended.status, 200, "{}", ended.text);
            assert_eq!(ended.run.as_deref(), ended.body["run_id"].as_str());
            assert_eq!(ended.body["status"], "completed");
            assert_eq!(ended.body["workflow"], "typed");
            assert_eq!(ended.body["result"]["value"], json!({ "answer": "SEA", "score": 0.5 }));
            assert_eq!(ended.body["result"]["types"], json!(["StopEvent"]));
            for absent in ["error", "parent"] {
                assert_eq!(ended.body[absent], Value::Null);
            }
            for time in ["created_at", "updated_at", "ended_at"] {
                assert!(ended.body[time].as_str().unwrap().ends_with("+00:00"), "{}", ended.text);
            }
            let shown = served.get(&format!("/runs/{}", ended.run.unwrap())).await;
            assert_eq!(shown.body, ended.body);

            let request = served.request("POST", "/workflows/countdown?wait=result").json(&json!({ "from": 2 }));
            let response = request.header("accept", "text/event-stream").send().await.unwrap();
            assert_eq!(response.status(), 200);
            let run = response.headers()["x-run-id"].to_str().unwrap().to_owned();
            let frames = frames(response, usize::MAX).await;
            assert_eq!(frames[0], Frame { retry: Some("1000".into()), ..Frame::default() });
            assert_eq!(ids(&frames), [1, 2, 3, 4]);
            let last = frames.last().unwrap().data.clone().unwrap();
            assert_eq!(last["type"], "Liftoff");
            assert_eq!((&last["run_id"], &last["seq"], &last["kind"]), (&json!(run), &json!(4), &json!("logged")));
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_is_the_data_or_a_request_with_input() {
    bounded(async {
        let data = json!({ "topic": "sea" });
        let envelope = json!({ "type": "Question", "value": data, "qualified_name": null });
        for served in both().await {
            for body in [
                data.clone(),
                envelope.clone(),
                json!({ "input": data }),
                json!({ "start_event": data }),
                json!({ "input": envelope, "timeout": 60, "run_id": null }),
            ] {
                let reply = served.post("/workflows/typed?wait=result", body.clone()).await;
                assert_eq!(reply.status, 200, "{body}: {}", reply.text);
                assert_eq!(reply.body["result"]["value"]["answer"], "SEA", "{body}");
            }
            // Nothing is `{}`: no body, null, and null as the input.
            let bare = Reply::of(served.request("POST", "/workflows/greet?wait=result").send().await.unwrap()).await;
            for reply in [
                bare,
                served.post("/workflows/greet?wait=result", Value::Null).await,
                served.post("/workflows/greet?wait=result", json!({})).await,
                served.post("/workflows/greet?wait=result", json!({ "input": null })).await,
            ] {
                assert_eq!(reply.body["result"]["value"]["result"], "Hello, World!", "{}", reply.text);
            }
            for (body, code) in [
                (json!([1]), "invalid_request"),
                (json!("text"), "invalid_request"),
                (json!({ "input": data, "topic": "x" }), "invalid_request"),
                (json!({ "input": data, "start_event": data }), "invalid_request"),
                (json!({ "input": data, "timeout": -1 }), "invalid_request"),
                (json!({ "input": data, "timeout": 0 }), "invalid_request"),
                (json!({ "input": data, "timeout": 1e300 }), "invalid_request"),
                (json!({ "input": data, "timeout": 1e18 }), "invalid_request"),
                (json!({ "input": data, "run_id": 7 }), "invalid_request"),
                (json!({ "input": data, "run_id": "a/b" }), "invalid_run_id"),
                (json!({ "input": data, "run_id": "" }), "invalid_run_id"),
                (json!({ "type": "Draft", "value": {} }), "invalid_start_event"),
            ] {
                refused(&served.post("/workflows/typed", body).await, 400, code, None);
            }
            // What does not fit is told with the run that did not begin.
            for body in [json!({}), json!({ "topic": 7 }), json!({ "input": "sea" })] {
                let reply = served.post("/workflows/typed", body).await;
                refused(&reply, 400, "invalid_start_event", reply.run.as_deref());
                assert!(reply.run.is_some());
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_chosen_id_is_taken_once() {
    bounded(async {
        for served in both().await {
            let body = json!({ "input": { "topic": "sea" }, "run_id": "order-17" });
            let first = served.post("/workflows/typed?wait=result", body.clone()).await;
            assert_eq!((first.status, first.run.as_deref()), (200, Some("order-17")), "{}", first.text);
            refused(&served.post("/workflows/typed", body).await, 409, "run_exists", Some("order-17"));
            let body = json!({ "input": { "text": "Helo" }, "run_id": "draft" });
            let (a, b) = tokio::join!(
                served.post("/workflows/approval", body.clone()),
                served.post("/workflows/approval", body)
            );
            let (won, lost) = if a.status == 202 { (a, b) } else { (b, a) };
            assert_eq!(won.status, 202, "{}", won.text);
            refused(&lost, 409, "run_exists", Some("draft"));
            // The one that lost has not taken the winner's place.
            served.question("draft").await;
            let wrong = json!({ "input": { "topic": 1 }, "run_id": "other" });
            refused(&served.post("/workflows/typed", wrong).await, 400, "invalid_start_event", Some("other"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_wait_ends_with_the_run_or_with_its_time() {
    bounded(async {
        for served in both().await {
            let failed = served.post("/workflows/failing?wait=result", json!({})).await;
            assert_eq!((failed.status, failed.body["status"].as_str()), (200, Some("failed")), "{}", failed.text);
            assert_eq!(failed.body["error"]["message"], "boom");
            assert_eq!(failed.body["error"]["step"], "fail");
            assert_eq!(failed.body["result"], Value::Null);
            assert_eq!(failed.run.as_deref(), failed.body["run_id"].as_str());

            let waiting = served.post("/workflows/approval?wait=result&timeout=0.05", json!({ "text": "x" })).await;
            assert_eq!(waiting.status, 202, "{}", waiting.text);
            assert!(["running", "waiting"].contains(&waiting.body["status"].as_str().unwrap()));
            let run = waiting.run.unwrap();
            let question = served.question(&run).await;
            assert_eq!(question["status"], "pending");

            let late = json!({ "input": { "from": 100_000, "delay_ms": 1 }, "timeout": 0.05 });
            let late = served.post("/workflows/countdown?wait=result", late).await;
            assert_eq!((late.status, late.body["status"].as_str()), (200, Some("timed_out")), "{}", late.text);
            for query in ["wait=forever", "wait=result&timeout=x", "wait=result&timeout=-1", "wait=result&timeout=NaN"]
            {
                let reply = served.post(&format!("/workflows/greet?{query}"), json!({})).await;
                refused(&reply, 400, "invalid_query_param", None);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn runs_are_listed_by_status_and_workflow_a_page_at_a_time() {
    bounded(async {
        for served in both().await {
            let mut greeted = Vec::new();
            for n in 0..5 {
                let reply = served.post("/workflows/greet?wait=result", json!({ "name": n.to_string() })).await;
                greeted.push(reply.run.unwrap());
            }
            let failed = served.post("/workflows/failing?wait=result", json!({})).await.run.unwrap();
            let draft = served.start("approval", json!({ "text": "x" })).await;
            served.until(&draft, "waiting").await;
            greeted.reverse();

            let all = listed(&served, "", 3).await;
            assert_eq!(all[..2], [draft.clone(), failed.clone()], "{}", served.name);
            assert_eq!(all[2..], greeted);
            assert_eq!(listed(&served, "&workflow=greet", 2).await, greeted);
            assert_eq!(
                listed(&served, "&workflow=failing&workflow=approval", 1).await,
                [draft.clone(), failed.clone()]
            );
            assert_eq!(listed(&served, "&status=succeeded", 1_000).await, greeted);
            assert_eq!(listed(&served, "&status=done&status=errored", 4).await[0], failed);
            assert_eq!(listed(&served, "&status=paused,pending", 4).await, std::slice::from_ref(&draft));
            assert_eq!(listed(&served, &format!("&parent={draft}"), 4).await, [""; 0]);
            assert_eq!(listed(&served, "&workflow=nothing", 4).await, [""; 0]);
            for query in ["limit=0", "limit=1001", "limit=x", "limit=-1", "status=nonsense"] {
                refused(&served.get(&format!("/runs?{query}")).await, 400, "invalid_query_param", None);
            }
            for cursor in ["x", "r", "i1", "r-1", "rfffffffffffffffff", "%00"] {
                refused(&served.get(&format!("/runs?cursor={cursor}")).await, 400, "invalid_cursor", None);
            }
            assert_eq!(served.get("/runs?cursor=rffffffffffffffff").await.status, 200);
            assert_eq!(served.get("/runs?cursor=r0").await.body["runs"], json!([]));
        }
    })
    .await;
}
