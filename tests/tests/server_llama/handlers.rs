//! Handlers are read, listed, ended and removed.

use super::*;

#[tokio::test]
async fn a_query_can_be_read_whatever_became_of_the_run() {
    bounded(async {
        for mirror in [false, true] {
            for server in Both::with(&ServerOptions::new().mirror_outcome(mirror)).await.each() {
                let status = |mirrored: u16| if mirror { mirrored } else { 200 };
                begin(server, "approval", json!({"handler_id": "running", "start_event": {"text": "a"}})).await;
                begin(server, "approval", json!({"handler_id": "cancelled", "start_event": {"text": "a"}})).await;
                begin(server, "failing", json!({"handler_id": "failed"})).await;
                begin(server, "greet", json!({"handler_id": "completed"})).await;
                let cancelled = server.post("/handlers/cancelled/cancel", json!({})).await;
                assert_eq!((cancelled.status, cancelled.text.as_str()), (200, r#"{"status":"cancelled"}"#));
                ended(server, "failed").await;
                ended(server, "completed").await;
                let expected = [
                    ("running", 202, None),
                    ("completed", 200, None),
                    ("failed", 500, Some("boom")),
                    ("cancelled", 500, None),
                ];
                for (id, mirrored, error) in expected {
                    let handler = server.get(&format!("/handlers/{id}")).await;
                    assert_eq!(
                        (handler.status, &handler.body["status"]),
                        (status(mirrored), &json!(id)),
                        "{}",
                        handler.text
                    );
                    assert_eq!(handler.body["error"].as_str(), error, "{}", handler.text);
                    assert_eq!(handler.body["completed_at"].is_null(), id == "running", "{}", handler.text);
                    // Whoever still asks for a result reads the status code.
                    let result = server.get(&format!("/results/{id}")).await;
                    assert_eq!((result.status, &result.body["status"]), (mirrored, &json!(id)), "{}", result.text);
                }
                for path in ["/handlers/nope", "/results/nope"] {
                    refused(&server.get(path).await, 404, "Handler not found");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn handlers_are_listed_by_status_and_workflow() {
    bounded(async {
        for server in Both::new().await.each() {
            for id in ["a", "b"] {
                begin(server, "greet", json!({"handler_id": id})).await;
                ended(server, id).await;
            }
            begin(server, "failing", json!({"handler_id": "f"})).await;
            ended(server, "f").await;
            let late = if late(server).await { "late " } else { "" };
            ended(server, "late").await;
            begin(server, "approval", json!({"handler_id": "w", "start_event": {"text": "a"}})).await;
            for (query, expected) in [
                ("", "w LATEf b a"),
                ("?status=running", "w"),
                ("?status=failed", "LATEf"),
                ("?status=completed&status=failed", "LATEf b a"),
                ("?status=completed&status=bogus", "b a"),
                ("?status=bogus", ""),
                ("?status=", "w LATEf b a"),
                ("?workflow_name=greet&workflow_name=failing", "f b a"),
                ("?workflow_name=greet&status=failed", ""),
                ("?workflow_name=nope", ""),
            ] {
                let reply = server.get(&format!("/handlers{query}")).await;
                let handlers = reply.body["handlers"].as_array().unwrap();
                let ids: Vec<_> = handlers.iter().map(|handler| handler["handler_id"].as_str().unwrap()).collect();
                assert_eq!(ids.join(" "), expected.replace("LATE", late), "{}: {query}", server.name);
            }
            let one = server.get("/handlers/a").await.text;
            let listed = server.get("/handlers?workflow_name=greet").await.text;
            assert!(listed.ends_with(&format!(",{one}]}}")), "{listed}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_is_ended_and_removed() {
    bounded(async {
        for server in Both::new().await.each() {
            let cancel = async |id: &str, query: &str| {
                let request = server.request("POST", &format!("/handlers/{id}/cancel{query}"));
                Reply::of(request.send().await.unwrap()).await
            };
            begin(server, "countdown", json!({"handler_id": "c", "start_event": {"from": 100_000}})).await;
            let cancelled = cancel("c", "?purge=false").await;
            assert_eq!((cancelled.status, cancelled.text.as_str()), (200, r#"{"status":"cancelled"}"#));
            // Seen at once by whoever asks next.
            let handler = server.get("/handlers/c").await;
            assert_eq!((&handler.body["status"], &handler.body["error"]), (&json!("cancelled"), &Value::Null));
            refused(&cancel("c", "").await, 404, "Handler not found");
            refused(&cancel("nope", "").await, 404, "Handler not found");
            refused(&cancel("nope", "?purge=true").await, 404, "Handler not found");
            begin(server, "countdown", json!({"handler_id": "alive", "start_event": {"from": 100_000}})).await;
            for id in ["c", "alive"] {
                let deleted = cancel(id, "?purge=true").await;
                assert_eq!(
                    (deleted.status, deleted.text.as_str()),
                    (200, r#"{"status":"deleted"}"#),
                    "{}",
                    server.name
                );
                refused(&server.get(&format!("/handlers/{id}")).await, 404, "Handler not found");
                refused(&server.get(&format!("/events/{id}?after_sequence=-1")).await, 404, "Handler not found");
                refused(&server.get(&format!("/results/{id}")).await, 404, "Handler not found");
            }
            assert_eq!(server.get("/handlers").await.text, r#"{"handlers":[]}"#, "{}", server.name);
        }
    })
    .await;
}
