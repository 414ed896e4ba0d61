#![allow(clippy::unwrap_used)]

mod hostile;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;
use crate::*;

macro_rules! events {
    ($($name:ident, $tag:literal, $role:ident;)*) => {$(
        #[derive(Clone, Debug, Serialize, Deserialize)]
        struct $name {}
        impl Event for $name {
            const META: EventMeta = EventMeta::new::<$name>(EventIdent {
                tag: $tag,
                type_name: stringify!($name),
                qualified_name: concat!("tests::", stringify!($name)),
                location: concat!(stringify!($name), ":1"),
                role: Role::$role,
                fields: &["text"],
                secret: &[],
            });
        }
    )*};
}

events! {
    Topic, "Topic", Start;
    Draft, "Draft", Plain;
    Mark, "Mark", Plain;
    Extra, "Extra", Plain;
    Ask, "Ask", InputRequired;
    Reply, "Reply", HumanResponse;
    Poke, "Poke", External;
    Pulse, "Pulse", Plain;
    Done, "Done", Stop;
}

struct Db;

fn invoke(_: StepCall<'_>) -> Invocation {
    Invocation::Refused(ExtractError::OutsideRun { what: "body" })
}

const fn step(name: &'static str, params: &'static [ParamSpec], out: OutSpec) -> StepSpec {
    StepSpec::new(name, params, out, invoke)
}

const fn one<E: Event>() -> EventSet {
    EventSet::One(&E::META)
}

const fn takes<E: Event>() -> ParamSpec {
    ParamSpec::Event(one::<E>())
}

const SENDS_MARK: ParamSpec =
    ParamSpec::Injected(Injected { kind: "context", sends: EventSet::One(&<Mark as Event>::META), needs: None });
const DB: ParamSpec =
    ParamSpec::Injected(Injected { kind: "resource", sends: EventSet::None, needs: Some(Need::of::<Db>()) });
const CELL: ParamSpec =
    ParamSpec::Injected(Injected { kind: "state", sends: EventSet::None, needs: Some(Need::of::<Topic>()) });

const WRITE: StepSpec = StepSpec {
    doc: "Writes drafts.",
    streams: one::<Pulse>(),
    ..step("write", &[takes::<Topic>(), DB, CELL], <(Vec<Draft>, Option<Ask>) as IntoEvents>::OUT)
};
const REVIEW: StepSpec = StepSpec {
    emits: one::<Extra>(),
    ..step("review", &[DB, takes::<Draft>(), SENDS_MARK], <Result<Option<Mark>, StepError> as IntoEvents>::OUT)
};
const GATHER: StepSpec = StepSpec {
    waits: one::<Poke>(),
    ..step("gather", &[ParamSpec::Collect(one::<Mark>())], <Vec<Option<Draft>> as IntoEvents>::OUT)
};
const FIRST: StepSpec = step("first", &[ParamSpec::Take(one::<Mark>(), 3)], OutSpec::None);
const JOIN: StepSpec = step("join", &[takes::<Reply>(), takes::<Extra>()], <Either<Done, Draft> as IntoEvents>::OUT);

fn graph() -> WorkflowGraph {
    WorkflowGraph::of(&WorkflowSpec {
        name: "drafts",
        start: &Topic::META,
        stop: &Done::META,
        steps: &[WRITE, REVIEW, GATHER, FIRST, JOIN],
        on_failure: OnFailure::Fail,
        policy: RunPolicy::new,
        doc: "Writes and reviews.",
    })
}

fn overlay() -> GraphOverlay {
    let mut overlay = GraphOverlay::default();
    let did =
        |runs, failures, running, waiting, total_micros| StepOverlay { runs, failures, running, waiting, total_micros };
    overlay.steps.insert("write".to_owned(), did(1, 0, 0, 0, 999));
    overlay.steps.insert("review".to_owned(), did(12, 2, 1, 3, 61_239_999));
    overlay.steps.insert("first".to_owned(), StepOverlay::default());
    overlay.steps.insert("no such step".to_owned(), did(1, 1, 1, 1, 1));
    for (tag, count) in [("Topic", 1), ("Draft", 15), ("Ask", 1), ("Mark", 0), ("no such event", 7)] {
        overlay.events.insert(tag.to_owned(), count);
    }
    overlay
}

#[test]
fn every_use_of_an_event_is_an_edge() {
    let edges: Vec<String> = graph()
        .edges
        .iter()
        .map(|edge| format!("{} -{}> {}", edge.source, edge.label.as_deref().unwrap_or_default(), edge.target))
        .collect();
    let db = format!("resource_{}", std::any::type_name::<Db>());
    assert_eq!(
        edges,
        [
            "Topic -> write",
            "write -batch> Draft",
            "write -optional> Ask",
            &format!("{db} -> write"),
            "write -streams> Pulse",
            "Draft -> review",
            "review -optional> Mark",
            &format!("{db} -> review"),
            "review -sends> Mark",
            "review -sends> Extra",
            "Mark -collect> gather",
            "Poke -waits> gather",
            "gather -optional batch> Draft",
            "Mark -take 3> first",
            "Reply -join> join",
            "Extra -join> join",
            "join -> Done",
            "join -> Draft",
            "Ask -> external_step",
            "external_step -> Poke",
            "external_step -> Reply",
        ]
    );
}

#[test]
fn the_json_is_that_of_llamaindex() {
    let json = serde_json::to_value(graph()).unwrap();
    assert_eq!(json["name"], "drafts");
    assert_eq!(json["description"], "Writes and reviews.");
    assert_eq!(
        json["nodes"][0],
        json!({
            "id": "Topic", "label": "Topic", "node_type": "event", "event_type": "Topic",
            "event_types": ["Topic", "StartEvent"], "produced_by": [],
            "event_schema": { "title": "Topic", "type": "object", "properties": { "text": { "title": "text" } } },
        })
    );
    assert_eq!(
        json["nodes"][1],
        json!({ "id": "write", "label": "write", "node_type": "step", "description": "Writes drafts." })
    );
    let nodes = json["nodes"].as_array().unwrap();
    let draft = nodes.iter().find(|node| node["id"] == "Draft").unwrap();
    assert_eq!(draft["event_types"], json!(["Draft"]));
    assert_eq!(draft["produced_by"], json!(["write", "gather", "join"]));
    let resources: Vec<_> = nodes.iter().filter(|node| node["node_type"] == "resource").collect();
    assert_eq!(resources.len(), 1, "a state cell is none");
    assert_eq!(
        (&resources[0]["label"], &resources[0]["type_name"]),
        (&json!("Db"), &json!(std::any::type_name::<Db>()))
    );
    assert_eq!(
        nodes.last().unwrap(),
        &json!({ "id": "external_step", "label": "external_step", "node_type": "external" })
    );
    assert_eq!(json["edges"][0], json!({ "source": "Topic", "target": "write", "label": null }));
    assert_eq!(serde_json::from_value::<WorkflowGraph>(json).unwrap(), graph());
}

#[test]
fn a_step_keeps_its_name_where_an_event_has_the_same() {
    const SAME: StepSpec = step("Done", &[takes::<Topic>()], OutSpec::One(&<Done as Event>::META));
    const TWICE: StepSpec = step("event:Done", &[takes::<Topic>()], OutSpec::None);
    let graph = WorkflowGraph::of(&WorkflowSpec {
        name: "same",
        start: &Topic::META,
        stop: &Done::META,
        steps: &[SAME, TWICE, SAME],
        on_failure: OnFailure::Fail,
        policy: RunPolicy::new,
        doc: "",
    });
    let ids: Vec<&str> = graph.nodes.iter().map(|node| node.id.as_str()).collect();
    assert_eq!(ids, ["Topic", "Done", "event:Done:2", "event:Done", "step:Done"]);
    assert!(graph.edges.contains(&GraphEdge { source: "Done".into(), target: "event:Done:2".into(), label: None }));
    let text = graph.to_mermaid();
    assert!(text.contains("step_Done[\"Done\"]") && text.contains("event_Done_2([\"Done\"])"), "{text}");
}

#[test]
fn golden_mermaid() {
    assert_eq!(graph().to_mermaid(), include_str!("tests/drafts.mmd"));
    assert_eq!(graph().to_mermaid_with(&overlay()), include_str!("tests/drafts-run.mmd"));
}

#[test]
fn golden_dot() {
    assert_eq!(graph().to_dot(), include_str!("tests/drafts.dot"));
    assert_eq!(graph().to_dot_with(&overlay()), include_str!("tests/drafts-run.dot"));
}

#[test]
fn an_overlay_of_nothing_greys_everything() {
    let text = graph().to_mermaid_with(&GraphOverlay::default());
    assert_eq!(text.matches(":::").count(), text.matches(":::unvisitedStyle").count());
    assert!(!text.contains("==>") && !text.contains("visitedStyle stroke"));
}

#[test]
fn an_overlay_reads_back_and_may_leave_fields_out() {
    let text = serde_json::to_string(&overlay()).unwrap();
    assert_eq!(serde_json::from_str::<GraphOverlay>(&text).unwrap(), overlay());
    let short: GraphOverlay = serde_json::from_str(r#"{ "steps": { "a": { "runs": 2 } } }"#).unwrap();
    assert_eq!(short.steps["a"], StepOverlay { runs: 2, ..StepOverlay::default() });
}

#[test]
fn an_edge_to_nowhere_is_left_out() {
    let mut graph = graph();
    let before = (graph.to_mermaid(), graph.to_dot());
    graph.edges.push(GraphEdge { source: "write".into(), target: "gone".into(), label: None });
    assert_eq!((graph.to_mermaid(), graph.to_dot()), before);
}

#[test]
fn golden_text() {
    assert_eq!(graph().to_text(TextStyle { width: 200, plain: false }), include_str!("tests/drafts.txt"));
    assert_eq!(
        graph().to_text_with(&overlay(), TextStyle { width: 200, plain: false }),
        include_str!("tests/drafts-run.txt")
    );
    assert_eq!(graph().to_text(TextStyle { width: 40, plain: true }), include_str!("tests/drafts-list.txt"));
}

#[cfg(feature = "svg")]
#[test]
fn golden_svg() {
    assert_eq!(graph().to_svg_with(&overlay()), include_str!("tests/drafts-run.svg"));
}
