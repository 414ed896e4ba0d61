//! Graphs over HTTP: put, listed, read, checked, removed, run; and streams through their views. In memory and on SQLite.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "server_graphs/bad.rs"]
mod bad;
#[path = "server_graphs/client.rs"]
mod client;
#[path = "server_graphs/definitions.rs"]
mod definitions;
#[path = "support/served.rs"]
mod served;
#[path = "server_graphs/sockets.rs"]
mod sockets;
#[path = "server_graphs/views.rs"]
mod views;
#[path = "support/whole.rs"]
mod whole;

use std::sync::Arc;

use serde_json::{Value, json};
use served::bounded;
use stepcast::Runtime;
use stepcast_graph::{Graphs, Host};
use stepcast_server::ServerOptions;
use stepcast_sqlite::SqliteBackend;
use whole::{Answer, Whole, both};

/// A version of a graph that says something.
fn greet(version: u64, text: &str) -> Value {
    json!({ "id": "hello", "name": "Hello", "version": version, "edges": [],
            "steps": [{ "id": "say", "type": "function", "template": text }] })
}

/// A graph that asks, and says what it was told.
fn asking(id: &str) -> Value {
    json!({
        "id": id,
        "steps": [
            { "id": "topic", "type": "function", "template": "{{input.topic}}" },
            { "id": "ask", "type": "human", "prompt": "Publish {{topic}}?" },
            { "id": "note", "type": "log", "message": "told {{ask.response}}" },
            { "id": "end", "type": "end", "input": "{{ask.response}}" }
        ],
        "edges": [
            { "source": "topic", "target": "ask" },
            { "source": "ask", "target": "note" },
            { "source": "note", "target": "end" }
        ]
    })
}

async fn put(served: &Whole, id: &str, document: &Value) -> Answer {
    Answer::to(served.request("PUT", &format!("/graphs/{id}")).json(document)).await
}

async fn remove(served: &Whole, id: &str) -> Answer {
    Answer::to(served.request("DELETE", &format!("/graphs/{id}"))).await
}

/// The result of a run of a workflow.
async fn said(served: &Whole, workflow: &str) -> Value {
    let answer = served.post(&format!("/workflows/{workflow}?wait=result"), json!({})).await;
    assert_eq!(answer.status, 200, "{}: {}", served.name, answer.text);
    answer.body["result"]["value"]["result"]["say"].clone()
}

/// Answers the one question of a run, once it is asked.
async fn answer(served: &Whole, run: &str, response: &str) {
    served.until(run, "waiting").await;
    let asked = served.get(&format!("/runs/{run}/inputs?status=pending")).await;
    let number = asked.body["inputs"][0]["input"].as_u64().unwrap_or_else(|| panic!("{}", asked.text));
    let body = json!({ "response": response });
    let answered = served.post(&format!("/runs/{run}/inputs/{number}"), body).await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    assert_eq!(answered.body["response"], json!({ "response": response }), "{}", served.name);
}

#[tokio::test]
async fn a_graph_is_put_listed_read_and_replaced() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            assert_eq!(served.get("/graphs").await.body, json!({ "graphs": [] }), "{}", served.name);
            let first = put(&served, "hello", &greet(1, "one")).await;
            assert_eq!(first.status, 201, "{}", first.text);
            let reply = json!({ "id": "hello", "name": "Hello", "version": 1, "versions": [1], "warnings": [] });
            assert_eq!(first.body, reply);
            assert_eq!(said(&served, "hello").await, "one");
            assert_eq!(put(&served, "hello", &greet(2, "two")).await.body["versions"], json!([1, 2]));
            assert_eq!((said(&served, "hello").await, said(&served, "hello@1").await), (json!("two"), json!("one")));
            let list = json!({ "graphs": [{ "id": "hello", "name": "Hello", "version": 2, "versions": [1, 2] }] });
            assert_eq!(served.get("/graphs").await.body, list);
            let shown = served.get("/graphs/hello").await.body;
            assert_eq!((&shown["version"], &shown["document"]), (&json!(2), &greet(2, "two")));
            assert_eq!(served.get("/graphs/hello?version=1").await.body["document"], greet(1, "one"));
            served.get("/graphs/hello?version=3").await.refused(404, "graph_not_found");
            served.get("/graphs/nobody").await.refused(404, "graph_not_found");
            let drawn = served.get("/workflows/hello/representation").await.body;
            assert_eq!(drawn["graph"]["nodes"][0]["id"], "say", "{drawn}");
            // Word for word the same: nothing new, and the id stands for it again.
            assert_eq!(put(&served, "hello", &greet(1, "one")).await.status, 200);
            assert_eq!(said(&served, "hello").await, "one");
            let taken = put(&served, "hello", &greet(2, "other")).await;
            taken.refused(409, "graph_version_exists");
            assert_eq!(taken.body["version"], 2);
            put(&served, "greet", &json!({ "steps": greet(1, "x")["steps"] })).await.refused(409, "workflow_exists");
            assert_eq!(said(&served, "hello").await, "one");
        }
    })
    .await;
}

#[tokio::test]
async fn a_removed_graph_begins_no_runs_and_its_runs_go_on() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            assert_eq!(put(&served, "review", &asking("review")).await.status, 201);
            let run = served.start("review", json!({ "topic": "pirates" })).await;
            served.until(&run, "waiting").await;
            let removed = remove(&served, "review").await;
            assert_eq!((removed.status, removed.body), (200, json!({ "id": "review", "status": "removed" })));
            served.get("/graphs/review").await.refused(404, "graph_not_found");
            remove(&served, "review").await.refused(404, "graph_not_found");
            assert_eq!(served.get("/graphs").await.body, json!({ "graphs": [] }));
            assert!(!served.get("/workflows").await.text.contains("review"));
            served.post("/workflows/review", json!({})).await.refused(404, "workflow_not_found");
            served.post("/workflows/review@1", json!({})).await.refused(410, "workflow_removed");
            served.post(&format!("/runs/{run}/rerun"), json!({})).await.refused(410, "workflow_removed");
            answer(&served, &run, "yes").await;
            let ended = served.until(&run, "completed").await;
            assert_eq!(ended["result"]["value"]["result"], "yes", "{}: {ended}", served.name);
            let mut other = asking("review");
            other["steps"][1]["prompt"] = json!("Really?");
            // Another one under its name, while a run of the first waits.
            assert_eq!(put(&served, "review", &asking("review")).await.status, 201, "it is there again");
            let run = served.start("review", json!({ "topic": "pirates" })).await;
            served.until(&run, "waiting").await;
            assert_eq!(remove(&served, "review").await.status, 200);
            assert_eq!(put(&served, "review", &other).await.status, 201);
            answer(&served, &run, "yes").await;
            assert_eq!(served.until(&run, "completed").await["result"]["value"]["result"], "yes");
            let run = served.start("review", json!({ "topic": "pirates" })).await;
            served.until(&run, "waiting").await;
            assert_eq!(served.get("/inputs").await.body["inputs"][0]["prompt"], "Really?");
        }
    })
    .await;
}

#[tokio::test]
async fn a_document_comes_as_yaml_and_without_its_name() {
    bounded(async {
        let served = Whole::memory(ServerOptions::new()).await;
        let yaml = "steps:\n  - {id: say, type: function, template: hi}\nedges: []\n";
        for content_type in ["application/yaml", "text/yaml; charset=utf-8"] {
            let request = served.request("PUT", "/graphs/plain").header("content-type", content_type).body(yaml);
            let answer = Answer::to(request).await;
            assert!(answer.status < 300, "{}", answer.text);
        }
        assert_eq!(said(&served, "plain").await, "hi");
        assert_eq!(served.get("/graphs/plain").await.body["document"]["id"], "plain");
        put(&served, "plain", &greet(1, "x")).await.refused(400, "invalid_request");
        // What a name may hold is not what a path may.
        let named = json!({ "steps": greet(1, "x")["steps"] });
        assert_eq!(put(&served, "team%2Fhello", &named).await.body["id"], "team/hello");
        assert_eq!(said(&served, "team%2Fhello").await, "x");
        assert_eq!(remove(&served, "team%2Fhello").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_token_that_looks_lists_graphs_and_reads_no_documents() {
    bounded(async {
        let served = Whole::memory(ServerOptions::new().token("full").read_only_token("look")).await;
        let with = |method: &str, path: &str, token: &str| served.request(method, path).bearer_auth(token);
        let document = greet(1, "one");
        assert_eq!(Answer::to(with("PUT", "/graphs/hello", "full").json(&document)).await.status, 201);
        let listed = Answer::to(with("GET", "/graphs", "look")).await;
        assert_eq!((listed.status, &listed.body["graphs"][0]["id"]), (200, &json!("hello")));
        Answer::to(with("GET", "/graphs/hello", "look")).await.refused(403, "token_read_only");
        let review = with("PUT", "/graphs/review", "full").json(&asking("review"));
        assert_eq!(Answer::to(review).await.status, 201);
        let drawn = Answer::to(with("GET", "/workflows/review/representation", "look")).await.body;
        assert_eq!(drawn["graph"]["edges"][0], json!({ "source": "topic", "target": "ask", "label": null }));
        assert_eq!(Answer::to(with("GET", "/graphs/hello", "full")).await.body["document"], document);
        for (method, path) in [("PUT", "/graphs/hello"), ("POST", "/graphs/validate"), ("DELETE", "/graphs/hello")] {
            Answer::to(with(method, path, "look").json(&document)).await.refused(403, "token_read_only");
            Answer::to(served.request(method, path).json(&document)).await.refused(401, "token_missing");
        }
    })
    .await;
}

#[tokio::test]
async fn a_folder_keeps_graphs_and_their_runs_over_a_restart() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let open = async || {
            let backend = SqliteBackend::open(folder.path().join("runs.db")).unwrap();
            let runtime = Runtime::on(Arc::new(backend) as Arc<dyn stepcast::backend::Backend>);
            let (graphs, faults) = Graphs::in_folder(&runtime, Host::new(), folder.path().join("graphs")).unwrap();
            assert!(faults.is_empty(), "{faults:?}");
            Whole::of("folder", runtime, ServerOptions::new().graphs(graphs)).await
        };
        let mut served = open().await;
        for id in ["kept", "gone"] {
            assert_eq!(put(&served, id, &asking(id)).await.status, 201);
        }
        let runs =
            [served.start("kept", json!({ "topic": "a" })).await, served.start("gone", json!({ "topic": "b" })).await];
        for run in &runs {
            served.until(run, "waiting").await;
        }
        assert_eq!(remove(&served, "gone").await.status, 200);
        served.ended().await;
        drop(served);
        let served = open().await;
        assert_eq!(served.get("/graphs").await.body["graphs"].as_array().unwrap().len(), 1);
        assert_eq!(served.get("/graphs/kept").await.body["document"], asking("kept"));
        for run in &runs {
            answer(&served, run, "yes").await;
            assert_eq!(served.until(run, "completed").await["result"]["value"]["result"], "yes");
        }
        served.post("/workflows/gone", json!({})).await.refused(404, "workflow_not_found");
        // A folder that cannot be written: nothing is half there.
        std::fs::remove_dir_all(folder.path().join("graphs")).unwrap();
        std::fs::write(folder.path().join("graphs"), "").unwrap();
        put(&served, "hello", &greet(1, "one")).await.refused(503, "store_failed");
        served.post("/workflows/hello", json!({})).await.refused(404, "workflow_not_found");
        remove(&served, "kept").await.refused(503, "store_failed");
        assert_eq!(served.get("/graphs/kept").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_server_without_graphs_has_no_such_routes() {
    bounded(async {
        let served = Whole::of("none", Runtime::new(), ServerOptions::new()).await;
        served.get("/graphs").await.refused(404, "path_not_found");
        assert!(!served.get("/openapi.json").await.text.contains("/graphs"));
    })
    .await;
}
