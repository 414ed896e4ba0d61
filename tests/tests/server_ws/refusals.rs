//! What is wrong, too large, too much or no WebSocket.

use super::*;

#[tokio::test]
async fn what_is_wrong_gets_an_error_frame_and_the_socket_goes_on() {
    bounded(async {
        for served in both().await {
            let run = served.start("approval", json!({ "text": "x" })).await;
            let mut client = Client::connect(&served, "/ws").await;
            let deep = format!("{{\"op\":{}", "[".repeat(200));
            let huge = format!("{{\"op\":\"{}\"}}", "x".repeat(1 << 20));
            let attach = json!({ "op": "attach", "run_id": run }).to_string();
            let with = |fields: Value| {
                let mut frame = json!({ "id": "x" });
                frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
                frame.to_string()
            };
            let cases = [
                ("".to_owned(), 400, "invalid_json", None),
                ("{".to_owned(), 400, "invalid_json", None),
                ("[1]".to_owned(), 400, "invalid_frame", None),
                ("null".to_owned(), 400, "invalid_frame", None),
                (deep, 400, "body_too_deep", None),
                (huge, 413, "frame_too_large", None),
                (json!({ "op": "ping", "id": {} }).to_string(), 400, "invalid_frame", None),
                (json!({ "op": "ping", "id": "x".repeat(257) }).to_string(), 400, "invalid_frame", None),
                (with(json!({})), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": 7 })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "nonsense" })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "ping", "more": 1 })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "start" })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "start", "workflow": "no" })), 404, "workflow_not_found", Some("x")),
                (with(json!({ "op": "start", "workflow": "typed" })), 400, "invalid_start_event", Some("x")),
                (
                    with(json!({ "op": "start", "workflow": "greet", "run_id": "a b" })),
                    400,
                    "invalid_run_id",
                    Some("x"),
                ),
                (
                    with(json!({ "op": "start", "workflow": "greet", "timeout": "1" })),
                    400,
                    "invalid_request",
                    Some("x"),
                ),
                (with(json!({ "op": "start", "workflow": "greet", "extra": 1 })), 400, "invalid_frame", Some("x")),
                (
                    with(json!({ "op": "start", "workflow": "approval", "run_id": run, "input": { "text": "" } })),
                    409,
                    "run_exists",
                    Some("x"),
                ),
                (with(json!({ "op": "attach" })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "attach", "run_id": "no" })), 404, "run_not_found", Some("x")),
                (with(json!({ "op": "attach", "run_id": run, "after": -2 })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "attach", "run_id": run, "after": 1.5 })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "detach", "run_id": run })), 409, "not_attached", Some("x")),
                (with(json!({ "op": "event", "run_id": run })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "event", "run_id": run, "event": "text" })), 400, "invalid_request", Some("x")),
                (
                    with(json!({ "op": "event", "run_id": run, "event": { "type": "No", "value": {} } })),
                    400,
                    "event_not_taken",
                    Some("x"),
                ),
                (
                    with(json!({ "op": "answer", "run_id": run, "input": 99, "response": {} })),
                    404,
                    "input_not_found",
                    Some("x"),
                ),
                (
                    with(json!({ "op": "answer", "run_id": "no", "input": 1, "response": {} })),
                    404,
                    "run_not_found",
                    Some("x"),
                ),
                (
                    with(json!({ "op": "answer", "run_id": run, "input": [], "response": {} })),
                    400,
                    "invalid_frame",
                    Some("x"),
                ),
                (with(json!({ "op": "answer", "run_id": run, "input": 1 })), 400, "invalid_frame", Some("x")),
                (with(json!({ "op": "cancel", "run_id": "no" })), 404, "run_not_found", Some("x")),
                (with(json!({ "op": "inputs", "status": "x" })), 400, "invalid_query_param", Some("x")),
                (with(json!({ "op": "inputs", "limit": 0 })), 400, "invalid_query_param", Some("x")),
                (with(json!({ "op": "inputs", "cursor": "?" })), 400, "invalid_cursor", Some("x")),
            ];
            for (text, status, code, id) in cases {
                client.0.send(Message::text(text.clone())).await.unwrap();
                let reply = client.next().await;
                assert_eq!(reply["code"], code, "{}: {reply}", &text[..text.len().min(200)]);
                refused(&reply, status, code, id);
            }
            client.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
            refused(&client.next().await, 400, "invalid_frame", None);
            // Attached twice.
            client.0.send(Message::text(attach.clone())).await.unwrap();
            assert_eq!(client.next().await["op"], "attached");
            refused(&client.ask(serde_json::from_str(&attach).unwrap()).await, 409, "already_attached", None);
            assert_eq!(client.ask(json!({ "op": "detach", "run_id": run })).await["op"], "detached");
            assert_eq!(client.ask(serde_json::from_str(&attach).unwrap()).await["op"], "attached");
            assert_eq!(client.ask(json!({ "op": "ping" })).await, json!({ "op": "pong" }));
            served.question(&run).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_message_beyond_all_bounds_ends_its_socket_alone() {
    bounded(async {
        let [served, _] = both().await;
        let mut other = Client::connect(&served, "/ws").await;
        let mut client = Client::connect(&served, "/ws").await;
        // It may be cut off before all is sent, or read why: a refusal and a close.
        let mut open = client.0.send(Message::text("x".repeat(5 << 20))).await.is_ok();
        while open {
            match client.0.next().await {
                Some(Ok(Message::Text(text))) => {
                    refused(&serde_json::from_str(&text).unwrap(), 413, "frame_too_large", None);
                }
                Some(Ok(Message::Close(Some(close)))) => assert_eq!(u16::from(close.code), 1009),
                Some(Ok(message)) => panic!("{message:?}"),
                Some(Err(_)) | None => open = false,
            }
        }
        assert_eq!(other.ask(json!({ "op": "ping" })).await["op"], "pong");
    })
    .await;
}

#[tokio::test]
async fn a_socket_is_attached_to_so_many_runs() {
    bounded(async {
        let [served, _] = both().await;
        let mut client = Client::connect(&served, "/ws").await;
        for n in 0..64 {
            let start =
                json!({ "op": "start", "workflow": "approval", "input": { "text": "x" }, "run_id": format!("r{n}") });
            assert_eq!(client.ask(start).await["op"], "started", "{n}");
        }
        let start =
            json!({ "op": "start", "id": "s", "workflow": "approval", "input": { "text": "x" }, "run_id": "more" });
        refused(&client.ask(start).await, 429, "too_many_attached", Some("s"));
        // What it could not follow was not begun.
        assert_eq!(served.get("/runs/more").await.status, 404);
        assert_eq!(client.ask(json!({ "op": "detach", "run_id": "r7" })).await["op"], "detached");
        assert_eq!(client.ask(json!({ "op": "attach", "run_id": "r7" })).await["op"], "attached");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_websocket_is_told_as_a_problem() {
    bounded(async {
        let [served, _] = both().await;
        let reply = served.get("/ws").await;
        assert_eq!((reply.status, &reply.body["code"]), (426, &json!("websocket_required")), "{}", reply.text);
        let reply = served.get("/runs/no/ws").await;
        assert_eq!((reply.status, reply.run.as_deref()), (426, Some("no")), "{}", reply.text);
        let url = format!("{}/runs/no/ws", served.url.replace("http", "ws"));
        let Err(Error::Http(response)) = connect_async(url).await else { panic!("there is no such run") };
        assert_eq!(response.status().as_u16(), 404);
    })
    .await;
}
