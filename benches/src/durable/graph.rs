//! A document whose runs are kept in a file: a loop of one step, which keeps its output and tells of it on the run's stream.
//! Both of that goes into the file with the step's row, which a compiled step does only if it wants to.

use std::time::{Duration, Instant};

use serde_json::json;
use stepcast::Runtime;
use stepcast::prelude::*;
use stepcast_graph::{Graph, Host, RegisterGraph};
use stepcast_sqlite::SqliteBackend;

use super::{Folder, RUNS};
use crate::measure::{Suite, per_op};
use crate::work::windowed;

const STEPS: u64 = 100;

pub fn register(suite: &mut Suite) {
    let (rt, rows) = (suite.rt, suite.sizes().durable_rows);
    let mut kept = None;
    suite.value("durable-64", "graph@100", "ns/row", rows, move || {
        let (tokio, runtime, graph, _) = kept.get_or_insert_with(|| {
            let folder = Folder::new();
            let tokio = rt.build();
            let runtime = Runtime::on(SqliteBackend::open(folder.file()).expect("a store"));
            let graph = graph();
            tokio.block_on(async { runtime.register_graph(&graph) }).expect("a graph");
            (tokio, runtime, graph, folder)
        });
        let (runtime, id) = (runtime.clone(), graph.id().to_owned());
        let body = async move { turned(&runtime, &id, rows / STEPS).await };
        per_op(tokio.block_on(async { tokio::spawn(body).await }).expect("no panic"), rows)
    });
}

#[event]
pub struct Turn {
    left: u64,
    text: String,
}

#[step]
async fn count_down(turn: Turn) -> Turn {
    Turn { left: turn.left.saturating_sub(1), ..turn }
}

fn graph() -> Graph {
    let input = json!({ "left": "{{input.left}}", "text": "{{input.text}}" });
    let document = json!({
        "id": "turns",
        "steps": [
            { "id": "begin", "type": "function", "template": input, "output_key": "turn" },
            { "id": "turn", "type": "step", "use": "count_down", "input": "{{turn}}", "output_key": "turn" },
        ],
        "edges": [
            { "source": "begin", "target": "turn" },
            { "source": "turn", "target": "turn", "when": "turn.left > 0" },
            { "source": "turn", "target": "end", "when": "otherwise" },
        ],
    });
    // By its type: nothing is looked up among what is linked.
    Graph::new(&document, &Host::new().step::<count_down>()).expect("a graph")
}

async fn turned(runtime: &Runtime, graph: &str, runs: u64) -> Duration {
    let input = json!({ "left": STEPS, "text": "x".repeat(100) });
    let start = Instant::now();
    let ended = windowed(runs, RUNS, |_| {
        let run = runtime.start(graph, input.clone(), RunOptions::new()).expect("it starts");
        async move { u64::from(run.outcome().await.is_ok()) }
    });
    assert_eq!(ended.await, runs, "runs that completed");
    start.elapsed()
}
