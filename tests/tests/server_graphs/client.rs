//! Graphs through the Rust client, and under every name that a document may have.

use serde_json::{Value, json};
use stepcast_client::{Client, GraphIssue, StartOptions};
use stepcast_server::ServerOptions;

use super::{greet, remove};
use crate::served::bounded;
use crate::whole::{Whole, both};

fn client(served: &Whole) -> Client {
    Client::new(&served.url).unwrap()
}

/// What a run of a graph that greets ends with.
async fn said(client: &Client, workflow: &str) -> Value {
    let run = client.start_value(workflow, json!({}), StartOptions::default()).await.unwrap();
    run.ended().await.unwrap().result.unwrap().value()["result"]["say"].clone()
}

#[tokio::test]
async fn the_client_puts_lists_reads_and_removes_graphs() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            let client = client(&served);
            assert!(client.graphs().await.unwrap().is_empty(), "{}", served.name);
            let put = client.put_graph("hello", &greet(1, "one")).await.unwrap();
            assert!(put.is_new && put.warnings.is_empty(), "{put:?}");
            assert!(!client.put_graph("hello", &greet(1, "one")).await.unwrap().is_new, "word for word the same");
            let mut strange = greet(2, "two");
            strange["colour"] = json!("red");
            let put = client.put_graph("hello", &strange).await.unwrap();
            assert_eq!((put.info.version, put.info.versions), (2, vec![1, 2]));
            assert_eq!((&*put.warnings[0].code, &*put.warnings[0].pointer), ("unknown_field", "/colour"));
            assert_eq!((said(&client, "hello").await, said(&client, "hello@1").await), (json!("two"), json!("one")));
            let listed = client.graphs().await.unwrap();
            assert_eq!(listed.len(), 1);
            assert_eq!((&*listed[0].id, listed[0].name.as_deref(), listed[0].version), ("hello", Some("Hello"), 2));
            let graph = client.graph("hello").await.unwrap();
            assert_eq!((&graph.info, &graph.document), (&listed[0], &strange));
            assert_eq!(graph.warnings, put.warnings);
            assert_eq!(client.graph_version("hello", 1).await.unwrap().document, greet(1, "one"));
            let refused = client.graph_version("hello", 3).await.unwrap_err();
            assert_eq!((refused.status(), refused.code()), (Some(404), Some("graph_not_found")), "{refused}");
            let refused = client.put_graph("hello", &greet(2, "other")).await.unwrap_err();
            assert_eq!(refused.code(), Some("graph_version_exists"), "{refused}");
            assert!(refused.graph_report().is_none());
            client.remove_graph("hello").await.unwrap();
            assert_eq!(client.remove_graph("hello").await.unwrap_err().code(), Some("graph_not_found"));
            assert!(client.graphs().await.unwrap().is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn the_client_has_what_is_wrong_with_a_document_as_the_server_says_it() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            let client = client(&served);
            let bad = json!({ "id": "bad", "colour": "red", "steps": [
                { "id": "a", "type": "function", "template": "{{nobody}}" },
                { "id": "b", "type": "step", "use": "nobody" },
            ], "edges": [{ "source": "a", "target": "b" }] });
            let report = client.check_graph(&bad).await.unwrap();
            assert!(!report.is_ok());
            let raw = served.post("/graphs/validate", bad.clone()).await.body;
            let issues = |of: &Value| serde_json::from_value::<Vec<GraphIssue>>(of.clone()).unwrap();
            assert_eq!((&report.errors, &report.warnings), (&issues(&raw["errors"]), &issues(&raw["warnings"])));
            let places: Vec<&str> = report.errors.iter().map(|issue| &*issue.pointer).collect();
            assert!(places.contains(&"/steps/0/template") && places.contains(&"/steps/1/use"), "{places:?}");
            assert!(report.errors.iter().all(|issue| !issue.hint.is_empty() && !issue.message.is_empty()));
            let refused = client.put_graph("bad", &bad).await.unwrap_err();
            assert_eq!(refused.status(), Some(422), "{refused}");
            assert_eq!(refused.graph_report(), Some(report));
            assert!(client.check_graph(&greet(1, "one")).await.unwrap().is_ok());
            let refused = client.check_graph(&json!([1])).await.unwrap_err();
            assert_eq!(refused.status(), Some(400), "{refused}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_graph_may_have_every_name_that_a_document_may() {
    bounded(async {
        let long = "n".repeat(128);
        for served in both(&ServerOptions::new()).await {
            let client = client(&served);
            // Words of routes, and characters that a path has to write otherwise.
            let names =
                ["validate", "graphs", "team/hello", "/", "//a/", "/graphs/validate", "Übung-日本_1:2", ":id", &long];
            for name in names {
                let mut document = greet(1, name);
                document["id"] = json!(name);
                assert!(client.check_graph(&document).await.unwrap().is_ok(), "{name}");
                let put = client.put_graph(name, &document).await.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(put.is_new && put.info.id == name, "{name}");
                assert_eq!(client.graph(name).await.unwrap().document, document, "{name}");
                assert_eq!(client.graph_version(name, 1).await.unwrap().info.id, name);
                assert_eq!(said(&client, name).await, name);
                assert_eq!(said(&client, &format!("{name}@1")).await, name);
            }
            assert_eq!(client.graphs().await.unwrap().len(), names.len());
            // To check a document is still what `POST` does there, and nothing else is posted to a graph.
            assert_eq!(served.post("/graphs/validate", json!({})).await.body["ok"], false);
            served.post("/graphs/graphs", json!({})).await.refused(405, "method_not_allowed");
            let answer = crate::whole::Answer::to(served.request("PATCH", "/graphs/validate")).await;
            answer.refused(405, "method_not_allowed");
            assert!(["GET", "PUT", "POST", "DELETE"].iter().all(|method| answer.header("allow").contains(method)));
            for name in names {
                client.remove_graph(name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(client.graph(name).await.unwrap_err().code(), Some("graph_not_found"), "{name}");
            }
            remove(&served, "validate").await.refused(404, "graph_not_found");
            served.get("/graphs/%ff").await.refused(400, "invalid_path");
        }
    })
    .await;
}
