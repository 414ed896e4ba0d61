//! kameo: a task per actor, a message type per event. A step of the chain, a run, and
//! each item of an unlimited fan-out, is an actor of its own.
//!
//! No F: an actor's state is its own struct; a keyed store would be the floor's map behind a mailbox.

use crate::measure::{Rt, Suite};
use crate::work::{chain_result, fan_result, mix, stream_result, windowed};
use kameo::prelude::*;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

const NAME: &str = "kameo";

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    suite.task("A", NAME, sizes.hops, move || chain(sizes.hops, 2));
    // One actor that tells itself: no other task is woken, but nothing goes from step to step either.
    suite.task("A", "kameo_self", sizes.hops, move || chain(sizes.hops, 1));
    suite.task("B-4", NAME, sizes.items, move || fan_out(sizes.items, Some(4)));
    suite.task("B-all", NAME, sizes.items, move || fan_out(sizes.items, None));
    // Not an actor per item, but the handler's own way to go on beside the mailbox: cheaper, and not under supervision.
    suite.task("B-all", "kameo_delegated", sizes.items, move || delegated(sizes.items));
    let (runs, width) = (sizes.runs, sizes.in_flight);
    suite.task("C", NAME, runs, move || short_runs(runs, width));
    suite.task("E", NAME, sizes.stream, move || stream(sizes.stream));
    if suite.rt == Rt::Ct {
        suite.bytes(NAME, sizes.paused, |n| async move { (0..n).map(|_| Run::spawn(Run)).collect() });
    }
}

fn unbounded<A: Actor<Args = A>>(actor: A) -> ActorRef<A> {
    A::spawn_with_mailbox(actor, mailbox::unbounded())
}

struct Hop {
    left: u64,
    x: u64,
}

/// A step: hands the event on to the other, or to itself where there is no other.
#[derive(Actor)]
struct Step {
    other: Option<ActorRef<Step>>,
    done: Option<oneshot::Sender<u64>>,
}

impl Message<Hop> for Step {
    type Reply = ();

    async fn handle(&mut self, event: Hop, ctx: &mut Context<Self, ()>) {
        if event.left > 0 {
            let next = Hop { left: event.left - 1, x: mix(event.x) };
            let to = self.other.as_ref().unwrap_or(ctx.actor_ref());
            to.tell(next).try_send().expect("room");
        } else if let Some(done) = self.done.take() {
            let _ = done.send(event.x);
        }
    }
}

/// Gives a step its other: they cannot both be there first.
struct Meet(ActorRef<Step>);

impl Message<Meet> for Step {
    type Reply = ();

    async fn handle(&mut self, meet: Meet, _: &mut Context<Self, ()>) {
        self.other = Some(meet.0);
    }
}

async fn chain(hops: u64, steps: u64) -> Duration {
    let (done, result) = oneshot::channel();
    // The count is even, so the chain ends where it began.
    let step = unbounded(Step { other: None, done: Some(done) });
    if steps == 2 {
        let other = Step { other: Some(step.clone()), done: None };
        step.ask(Meet(unbounded(other))).await.expect("it runs");
    }
    let start = Instant::now();
    let first = Hop { left: hops, x: 1 };
    step.tell(first).try_send().expect("room");
    assert_eq!(result.await.expect("a result"), chain_result(hops));
    let taken = start.elapsed();
    // Two that hold each other never end by themselves.
    step.stop_gracefully().await.expect("it runs");
    taken
}

struct Item {
    n: u64,
}

struct Piece {
    x: u64,
}

#[derive(Actor)]
struct Worker {
    collector: ActorRef<Collector>,
}

impl Message<Item> for Worker {
    type Reply = ();

    async fn handle(&mut self, event: Item, _: &mut Context<Self, ()>) {
        let piece = Piece { x: mix(event.n) };
        self.collector.tell(piece).try_send().expect("room");
    }
}

#[derive(Actor)]
struct Collector {
    left: u64,
    sum: u64,
    done: Option<oneshot::Sender<u64>>,
}

impl Message<Piece> for Collector {
    type Reply = ();

    async fn handle(&mut self, event: Piece, _: &mut Context<Self, ()>) {
        self.sum = self.sum.wrapping_add(event.x);
        self.left -= 1;
        if self.left == 0
            && let Some(done) = self.done.take()
        {
            let _ = done.send(self.sum);
        }
    }
}

fn collector(left: u64) -> (ActorRef<Collector>, oneshot::Receiver<u64>) {
    let (done, result) = oneshot::channel();
    let done = Some(done);
    (unbounded(Collector { left, sum: 0, done }), result)
}

async fn fan_out(items: u64, workers: Option<u64>) -> Duration {
    let (collector, result) = collector(items);
    let spawn = |_| unbounded(Worker { collector: collector.clone() });
    let pool: Vec<_> = (0..workers.unwrap_or(0)).map(spawn).collect();
    let start = Instant::now();
    for n in 0..items {
        let worker = match workers {
            Some(workers) => &pool[(n % workers) as usize],
            // Its reference is dropped at the end of this turn, and with the last reference the actor ends.
            None => &spawn(n),
        };
        worker.tell(Item { n }).try_send().expect("room");
    }
    assert_eq!(result.await.expect("a result"), fan_result(items));
    start.elapsed()
}

#[derive(Actor)]
struct Delegating {
    collector: ActorRef<Collector>,
}

impl Message<Item> for Delegating {
    type Reply = DelegatedReply<()>;

    async fn handle(&mut self, event: Item, ctx: &mut Context<Self, Self::Reply>) -> Self::Reply {
        let collector = self.collector.clone();
        ctx.spawn(async move {
            let piece = Piece { x: mix(event.n) };
            collector.tell(piece).try_send().expect("room");
        })
    }
}

async fn delegated(items: u64) -> Duration {
    let (collector, result) = collector(items);
    let worker = unbounded(Delegating { collector });
    let start = Instant::now();
    for n in 0..items {
        worker.tell(Item { n }).try_send().expect("room");
    }
    assert_eq!(result.await.expect("a result"), fan_result(items));
    start.elapsed()
}

/// A run: takes its event, replies, and ends with its last reference.
#[derive(Actor)]
struct Run;

impl Message<Item> for Run {
    type Reply = u64;

    async fn handle(&mut self, event: Item, _: &mut Context<Self, u64>) -> u64 {
        mix(event.n)
    }
}

async fn short_runs(runs: u64, width: usize) -> Duration {
    let start = Instant::now();
    let sum = windowed(runs, width, |n| {
        let run = Run::spawn(Run);
        let reply = run.ask(Item { n }).try_enqueue().expect("room");
        async move {
            let _held = run;
            reply.await.expect("a reply")
        }
    });
    assert_eq!(sum.await, fan_result(runs));
    start.elapsed()
}

struct Tick {
    n: u64,
}

#[derive(Actor)]
struct Reader {
    left: u64,
    sum: u64,
    done: Option<oneshot::Sender<u64>>,
}

impl Message<Tick> for Reader {
    type Reply = ();

    async fn handle(&mut self, event: Tick, _: &mut Context<Self, ()>) {
        self.sum += event.n;
        self.left -= 1;
        if self.left == 0
            && let Some(done) = self.done.take()
        {
            let _ = done.send(self.sum);
        }
    }
}

async fn stream(events: u64) -> Duration {
    let (done, result) = oneshot::channel();
    let reader = Reader { left: events, sum: 0, done: Some(done) };
    let reader = unbounded(reader);
    let start = Instant::now();
    tokio::spawn(async move {
        for n in 0..events {
            tokio::task::consume_budget().await;
            reader.tell(Tick { n }).try_send().expect("room");
        }
    });
    assert_eq!(result.await.expect("a result"), stream_result(events));
    start.elapsed()
}
