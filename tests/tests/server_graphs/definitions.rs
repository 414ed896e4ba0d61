//! What a run was started with, whatever became of its graph since.

use std::sync::Arc;

use serde_json::{Value, json};
use stepcast_client::Client;
use stepcast_server::ServerOptions;

use super::{answer, asking, put, remove};
use crate::served::bounded;
use crate::whole::{Answer, Whole, both};

async fn document(served: &Whole, run: &str) -> Value {
    let answer = served.get(&format!("/runs/{run}/definition")).await;
    assert_eq!((answer.status, answer.header("x-run-id")), (200, run), "{}: {}", served.name, answer.text);
    answer.body["document"].clone()
}

#[tokio::test]
async fn a_run_shows_its_own_document_after_its_graph_was_replaced_and_removed() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            let (mut newer, client) = (asking("review"), Client::new(&served.url).unwrap());
            newer["version"] = json!(2);
            newer["steps"][1]["prompt"] = json!("Really?");
            assert_eq!(put(&served, "review", &asking("review")).await.status, 201);
            let old = served.start("review", json!({ "topic": "x" })).await;
            assert_eq!(document(&served, &old).await, asking("review"));
            assert_eq!(put(&served, "review", &newer).await.status, 201);
            let new = served.start("review", json!({ "topic": "x" })).await;
            assert_eq!(
                (document(&served, &old).await, document(&served, &new).await),
                (asking("review"), newer.clone())
            );
            assert_eq!(remove(&served, "review").await.status, 200);
            assert_eq!(
                (document(&served, &old).await, document(&served, &new).await),
                (asking("review"), newer.clone())
            );
            // Another one under the same name and version.
            let mut other = newer.clone();
            other["steps"][1]["prompt"] = json!("Sure?");
            assert_eq!(put(&served, "review", &other).await.status, 201);
            for run in [&old, &new] {
                answer(&served, run, "yes").await;
                served.until(run, "completed").await;
            }
            assert_eq!(
                (document(&served, &old).await, document(&served, &new).await),
                (asking("review"), newer.clone())
            );
            let definition = client.run(&*new).definition().await.unwrap();
            assert_eq!((definition.workflow.as_str(), definition.document), ("review@2", Some(newer)));
            let steps = definition.description["steps"].as_array().unwrap().iter();
            assert!(steps.map(|step| &step["name"]).any(|name| name == "note"), "{}", definition.description);
        }
    })
    .await;
}

#[tokio::test]
async fn the_graphs_that_a_graph_runs_are_in_its_document() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            assert_eq!(put(&served, "inner", &asking("inner")).await.status, 201);
            let outer = json!({ "id": "outer", "steps": [
                { "id": "a", "type": "subgraph", "graph": "inner", "input": { "topic": "x" } },
            ] });
            assert_eq!(put(&served, "outer", &outer).await.status, 201);
            let run = served.start("outer", json!({})).await;
            served.until(&run, "waiting").await;
            let mut whole = outer.clone();
            whole["$graphs"] = json!([asking("inner")]);
            assert_eq!(document(&served, &run).await, whole, "{}", served.name);
            let children = served.get(&format!("/runs?parent={run}")).await.body;
            let child = children["runs"][0]["run_id"].as_str().unwrap_or_else(|| panic!("{children}")).to_owned();
            assert_eq!(document(&served, &child).await, asking("inner"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_compiled_workflow_is_described_by_its_structure() {
    bounded(async {
        let mut described = Vec::new();
        for served in both(&ServerOptions::new()).await {
            let run = served.start("approval", json!({ "text": "x" })).await;
            let answer = served.get(&format!("/runs/{run}/definition")).await;
            assert_eq!(answer.status, 200, "{}: {}", served.name, answer.text);
            assert_eq!((&answer.body["document"], &answer.body["workflow"]), (&Value::Null, &json!("approval")));
            let (events, steps) = (&answer.body["description"]["events"], &answer.body["description"]["steps"]);
            assert!(events.as_array().unwrap().iter().any(|event| event[0] == "Approval"), "{events}");
            assert!(!steps.as_array().unwrap().is_empty() && steps[0]["name"].is_string(), "{steps}");
            described.push(answer.body["description"].clone());
            served.get("/runs/none/definition").await.refused(404, "run_not_found");
        }
        assert_eq!(described[0], described[1], "in memory and in a store");
    })
    .await;
}

#[tokio::test]
async fn a_document_is_there_without_its_graph_in_another_process_and_not_for_who_looks_only() {
    bounded(async {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut served = Whole::in_folder(Arc::clone(&folder), ServerOptions::new()).await;
        assert_eq!(put(&served, "review", &asking("review")).await.status, 201);
        let graph = served.start("review", json!({ "topic": "x" })).await;
        let compiled = served.start("countdown", json!({ "from": 1 })).await;
        served.until(&graph, "waiting").await;
        served.until(&compiled, "completed").await;
        served.ended().await;
        drop(served);
        let options = ServerOptions::new().token("full").read_only_token("look");
        let served = Whole::in_folder(folder, options).await;
        let get = |run: &str, token: &str| {
            let request = served.request("GET", &format!("/runs/{run}/definition")).bearer_auth(token);
            Answer::to(request)
        };
        assert_eq!(get(&graph, "full").await.body["document"], asking("review"));
        get(&graph, "look").await.refused(403, "token_read_only");
        assert_eq!(get(&compiled, "look").await.body["document"], Value::Null);
    })
    .await;
}
