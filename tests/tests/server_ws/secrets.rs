//! Readers, who change nothing and see no secret.

use super::*;

#[event(input_required)]
pub struct Unlock {
    prompt: String,
    #[event(secret)]
    code: String,
}

#[event(human_response)]
pub struct Key {
    #[event(secret)]
    key: String,
}

#[event(start)]
pub struct Knock {}

#[event(stop)]
pub struct Open {
    #[event(secret)]
    key: String,
}

#[step(waits(Key))]
async fn knock(_: Knock, ctx: Context) -> Result<Open> {
    let unlock = Unlock { prompt: "Key?".to_owned(), code: "hush-1".to_owned() };
    let key = ctx.wait_for_event::<Key>().announce(unlock).await?;
    Ok(Open { key: key.key.clone() })
}

flow!(Door: Knock => Open { knock });

#[tokio::test]
async fn a_reader_attaches_and_lists_but_changes_nothing_and_sees_no_secret() {
    bounded(async {
        for (name, runtime, _folder) in served::runtimes() {
            runtime.register_as("door", Door, None).unwrap();
            let options = ServerOptions::new().token("all-of-it-0123456789").read_only_token("only-look-0123456789");
            let served = Served::with(name, runtime, options).await;
            let socket = |token: &'static str| {
                let mut request = format!("{}/ws", served.url.replace("http", "ws")).into_client_request().unwrap();
                request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
                async move { Client(connect_async(request).await.unwrap().0) }
            };
            let mut full = socket("all-of-it-0123456789").await;
            let started = full.ask(json!({ "op": "start", "workflow": "door", "run_id": "d" })).await;
            assert_eq!(started["op"], "started", "{started}");
            assert_eq!(full.next().await["value"]["code"], "hush-1");

            let mut reader = socket("only-look-0123456789").await;
            for refusal in [
                json!({ "op": "start", "workflow": "door" }),
                json!({ "op": "event", "run_id": "d", "event": { "type": "Key", "value": { "key": "k" } } }),
                json!({ "op": "answer", "run_id": "d", "input": 1, "response": { "key": "k" } }),
                json!({ "op": "cancel", "run_id": "d" }),
            ] {
                refused(&reader.ask(refusal).await, 403, "read_only", None);
            }
            assert_eq!(reader.ask(json!({ "op": "attach", "run_id": "d" })).await["op"], "attached");
            let asked = reader.next().await;
            assert_eq!(asked["value"], json!({ "prompt": "Key?", "code": "***" }), "{name}");
            let inputs = reader.ask(json!({ "op": "inputs" })).await;
            assert_eq!(inputs["inputs"][0]["data"], json!({ "prompt": "Key?", "code": "***" }), "{name}: {inputs}");
            let answer = json!({ "op": "answer", "input": inputs["inputs"][0]["id"], "response": { "key": "hush-2" } });
            assert_eq!(full.ask(answer).await["input"]["response"]["key"], "hush-2");
            let (_, ended) = reader.until("ended").await;
            assert_eq!(ended["run"]["result"]["value"]["key"], "***", "{name}");
            let answered = reader.ask(json!({ "op": "inputs", "status": "all" })).await;
            assert_eq!(answered["inputs"][0]["response"]["key"], "***", "{name}");

            for path in ["/inputs?status=all", "/runs/d", "/runs", "/runs/d/events", "/runs/d/stream", "/runs/d/inputs"]
            {
                let request = served.request("GET", path).header("authorization", "Bearer only-look-0123456789");
                let text = request.send().await.unwrap().text().await.unwrap();
                assert!(text.contains("\"d\"") && !text.contains("hush"), "{name} {path}: {text}");
            }
            let request =
                served.request("GET", "/runs/d/stream").header("authorization", "Bearer all-of-it-0123456789");
            let text = request.send().await.unwrap().text().await.unwrap();
            assert!(text.contains("hush-1") && text.contains("hush-2"), "{text}");
        }
    })
    .await;
}
