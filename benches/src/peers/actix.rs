//! actix: actors on one thread. It has no multi-threaded scheduler, so all its rows are `ct`.
//!
//! A step of the chain, a run, and each item of an unlimited fan-out, is an actor of its own.
//! No F: an actor's state is its own struct; a keyed store would be the floor's map behind a mailbox.

use crate::measure::{Rt, Suite, live_bytes, per_op};
use crate::work::{chain_result, fan_result, mix, stream_result, windowed};
use actix::prelude::*;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

const NAME: &str = "actix";

pub fn register(suite: &mut Suite) {
    if suite.rt != Rt::Ct {
        return;
    }
    let sizes = suite.sizes();
    task(suite, "A", NAME, sizes.hops, move || chain(sizes.hops, 2));
    // One actor that sends to itself: no other task is woken, but nothing goes from step to step either.
    task(suite, "A", "actix_self", sizes.hops, move || chain(sizes.hops, 1));
    task(suite, "A", "actix_async", sizes.hops, move || async_chain(sizes.hops));
    task(suite, "B-4", NAME, sizes.items, move || fan_out(sizes.items, Some(4)));
    task(suite, "B-all", NAME, sizes.items, move || fan_out(sizes.items, None));
    // Not an actor per item, but futures that one actor's handler returns.
    let items = sizes.items;
    task(suite, "B-all", "actix_async", items, move || async_fan_out(items));
    let (runs, width) = (sizes.runs, sizes.in_flight);
    task(suite, "C", NAME, runs, move || short_runs(runs, width));
    task(suite, "E", NAME, sizes.stream, move || stream(sizes.stream));
    let paused = sizes.paused;
    suite.value("D", NAME, "B/run", paused, move || {
        let idle = |n| async move { (0..n).map(|_| Run.start()).collect::<Vec<_>>() };
        System::new().block_on(live_bytes(paused, &idle))
    });
}

/// As `Suite::task`, on a system of actix's own.
fn task<F>(suite: &mut Suite, shape: &'static str, subject: &'static str, ops: u64, body: impl Fn() -> F + 'static)
where
    F: Future<Output = Duration> + 'static,
{
    let mut system = None;
    suite.value(shape, subject, "ns/op", ops, move || {
        let system: &mut SystemRunner = system.get_or_insert_with(System::new);
        let taken = system.block_on(async { actix::spawn(body()).await });
        per_op(taken.expect("a subject does not panic"), ops)
    });
}

#[derive(Message)]
#[rtype(result = "()")]
struct Hop {
    left: u64,
    x: u64,
}

/// A step: hands the event on to the other, or to itself where there is no other.
struct Step {
    other: Option<Addr<Step>>,
    done: Option<oneshot::Sender<u64>>,
}

impl Actor for Step {
    type Context = Context<Self>;
}

impl Handler<Hop> for Step {
    type Result = ();

    fn handle(&mut self, event: Hop, ctx: &mut Context<Self>) {
        if event.left > 0 {
            let next = Hop { left: event.left - 1, x: mix(event.x) };
            match &self.other {
                Some(other) => other.do_send(next),
                None => ctx.address().do_send(next),
            }
        } else if let Some(done) = self.done.take() {
            let _ = done.send(event.x);
            // Two that hold each other never end by themselves.
            self.other = None;
        }
    }
}

async fn chain(hops: u64, steps: u64) -> Duration {
    let (done, result) = oneshot::channel();
    let done = Some(done);
    // The count is even, so the chain ends where it began.
    let step = Step::create(|ctx| {
        let back = Some(ctx.address());
        let other = (steps == 2).then(|| Step { other: back, done: None }.start());
        Step { other, done }
    });
    timed_chain(hops, step.recipient(), result).await
}

async fn timed_chain(hops: u64, step: Recipient<Hop>, result: oneshot::Receiver<u64>) -> Duration {
    let start = Instant::now();
    step.do_send(Hop { left: hops, x: 1 });
    assert_eq!(result.await.expect("a result"), chain_result(hops));
    start.elapsed()
}

/// A step whose handler is async, as every step of a workflow is.
struct AsyncStep {
    other: Option<Addr<AsyncStep>>,
    done: Option<oneshot::Sender<u64>>,
}

impl Actor for AsyncStep {
    type Context = Context<Self>;
}

impl Handler<Hop> for AsyncStep {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, event: Hop, _: &mut Context<Self>) -> Self::Result {
        match (&self.other, self.done.take()) {
            (Some(other), done) if event.left > 0 => {
                self.done = done;
                let other = other.clone();
                Box::pin(async move {
                    other.do_send(Hop { left: event.left - 1, x: mix(event.x) });
                })
            }
            (_, done) => {
                self.other = None;
                Box::pin(async move {
                    let _ = done.map(|done| done.send(event.x));
                })
            }
        }
    }
}

async fn async_chain(hops: u64) -> Duration {
    let (done, result) = oneshot::channel();
    let step = AsyncStep::create(|ctx| {
        let other = AsyncStep { other: Some(ctx.address()), done: None };
        AsyncStep { other: Some(other.start()), done: Some(done) }
    });
    timed_chain(hops, step.recipient(), result).await
}

#[derive(Message)]
#[rtype(result = "()")]
struct Item {
    n: u64,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Piece {
    x: u64,
}

struct Worker {
    collector: Addr<Collector>,
}

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Handler<Item> for Worker {
    type Result = ();

    fn handle(&mut self, event: Item, _: &mut Context<Self>) {
        self.collector.do_send(Piece { x: mix(event.n) });
    }
}

/// Adds up what it is sent and reports once it has all.
struct Collector {
    left: u64,
    sum: u64,
    done: Option<oneshot::Sender<u64>>,
}

impl Actor for Collector {
    type Context = Context<Self>;
}

impl Handler<Piece> for Collector {
    type Result = ();

    fn handle(&mut self, event: Piece, _: &mut Context<Self>) {
        self.sum = self.sum.wrapping_add(event.x);
        self.left -= 1;
        if self.left == 0
            && let Some(done) = self.done.take()
        {
            let _ = done.send(self.sum);
        }
    }
}

fn collector(left: u64) -> (Addr<Collector>, oneshot::Receiver<u64>) {
    let (done, result) = oneshot::channel();
    let done = Some(done);
    (Collector { left, sum: 0, done }.start(), result)
}

async fn fan_out(items: u64, workers: Option<u64>) -> Duration {
    let (collector, result) = collector(items);
    let spawn = |_| {
        let collector = collector.clone();
        Worker { collector }.start()
    };
    let pool: Vec<_> = (0..workers.unwrap_or(0)).map(spawn).collect();
    let start = Instant::now();
    for n in 0..items {
        let worker = match workers {
            Some(workers) => &pool[(n % workers) as usize],
            // Its address is dropped at the end of this turn, and with the last address the actor ends.
            None => &spawn(n),
        };
        worker.do_send(Item { n });
    }
    assert_eq!(result.await.expect("a result"), fan_result(items));
    start.elapsed()
}

/// A worker whose handler is async, as every step of a workflow is: it takes the next while one waits.
struct AsyncWorker {
    collector: Addr<Collector>,
}

impl Actor for AsyncWorker {
    type Context = Context<Self>;
}

impl Handler<Item> for AsyncWorker {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, event: Item, _: &mut Context<Self>) -> Self::Result {
        let collector = self.collector.clone();
        Box::pin(async move { collector.do_send(Piece { x: mix(event.n) }) })
    }
}

async fn async_fan_out(items: u64) -> Duration {
    let (collector, result) = collector(items);
    let worker = AsyncWorker { collector }.start();
    let start = Instant::now();
    for n in 0..items {
        worker.do_send(Item { n });
    }
    assert_eq!(result.await.expect("a result"), fan_result(items));
    start.elapsed()
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Call {
    n: u64,
}

/// A run: takes its event, replies, and ends with its last address.
struct Run;

impl Actor for Run {
    type Context = Context<Self>;
}

impl Handler<Call> for Run {
    type Result = u64;

    fn handle(&mut self, call: Call, _: &mut Context<Self>) -> u64 {
        mix(call.n)
    }
}

async fn short_runs(runs: u64, width: usize) -> Duration {
    let start = Instant::now();
    let sum = windowed(runs, width, |n| {
        let run = Run.start();
        let reply = run.send(Call { n });
        async move {
            let _held = run;
            reply.await.expect("a reply")
        }
    });
    assert_eq!(sum.await, fan_result(runs));
    start.elapsed()
}

async fn stream(events: u64) -> Duration {
    let (reader, result) = collector(events);
    let start = Instant::now();
    actix::spawn(async move {
        for n in 0..events {
            tokio::task::consume_budget().await;
            reader.do_send(Piece { x: n });
        }
    });
    assert_eq!(result.await.expect("a result"), stream_result(events));
    start.elapsed()
}
