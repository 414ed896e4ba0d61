//! graph-flow: tasks that hand on to one another through a context of JSON values; a run is a session in a store.
//!
//! No B-4, for its fan-out task has no bound on what runs at once, and no E, for a session has no stream.

use crate::floors::store::{KEYS, keys};
use crate::measure::{Rt, Suite};
use crate::work::{chain_result, fan_result, mix, windowed};
use async_trait::async_trait;
use graph_flow::fanout::FanOutTask;
use graph_flow::{
    Context, ExecutionStatus, FlowRunner, Graph, GraphBuilder, InMemorySessionStorage, NextAction, Result, Session,
    SessionStorage, Task, TaskResult,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

const NAME: &str = "graph-flow";

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    suite.task("A", NAME, sizes.hops, move || chain(sizes.hops));
    suite.task("B-all", NAME, sizes.items, move || fan_out(sizes.items));
    let (runs, width) = (sizes.runs, sizes.in_flight);
    suite.task("C", NAME, runs, move || short_runs(runs, width));
    for (count, name) in KEYS {
        let sets = sizes.sets;
        suite.task("F-dynamic", format!("{NAME}@{name}"), sets, move || store(sets, count));
    }
    if suite.rt == Rt::Ct {
        suite.bytes(NAME, sizes.paused, paused);
    }
}

/// Ends here; the result is in the context.
fn end() -> Result<TaskResult> {
    Ok(TaskResult::new(None, NextAction::End))
}

struct Hop(&'static str);

#[async_trait]
impl Task for Hop {
    fn id(&self) -> &str {
        self.0
    }

    async fn run(&self, context: Context) -> Result<TaskResult> {
        let left: u64 = context.get("left").unwrap_or(0);
        if left == 0 {
            return end();
        }
        let x: u64 = context.get("x").unwrap_or(0);
        context.set("left", left - 1)?;
        context.set("x", mix(x))?;
        Ok(TaskResult::new(None, NextAction::ContinueAndExecute))
    }
}

async fn chain(hops: u64) -> Duration {
    let graph = GraphBuilder::new("chain")
        .add_task(Arc::new(Hop("ping")))
        .add_task(Arc::new(Hop("pong")))
        .add_edge("ping", "pong")
        .add_edge("pong", "ping");
    let graph = graph.build().expect("a sound graph");
    let mut session = Session::new_from_task("one".to_owned(), "ping");
    session.context.set("left", hops).expect("JSON");
    session.context.set("x", 1_u64).expect("JSON");
    let start = Instant::now();
    let ended = graph.execute_session(&mut session).await.expect("a run");
    let taken = start.elapsed();
    assert!(matches!(ended.status, ExecutionStatus::Completed));
    assert_eq!(session.context.get("x"), Some(chain_result(hops)));
    taken
}

struct Item {
    id: String,
    n: u64,
}

#[async_trait]
impl Task for Item {
    fn id(&self) -> &str {
        &self.id
    }

    async fn run(&self, context: Context) -> Result<TaskResult> {
        context.set(self.id.as_str(), mix(self.n))?;
        end()
    }
}

/// A fan-out has one task per item; here the items come from the step before, so it is made while the graph runs.
struct Split;

#[async_trait]
impl Task for Split {
    fn id(&self) -> &str {
        "split"
    }

    async fn run(&self, context: Context) -> Result<TaskResult> {
        let items: u64 = context.get("items").unwrap_or(0);
        let item = |n| Arc::new(Item { id: format!("k{n}"), n }) as Arc<dyn Task>;
        let fan = FanOutTask::new("fan", (0..items).map(item).collect());
        fan.with_next_action(NextAction::ContinueAndExecute).run(context).await
    }
}

struct Join;

#[async_trait]
impl Task for Join {
    fn id(&self) -> &str {
        "join"
    }

    async fn run(&self, context: Context) -> Result<TaskResult> {
        let items: u64 = context.get("items").unwrap_or(0);
        let pieces = (0..items).filter_map(|n| context.get::<u64>(&format!("k{n}")));
        context.set("sum", pieces.fold(0_u64, u64::wrapping_add))?;
        end()
    }
}

async fn fan_out(items: u64) -> Duration {
    let graph = GraphBuilder::new("fan").add_task(Arc::new(Split)).add_task(Arc::new(Join));
    let graph = graph.add_edge("split", "join").build().expect("a sound graph");
    let mut session = Session::new_from_task("one".to_owned(), "split");
    session.context.set("items", items).expect("JSON");
    let start = Instant::now();
    graph.execute_session(&mut session).await.expect("a run");
    let taken = start.elapsed();
    assert_eq!(session.context.get("sum"), Some(fan_result(items)));
    taken
}

struct Once;

#[async_trait]
impl Task for Once {
    fn id(&self) -> &str {
        "once"
    }

    async fn run(&self, context: Context) -> Result<TaskResult> {
        let n: u64 = context.get("n").unwrap_or(0);
        context.set("x", mix(n))?;
        end()
    }
}

fn graph_of(task: impl Task + 'static) -> Arc<Graph> {
    let graph = GraphBuilder::new("one").add_task(Arc::new(task)).build();
    Arc::new(graph.expect("a sound graph"))
}

async fn short_runs(runs: u64, width: usize) -> Duration {
    let storage = Arc::new(InMemorySessionStorage::new());
    let runner = FlowRunner::new(graph_of(Once), storage.clone());
    let start = Instant::now();
    let sum = windowed(runs, width, |n| {
        let (runner, storage) = (runner.clone(), storage.clone());
        let run = tokio::spawn(async move {
            let id = format!("run-{n}");
            let session = Session::new_from_task(id.clone(), "once");
            session.context.set("n", n)?;
            storage.save(session).await?;
            runner.run(&id).await?;
            let ended = storage.get(&id).await?;
            storage.delete(&id).await?;
            Ok::<_, graph_flow::GraphError>(ended.and_then(|run| run.context.get::<u64>("x")))
        });
        async move {
            let ended = run.await.expect("no panic").expect("a run");
            ended.expect("a result")
        }
    });
    assert_eq!(sum.await, fan_result(runs));
    start.elapsed()
}

struct Ask;

#[async_trait]
impl Task for Ask {
    fn id(&self) -> &str {
        "ask"
    }

    async fn run(&self, _: Context) -> Result<TaskResult> {
        Ok(TaskResult::new(None, NextAction::WaitForInput))
    }
}

/// Sessions that wait for input, at rest in the store, which each of what is held keeps alive.
async fn paused(runs: u64) -> Vec<Arc<InMemorySessionStorage>> {
    let storage = Arc::new(InMemorySessionStorage::new());
    let runner = FlowRunner::new(graph_of(Ask), storage.clone());
    for n in 0..runs {
        let id = format!("run-{n}");
        let session = Session::new_from_task(id.clone(), "ask");
        session.context.set("n", n).expect("JSON");
        storage.save(session).await.expect("a new session");
        runner.run(&id).await.expect("a run");
    }
    vec![storage; runs as usize]
}

async fn store(sets: u64, count: usize) -> Duration {
    let context = Context::new();
    let keys = keys(count);
    for key in &keys {
        context.set(key.as_str(), 0).expect("JSON");
    }
    let start = Instant::now();
    for n in 0..sets {
        let key = &keys[n as usize % keys.len()];
        context.set(key.as_str(), n).expect("JSON");
    }
    start.elapsed()
}
