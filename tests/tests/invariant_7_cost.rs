//! Invariant 7: the cost per event does not grow with the number of events in the run. Counted in allocations and bytes,
//! which are the same on every machine.

#![allow(clippy::expect_used)]

use std::alloc::System;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use stepcast::prelude::*;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that are allocated now.
fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// How often memory was asked for.
fn requests() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// Runs a workflow to its end on this thread. Gives how often memory was asked for.
fn count<F: std::future::Future<Output = ()>>(run: impl FnOnce() -> F) -> usize {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    tokio.block_on(async {
        let before = requests();
        tokio::time::timeout(std::time::Duration::from_secs(300), run()).await.expect("it hangs");
        requests() - before
    })
}

/// Requests per event at so many events and at a hundred times as many.
fn per_event(events: usize, run: impl AsyncFn(usize)) -> (f64, f64) {
    // What is made once per process or per workflow is made before.
    count(|| run(10));
    let few = count(|| run(events));
    let many = count(|| run(events * 100));
    (few as f64 / events as f64, many as f64 / (events * 100) as f64)
}

fn assert_flat(what: &str, (few, many): (f64, f64)) {
    eprintln!("{what}: {few:.3} requests per event, {many:.3} at a hundred times as many events");
    assert!(few > 0.0 && many <= few * 1.02, "{what}: {few} requests per event become {many}");
}

#[event(start)]
struct Begin {
    n: usize,
}

#[event]
struct Hop {
    left: usize,
}

#[event]
struct Piece {
    n: usize,
}

#[event]
struct Other {
    n: usize,
}

#[event(external)]
struct Poke {
    n: usize,
}

#[event(stop)]
struct End {
    n: usize,
}

#[step]
async fn first(ev: Begin) -> Hop {
    Hop { left: ev.n }
}

/// Notes the live bytes after a thousand hops and before the last one.
#[step]
async fn hop(ev: Hop) -> Either<Hop, End> {
    match ev.left {
        0 => {
            AT_THE_END.store(live(), SeqCst);
            Either::Right(End { n: 0 })
        }
        left => {
            if left == MARK.load(SeqCst) {
                AT_THE_MARK.store(live(), SeqCst);
            }
            Either::Left(Hop { left: left - 1 })
        }
    }
}

static MARK: AtomicUsize = AtomicUsize::new(0);
static AT_THE_MARK: AtomicUsize = AtomicUsize::new(0);
static AT_THE_END: AtomicUsize = AtomicUsize::new(0);

flow!(Chain: Begin => End { first, hop });

#[step]
async fn split(ev: Begin) -> Vec<Hop> {
    (0..ev.n).map(|left| Hop { left }).collect()
}

#[step]
async fn work(ev: Hop) -> Piece {
    Piece { n: ev.left }
}

#[step]
async fn gather(all: Vec<Piece>) -> End {
    assert!(all.iter().enumerate().all(|(at, piece)| piece.n == at));
    End { n: all.len() }
}

flow!(Fan: Begin => End { split, work, gather });

#[step(workers = 3)]
async fn limited(ev: Hop) -> Piece {
    tokio::task::yield_now().await;
    Piece { n: ev.left }
}

flow!(LimitedFan: Begin => End { split, limited, gather });

#[step]
async fn both(ev: Hop) -> (Piece, Other) {
    (Piece { n: ev.left }, Other { n: ev.left })
}

#[step]
async fn pair(a: Piece, b: Other) -> Option<Hop> {
    assert_eq!(a.n, b.n);
    None
}

#[step]
async fn count_hops(all: Vec<Hop>) -> End {
    End { n: all.len() }
}

flow!(Pairs: Begin => End { split, both, pair, count_hops });

#[step(waits(Poke))]
async fn wait(ev: Hop, ctx: Context) -> Result<Piece> {
    WAITING.fetch_add(1, SeqCst);
    let poke = ctx.wait_for_event::<Poke>().await?;
    Ok(Piece { n: ev.left + poke.n - poke.n })
}

/// Executions that have come to their wait: what is sent before is kept, and too much of it is dropped.
static WAITING: AtomicUsize = AtomicUsize::new(0);

flow!(Waits: Begin => End { split, wait, gather });

#[step(waits(Poke))]
async fn wait_for_its_own(ev: Hop, ctx: Context) -> Result<Piece> {
    WAITING.fetch_add(1, SeqCst);
    let poke = ctx.wait_for_event::<Poke>().where_field("n", ev.left).await?;
    Ok(Piece { n: poke.n })
}

flow!(FilteredWaits: Begin => End { split, wait_for_its_own, gather });

fn a_hop_costs_the_same_after_a_hundred_thousand() {
    assert_flat("chain", per_event(1_000, async |n| assert_eq!(Chain.run(Begin { n }).await.expect("it ends").n, 0)));
}

fn a_member_costs_the_same_among_a_hundred_thousand() {
    assert_flat("fan-out", per_event(1_000, async |n| assert_eq!(Fan.run(Begin { n }).await.expect("it ends").n, n)));
    let limited = per_event(1_000, async |n| assert_eq!(LimitedFan.run(Begin { n }).await.expect("it ends").n, n));
    assert_flat("fan-out with three workers", limited);
    assert_flat("joins", per_event(1_000, async |n| assert_eq!(Pairs.run(Begin { n }).await.expect("it ends").n, n)));
}

/// Sends every execution of a run its event, the newest first. The run comes to rest after each.
async fn poke_all(n: usize, run: stepcast::Run<End>) {
    while WAITING.load(SeqCst) < n {
        tokio::task::yield_now().await;
    }
    for poke in (0..n).rev() {
        run.send_event_wait(Poke { n: poke }).await.expect("it is taken");
        tokio::task::yield_now().await;
    }
    assert_eq!(run.await.expect("it ends").n, n);
    WAITING.store(0, SeqCst);
}

fn a_wait_costs_the_same_among_ten_thousand() {
    assert_flat("waits", per_event(100, async |n| poke_all(n, Waits.run(Begin { n })).await));
    assert_flat("waits for a field", per_event(100, async |n| poke_all(n, FilteredWaits.run(Begin { n })).await));
}

fn a_loop_of_a_million_events_runs_in_flat_memory() {
    let hops = 1_000_000;
    MARK.store(hops - 1_000, SeqCst);
    count(async || assert_eq!(Chain.run(Begin { n: hops }).await.expect("it ends").n, 0));
    let (early, late) = (AT_THE_MARK.load(SeqCst), AT_THE_END.load(SeqCst));
    eprintln!("live bytes after 1,000 hops: {early}, after 1,000,000: {late}");
    assert!(early > 0 && late <= early + 4_096, "{early} live bytes become {late}");
}

/// One test, because every thread of the process is counted: another test's beginning or end would be too.
#[test]
fn neither_cost_nor_memory_grows() {
    a_hop_costs_the_same_after_a_hundred_thousand();
    a_member_costs_the_same_among_a_hundred_thousand();
    a_wait_costs_the_same_among_ten_thousand();
    a_loop_of_a_million_events_runs_in_flat_memory();
}
