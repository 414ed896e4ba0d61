//! Runs are cancelled, removed, run again and brought back.

use super::*;

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
