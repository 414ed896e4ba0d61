//! Random graphs: valid ones end or wait for a person, broken ones are refused with the place of the fault.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use stepcast_graph::{Graph, GraphError};
use support::host;

/// What a step does, by a number.
fn step(id: String, kind: u8) -> Value {
    match kind % 8 {
        0 => json!({ "id": id, "type": "function", "template": { "n": "{{input.n}}" } }),
        1 => json!({ "id": id, "type": "condition", "condition": "input.n > 3" }),
        2 => json!({ "id": id, "type": "log", "message": "at {{input.n}}" }),
        3 => json!({ "id": id, "type": "agent", "agent": "writer", "prompt": "{{input.n}}" }),
        4 => json!({ "id": id, "type": "agent", "agent": "broken", "on_failure": "continue" }),
        5 => json!({ "id": id, "type": "human", "prompt": "go on?" }),
        6 => json!({ "id": id, "type": "function", "action": "custom", "function": "double", "input": "{{input.n}}" }),
        _ => json!({ "id": id, "type": "switch", "path": "input.n" }),
    }
}

fn when(number: u8) -> Value {
    match number % 6 {
        0 => json!("always"),
        1 => json!("input.n > 2"),
        2 => json!({ "type": "field", "path": "input.n", "op": "lt", "value": 5 }),
        3 => json!("failure"),
        4 => json!("otherwise"),
        _ => json!("success"),
    }
}

/// A graph whose edges lead forward only, each step being led to by one before it.
fn forward() -> impl Strategy<Value = Value> {
    let step = (any::<u8>(), any::<prop::sample::Index>(), any::<u8>());
    let more = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>());
    let parts = (prop::collection::vec(step, 1..12), prop::collection::vec(more, 0..8), any::<bool>(), 0..5_usize);
    parts.prop_map(|(kinds, more, all, children)| {
        let mut steps = vec![json!({ "id": "begin", "type": "start" })];
        let mut edges = Vec::new();
        for (at, (kind, from, condition)) in kinds.iter().enumerate() {
            let before = if at == 0 { "begin".to_owned() } else { format!("s{}", from.index(at)) };
            steps.push(super_step(at, *kind));
            // The first way from each step is open, so that a graph that takes one edge can always go on.
            let condition = if all { when(*condition) } else { json!("always") };
            edges.push(json!({ "source": before, "target": format!("s{at}"), "when": condition }));
        }
        for (from, to, condition) in &more {
            let (from, to) = (from.index(kinds.len()), to.index(kinds.len()));
            if from < to {
                let source = format!("s{from}");
                let is_first = edges.iter().all(|edge| edge["source"] != source);
                let when = if is_first && !all { json!("always") } else { when(*condition) };
                edges.push(json!({ "source": source, "target": format!("s{to}"), "when": when }));
            }
        }
        // Some wait for the first of the steps before them, or for as many as there are.
        for (at, (kind, ..)) in kinds.iter().enumerate().filter(|(_, (kind, ..))| all && *kind >= 192) {
            let to = json!(format!("s{at}"));
            let before: BTreeSet<&str> =
                edges.iter().filter(|edge| edge["target"] == to).filter_map(|edge| edge["source"].as_str()).collect();
            steps[at + 1] = json!({ "id": to, "type": "join", "join": 1 + usize::from(*kind) % before.len() });
        }
        for child in 0..children {
            let mut child = step_of(child);
            child["parent"] = json!("s0");
            steps.push(child);
        }
        if children > 0 {
            steps[1] = json!({ "id": "s0", "type": "parallel", "join": 1 });
        }
        json!({ "id": "random", "route": if all { "all" } else { "first" }, "steps": steps, "edges": edges })
    })
}

fn super_step(at: usize, kind: u8) -> Value {
    step(format!("s{at}"), kind)
}

fn step_of(child: usize) -> Value {
    // A race is always won: one of them does not fail.
    step(format!("c{child}"), [0, 4, 5, 3, 6][child % 5])
}

/// How a run came to its end, or that it waits for a person.
async fn outcome(graph: &Graph, n: i64) -> Option<Result<Value, String>> {
    let run = graph.run(json!({ "n": n }));
    // Time is paused: it only passes when nothing goes on, and then a person is asked.
    let ended = tokio::time::timeout(Duration::from_secs(3_600), run.outcome()).await.ok()?;
    Some(ended.map(|stop| stop.value()).map_err(|error| error.to_string()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn valid_graphs_end_or_wait(source in forward(), n in 0..8_i64) {
        let graph = Graph::new(&source, &host()).unwrap_or_else(|error| panic!("{source}: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let asks = source["steps"].as_array().unwrap().iter().any(|step| step["type"] == "human");
        runtime.block_on(async {
            match outcome(&graph, n).await {
                None => assert!(asks, "{source} waits for nobody"),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{source}: {error}"),
            }
        });
    }

    #[test]
    fn broken_graphs_are_refused_with_the_place(source in forward(), fault in 0..7_usize, at in any::<prop::sample::Index>()) {
        let mut source = source;
        let count = source["steps"].as_array().unwrap().len();
        // Not the start.
        let step = 1 + at.index(count - 1);
        let mut places = vec![format!("/steps/{step}")];
        match fault {
            0 => source["steps"][step]["type"] = json!("zz"),
            1 => source["steps"][step]["id"] = json!("no name"),
            2 => source["steps"][step] = json!({ "id": source["steps"][step]["id"], "type": "function", "template": "{{zz.output}}" }),
            3 => source["steps"][step]["id"] = json!("begin"),
            4 => source["steps"][step]["retry"] = json!({ "max_attempts": 0 }),
            _ => {
                let edges = source["edges"].as_array_mut().unwrap();
                let edge = at.index(edges.len());
                places = vec![format!("/edges/{edge}")];
                match fault {
                    5 => edges[edge]["target"] = json!("zz"),
                    _ => edges[edge]["when"] = json!({ "type": "field", "path": "", "op": "eq", "value": 1 }),
                }
            }
        }
        let error = Graph::new(&source, &host()).unwrap_err();
        let GraphError::Refused { report, .. } = &error else { panic!("{error}") };
        let found = report.errors().any(|issue| places.iter().any(|place| issue.pointer.starts_with(place.as_str())));
        prop_assert!(found, "{source}: nothing at {places:?} in {report}");
    }

    #[test]
    fn any_json_is_checked_without_a_panic(text in "\\PC{0,200}", depth in 0..60_usize) {
        let mut value = json!({ "id": text, "steps": [{ "id": text, "type": "function", "template": text }], "edges": [{ "source": text, "target": text, "when": text }] });
        let _ = Graph::check(&value, &host());
        for _ in 0..depth {
            value = json!({ "steps": [value], "id": [1] });
        }
        prop_assert!(depth == 0 || !Graph::check(&value, &host()).is_ok());
        let _ = Graph::parse(&text, &host());
    }
}
