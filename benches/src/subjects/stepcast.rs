//! stepcast as a user writes it: free steps gathered into workflows, started with `run`, awaited by their handle.

use crate::floors::store::{KEYS, keys};
use crate::measure::{Rt, Suite};
use crate::work::{chain_result, fan_result, mix, stream_result, windowed};
use std::time::{Duration, Instant};
use stepcast::prelude::*;

const NAME: &str = "stepcast";
// As much as the readers of the floors take at once.
const BATCH: usize = 256;

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    let (hops, suspends) = (sizes.hops, sizes.suspends);
    suite.task("A", NAME, hops, move || chain(hops));
    suite.task("A-suspend", NAME, suspends, move || slow_chain(suspends));
    let n = sizes.items;
    suite.task("B-4", NAME, n, move || fan::four(n));
    suite.task("B-4-suspend", NAME, n, move || fan::four_slow(n));
    suite.task("B-all", NAME, n, move || fan::unlimited(n, 1));
    let (small, large) = (sizes.flat_small, sizes.flat_large);
    suite.task("B-flat", "stepcast@1k", large, move || fan::unlimited(small, large / small));
    suite.task("B-flat", "stepcast@100k", large, move || fan::unlimited(large, 1));
    let (runs, width) = (sizes.runs, sizes.in_flight);
    suite.task("C", NAME, runs, move || short_runs(runs, width));
    suite.task("E", NAME, sizes.stream, move || stream(sizes.stream));
    suite.task("F-typed", NAME, sizes.sets, move || store::typed(sizes.sets));
    for (count, name) in KEYS {
        suite.task("F-dynamic", format!("{NAME}@{name}"), sizes.sets, move || store::dynamic(sizes.sets, count as u64));
    }
    if suite.rt == Rt::Ct {
        suite.bytes(NAME, sizes.paused, |n| async move { (0..n).map(|n| Paused.run(PauseBegin { n })).collect() });
    }
    crate::cold::register(suite, NAME, "--child-stepcast");
}

// A: to and fro between two steps.

#[event(start)]
pub struct ChainBegin {
    hops: u64,
}

#[event]
pub struct Ping {
    left: u64,
    x: u64,
}

#[event]
pub struct Pong {
    left: u64,
    x: u64,
}

#[event(stop)]
pub struct ChainDone {
    x: u64,
}

#[step]
async fn begin(event: ChainBegin) -> Ping {
    Ping { left: event.hops, x: 1 }
}

#[step]
async fn ping(event: Ping) -> Either<Pong, ChainDone> {
    let Ping { left, x } = event;
    match left {
        0 => Either::Right(ChainDone { x }),
        left => Either::Left(Pong { left: left - 1, x: mix(x) }),
    }
}

#[step]
async fn pong(event: Pong) -> Either<Ping, ChainDone> {
    let Pong { left, x } = event;
    match left {
        0 => Either::Right(ChainDone { x }),
        left => Either::Left(Ping { left: left - 1, x: mix(x) }),
    }
}

flow!(pub Chain: ChainBegin => ChainDone { begin, ping, pong });

#[step]
async fn slow_ping(event: Ping) -> Either<Pong, ChainDone> {
    tokio::task::yield_now().await;
    ping(event).await
}

#[step]
async fn slow_pong(event: Pong) -> Either<Ping, ChainDone> {
    tokio::task::yield_now().await;
    pong(event).await
}

flow!(pub SlowChain: ChainBegin => ChainDone { begin, slow_ping, slow_pong });

async fn chain(hops: u64) -> Duration {
    let start = Instant::now();
    let done = Chain.run(ChainBegin { hops }).await.expect("a result");
    let taken = start.elapsed();
    assert_eq!(done.x, chain_result(hops));
    taken
}

async fn slow_chain(hops: u64) -> Duration {
    let start = Instant::now();
    let done = SlowChain.run(ChainBegin { hops }).await.expect("a result");
    let taken = start.elapsed();
    assert_eq!(done.x, chain_result(hops));
    taken
}

/// B: split, work, join.
mod fan {
    use super::*;

    #[event(start)]
    pub struct FanBegin {
        items: u64,
    }

    #[event]
    pub struct FanItem {
        n: u64,
    }

    #[event]
    pub struct FanPiece {
        x: u64,
    }

    #[event(stop)]
    pub struct FanDone {
        x: u64,
    }

    #[step]
    async fn split(event: FanBegin) -> Vec<FanItem> {
        (0..event.items).map(|n| FanItem { n }).collect()
    }

    #[step]
    async fn work(event: FanItem) -> FanPiece {
        FanPiece { x: mix(event.n) }
    }

    #[step(workers = 4)]
    async fn work_4(event: FanItem) -> FanPiece {
        work(event).await
    }

    #[step(workers = 4)]
    async fn slow_work_4(event: FanItem) -> FanPiece {
        tokio::task::yield_now().await;
        work(event).await
    }

    #[step]
    async fn join(all: Vec<FanPiece>) -> FanDone {
        let x = all.iter().fold(0_u64, |sum, piece| sum.wrapping_add(piece.x));
        FanDone { x }
    }

    flow!(pub Fan: FanBegin => FanDone { split, work, join });
    flow!(pub Fan4: FanBegin => FanDone { split, work_4, join });
    flow!(pub SlowFan4: FanBegin => FanDone { split, slow_work_4, join });

    async fn timed<F, E>(items: u64, times: u64, run: impl Fn(FanBegin) -> F) -> Duration
    where
        F: IntoFuture<Output = Result<FanDone, E>>,
        E: std::fmt::Debug,
    {
        let expected = fan_result(items);
        let start = Instant::now();
        for _ in 0..times {
            let done = run(FanBegin { items }).await.expect("a result");
            assert_eq!(done.x, expected);
        }
        start.elapsed()
    }

    pub async fn unlimited(items: u64, times: u64) -> Duration {
        timed(items, times, |begin| Fan.run(begin)).await
    }

    pub async fn four(items: u64) -> Duration {
        timed(items, 1, |begin| Fan4.run(begin)).await
    }

    pub async fn four_slow(items: u64) -> Duration {
        timed(items, 1, |begin| SlowFan4.run(begin)).await
    }
}

// C and G: one step from start to stop.

#[event(start)]
pub struct OnceBegin {
    n: u64,
}

#[event(stop)]
pub struct OnceDone {
    x: u64,
}

#[step]
async fn once(event: OnceBegin) -> OnceDone {
    OnceDone { x: mix(event.n) }
}

flow!(pub Once: OnceBegin => OnceDone { once });

async fn short_runs(runs: u64, width: usize) -> Duration {
    let start = Instant::now();
    let sum = windowed(runs, width, |n| {
        let run = Once.run(OnceBegin { n });
        async move { run.await.expect("a result").x }
    });
    let sum = sum.await;
    let taken = start.elapsed();
    assert_eq!(sum, fan_result(runs));
    taken
}

/// What the child of shape G does.
pub async fn first_result() -> u64 {
    let done = Once.run(OnceBegin { n: 0 }).await.expect("a result");
    u64::from(done.x == mix(0))
}

// D: a run that waits for an event from outside.

#[event(start)]
pub struct PauseBegin {
    n: u64,
}

#[event(external)]
pub struct Go {
    x: u64,
}

#[event(stop)]
pub struct PauseDone {
    x: u64,
}

#[step(waits(Go))]
async fn pause(event: PauseBegin, ctx: Context) -> Result<PauseDone> {
    let go = ctx.wait_for_event::<Go>().await?;
    Ok(PauseDone { x: go.x + event.n })
}

flow!(pub Paused: PauseBegin => PauseDone { pause });

// E: one step writes, one reader reads.

#[event(start)]
pub struct StreamBegin {
    events: u64,
}

#[event]
pub struct Tick {
    n: u64,
}

#[event(stop)]
pub struct StreamDone {
    events: u64,
}

#[step(streams(Tick))]
async fn produce(event: StreamBegin, ctx: Context) -> StreamDone {
    for n in 0..event.events {
        // The turn for others that a bounded channel takes by itself.
        tokio::task::consume_budget().await;
        ctx.write_event_to_stream(Tick { n });
    }
    StreamDone { events: event.events }
}

flow!(pub Stream: StreamBegin => StreamDone { produce });

async fn stream(events: u64) -> Duration {
    loop {
        let start = Instant::now();
        let run = Stream.run(StreamBegin { events });
        let mut stream = run.stream_events();
        let (mut sum, mut lagged) = (0, false);
        let mut batch = Vec::with_capacity(BATCH);
        while stream.recv_many(&mut batch, BATCH).await > 0 {
            for item in batch.drain(..) {
                match item {
                    StreamItem::Event(item) => sum += item.event.get::<Tick>().map_or(0, |tick| tick.n),
                    _ => lagged = true,
                }
            }
        }
        let taken = start.elapsed();
        // A reader that another process kept from running for 65,536 events did not do the same work: again.
        if !lagged {
            assert_eq!(sum, stream_result(events));
            return taken;
        }
    }
}

/// F: timed inside the step, so that the run around it does not count.
mod store {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(State, Default, Clone, Serialize, Deserialize)]
    pub struct Counter {
        n: u64,
    }

    #[event(start)]
    pub struct StoreBegin {
        times: u64,
        keys: u64,
    }

    #[event(stop)]
    pub struct StoreDone {
        nanos: u64,
        last: u64,
    }

    #[step]
    async fn edits(event: StoreBegin, counter: State<Counter>) -> Result<StoreDone> {
        let start = Instant::now();
        for _ in 0..event.times {
            counter.edit(|counter| counter.n += 1).await?;
        }
        let nanos = start.elapsed().as_nanos() as u64;
        let last = counter.edit(|counter| counter.n).await?;
        Ok(StoreDone { nanos, last })
    }

    #[step]
    async fn sets(event: StoreBegin, ctx: Context) -> Result<StoreDone> {
        let keys = keys(event.keys as usize);
        let store = ctx.store();
        for key in &keys {
            store.set(key.as_str(), 0_u64).await?;
        }
        let start = Instant::now();
        for n in 0..event.times {
            store.set(keys[n as usize % keys.len()].as_str(), n).await?;
        }
        let nanos = start.elapsed().as_nanos() as u64;
        Ok(StoreDone { nanos, last: event.times })
    }

    flow!(pub Edits: StoreBegin => StoreDone { edits });
    flow!(pub Sets: StoreBegin => StoreDone { sets });

    pub async fn typed(times: u64) -> Duration {
        let done = Edits.run(StoreBegin { times, keys: 0 }).await.expect("a result");
        assert_eq!(done.last, times);
        Duration::from_nanos(done.nanos)
    }

    pub async fn dynamic(times: u64, keys: u64) -> Duration {
        let done = Sets.run(StoreBegin { times, keys }).await.expect("a result");
        assert_eq!(done.last, times);
        Duration::from_nanos(done.nanos)
    }
}
