//! Blazen: typed events, `#[step]` functions, one loop per run; with its lean settings, no lifecycle events and no
//! timeout.
//!
//! No E: its stream is a broadcast of 256 that drops what a slow reader has not taken, without an error.

use crate::floors::store::{KEYS, keys};
use crate::measure::{Rt, Suite};
use crate::work::{chain_result, fan_result, mix, windowed};
use blazen_core::{Context, StepOutput, Workflow, WorkflowBuilder, WorkflowError};
use blazen_events::{InputRequestEvent, StopEvent};
use blazen_macros::{Event, step};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};

const NAME: &str = "blazen";
// A run is so dear that a tenth of them fills the same time.
const FEWER: u64 = 10;

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    suite.task("A", NAME, sizes.hops, move || chain(sizes.hops));
    let items = sizes.items;
    suite.task("B-4", NAME, items, move || fan_out(items, lean("fan").step(work_4_registration())));
    suite.task("B-all", NAME, items, move || fan_out(items, lean("fan").step(work_registration())));
    let (runs, width) = (sizes.runs / FEWER, sizes.in_flight);
    suite.task("C", NAME, runs, move || short_runs(runs, width));
    for (count, name) in KEYS {
        let sets = sizes.sets;
        suite.task("F-dynamic", format!("{NAME}@{name}"), sets, move || store(sets, count as u64));
    }
    if suite.rt == Rt::Ct {
        suite.bytes(NAME, sizes.paused / FEWER, paused);
    }
}

fn lean(name: &str) -> WorkflowBuilder {
    WorkflowBuilder::new(name).auto_publish_events(false).no_timeout()
}

fn stop(x: u64) -> StopEvent {
    StopEvent { result: x.into() }
}

async fn result<E>(workflow: &Workflow, event: E) -> u64
where
    E: blazen_events::Event + Serialize,
{
    let run = workflow.run_with_event(event).await.expect("a run");
    let ended = run.result().await.expect("a result");
    let stop = ended.event.downcast_ref::<StopEvent>();
    stop.and_then(|stop| stop.result.as_u64()).expect("a number")
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Ping {
    left: u64,
    x: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Pong {
    left: u64,
    x: u64,
}

#[step(emits = [Pong, StopEvent])]
async fn ping(event: Ping, _ctx: Context) -> Result<StepOutput, WorkflowError> {
    let Ping { left, x } = event;
    Ok(StepOutput::Single(match left {
        0 => Box::new(stop(x)),
        left => Box::new(Pong { left: left - 1, x: mix(x) }),
    }))
}

#[step(emits = [Ping, StopEvent])]
async fn pong(event: Pong, _ctx: Context) -> Result<StepOutput, WorkflowError> {
    let Pong { left, x } = event;
    Ok(StepOutput::Single(match left {
        0 => Box::new(stop(x)),
        left => Box::new(Ping { left: left - 1, x: mix(x) }),
    }))
}

async fn chain(hops: u64) -> Duration {
    let workflow = lean("chain").step(ping_registration()).step(pong_registration()).build().expect("a workflow");
    let start = Instant::now();
    let x = result(&workflow, Ping { left: hops, x: 1 }).await;
    let taken = start.elapsed();
    assert_eq!(x, chain_result(hops));
    taken
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Begin {
    items: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Item {
    n: u64,
    of: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Piece {
    x: u64,
    of: u64,
}

#[step(emits = [Item])]
async fn split(event: Begin, _ctx: Context) -> Result<StepOutput, WorkflowError> {
    let of = event.items;
    let item = |n| Box::new(Item { n, of }) as _;
    Ok(StepOutput::Multiple((0..of).map(item).collect()))
}

#[step]
async fn work(event: Item, _ctx: Context) -> Result<Piece, WorkflowError> {
    Ok(Piece { x: mix(event.n), of: event.of })
}

#[step(max_concurrency = 4)]
async fn work_4(event: Item, ctx: Context) -> Result<Piece, WorkflowError> {
    work(event, ctx).await
}

#[step(emits = [StopEvent])]
async fn join(event: Piece, ctx: Context) -> Result<StepOutput, WorkflowError> {
    let Some(all) = ctx.collect_events::<Piece>(event.of as usize).await else {
        return Ok(StepOutput::None);
    };
    let x = all.iter().fold(0_u64, |sum, piece| sum.wrapping_add(piece.x));
    Ok(StepOutput::Single(Box::new(stop(x))))
}

async fn fan_out(items: u64, workflow: WorkflowBuilder) -> Duration {
    let workflow = workflow.step(split_registration()).step(join_registration());
    let workflow = workflow.build().expect("a workflow");
    let start = Instant::now();
    let x = result(&workflow, Begin { items }).await;
    let taken = start.elapsed();
    assert_eq!(x, fan_result(items));
    taken
}

#[step]
async fn once(event: Item, _ctx: Context) -> Result<StopEvent, WorkflowError> {
    Ok(stop(mix(event.n)))
}

async fn short_runs(runs: u64, width: usize) -> Duration {
    let workflow = lean("once").step(once_registration()).build();
    let workflow = Arc::new(workflow.expect("a workflow"));
    let start = Instant::now();
    let sum = windowed(runs, width, |n| {
        // Starting is async here; the task around it is half a percent of a run.
        let workflow = workflow.clone();
        let run = tokio::spawn(async move { result(&workflow, Item { n, of: 1 }).await });
        async { run.await.expect("no panic") }
    });
    let sum = sum.await;
    let taken = start.elapsed();
    assert_eq!(sum, fan_result(runs));
    taken
}

#[step]
async fn ask(event: Item, _ctx: Context) -> Result<InputRequestEvent, WorkflowError> {
    Ok(InputRequestEvent { request_id: event.n.to_string(), prompt: String::new(), metadata: serde_json::Value::Null })
}

async fn paused(runs: u64) -> Vec<blazen_core::WorkflowHandler> {
    let workflow = lean("ask").step(ask_registration()).build().expect("a workflow");
    let mut held = Vec::with_capacity(runs as usize);
    for n in 0..runs {
        held.push(workflow.run_with_event(Item { n, of: 1 }).await.expect("a run"));
    }
    held
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Sets {
    times: u64,
    keys: u64,
}

/// Gives the nanoseconds that the sets took.
#[step]
async fn set(event: Sets, ctx: Context) -> Result<StopEvent, WorkflowError> {
    let keys = keys(event.keys as usize);
    for key in &keys {
        ctx.set(key, 0).await;
    }
    let start = Instant::now();
    for n in 0..event.times {
        ctx.set(&keys[n as usize % keys.len()], n).await;
    }
    Ok(stop(start.elapsed().as_nanos() as u64))
}

async fn store(times: u64, keys: u64) -> Duration {
    let workflow = lean("store").step(set_registration()).build().expect("a workflow");
    Duration::from_nanos(result(&workflow, Sets { times, keys }).await)
}
