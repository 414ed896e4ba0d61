//! The check of documents: everything that is wrong at once, with codes and places.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use stepcast_graph::{Code, Graph, GraphError, Host, Severity, json_schema};

/// Codes and places of what is wrong.
fn errors(source: &Value) -> Vec<(Code, String)> {
    let report = Graph::check(source, &Host::new());
    assert!(report.issues.iter().all(|issue| !issue.message.is_empty() && !issue.hint.is_empty()), "{report}");
    report.errors().map(|issue| (issue.code, issue.pointer.clone())).collect()
}

fn warnings(source: &Value) -> Vec<(Code, String)> {
    Graph::check(source, &Host::new()).warnings().map(|issue| (issue.code, issue.pointer.clone())).collect()
}

fn value(id: &str) -> Value {
    json!({ "id": id, "type": "function", "template": 1 })
}

fn edge(from: &str, to: &str) -> Value {
    json!({ "source": from, "target": to })
}

#[test]
fn every_fault_has_a_code_and_a_place() {
    let table = [
        (json!(7), vec![(Code::Form, ""), (Code::Start, "")]),
        (json!({ "id": "g", "steps": 7 }), vec![(Code::Form, "/steps"), (Code::Start, "")]),
        (json!({ "id": "g", "steps": [] }), vec![(Code::Start, "")]),
        (json!({ "id": "g", "version": "two", "steps": [value("a")] }), vec![(Code::Form, "/version")]),
        (json!({ "id": "g", "steps": [{ "id": "a", "type": "zz" }, value("b")] }), vec![(Code::Form, "/steps/0/type")]),
        (
            json!({ "id": "g", "nodes": [{ "id": "a", "type": "function", "template": 1, "retry": { "max_attempts": "x" } }, value("b")] }),
            vec![(Code::Form, "/nodes/0/retry/max_attempts")],
        ),
        (
            json!({ "id": "g", "steps": [value("a"), value("a")], "route": "all" }),
            vec![(Code::DuplicateId, "/steps/1/id")],
        ),
        (json!({ "id": "g h", "steps": [value("a")] }), vec![(Code::BadId, "/id")]),
        (json!({ "id": "g", "steps": [value("a.b")] }), vec![(Code::BadId, "/steps/0/id")]),
        (json!({ "id": "g", "steps": [value("input")] }), vec![(Code::BadId, "/steps/0/id")]),
        (
            json!({ "id": "g", "steps": [value("a")], "edges": [edge("a", "bb"), edge("zz", "a")] }),
            vec![(Code::UnknownStep, "/edges/0/target"), (Code::UnknownStep, "/edges/1/source")],
        ),
        (json!({ "id": "g", "steps": [value("a"), value("b")] }), vec![(Code::Start, "")]),
        (
            json!({ "id": "g", "steps": [{ "id": "s", "type": "start" }, { "id": "t", "type": "start" }] }),
            vec![(Code::Start, "/steps/1/type")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "s", "type": "start" }, value("a")], "edges": [edge("s", "a"), edge("a", "s")] }),
            vec![(Code::BadEdge, "/edges/1")],
        ),
        (
            json!({ "id": "g", "steps": [value("a"), { "id": "e", "type": "end" }], "edges": [edge("a", "e"), edge("e", "a")] }),
            vec![(Code::BadEdge, "/edges/1")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "s", "type": "start" }, value("a"), value("b")], "edges": [edge("s", "a")] }),
            vec![(Code::Unreachable, "/steps/2/id")],
        ),
        (
            json!({ "id": "g", "steps": [value("a"), value("b")], "start": "a", "edges": [edge("a", "b"), edge("b", "a")] }),
            vec![(Code::CannotEnd, "/steps/0/id"), (Code::CannotEnd, "/steps/1/id")],
        ),
        (
            json!({ "id": "g", "steps": [value("a")], "start": "a", "edges": [edge("a", "a")] }),
            vec![(Code::CannotEnd, "/steps/0/id")],
        ),
        (
            json!({ "id": "g", "route": "all", "steps": [value("s"), value("a"), value("b")],
                 "edges": [edge("s", "a"), edge("a", "b"), edge("b", "a")] }),
            vec![(Code::Cycle, "/edges/1")],
        ),
        (
            json!({ "id": "g", "route": "all", "steps": [value("s"), value("a")], "edges": [edge("s", "a"), edge("a", "a")] }),
            vec![(Code::Cycle, "/edges/1")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "p", "type": "parallel" }, { "id": "c", "type": "log", "parent": "zz" }, value("d")],
                 "edges": [edge("p", "d")] }),
            vec![(Code::UnknownStep, "/steps/1/parent")],
        ),
        (
            json!({ "id": "g", "steps": [value("p"), { "id": "c", "type": "log", "parent": "p" }] }),
            vec![(Code::BadParallel, "/steps/1/parent")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "p", "type": "parallel", "join": 3 }, { "id": "c", "type": "log", "parent": "p" }] }),
            vec![(Code::BadParallel, "/steps/0/join")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "p", "type": "parallel" }, { "id": "c", "type": "log", "parent": "p" }, value("d")],
                 "edges": [edge("p", "d"), edge("c", "d")] }),
            vec![(Code::BadEdge, "/edges/1")],
        ),
        (
            json!({ "id": "g", "steps": [value("a"), { "id": "p", "type": "parallel", "parent": "q" }, { "id": "q", "type": "parallel", "parent": "p" }] }),
            vec![(Code::BadParallel, "/steps/1/parent")],
        ),
        (
            json!({ "id": "g", "steps": [value("a"), value("b")], "edges": [{ "source": "a", "target": "b", "when": "a ==" }] }),
            vec![(Code::BadCondition, "/edges/0/when"), (Code::Start, "")],
        ),
        (
            json!({ "id": "g", "steps": [value("a")], "edges": [{ "source": "a", "target": "end", "when": { "type": "all", "conditions": [{ "type": "zz" }] } },
                 { "source": "a", "target": "end" }] }),
            vec![(Code::BadCondition, "/edges/0/when/conditions/0/type")],
        ),
        (
            json!({ "id": "g", "steps": [value("a")], "edges": [{ "source": "a", "target": "end", "when": "b.output == 1" }, edge("a", "end")] }),
            vec![(Code::UnknownPath, "/edges/0/when")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "a", "type": "function", "template": { "x": ["{{ }}"] } }] }),
            vec![(Code::BadTemplate, "/steps/0/template/x/0")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "a", "type": "function", "template": "{{nobody.output}}" }] }),
            vec![(Code::UnknownPath, "/steps/0/template")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "a", "type": "function", "template": "x".repeat(1 << 20) }] }),
            vec![(Code::BadTemplate, "/steps/0/template")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "a", "type": "switch", "path": "a b" }] }),
            vec![(Code::BadPath, "/steps/0/path")],
        ),
        (json!({ "id": "g", "steps": [{ "id": "a", "type": "human" }] }), vec![(Code::MissingField, "/steps/0")]),
        (json!({ "id": "g", "steps": [{ "id": "a", "type": "function" }] }), vec![(Code::MissingField, "/steps/0")]),
        (
            json!({ "id": "g", "steps": [{ "id": "a", "type": "function", "delay": "soon" }] }),
            vec![(Code::BadValue, "/steps/0/delay")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "a", "type": "function", "template": 1, "retry": { "max_attempts": 0 } }] }),
            vec![(Code::BadValue, "/steps/0/retry")],
        ),
        (json!({ "id": "g", "steps": [{ "id": "a", "type": "join" }] }), vec![(Code::BadValue, "/steps/0/type")]),
        (
            json!({ "id": "g", "steps": [{ "id": "a", "type": "task", "task_id": "zz" }] }),
            vec![(Code::UnknownTask, "/steps/0/task_id"), (Code::MissingField, "/steps/0")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "a", "type": "agent", "agent": "zz" }] }),
            vec![(Code::UnknownReference, "/steps/0/agent")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "a", "type": "agent", "target": { "type": "capabilities", "value": ["zz"] } }] }),
            vec![(Code::UnknownReference, "/steps/0/target")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "a", "type": "step", "use": "zz" }] }),
            vec![(Code::UnknownReference, "/steps/0/use")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "a", "type": "subgraph", "graph": "zz" }] }),
            vec![(Code::UnknownReference, "/steps/0/graph")],
        ),
        (
            json!({ "id": "g", "steps": [{ "id": "a", "type": "subgraph", "graph": "g" }] }),
            vec![(Code::Recursion, "/steps/0/graph")],
        ),
    ];
    for (source, expected) in table {
        let expected: Vec<(Code, String)> = expected.into_iter().map(|(code, at)| (code, at.to_owned())).collect();
        let shown: String = source.to_string().chars().take(300).collect();
        assert_eq!(errors(&source), expected, "{shown}\n{}", Graph::check(&source, &Host::new()));
        assert!(matches!(Graph::new(&source, &Host::new()), Err(GraphError::Refused { .. })));
    }
}

#[test]
fn all_faults_are_found_at_once() {
    let source = json!({
        "id": "many",
        "steps": [
            { "id": "a", "type": "agent", "agent": "nobody", "prompt": "{{zz}}" },
            { "id": "b", "type": "function", "delay": "x" },
            { "id": "b", "type": "human" },
            { "type": "log" }
        ],
        "edges": [{ "source": "a", "target": "c" }, { "source": "a" }, { "source": "a", "target": "b", "when": 7 }]
    });
    let found = errors(&source);
    let places: Vec<&str> = found.iter().map(|(_, at)| at.as_str()).collect();
    for place in [
        "/steps/3",
        "/edges/1",
        "/steps/2/id",
        "/edges/0/target",
        "/edges/2/when",
        "/steps/0/prompt",
        "/steps/0/agent",
        "/steps/1/delay",
        "/steps/2",
    ] {
        assert!(places.contains(&place), "{place} is not among {places:?}");
    }
}

#[test]
fn hints_name_what_is_near() {
    let source = json!({ "id": "g", "steps": [value("triage")], "edges": [{ "source": "triag", "target": "end" }] });
    let report = Graph::check(&source, &Host::new());
    assert!(report.errors().any(|issue| issue.hint == "Did you mean `triage`?"), "{report}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["issues"][0]["code"], json!("unknown_step"));
    assert_eq!(json["issues"][0]["severity"], json!("error"));
    assert_eq!(json["issues"][0]["pointer"], json!("/edges/0/source"));
}

#[test]
fn what_is_strange_is_a_warning() {
    let source = json!({
        "id": "g", "zz": 1,
        "steps": [value("a"), value("b"), { "id": "p", "type": "parallel" }],
        "edges": [{ "source": "a", "target": "b", "when": "a" }, edge("b", "p"), edge("b", "end"), edge("p", "end")]
    });
    assert_eq!(errors(&source), []);
    let expected = [
        (Code::UnknownField, "/zz"),
        (Code::BadParallel, "/steps/2/id"),
        (Code::NoFallback, "/steps/0/id"),
        (Code::Shadowed, "/steps/1/id"),
    ];
    assert_eq!(warnings(&source), expected.map(|(code, at)| (code, at.to_owned())));
    let graph = Graph::new(&source, &Host::new()).unwrap();
    assert!(graph.report().issues.iter().all(|issue| issue.severity == Severity::Warning));
}

/// A chain of steps with conditions, templates and a loop back.
fn long(count: usize, route: &str) -> Value {
    let steps: Vec<Value> = (0..count)
        .map(|n| json!({ "id": format!("s{n}"), "type": "function", "template": { "n": n, "of": "{{input.x?}}" } }))
        .collect();
    let edges: Vec<Value> = (1..count)
        .map(|n| json!({ "source": format!("s{}", n - 1), "target": format!("s{n}"), "when": format!("s{}.n >= 0", n - 1) }))
        .collect();
    json!({ "id": "long", "route": route, "steps": steps, "edges": edges })
}

#[tokio::test]
async fn a_graph_of_ten_thousand_steps_runs() {
    for route in ["all", "first"] {
        let graph = Graph::new(&long(10_000, route), &Host::new()).unwrap();
        let stop = graph.run(json!({ "x": 1 })).await.unwrap();
        assert_eq!(stop.result().unwrap().as_object().unwrap().len(), 10_000);
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let steps: Vec<Value> = (0..1_200).map(|n| value(&format!("s{n}"))).chain([value("last")]).collect();
    let edges: Vec<Value> = (0..1_200).map(|n| edge(&format!("s{n}"), "last")).collect();
    let source = json!({ "id": "wide", "route": "all", "steps": steps, "edges": edges });
    assert_eq!(errors(&source), [(Code::TooLarge, "/steps/1200/id".to_owned())]);
    let apart = json!({ "id": "apart", "route": "all", "steps": source["steps"] });
    assert_eq!(errors(&apart), [(Code::TooLarge, String::new())]);
    let many: Vec<Value> = (0..100_001).map(|n| value(&format!("s{n}"))).collect();
    assert_eq!(errors(&json!({ "id": "many", "route": "all", "steps": many })), [(Code::TooLarge, String::new())]);
}

#[test]
fn a_document_stays_what_it_was() {
    let source = json!({
        "id": "approval-flow", "name": "Approval Flow", "retry_policy": null, "failure_policy": "continue_best_effort",
        "nodes": [
            { "id": "approval", "kind": "human_gate", "prompt": "Approve?", "output_key": "approval" },
            { "id": "chk", "kind": "decision", "condition": "approval.approved == true" },
            { "id": "x", "kind": "transform", "transform_id": "identity", "input_key": "input" }
        ],
        "edges": [
            { "from": "approval", "to": "chk", "transition": { "type": "on_success" } },
            { "from": "chk", "to": "x", "transition": { "type": "condition", "value": "chk.result" } }
        ]
    });
    let graph = Graph::new(&source, &Host::new()).unwrap();
    assert_eq!(graph.source(), &source);
    // In this crate's own words it says the same, and reading that changes nothing more.
    let own = serde_json::to_value(graph.document()).unwrap();
    assert_eq!(own["steps"][0]["type"], json!("human"));
    assert_eq!(own["route"], json!("all"));
    let again = Graph::new(&own, &Host::new()).unwrap();
    assert_eq!(again.document(), graph.document());
    assert_eq!(serde_json::to_value(again.document()).unwrap(), own);
    assert_eq!(again.source(), &own);
}

#[test]
fn the_schema_takes_what_the_check_takes() {
    let schema = json_schema();
    assert_eq!(schema["title"], json!("Document"));
    assert!(schema["properties"]["steps"].is_object() && schema["$defs"]["GraphStep"]["properties"]["use"].is_object());
    assert_eq!(schema["$defs"]["Edge"]["required"], json!(["source", "target"]));
}

#[test]
fn a_document_can_be_looked_at_without_a_host() {
    let source = json!({ "id": "g", "steps": [{ "id": "a", "type": "agent", "agent": "somebody" }] });
    assert!(Graph::check(&source, &Host::any()).is_ok());
    assert!(matches!(Graph::new(&source, &Host::any()), Err(GraphError::NoHost { .. })));
}
