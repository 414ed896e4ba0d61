//! Invariant 8: an idle run holds no task, no thread, no timer entry beyond its own deadline, and under 1 KiB beyond its
//! data. One test, because the allocator and the threads are those of the whole process.

#![allow(clippy::expect_used)]

use std::alloc::System;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use stepcast::prelude::*;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RUNS: usize = 1_000;

/// What a run may hold beyond its data.
const MOST: usize = 1_024;

fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Threads of this process, where that can be read.
fn threads() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find(|line| line.starts_with("Threads:")).map(str::to_owned)
}

#[event(start)]
struct Begin {
    id: u64,
}

#[event]
struct Asked {
    id: u64,
}

#[event(input_required)]
struct Question {
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

#[step(waits(Answer))]
async fn wait(ev: Asked, ctx: Context) -> Result<End> {
    let answer = ctx.wait_for_event::<Answer>().await?;
    Ok(End { id: ev.id + answer.id })
}

flow!(Waiting: Begin => End { begin, wait });

#[step(waits(Answer))]
async fn wait_so_long(ev: Asked, ctx: Context) -> Result<End> {
    match ctx.wait_for_event::<Answer>().timeout(Duration::from_secs(3_600)).await {
        Ok(answer) => Ok(End { id: ev.id + answer.id }),
        Err(_) => Ok(End { id: 0 }),
    }
}

flow!(WaitingSoLong: Begin => End { begin, wait_so_long });

#[step]
async fn ask(ev: Begin) -> Question {
    Question { id: ev.id }
}

#[step]
async fn answered(ev: Answer) -> End {
    End { id: ev.id }
}

flow!(Asking: Begin => End { ask, answered });

/// The size of the future that waits in a step.
fn size_of_wait<W: IntoFuture>(_: impl Fn(&Context) -> W) -> usize {
    size_of::<W::IntoFuture>()
}

fn alive() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Lets everything happen that can happen before the clock goes on by a second.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Starts so many runs and lets them come to rest. Gives them, and the bytes each holds.
async fn at_rest<F>(start: impl Fn(u64) -> Run<F>) -> (Vec<Run<F>>, usize) {
    // What is made once per process or per workflow is made before, and so is the room for the handles.
    for id in 0..3 {
        drop(start(id));
    }
    settle().await;
    let mut runs = Vec::with_capacity(RUNS);
    let before = live();
    runs.extend((0..RUNS as u64).map(start));
    settle().await;
    let bytes = (live() - before) / RUNS;
    (runs, bytes)
}

async fn finish<F: Event>(runs: Vec<Run<F>>, wanted: impl Fn(u64, &F) -> bool) {
    for (id, run) in (0..).zip(runs) {
        run.send_event(Answer { id: 1 }).expect("it is waited for");
        let end = tokio::time::timeout(Duration::from_secs(60), run).await.expect("it hangs").expect("it completes");
        assert!(wanted(id, &end), "run {id} ended with {end:?}");
    }
    settle().await;
    assert_eq!(alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_idle_runs_hold_no_task_and_little_memory() {
    let before = threads();
    let asleep = alive();
    let (runs, bytes) = at_rest(|id| Waiting.run(Begin { id })).await;
    // Of the parked future no more is counted than what it surely holds: the future of its wait, and its event, of which
    // the execution keeps one too.
    let data = size_of_wait(|ctx| ctx.wait_for_event::<Answer>()) + 2 * size_of::<Asked>();
    eprintln!("a run that waits for an event holds {bytes} bytes, at least {data} of them data");
    assert_eq!(alive(), asleep, "waiting runs hold tasks");
    assert!(bytes - data < MOST, "{bytes} bytes per run");
    assert_eq!(threads(), before);
    finish(runs, |id, end| end.id == id + 1).await;

    let (runs, bytes) = at_rest(|id| Asking.run(Begin { id })).await;
    eprintln!("a run that asks a person holds {bytes} bytes, its question included");
    assert_eq!(alive(), asleep, "asking runs hold tasks");
    assert!(bytes < MOST, "{bytes} bytes per run");
    finish(runs, |_, end| end.id == 1).await;

    // A deadline is a timer, which may have a task; it goes with the deadline.
    let (runs, bytes) = at_rest(|id| WaitingSoLong.run(Begin { id })).await;
    eprintln!("a run that waits with a deadline holds {bytes} bytes and {} task(s)", alive() / RUNS);
    assert!(alive() <= RUNS + 3, "{} tasks for {RUNS} runs", alive());
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    settle().await;
    assert_eq!(alive(), 0);
    for run in runs {
        assert_eq!(run.await.expect("it completes").id, 0);
    }
    assert_eq!(threads(), before);
}
