//! Invariant 8 for runs that a store keeps: one that is idle holds no task and no thread, little memory while somebody
//! holds a handle of it, and next to none once nobody does. One test, because the allocator and the threads are those of
//! the whole process.

#![allow(clippy::expect_used)]

mod support;

use std::alloc::System;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use stepcast::backend::{Holder, RunFilter, RunStatus};
use stepcast::prelude::*;
use stepcast::{RunId, Runtime, SharedWorkflow, Workflow};
use support::stores::Store;
use support::within;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RUNS: usize = 500;

/// What an idle run may hold while somebody holds a handle of it: more than one in memory may, for it has its place in the
/// journal, its options and its entry in the runtime's list beside its data.
const MOST: usize = 1_792;

/// What one may hold once it has rested for long, while somebody holds a handle of it: its record, its place in the
/// journal and its entries in the tables of the runtime and the store.
const MOST_AWAY: usize = 1_024;

/// The tasks of a runtime on a store: one that cares for its runs, one that tells them of their batches.
const OWN_TASKS: usize = 2;

/// What one holds that has left memory: its deadline, if it has one, and a part of tables that had grown for it. Of a
/// hundred thousand it is less: see the benchmarks.
const MOST_ASLEEP: usize = 1_024;

fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Threads of this process, where that can be read.
fn threads() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find(|line| line.starts_with("Threads:")).map(str::to_owned)
}

fn alive() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[event(start)]
struct Begin {
    id: u64,
}

#[event]
struct Asked {
    id: u64,
}

#[event(human_response)]
struct Answer {
    id: u64,
}

#[event(stop)]
struct End {
    id: u64,
}

#[step]
async fn begin(ev: Begin) -> Asked {
    Asked { id: ev.id }
}

/// Futures of steps that were let go of.
static LET_GO: AtomicUsize = AtomicUsize::new(0);

/// Takes no room in a future.
struct Noticed;

impl Drop for Noticed {
    fn drop(&mut self) {
        LET_GO.fetch_add(1, Ordering::SeqCst);
    }
}

#[step(waits(Answer))]
async fn wait(ev: Asked, ctx: Context) -> Result<End> {
    let _noticed = Noticed;
    let answer = ctx.wait_for_event::<Answer>().await?;
    Ok(End { id: ev.id + answer.id })
}

flow!(Waiting: Begin => End { begin, wait });

#[step(waits(Answer))]
async fn wait_so_long(ev: Asked, ctx: Context) -> Result<End> {
    let _noticed = Noticed;
    let answer = ctx.wait_for_event::<Answer>().timeout(Duration::from_secs(3_600)).await;
    Ok(End { id: ev.id + answer.map_or(0, |answer| answer.id) })
}

flow!(WaitingSoLong: Begin => End { begin, wait_so_long });

/// Waits for what must come; where it does not, the test fails.
async fn until(mut what: impl AsyncFnMut() -> bool) {
    within(async {
        while !what().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// So many runs of a workflow wait in the store, as far as its holder says.
async fn waiting(runtime: &Runtime, workflow: &str, holder: Holder) -> usize {
    let statuses = vec![RunStatus::Waiting];
    let filter = RunFilter { workflow: Some(workflow.to_owned()), statuses, ..RunFilter::default() };
    let runs = runtime.list_runs(filter, None, 10 * RUNS).await.expect("they are read");
    runs.into_iter().filter(|run| run.holder == holder).count()
}

/// Bytes that each run holds at rest.
struct Measured {
    /// With a handle of it.
    held: usize,
    /// The same, after a long rest.
    away: usize,
    /// Without a handle, after a long rest.
    asleep: usize,
}

/// Bytes that each run holds at rest.
async fn measured<F>(flow: F, name: &str, tasks_of_each: usize) -> Measured
where
    F: SharedWorkflow + Copy,
    F::Flow: Workflow<Start = Begin, Stop = End>,
{
    let store = Store::sqlite();
    let runtime = Runtime::on(store.open());
    runtime.register(flow).expect("it is registered");
    let start = |id: usize| {
        let options = RunOptions::new().run_id(format!("{name}-{id:06}").as_str());
        runtime.run(flow, Begin { id: id as u64 }, options)
    };
    // What is made once per process, store or workflow is made before, and so is the room for the handles.
    let first = start(2 * RUNS);
    first.recorded().await.expect("it is recorded");
    runtime.cancel_run(first.run_id()).await.expect("it is asked to end");
    let _ = within(first.result()).await;
    let none = live();
    let mut runs: Vec<_> = (0..RUNS).map(start).collect();
    until(async || waiting(&runtime, name, Holder::Me).await == RUNS && alive() == OWN_TASKS + tasks_of_each * RUNS)
        .await;
    let before_threads = threads();
    let mut more = Vec::with_capacity(RUNS);
    let before = live();
    more.extend((RUNS..2 * RUNS).map(start));
    until(async || {
        waiting(&runtime, name, Holder::Me).await == 2 * RUNS && alive() == OWN_TASKS + tasks_of_each * 2 * RUNS
    })
    .await;
    let held = live().saturating_sub(before) / RUNS;

    // After a while they leave but for what their handles show.
    let let_go = LET_GO.load(Ordering::SeqCst);
    let runtime = runtime.with_idle(Duration::from_millis(1));
    until(async || LET_GO.load(Ordering::SeqCst) == let_go + 2 * RUNS && alive() == OWN_TASKS).await;
    let away = live().saturating_sub(none) / (2 * RUNS);
    assert_eq!(waiting(&runtime, name, Holder::Me).await, 2 * RUNS, "their leases stay");
    assert_eq!(threads(), before_threads, "{name}: runs do not hold threads");
    // One of them is called by its handle.
    let called: Run<End> = runs.pop().expect("there are some");
    called.send_event(Answer { id: 1 }).expect("it is sent");
    within(called.result()).await.expect("it ends");

    // Nobody holds them any more: they leave.
    let left = 2 * RUNS - 1;
    runs.append(&mut more);
    let (last, rest) = (runs.pop().expect("there are some"), runs);
    drop(rest);
    let id: RunId = last.run_id().clone();
    drop(last);
    until(async || waiting(&runtime, name, Holder::Nobody).await == left).await;
    until(async || alive() == OWN_TASKS).await;
    assert!(runtime.runs().is_empty());
    // The receipts of their last batches hold them a moment longer.
    until(async || live().saturating_sub(none) / left < MOST_ASLEEP).await;
    let asleep = live();
    assert_eq!(threads(), before_threads, "{name}: runs do not hold threads");
    // One of them goes on, so they are what they were.
    runtime.send_event(&id, Answer { id: 1 }).await.expect("it is sent");
    until(async || runtime.find_run(&id).await.expect("it is read").expect("it is there").status.is_end()).await;
    drop((runtime, store));
    Measured { held, away, asleep: asleep.saturating_sub(none) / left }
}

#[test]
fn an_idle_run_in_a_store_holds_no_task_and_little_memory() {
    // What asks the store has one thread, so that those of runs would show.
    let tokio = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build();
    tokio.expect("a runtime").block_on(all());
}

async fn all() {
    let Measured { held, away, asleep } = measured(Waiting, "Waiting", 0).await;
    eprintln!("a kept run that waits holds {held} bytes with a handle, {away} after a long rest, {asleep} without one");
    assert!(held < MOST, "{held} bytes per run");
    assert!(away < MOST_AWAY, "{away} bytes per run");
    assert!(asleep < MOST_ASLEEP, "{asleep} bytes per run");

    // A deadline is a timer, which may have a task until the run has rested for long.
    let Measured { held, away, asleep } = measured(WaitingSoLong, "WaitingSoLong", 1).await;
    eprintln!(
        "one that waits with a deadline holds {held} bytes with a handle, {away} after a long rest, {asleep} without one"
    );
    assert!(away < MOST_AWAY, "{away} bytes per run");
    assert!(asleep < MOST_ASLEEP, "{asleep} bytes per run");
}
