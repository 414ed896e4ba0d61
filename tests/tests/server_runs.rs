//! Runs as resources: every route and every status, on runs in memory and on runs in a store.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "support/served.rs"]
mod served;

use reqwest::StatusCode;
use serde_json::{Value, json};
use served::{Frame, Reply, Served, both, bounded, frames};
use stepcast::Runtime;
use stepcast::prelude::*;
use stepcast_sqlite::SqliteBackend;

/// The reply is a refusal with this status and code, and names the run where one is known.
fn refused(reply: &Reply, status: u16, code: &str, run: Option<&str>) {
    assert_eq!((reply.status, reply.body["code"].as_str()), (status, Some(code)), "{}", reply.text);
    assert_eq!(reply.content_type, "application/problem+json");
    assert_eq!(reply.body["status"], status);
    assert!(reply.body["detail"].as_str().unwrap().ends_with('.'), "{}", reply.text);
    assert_eq!(reply.body["type"], format!("urn:stepcast:problem:{code}"));
    assert_eq!(reply.run.as_deref(), run, "{}", reply.text);
    assert_eq!(reply.body["run_id"].as_str(), run, "{}", reply.text);
}

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

fn ids(frames: &[Frame]) -> Vec<u64> {
    frames.iter().filter_map(|frame| frame.id).collect()
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

/// The ids of all runs that a query lists, read in pages.
async fn listed(served: &Served, query: &str, limit: usize) -> Vec<String> {
    let (mut runs, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = served.get(&format!("/runs?limit={limit}{query}{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let found = page.body["runs"].as_array().unwrap();
        assert!(found.len() <= limit);
        runs.extend(found.iter().map(|run| run["run_id"].as_str().unwrap().to_owned()));
        match page.body["next_cursor"].as_str() {
            Some(next) => {
                assert_eq!(found.len(), limit);
                cursor = format!("&cursor={next}");
            }
            None => return runs,
        }
    }
}

#[tokio::test]
async fn events_are_read_a_page_at_a_time() {
    bounded(async {
        for served in both().await {
            let reply = served.post("/workflows/countdown?wait=result", json!({ "from": 9, "delay_ms": 0 })).await;
            let run = reply.run.unwrap();
            let page = |query: &str| {
                let path = format!("/runs/{run}/events?{query}");
                let served = &served;
                async move { served.get(&path).await }
            };
            let first = page("limit=4").await;
            assert_eq!(first.run.as_deref(), Some(&*run));
            assert_eq!(
                (&first.body["next_after"], &first.body["drained"]),
                (&json!(4), &json!(false)),
                "{}",
                first.text
            );
            assert_eq!(first.body["events"][0]["value"], json!({ "left": 9 }));
            assert_eq!(first.body["events"][3]["seq"], 4);
            let rest = page("after=4").await;
            assert_eq!(rest.body["events"].as_array().unwrap().len(), 7);
            assert_eq!((&rest.body["next_after"], &rest.body["drained"]), (&json!(11), &json!(true)));
            let none = page("after=11").await;
            assert_eq!((&none.body["events"], &none.body["next_after"]), (&json!([]), &json!(11)));
            let typed = page("types=Liftoff,Nothing").await;
            assert_eq!(typed.body["events"].as_array().unwrap().len(), 1);
            assert_eq!((&typed.body["next_after"], &typed.body["drained"]), (&json!(11), &json!(true)));
            let one = page("types=Tick&limit=2&after=3").await;
            assert_eq!((&one.body["next_after"], &one.body["drained"]), (&json!(5), &json!(false)));
            for query in ["after=x", "after=-1", "limit=0", "limit=1001"] {
                refused(&page(query).await, 400, "invalid_query_param", Some(&run));
            }
        }
    })
    .await;
}

async fn stream(served: &Served, run: &str, query: &str, last: Option<u64>) -> reqwest::Response {
    let mut request = served.request("GET", &format!("/runs/{run}/stream{query}"));
    if let Some(last) = last {
        request = request.header("last-event-id", last.to_string());
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_stream_that_is_cut_and_resumed_is_exact() {
    bounded(async {
        for served in both().await {
            let run = served.start("countdown", json!({ "from": 60, "delay_ms": 1 })).await;
            let (mut seen, mut last) = (Vec::new(), None);
            loop {
                // The header wins over `after`.
                let response = stream(&served, &run, if last.is_some() { "?after=1" } else { "" }, last).await;
                assert_eq!(response.headers()["x-run-id"].to_str().unwrap(), run);
                if response.status() == StatusCode::NO_CONTENT {
                    break;
                }
                // Dropped in the middle.
                let read = frames(response, 7).await;
                seen.extend(read.into_iter().filter(|frame| frame.id.is_some()));
                last = seen.last().and_then(|frame| frame.id);
            }
            assert_eq!(ids(&seen), (1..=62).collect::<Vec<u64>>(), "{}", served.name);
            let left = |frame: &Frame| frame.data.as_ref().unwrap()["value"]["left"].as_u64();
            assert_eq!(seen[..61].iter().filter_map(left).collect::<Vec<_>>(), (0..=60).rev().collect::<Vec<_>>());
            assert_eq!(seen[61].data.as_ref().unwrap()["type"], "Liftoff");

            // Again from anywhere, after the end.
            assert_eq!(ids(&frames(stream(&served, &run, "?after=60", None).await, 9).await), [61, 62]);
            assert_eq!(ids(&frames(stream(&served, &run, "?after=60", Some(61)).await, 9).await), [62]);
            for after in ["now", "62", "18446744073709551615"] {
                assert_eq!(stream(&served, &run, &format!("?after={after}"), None).await.status(), 204, "{after}");
            }
            // What is not wanted moves the id, so that it is not asked for again.
            let wanted = frames(stream(&served, &run, "?types=Liftoff&after=58", None).await, 9).await;
            let data: Vec<_> = wanted.iter().filter_map(|frame| frame.data.as_ref()).collect();
            assert_eq!((ids(&wanted), data.len()), (vec![59, 60, 61, 62], 1));

            let request = served.request("GET", &format!("/runs/{run}/stream?after=60"));
            let lines = Reply::of(request.header("accept", "application/x-ndjson").send().await.unwrap()).await;
            assert_eq!(lines.content_type, "application/x-ndjson");
            let seqs = lines.text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].clone());
            assert_eq!(seqs.collect::<Vec<_>>(), [61, 62]);

            for query in ["?after=x", "?after=-2", "?internal=perhaps"] {
                let reply = Reply::of(stream(&served, &run, query, None).await).await;
                refused(&reply, 400, "invalid_query_param", Some(&run));
            }
            let request = served.request("GET", &format!("/runs/{run}/stream")).header("last-event-id", "x");
            refused(&Reply::of(request.send().await.unwrap()).await, 400, "invalid_query_param", Some(&run));
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_begins_beyond_the_end_ends_with_its_run() {
    bounded(async {
        for served in both().await {
            let run = served.start("countdown", json!({ "from": 20, "delay_ms": 5 })).await;
            let response = stream(&served, &run, "?after=18446744073709551615", None).await;
            assert_eq!(ids(&frames(response, usize::MAX).await), [0; 0], "{}", served.name);
            served.until(&run, "completed").await;
        }
    })
    .await;
}

#[tokio::test]
async fn internal_frames_are_sent_without_numbers_of_their_own() {
    bounded(async {
        for served in both().await {
            let run = served.start("countdown", json!({ "from": 3, "delay_ms": 30 })).await;
            let frames = frames(stream(&served, &run, "?internal=true", None).await, usize::MAX).await;
            let data: Vec<Value> = frames.iter().filter_map(|frame| frame.data.clone()).collect();
            assert!(data.iter().any(|data| data["kind"] == "internal"), "{data:?}");
            for frame in frames.iter().filter(|frame| frame.data.is_some()) {
                let data = frame.data.as_ref().unwrap();
                assert_eq!(frame.id.is_some(), data["kind"] == "logged", "{data}");
            }
            assert_eq!(ids(&frames), [1, 2, 3, 4, 5]);
        }
    })
    .await;
}

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

#[tokio::test]
async fn a_run_is_cancelled_and_removed() {
    bounded(async {
        for served in both().await {
            let run = served.start("approval", json!({ "text": "a" })).await;
            let path = format!("/runs/{run}/cancel");
            let reply = served.request("POST", &path).send().await.unwrap();
            let cancelled = Reply::of(reply).await;
            assert_eq!((cancelled.status, cancelled.run.as_deref()), (202, Some(&*run)), "{}", cancelled.text);
            let ended = served.until(&run, "cancelled").await;
            let error = json!({ "message": "Workflow was cancelled", "type": "", "causes": [], "step": null, "attempts": null });
            assert_eq!(ended["error"], error, "{}", served.name);
            refused(&served.post(&path, json!({})).await, 409, "run_ended", Some(&run));
            refused(&served.post("/runs/no/cancel", json!({})).await, 404, "run_not_found", Some("no"));

            // One that is alive is cancelled first.
            let alive = served.start("approval", json!({ "text": "a" })).await;
            for run in [run, alive] {
                let path = format!("/runs/{run}");
                let gone = Reply::of(served.request("DELETE", &path).send().await.unwrap()).await;
                assert_eq!((gone.status, gone.run.as_deref()), (200, Some(&*run)), "{}", gone.text);
                for path in ["", "/events", "/stream", "/inputs"] {
                    refused(&served.get(&format!("/runs/{run}{path}")).await, 404, "run_not_found", Some(&run));
                }
                let again = Reply::of(served.request("DELETE", &path).send().await.unwrap()).await;
                refused(&again, 404, "run_not_found", Some(&run));
            }
            assert_eq!(served.get("/runs").await.body["runs"], json!([]));
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_is_started_once_more() {
    bounded(async {
        for served in both().await {
            let body = json!({ "input": { "topic": "sea", "n": 3 }, "run_id": "first" });
            served.post("/workflows/typed?wait=result", body).await;
            let again = Reply::of(served.request("POST", "/runs/first/rerun").send().await.unwrap()).await;
            assert_eq!((again.status, &again.body["rerun_of"]), (202, &json!("first")), "{}", again.text);
            let run = again.run.unwrap();
            assert_eq!(again.body["run_id"], run);
            assert_ne!(run, "first");
            assert_eq!(served.until(&run, "completed").await["result"]["value"]["answer"], "SEA");
            let other = json!({ "input": { "topic": "land" }, "run_id": "second" });
            let other = served.post("/runs/first/rerun?wait=result", other).await;
            assert_eq!((other.status, other.run.as_deref()), (200, Some("second")), "{}", other.text);
            assert_eq!(
                (&other.body["rerun_of"], &other.body["result"]["value"]["answer"]),
                (&json!("first"), &json!("LAND"))
            );
            // Of what ran, also of what failed.
            let failed = served.post("/workflows/failing?wait=result", json!({})).await.run.unwrap();
            let again = served.post(&format!("/runs/{failed}/rerun?wait=result"), Value::Null).await;
            assert_eq!((again.status, &again.body["status"]), (200, &json!("failed")));

            refused(&served.post("/runs/no/rerun", json!({})).await, 404, "run_not_found", Some("no"));
            refused(&served.post("/runs/first/rerun", json!([])).await, 400, "invalid_request", Some("first"));
            let taken = json!({ "input": {}, "run_id": "second" });
            refused(&served.post("/runs/first/rerun", taken).await, 409, "run_exists", Some("second"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_sleeping_run_is_brought_back_by_another_process() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let open = || Runtime::on(SqliteBackend::open(folder.path().join("runs.db")).unwrap()).only_attached();
        let first = Served::of("first", open()).await;
        let run = first.start("approval", json!({ "text": "Helo" })).await;
        let number = first.question(&run).await["input"].clone();
        refused(&first.post("/runs/no/resume", json!({})).await, 404, "run_not_found", Some("no"));
        let here = first.post(&format!("/runs/{run}/resume"), json!({})).await;
        assert_eq!((here.status, &here.body["run_id"]), (200, &json!(run)), "{}", here.text);

        // While the first holds it, the second shows it and leaves it alone.
        let second = Served::of("second", open()).await;
        assert_eq!(second.get(&format!("/runs/{run}")).await.body["run_id"], run);
        refused(&second.post(&format!("/runs/{run}/resume"), json!({})).await, 409, "run_not_available", Some(&run));
        let stream = stream(&second, &run, "", None).await;
        first.runtime.shutdown(std::time::Duration::from_secs(5)).await;
        drop(first);
        let resumed = second.post(&format!("/runs/{run}/resume"), json!({})).await;
        assert_eq!(resumed.status, 200, "{}", resumed.text);
        let path = format!("/runs/{run}/inputs/{number}");
        assert_eq!(second.post(&path, json!({ "response": { "approved": true } })).await.status, 200);
        second.until(&run, "completed").await;
        refused(&second.post(&format!("/runs/{run}/resume"), json!({})).await, 409, "run_ended", Some(&run));
        // The stream that began while the run was elsewhere has all of it.
        assert_eq!(ids(&frames(stream, usize::MAX).await), [1, 2]);
    })
    .await;
}

#[event(start)]
pub struct Order {
    text: String,
}

#[event(stop)]
pub struct Filled {
    text: String,
}

#[tokio::test]
async fn streams_and_pages_agree_on_when_an_event_was_logged() {
    bounded(async {
        for served in both().await {
            let request = served.request("POST", "/workflows/countdown").json(&json!({ "from": 3 }));
            let response = request.header("accept", "text/event-stream").send().await.unwrap();
            let run = response.headers()["x-run-id"].to_str().unwrap().to_owned();
            let times = |frames: &[Frame]| -> Vec<Value> {
                frames.iter().filter_map(|frame| Some(frame.data.as_ref()?["ts"].clone())).collect()
            };
            let live = times(&frames(response, usize::MAX).await);
            assert_eq!(live.len(), 5, "{}", served.name);
            assert!(live.iter().all(Value::is_string), "{}: {live:?}", served.name);
            assert!(live.is_sorted_by_key(|time| time.as_str().unwrap().to_owned()), "{}: {live:?}", served.name);

            let page = served.get(&format!("/runs/{run}/events")).await;
            let paged: Vec<Value> =
                page.body["events"].as_array().unwrap().iter().map(|event| event["ts"].clone()).collect();
            assert_eq!(paged, live, "{}", served.name);
            let path = format!("/runs/{run}/stream");
            let again = served.request("GET", &path).send().await.unwrap();
            assert_eq!(times(&frames(again, usize::MAX).await), live, "{}", served.name);
            let shown = served.get(&format!("/runs/{run}")).await;
            assert_eq!(shown.body["ended_at"], live[4], "{}", served.name);
        }
    })
    .await;
}

/// Has a text approved by a child.
#[step]
async fn fill(order: Order, ctx: Context) -> Result<Filled> {
    let draft = stepcast_examples::flows::Draft { text: order.text };
    let published = ctx.run_child(stepcast_examples::flows::ApprovalFlow, draft).await?;
    Ok(Filled { text: published.text })
}

flow!(Orders: Order => Filled { fill });

#[tokio::test]
async fn a_child_is_shown_and_answered_like_any_run() {
    bounded(async {
        for served in both().await {
            served.runtime.register_as("orders", Orders, None).unwrap();
            let run = served.start("orders", json!({ "text": "Helo" })).await;
            let question = loop {
                let page = served.get("/inputs").await;
                if let Some(input) = page.body["inputs"].get(0) {
                    break input.clone();
                }
                tokio::task::yield_now().await;
            };
            let child = question["run_id"].as_str().unwrap();
            assert_ne!(child, run);
            let shown = served.get(&format!("/runs/{child}")).await;
            assert_eq!((shown.status, &shown.body["parent"]), (200, &json!(run)), "{}: {}", served.name, shown.text);
            assert_eq!(listed(&served, &format!("&parent={run}"), 10).await, [child]);
            let path = format!("/runs/{child}/inputs/{}", question["input"]);
            let answered = served.post(&path, json!({ "response": { "approved": true }, "by": "ada" })).await;
            assert_eq!(answered.status, 200, "{}: {}", served.name, answered.text);
            assert_eq!(served.until(&run, "completed").await["result"]["value"]["text"], "Helo");
            assert_eq!(served.until(child, "completed").await["result"]["type"], "Published");
        }
    })
    .await;
}

#[tokio::test]
async fn whatever_is_wrong_with_a_request_is_told_as_a_problem() {
    bounded(async {
        let json_type = ("content-type", "application/json");
        let deep = "[".repeat(200);
        let huge = format!("\"{}\"", "x".repeat(3_000_000));
        for served in both().await {
            let run = served.start("approval", json!({ "text": "x" })).await;
            let answer = format!("/runs/{run}/inputs/1");
            let events = format!("/runs/{run}/events");
            let known = Some(run.as_str());
            let cases = [
                ("GET", "/nothing/here", json_type, "", 404, "path_not_found", None),
                ("POST", "/nothing/here", json_type, "{", 404, "path_not_found", None),
                ("PUT", "/runs", json_type, "", 405, "method_not_allowed", None),
                ("PATCH", &*events, json_type, "", 405, "method_not_allowed", known),
                ("POST", "/workflows/nothing", json_type, "{}", 404, "workflow_not_found", None),
                ("POST", "/workflows/greet", json_type, "{", 400, "invalid_json", None),
                ("POST", "/workflows/greet", json_type, "{\"a\":1} {", 400, "invalid_json", None),
                ("POST", "/workflows/greet", json_type, "\u{feff}{}", 400, "invalid_json", None),
                ("POST", "/workflows/greet", json_type, &*deep, 400, "body_too_deep", None),
                ("POST", "/workflows/greet", json_type, &*huge, 413, "body_too_large", None),
                ("POST", "/workflows/greet", ("content-type", "text/plain"), "{}", 415, "unsupported_media_type", None),
                ("POST", "/workflows/greet", ("x-other", "1"), "{}", 415, "unsupported_media_type", None),
                (
                    "POST",
                    &*events,
                    ("content-type", "application/x-www-form-urlencoded"),
                    "a=1",
                    415,
                    "unsupported_media_type",
                    known,
                ),
                ("POST", &*events, json_type, "{", 400, "invalid_json", known),
                ("POST", &*events, json_type, &*deep, 400, "body_too_deep", known),
                ("POST", &*events, json_type, &*huge, 413, "body_too_large", known),
                ("POST", &*answer, json_type, "nul", 400, "invalid_json", known),
                ("GET", "/runs/%FF", json_type, "", 400, "invalid_path", None),
                ("GET", "/runs/no", json_type, "", 404, "run_not_found", Some("no")),
                ("GET", "/runs/no/events", json_type, "", 404, "run_not_found", Some("no")),
                ("GET", "/runs/no/stream", json_type, "", 404, "run_not_found", Some("no")),
                ("DELETE", "/runs/no", json_type, "", 404, "run_not_found", Some("no")),
            ];
            for (method, path, header, body, status, code, run) in cases {
                let request = served.request(method, path).header(header.0, header.1).body(body.to_owned());
                let reply = Reply::of(request.send().await.unwrap()).await;
                assert_eq!(reply.status, status, "{method} {path} {code}: {}", reply.text);
                refused(&reply, status, code, run);
                if status == 405 {
                    assert!(reply.allow.unwrap().contains("GET"), "{method} {path}");
                }
            }
            // An id that no header can hold is in the body alone.
            let odd = served.get("/runs/a%0Ab").await;
            assert_eq!((odd.status, &odd.body["run_id"], odd.run), (404, &json!("a\nb"), None));
            let suffix = served
                .request("POST", "/workflows/greet?wait=result")
                .header("content-type", "Application/vnd.x+JSON; charset=utf-8");
            assert_eq!(suffix.body("{}").send().await.unwrap().status(), 200);
            // Nothing of it has harmed the run.
            served.question(&run).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_nests_in_an_application() {
    bounded(async {
        let runtime = Runtime::new();
        stepcast_examples::flows::register(&runtime).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app: axum::Router = axum::Router::new()
            .route("/", axum::routing::get(|| async { "mine" }))
            .nest("/flows", stepcast_server::Server::new(runtime).router());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let http = reqwest::Client::new();
        let reply = http.post(format!("{url}/flows/workflows/greet?wait=result")).json(&json!({ "name": "Ada" }));
        let reply = Reply::of(reply.send().await.unwrap()).await;
        assert_eq!(reply.body["result"]["value"]["result"], "Hello, Ada!", "{}", reply.text);
        let missing = Reply::of(http.get(format!("{url}/flows/nothing")).send().await.unwrap()).await;
        refused(&missing, 404, "path_not_found", None);
        assert_eq!(http.get(&url).send().await.unwrap().text().await.unwrap(), "mine");
        // What is not under its prefix is the application's own.
        assert_eq!(http.get(format!("{url}/nothing")).send().await.unwrap().text().await.unwrap(), "");
        task.abort();
    })
    .await;
}
