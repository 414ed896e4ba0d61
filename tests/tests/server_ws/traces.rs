//! The traces that frames belong to.

use super::*;

/// What a frame says of its trace.
fn with_trace(mut frame: Value, said: &Value) -> Value {
    frame.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
    frame
}

#[tokio::test]
async fn a_frame_belongs_to_its_own_trace_or_to_that_of_its_socket() {
    bounded(async {
        let place = |n: u8| traced::context(n).traceparent();
        let own = |n: u8| json!({ "traceparent": place(n) });
        let none = json!({});
        let zeros = json!({ "traceparent": place(1).replace("01", "00") });
        for (name, runtime, _folder) in runtimes() {
            runtime.register(traced::Traced).unwrap();
            let served = Served::with(name, runtime, ServerOptions::new()).await;
            // What the three frames say, and which traces that makes: that of the socket is 9.
            for (said, traces) in [
                ([own(1), own(2), own(3)], [1, 2, 3]),
                ([own(1), none.clone(), own(3)], [1, 9, 3]),
                ([none.clone(), own(2), none.clone()], [9, 2, 9]),
                ([own(1), json!({ "traceparent": "nonsense" }), json!({ "traceparent": null })], [1, 9, 9]),
                ([json!({ "traceparent": 7 }), own(2), json!({ "tracestate": "v=1" })], [9, 2, 9]),
                ([json!({ "traceparent": place(1).to_uppercase() + "x" }), own(2), zeros.clone()], [9, 2, 9]),
            ] {
                let mut request = format!("{}/ws", served.url.replace("http", "ws")).into_client_request().unwrap();
                request.headers_mut().insert("traceparent", place(9).parse().unwrap());
                let mut client = Client(connect_async(request).await.unwrap().0);
                let start = json!({ "op": "start", "id": "s", "workflow": "Traced", "input": {} });
                client.send(with_trace(start, &said[0])).await;
                let (_, started) = client.until("started").await;
                let run = started["run_id"].as_str().unwrap().to_owned();
                let mut seen = vec![at(&mut client, "start").await];
                served.until(&run, "waiting").await;
                let event = json!({ "op": "event", "run_id": run, "event": { "type": "Note", "value": {} } });
                client.send(with_trace(event, &said[1])).await;
                seen.push(at(&mut client, "note").await);
                let input = served.question(&run).await["id"].clone();
                client.send(with_trace(json!({ "op": "answer", "input": input, "response": {} }), &said[2])).await;
                seen.push(at(&mut client, "answer").await);
                assert_eq!(seen, traces.map(|n| json!([place(n), null])), "{name}: {said:?}");
                client.until("ended").await;
            }
            // With its state, which no socket hands down to a frame that has a trace of its own.
            let mut request = format!("{}/ws", served.url.replace("http", "ws")).into_client_request().unwrap();
            request.headers_mut().insert("traceparent", place(9).parse().unwrap());
            request.headers_mut().insert("tracestate", "of=socket".parse().unwrap());
            let mut client = Client(connect_async(request).await.unwrap().0);
            for (said, state) in [
                (json!({ "traceparent": place(1), "tracestate": "a=1,b=2" }), json!("a=1,b=2")),
                (json!({ "traceparent": place(1), "tracestate": 1 }), Value::Null),
            ] {
                let start = json!({ "op": "start", "workflow": "Traced", "input": {} });
                client.send(with_trace(start, &said)).await;
                assert_eq!(at(&mut client, "start").await, json!([place(1), state]), "{name}");
            }
        }
    })
    .await;
}

/// The trace that a step says it is in.
async fn at(client: &mut Client, step: &str) -> Value {
    loop {
        let frame = client.next().await;
        assert_ne!(frame["op"], "error", "{frame}");
        if frame["type"] == "Place" && frame["value"]["at"] == step {
            return json!([frame["value"]["traceparent"], frame["value"]["tracestate"]]);
        }
    }
}
