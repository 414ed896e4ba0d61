//! Documents that are no graphs: each a clear refusal with places and hints, and nothing changed.

use serde_json::{Value, json};
use stepcast_server::ServerOptions;

use super::{asking, greet, put, said};
use crate::served::bounded;
use crate::whole::{Answer, Whole, both};

fn of(steps: Value) -> Value {
    json!({ "id": "bad", "steps": steps, "edges": [] })
}

/// Documents, with the code and the pointer of an error of theirs.
fn table() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let say = |id: &str| json!({ "id": id, "type": "function", "template": 1 });
    let both = |route: &str| {
        json!({ "id": "bad", "route": route, "steps": [say("a"), say("b"), say("end")],
                "edges": [{ "source": "a", "target": "b" }, { "source": "b", "target": "a" }] })
    };
    vec![
        ("no steps", json!({ "id": "bad" }), "form", ""),
        ("steps of another type", of(json!(7)), "form", "/steps"),
        ("a version of another type", json!({ "id": "bad", "version": "x", "steps": [say("a")] }), "form", "/version"),
        ("an unknown type", of(json!([{ "id": "a", "type": "magic" }, say("b")])), "form", "/steps/0/type"),
        ("a name twice", of(json!([say("a"), say("a")])), "duplicate_id", "/steps/1/id"),
        (
            "a step that is nowhere",
            of(json!([{ "id": "a", "type": "step", "use": "nobody" }])),
            "unknown_reference",
            "/steps/0/use",
        ),
        (
            "a runner that is nowhere",
            of(json!([{ "id": "a", "type": "agent", "agent": "nobody" }])),
            "unknown_reference",
            "/steps/0/agent",
        ),
        (
            "itself inside itself",
            of(json!([{ "id": "a", "type": "subgraph", "graph": "bad" }])),
            "recursion",
            "/steps/0/graph",
        ),
        (
            "a path to nothing",
            of(json!([{ "id": "a", "type": "function", "template": "{{nobody}}" }])),
            "unknown_path",
            "/steps/0/template",
        ),
        (
            "a template of a megabyte",
            of(json!([{ "id": "a", "type": "function", "template": "x".repeat(1 << 20) }])),
            "bad_template",
            "/steps/0/template",
        ),
        ("a circle of all edges", both("all"), "cycle", ""),
        (
            "an edge to nobody",
            json!({ "id": "bad", "steps": [say("a")], "edges": [{ "source": "a", "target": "b" }] }),
            "unknown_step",
            "/edges/0/target",
        ),
        (
            "a condition that is none",
            json!({ "id": "bad", "steps": [say("a"), say("b")], "edges": [{ "source": "a", "target": "b", "when": "a ==" }] }),
            "bad_condition",
            "/edges/0/when",
        ),
    ]
}

#[tokio::test]
async fn every_bad_document_is_refused_with_all_that_is_wrong() {
    bounded(async {
        for served in both(&ServerOptions::new()).await {
            assert_eq!(put(&served, "hello", &greet(1, "one")).await.status, 201);
            for (what, document, code, pointer) in table() {
                let refused = put(&served, "bad", &document).await;
                refused.refused(422, "graph_refused");
                let errors = refused.body["errors"].as_array().unwrap();
                let found = errors.iter().find(|error| error["code"] == code);
                let found = found.unwrap_or_else(|| panic!("{what}: {}", shortened(&refused.text)));
                let at = found["pointer"].as_str().unwrap();
                assert!(at == pointer || pointer.is_empty() && (code == "cycle" || at.is_empty()), "{what}: {at}");
                for error in errors {
                    let told = |name: &str| error[name].as_str().is_some_and(|text| !text.is_empty());
                    assert!(told("message") && told("hint"), "{what}: {error}");
                }
                let checked = served.post("/graphs/validate", document).await;
                assert_eq!((checked.status, &checked.body["ok"]), (200, &json!(false)), "{what}");
                assert_eq!(checked.body["errors"], refused.body["errors"], "{what}");
                served.get("/graphs/bad").await.refused(404, "graph_not_found");
            }
            assert_eq!(served.get("/graphs").await.body["graphs"].as_array().unwrap().len(), 1);
            assert_eq!(said(&served, "hello").await, "one");
        }
    })
    .await;
}

fn shortened(text: &str) -> String {
    text.chars().take(2_000).collect()
}

#[tokio::test]
async fn errors_and_warnings_come_at_once() {
    bounded(async {
        let served = Whole::memory(ServerOptions::new()).await;
        let document = json!({
            "id": "bad", "colour": "red", "edges": [],
            "steps": [{ "id": "a b", "type": "log", "message": "{{nobody}}" }, { "id": "c", "type": "human" }]
        });
        let checked = served.post("/graphs/validate", document).await.body;
        assert!(checked["errors"].as_array().unwrap().len() >= 3, "{checked}");
        assert_eq!(checked["warnings"][0]["code"], "unknown_field");
        let good = served.post("/graphs/validate", asking("good")).await.body;
        assert_eq!(good, json!({ "ok": true, "errors": [], "warnings": [] }));
        assert_eq!(served.get("/graphs").await.body, json!({ "graphs": [] }), "nothing was put");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_document_is_refused_however_it_is_sent() {
    bounded(async {
        for served in [Whole::memory(ServerOptions::new()).await] {
            let deep = "[".repeat(5_000);
            let dashes = "- ".repeat(5_000);
            // Ten anchors, each ten times the one before.
            let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
            for at in 1..12 {
                let before = format!("*a{}, ", at - 1).repeat(10);
                laughs += &format!("a{at}: &a{at} [{before}]\n");
            }
            for (method, path) in [("PUT", "/graphs/bad"), ("POST", "/graphs/validate")] {
                for (content_type, body, status, code) in [
                    ("application/json", "{", 400, "invalid_json"),
                    ("application/json", "", 400, "invalid_json"),
                    ("application/json", "[]", 400, "invalid_request"),
                    ("application/json", "null", 400, "invalid_request"),
                    ("application/json", deep.as_str(), 400, "body_too_deep"),
                    ("text/plain", "{}", 415, "unsupported_media_type"),
                    ("application/yaml", "a: [", 400, "invalid_yaml"),
                    ("application/yaml", "{", 400, "invalid_json"),
                    ("application/yaml", "just words", 400, "invalid_request"),
                    ("application/yaml", "? [a, b]\n: c\n", 400, "invalid_yaml"),
                    ("application/yaml", dashes.as_str(), 400, "invalid_yaml"),
                    ("application/yaml", laughs.as_str(), 400, "invalid_yaml"),
                ] {
                    let sent = served.request(method, path).header("content-type", content_type).body(body.to_owned());
                    let answer = Answer::to(sent).await;
                    let what: String = body.chars().take(20).collect();
                    assert_eq!(answer.status, status, "{method} {what:?}: {}", shortened(&answer.text));
                    answer.refused(status, code);
                }
                let bytes = served.request(method, path).header("content-type", "application/yaml").body(vec![0xff]);
                Answer::to(bytes).await.refused(400, "invalid_yaml");
            }
            put(&served, "bad", &json!({ "id": 7 })).await.refused(400, "invalid_request");
            put(&served, "%00", &json!({ "steps": [] })).await.refused(422, "graph_refused");
            assert_eq!(served.get("/graphs").await.body, json!({ "graphs": [] }));
        }
    })
    .await;
}

#[tokio::test]
async fn a_graph_of_ten_thousand_steps_is_taken_and_one_of_a_hundred_thousand_is_not() {
    bounded(async {
        let served = Whole::memory(ServerOptions::new().max_body(8 << 20)).await;
        let many: Vec<Value> = (0..100_001).map(|at| json!({ "id": format!("s{at}"), "type": "join" })).collect();
        let refused = put(&served, "bad", &of(json!(many))).await;
        refused.refused(422, "graph_refused");
        assert_eq!(refused.body["errors"][0]["code"], "too_large");
        let steps: Vec<Value> =
            (0..10_000).map(|at| json!({ "id": format!("s{at}"), "type": "function", "template": at })).collect();
        let edges: Vec<Value> =
            (1..10_000).map(|at| json!({ "source": format!("s{}", at - 1), "target": format!("s{at}") })).collect();
        let document = json!({ "id": "long", "steps": steps, "edges": edges });
        let answer = put(&served, "long", &document).await;
        assert_eq!(answer.status, 201, "{}", shortened(&answer.text));
        let ended = served.post("/workflows/long?wait=result", json!({})).await;
        assert_eq!(ended.body["result"]["value"]["result"]["s9999"], 9_999, "{}", shortened(&ended.text));
    })
    .await;
}
