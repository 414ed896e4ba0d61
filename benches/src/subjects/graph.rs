//! Graphs beside compiled steps: a loop that counts down, once in Rust and otherwise as a document, whose steps keep their
//! output, tell of it on the stream and decide which edge is taken.

use crate::measure::Suite;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use stepcast::prelude::*;
use stepcast_graph::{Graph, Host};

const SHAPE: &str = "graph";
/// Steps of the document that is checked.
const STEPS: u64 = 1_000;
/// So many steps that count nothing follow in each turn, where it is they that are measured.
const OTHERS: u64 = 9;

pub fn register(suite: &mut Suite) {
    let hops = suite.sizes().hops;
    suite.task(SHAPE, "compiled", hops, move || compiled(hops));
    suite.task(SHAPE, "step", hops, move || turned(graph("{{turn}}".into(), None), hops));
    let parts = || json!({ "left": "{{turn.left}}" });
    suite.task(SHAPE, "step-of-parts", hops, move || turned(graph(parts(), None), hops));
    for (name, other) in [
        ("switch", json!({ "type": "switch", "path": "turn.left" })),
        ("condition", json!({ "type": "condition", "condition": "turn.left > 3" })),
        ("function", json!({ "type": "function", "template": { "left": "{{turn.left}}" } })),
    ] {
        suite.task(SHAPE, name, hops, move || turned(graph("{{turn}}".into(), Some(&other)), hops / (OTHERS + 1)));
    }
}

/// A document whose steps have templates and whose edges have conditions, read and checked.
pub fn register_check(suite: &mut Suite) {
    let template = |n: u64| json!({ "n": n, "of": "{{input.x?}}", "text": "step {{input.y?}} of {{input.z?}}" });
    let step = |n: u64| json!({ "id": format!("s{n}"), "type": "function", "template": template(n) });
    let edge = |n: u64| {
        let before = n - 1;
        json!({ "source": format!("s{before}"), "target": format!("s{n}"), "when": format!("s{before}.n >= 0") })
    };
    let steps: Vec<Value> = (0..STEPS).map(step).collect();
    let edges: Vec<Value> = (1..STEPS).map(edge).collect();
    let document = json!({ "id": "long", "route": "all", "steps": steps, "edges": edges });
    suite.value("graph-check", "check", "ms", STEPS, move || {
        let start = Instant::now();
        assert!(Graph::check(&document, &Host::any()).is_ok());
        start.elapsed().as_secs_f64() * 1000.0
    });
}

#[event(start)]
pub struct Begin {
    left: u64,
}

#[event]
pub struct Turn {
    left: u64,
}

#[event(stop)]
pub struct Done;

#[step]
async fn begin(begin: Begin) -> Turn {
    Turn { left: begin.left }
}

#[step]
async fn turn(turn: Turn) -> Either<Turn, Done> {
    match turn.left {
        0 => Either::Right(Done),
        left => Either::Left(Turn { left: left - 1 }),
    }
}

flow!(pub Loop: Begin => Done { begin, turn });

/// What the graphs call.
#[step]
async fn count_down(turn: Turn) -> Turn {
    Turn { left: turn.left.saturating_sub(1) }
}

async fn compiled(left: u64) -> Duration {
    let start = Instant::now();
    let Done = Loop.run(Begin { left }).await.expect("a result");
    start.elapsed()
}

/// A graph whose step takes this input, and which goes on with others if they are given.
fn graph(input: Value, other: Option<&Value>) -> Graph {
    let mut steps = vec![
        json!({ "id": "begin", "type": "function", "template": { "left": "{{input.left}}" }, "output_key": "turn" }),
        json!({ "id": "turn", "type": "step", "use": "count_down", "input": input, "output_key": "turn" }),
    ];
    let mut edges = vec![json!({ "source": "begin", "target": "turn" })];
    let mut last = "turn".to_owned();
    for (n, other) in (0..OTHERS).zip(other.into_iter().cycle()) {
        let id = format!("other{n}");
        let mut step = other.clone();
        step["id"] = json!(id);
        steps.push(step);
        edges.push(json!({ "source": last, "target": id }));
        last = id;
    }
    edges.push(json!({ "source": last, "target": "turn", "when": "turn.left > 0" }));
    edges.push(json!({ "source": last, "target": "end", "when": "otherwise" }));
    let document = json!({ "id": "turns", "steps": steps, "edges": edges });
    // By its type: other subjects have events of the same names, so nothing is looked up among what is linked.
    Graph::new(&document, &Host::new().step::<count_down>()).expect("a graph")
}

async fn turned(graph: Graph, left: u64) -> Duration {
    let start = Instant::now();
    let done = graph.run(json!({ "left": left })).await.expect("a result");
    let taken = start.elapsed();
    assert_eq!(done.result().expect("all outputs")["turn"], json!({ "left": 0 }));
    taken
}
