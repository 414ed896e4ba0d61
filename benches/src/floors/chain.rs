//! Shape A: one event at a time, to and fro between two steps.

use crate::events::{Boxed, Done, Ping, Pong, Table, take};
use crate::measure::Suite;
use crate::work::{chain_result, mix};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, Receiver, Sender};

pub fn register(suite: &mut Suite) {
    let hops = suite.sizes().hops;
    suite.task("A", "inline_dyn", hops, move || timed(hops, inline_dyn(hops)));
    suite.task("A", "loop", hops, move || timed(hops, looped(hops)));
    suite.task("A", "mpsc_hop", hops, move || timed(hops, mpsc_hop(hops)));
    suite.task("A", "task_per_step", hops, move || timed(hops, task_per_step(hops)));
    suite.task("A", "plain", hops, move || timed(hops, plain(hops)));

    let hops = suite.sizes().suspends;
    suite.task("A-suspend", "futures_unordered", hops, move || timed(hops, futures_unordered(hops)));
}

async fn timed(hops: u64, chain: impl Future<Output = u64>) -> Duration {
    let start = Instant::now();
    let x = chain.await;
    let taken = start.elapsed();
    assert_eq!(x, chain_result(hops));
    taken
}

async fn ping(event: Ping) -> Boxed {
    let Ping { left, x } = event;
    match left {
        0 => Box::new(Done { x }),
        left => Box::new(Pong { left: left - 1, x: mix(x) }),
    }
}

async fn pong(event: Pong) -> Boxed {
    let Pong { left, x } = event;
    match left {
        0 => Box::new(Done { x }),
        left => Box::new(Ping { left: left - 1, x: mix(x) }),
    }
}

fn steps() -> Table<Boxed> {
    Table::new().step(Ping::ID, ping).step(Pong::ID, pong)
}

fn slow_steps() -> Table<Boxed> {
    async fn slow(step: impl Future<Output = Boxed>) -> Boxed {
        tokio::task::yield_now().await;
        step.await
    }
    Table::new().step(Ping::ID, |event| slow(ping(event))).step(Pong::ID, |event| slow(pong(event)))
}

fn first(hops: u64) -> Boxed {
    Box::new(Ping { left: hops, x: 1 })
}

/// The least for typed dynamic events: a queue of boxes, a look-up, a boxed future polled where it stands.
async fn inline_dyn(hops: u64) -> u64 {
    let table = steps();
    let mut queue: VecDeque<Boxed> = VecDeque::new();
    queue.push_back(first(hops));
    while let Some(event) = queue.pop_front() {
        match table.start(event) {
            Ok(step) => queue.push_back(step.await),
            Err(done) => return take::<Done>(done).x,
        }
    }
    0
}

/// The same with what a run that can be spoken to cannot leave out: its inbox, and a turn for others.
async fn looped(hops: u64) -> u64 {
    let table = steps();
    let (_outside, mut inbox) = mpsc::unbounded_channel::<Boxed>();
    let mut queue: VecDeque<Boxed> = VecDeque::new();
    queue.push_back(first(hops));
    while let Some(event) = queue.pop_front() {
        tokio::task::consume_budget().await;
        if let Ok(event) = inbox.try_recv() {
            queue.push_back(event);
        }
        match table.start(event) {
            Ok(step) => queue.push_back(step.await),
            Err(done) => return take::<Done>(done).x,
        }
    }
    0
}

/// Two tasks, a bounded channel each way.
async fn mpsc_hop(hops: u64) -> u64 {
    async fn side(mut from: Receiver<Ping>, to: Sender<Ping>, done: Sender<u64>) {
        while let Some(event) = from.recv().await {
            let sent = match event.left {
                0 => done.send(event.x).await.is_ok(),
                left => {
                    let x = mix(event.x);
                    to.send(Ping { left: left - 1, x }).await.is_ok()
                }
            };
            if !sent {
                return;
            }
        }
    }
    let (to_left, left) = mpsc::channel(16);
    let (to_right, right) = mpsc::channel(16);
    let (done, mut result) = mpsc::channel(1);
    let first = Ping { left: hops, x: 1 };
    to_left.send(first).await.expect("room for one");
    let sides = [tokio::spawn(side(left, to_right, done.clone())), tokio::spawn(side(right, to_left, done))];
    let x = result.recv().await.expect("a result");
    sides.iter().for_each(|side| side.abort());
    x
}

async fn task_per_step(hops: u64) -> u64 {
    let table = steps();
    let mut event = first(hops);
    loop {
        match table.start(event) {
            Ok(step) => event = tokio::spawn(step).await.expect("no panic"),
            Err(done) => return take::<Done>(done).x,
        }
    }
}

/// Without any abstraction: an enum in a queue, an async fn awaited by name.
async fn plain(hops: u64) -> u64 {
    enum Any {
        Ping(Ping),
        Pong(Pong),
        Done(Done),
    }
    async fn ping(Ping { left, x }: Ping) -> Any {
        match left {
            0 => Any::Done(Done { x }),
            left => Any::Pong(Pong { left: left - 1, x: mix(x) }),
        }
    }
    async fn pong(Pong { left, x }: Pong) -> Any {
        match left {
            0 => Any::Done(Done { x }),
            left => Any::Ping(Ping { left: left - 1, x: mix(x) }),
        }
    }
    let mut queue = VecDeque::new();
    queue.push_back(Any::Ping(Ping { left: hops, x: 1 }));
    while let Some(event) = queue.pop_front() {
        match black_box(event) {
            Any::Ping(event) => queue.push_back(ping(event).await),
            Any::Pong(event) => queue.push_back(pong(event).await),
            Any::Done(done) => return done.x,
        }
    }
    0
}

async fn futures_unordered(hops: u64) -> u64 {
    let table = slow_steps();
    let mut running = FuturesUnordered::new();
    let mut event = first(hops);
    loop {
        match table.start(event) {
            Ok(step) => running.push(step),
            Err(done) => return take::<Done>(done).x,
        }
        event = running.next().await.expect("one is running");
    }
}
