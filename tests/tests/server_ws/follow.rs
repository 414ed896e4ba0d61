//! Runs that are started, attached to and read to their end.

use super::*;

#[tokio::test]
async fn a_run_is_started_and_followed_to_its_end() {
    bounded(async {
        for served in both().await {
            let mut client = Client::connect(&served, "/ws").await;
            let start =
                json!({ "op": "start", "id": "c1", "workflow": "countdown", "input": { "from": 3, "delay_ms": 1 } });
            let started = client.ask(start).await;
            let run = started["run_id"].as_str().unwrap().to_owned();
            assert_eq!(started, json!({ "op": "started", "id": "c1", "run_id": run, "workflow": "countdown" }));
            let (events, ended) = client.until("ended").await;
            assert_eq!(seqs(&events), [1, 2, 3, 4, 5], "{}", served.name);
            let (first, last) = (&events[0], &events[4]);
            assert_eq!((&first["type"], &first["value"]), (&json!("Tick"), &json!({ "left": 3 })));
            assert_eq!((&first["run_id"], &first["kind"]), (&json!(run), &json!("logged")));
            assert_eq!(last["types"], json!(["StopEvent"]));
            assert_eq!((&ended["run_id"], &ended["status"]), (&json!(run), &json!("completed")));
            assert_eq!(ended["run"], served.get(&format!("/runs/{run}")).await.body);
            // It is not attached any more.
            refused(
                &client.ask(json!({ "op": "detach", "id": "c2", "run_id": run })).await,
                409,
                "not_attached",
                Some("c2"),
            );
            // Without following it.
            let start = json!({ "op": "start", "workflow": "greet", "run_id": "alone", "attach": false });
            assert_eq!(client.ask(start).await["run_id"], "alone");
            served.until("alone", "completed").await;
            assert_eq!(client.ask(json!({ "op": "ping", "id": 7 })).await, json!({ "op": "pong", "id": 7 }));
        }
    })
    .await;
}

#[tokio::test]
async fn two_runs_share_a_socket() {
    bounded(async {
        for served in both().await {
            let mut client = Client::connect(&served, "/ws").await;
            for (run, from) in [("a", 30), ("b", 20)] {
                let input = json!({ "from": from, "delay_ms": 1 });
                client.send(json!({ "op": "start", "workflow": "countdown", "input": input, "run_id": run })).await;
            }
            let (mut events, mut ended) = (HashMap::<String, Vec<Value>>::new(), Vec::new());
            let mut order = String::new();
            while ended.len() < 2 {
                let frame = client.next().await;
                let run = frame["run_id"].as_str().unwrap().to_owned();
                match frame["op"].as_str().unwrap() {
                    "event" => {
                        order.push_str(&run);
                        events.entry(run).or_default().push(frame);
                    }
                    "ended" => ended.push(run),
                    other => assert_eq!(other, "started"),
                }
            }
            assert_eq!(seqs(&events["a"]), (1..=32).collect::<Vec<u64>>());
            assert_eq!(seqs(&events["b"]), (1..=22).collect::<Vec<u64>>());
            assert!(
                order.trim_start_matches('a').trim_start_matches('b').contains('a'),
                "one after the other: {order}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_is_cut_off_goes_on_after_the_last_event_it_saw() {
    bounded(async {
        for served in both().await {
            let run = served.start("countdown", json!({ "from": 60, "delay_ms": 1 })).await;
            let (mut seen, mut after) = (Vec::new(), json!(0));
            'whole: loop {
                // Dropped without a word in the middle.
                let mut client = Client::connect(&served, "/ws").await;
                client.send(json!({ "op": "attach", "id": "a", "run_id": run, "after": after })).await;
                let attached = client.next().await;
                assert_eq!((&attached["op"], &attached["run"]["run_id"]), (&json!("attached"), &json!(run)));
                for _ in 0..7 {
                    let frame = client.next().await;
                    if frame["op"] == "ended" {
                        break 'whole;
                    }
                    after = frame["seq"].clone();
                    seen.push(frame);
                }
            }
            assert_eq!(seqs(&seen), (1..=62).collect::<Vec<u64>>(), "{}", served.name);

            // Only what is wanted, and only what comes.
            let mut client = Client::connect(&served, "/ws").await;
            client.send(json!({ "op": "attach", "run_id": run, "types": ["Liftoff"] })).await;
            let (frames, _) = client.until("ended").await;
            assert_eq!((frames.len(), &frames[1]["type"]), (2, &json!("Liftoff")));
            // After the end nothing comes.
            for after in [json!("now"), json!(62), json!(u64::MAX)] {
                client.send(json!({ "op": "attach", "run_id": run, "after": after })).await;
                assert_eq!(client.until("ended").await.0.len(), 1, "{after}");
            }
        }
    })
    .await;
}

#[event(start)]
pub struct Burst {
    events: u32,
}

#[event]
pub struct Spark {
    n: u32,
    text: String,
}

#[event(stop)]
pub struct Dark {}

#[step(streams(Spark))]
async fn burn(burst: Burst, ctx: Context) -> Dark {
    for n in 0..burst.events {
        ctx.write_event_to_stream(Spark { n, text: "x".repeat(200) });
    }
    Dark {}
}

flow!(Sparks: Burst => Dark { burn });

#[tokio::test]
async fn a_client_that_reads_late_reads_everything() {
    bounded(async {
        for served in both().await {
            served.runtime.register_as("sparks", Sparks, None).unwrap();
            let mut client = Client::connect(&served, "/ws").await;
            let input = json!({ "events": 30_000 });
            client.send(json!({ "op": "start", "workflow": "sparks", "input": input, "run_id": "late" })).await;
            // Far more than the connection holds: the run does not wait for its reader.
            loop {
                if served.get("/runs/late").await.body["status"] == "completed" {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let (mut next, _) = (1, client.next().await);
            loop {
                let frame = client.next().await;
                if frame["op"] == "ended" {
                    break;
                }
                assert_eq!(frame["seq"], next, "{}", served.name);
                next += 1;
            }
            assert_eq!(next, 30_002, "{}", served.name);
        }
    })
    .await;
}
