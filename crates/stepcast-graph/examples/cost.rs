//! What a step of a graph costs beside a compiled one, and what a check costs: `cargo run --release -p stepcast-graph --example cost`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepcast::prelude::*;
use stepcast_graph::{Graph, Host};

const TURNS: u32 = 100_000;

#[event(start)]
struct Begin {
    left: u32,
}

#[event]
struct Turn {
    left: u32,
}

#[event(stop)]
struct Done;

#[derive(Events)]
enum Next {
    Turn(Turn),
    Done(Done),
}

#[derive(Default)]
struct Compiled;

#[workflow(Begin => Done)]
impl Compiled {
    #[step]
    async fn begin(&self, begin: Begin) -> Turn {
        Turn { left: begin.left }
    }

    #[step]
    async fn turn(&self, turn: Turn) -> Next {
        match turn.left {
            0 => Next::Done(Done),
            left => Next::Turn(Turn { left: left - 1 }),
        }
    }
}

/// What a step of a graph does beside, by hand.
#[derive(Default)]
struct ByHand;

#[event]
struct Told {
    left: u32,
}

#[workflow(Begin => Done)]
impl ByHand {
    #[step]
    async fn begin(&self, begin: Begin) -> Turn {
        Turn { left: begin.left }
    }

    #[step]
    async fn turn(&self, turn: Turn, ctx: Context) -> Result<Next> {
        let left = turn.left;
        ctx.store().set("turn.output", json!({ "left": left })).await?;
        ctx.write_event_to_stream(Told { left });
        Ok(match left {
            0 => Next::Done(Done),
            left => Next::Turn(Turn { left: left - 1 }),
        })
    }
}

#[step]
async fn count_down(turn: Turn) -> Turn {
    Turn { left: turn.left.saturating_sub(1) }
}

/// Goes round until `turn.left` is 0: through a step that counts down, and so many others.
fn round(input: Value, others: usize) -> Graph {
    let mut steps = vec![
        json!({ "id": "begin", "type": "function", "template": { "left": "{{input.left}}" }, "output_key": "turn" }),
        json!({ "id": "turn", "type": "step", "use": "count_down", "input": input, "output_key": "turn" }),
    ];
    steps.extend((0..others).map(|n| json!({ "id": format!("s{n}"), "type": "switch", "path": "turn.left" })));
    let id = |n: usize| if n == 0 { "turn".to_owned() } else { format!("s{}", n - 1) };
    let mut edges = vec![json!({ "source": "begin", "target": "turn" })];
    edges.extend((0..others).map(|n| json!({ "source": id(n), "target": id(n + 1) })));
    edges.push(json!({ "source": id(others), "target": "turn", "when": "turn.left > 0" }));
    edges.push(json!({ "source": id(others), "target": "end", "when": "otherwise" }));
    Graph::new(&json!({ "id": "turns", "steps": steps, "edges": edges }), &Host::new()).unwrap()
}

fn best(mut measure: impl FnMut() -> Duration) -> f64 {
    (0..5).map(|_| measure()).min().unwrap_or_default().as_nanos() as f64 / f64::from(TURNS)
}

fn main() {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let timed = |run: &dyn Fn()| {
        let began = Instant::now();
        run();
        began.elapsed()
    };
    let compiled = best(|| {
        timed(&|| {
            let _done = tokio.block_on(async { Compiled.run(Begin { left: TURNS }).await.unwrap() });
        })
    });
    println!("a compiled step: {compiled:.0} ns");
    let per_turn = |graph: Graph| {
        best(|| timed(&|| drop(tokio.block_on(async { graph.run(json!({ "left": TURNS })).await.unwrap() }))))
    };
    let tell = |what: &str, cost: f64| println!("{what}: {cost:.0} ns, {:.1} times", cost / compiled);
    let by_hand = best(|| {
        timed(&|| {
            let _done = tokio.block_on(async { ByHand.run(Begin { left: TURNS }).await.unwrap() });
        })
    });
    tell("a compiled step that keeps an output and tells of it, by hand", by_hand);
    let used = per_turn(round(json!("{{turn}}"), 0));
    tell("a `step` of a graph, with input, output, condition and stream", used);
    tell("the same, with an input of parts", per_turn(round(json!({ "left": "{{turn.left}}" }), 0)));
    tell("a `switch`, with output and stream", (per_turn(round(json!("{{turn}}"), 4)) - used) / 4.0);
    let chain = long(TURNS as usize / 10);
    let cost = best(|| timed(&|| drop(tokio.block_on(async { chain.run(json!({})).await.unwrap() })))) * 10.0;
    tell("one of 10,000 `switch` steps in a row, with its part of the run's result", cost);
    let source = document(1_000);
    let check = best(|| timed(&|| assert!(Graph::check(&source, &Host::new()).is_ok()))) * f64::from(TURNS) / 1e6;
    println!("a check of 1,000 steps: {check:.2} ms");
    let made = best(|| timed(&|| drop(Graph::new(&source, &Host::new()).unwrap()))) * f64::from(TURNS) / 1e6;
    println!("a graph of 1,000 steps, ready to run: {made:.2} ms");
}

fn document(count: usize) -> Value {
    let steps: Vec<Value> =
        (0..count).map(|n| json!({ "id": format!("s{n}"), "type": "switch", "path": "input.x" })).collect();
    let edge = |n: usize| json!({ "source": format!("s{}", n - 1), "target": format!("s{n}") });
    json!({ "id": "long", "steps": steps, "edges": (1..count).map(edge).collect::<Vec<_>>() })
}

fn long(count: usize) -> Graph {
    Graph::new(&document(count), &Host::new()).unwrap()
}
