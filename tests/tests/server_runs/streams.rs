//! Events of runs, a page at a time and as streams.

use super::*;

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
