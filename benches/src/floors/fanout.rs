//! Shape B: one step gives many events, another works on each, a third gets them all.

use crate::events::{Begin, Boxed, Done, Item, Piece, StepFuture, Table, take};
use crate::measure::Suite;
use crate::work::{fan_result, mix};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

const UNLIMITED: usize = usize::MAX;

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    let n = sizes.items;
    suite.task("B-4", "poll_first", n, move || timed(n, 1, move || poll_first(n, 4, false)));
    suite.task("B-4", "join_set", n, move || timed(n, 1, move || join_set(n, 4)));
    suite.task("B-4-suspend", "poll_first", n, move || timed(n, 1, move || poll_first(n, 4, true)));
    suite.task("B-all", "poll_first", n, move || timed(n, 1, move || poll_first(n, UNLIMITED, false)));
    suite.task("B-all", "join_set", n, move || timed(n, 1, move || join_set(n, UNLIMITED)));

    // The small size is repeated until both samples are of one length.
    let (small, large) = (sizes.flat_small, sizes.flat_large);
    let times = large / small;
    suite.task("B-flat", "poll_first@1k", large, move || {
        timed(small, times, move || poll_first(small, UNLIMITED, false))
    });
    suite
        .task("B-flat", "poll_first@100k", large, move || timed(large, 1, move || poll_first(large, UNLIMITED, false)));
}

async fn timed<F>(items: u64, times: u64, fan: impl Fn() -> F) -> Duration
where
    F: Future<Output = u64>,
{
    let expected = fan_result(items);
    let start = Instant::now();
    for _ in 0..times {
        assert_eq!(fan().await, expected);
    }
    start.elapsed()
}

enum Out {
    One(Boxed),
    Many(Vec<Boxed>),
}

async fn split(event: Begin) -> Out {
    let item = |n| Box::new(Item { n }) as Boxed;
    Out::Many((0..event.items).map(item).collect())
}

async fn work(event: Item) -> Out {
    Out::One(Box::new(Piece { x: mix(event.n) }))
}

async fn slow_work(event: Item) -> Out {
    tokio::task::yield_now().await;
    work(event).await
}

fn join(all: Vec<Piece>) -> Boxed {
    let x = all.iter().fold(0_u64, |sum, piece| sum.wrapping_add(piece.x));
    Box::new(Done { x })
}

/// A run's loop: its queue, its inbox, a poll in place, and only what is pending parked.
async fn poll_first(items: u64, workers: usize, suspend: bool) -> u64 {
    let table = Table::new().step(Begin::ID, split);
    let table = match suspend {
        false => table.step(Item::ID, work),
        true => table.step(Item::ID, slow_work),
    };
    let (_outside, mut inbox) = mpsc::unbounded_channel::<Boxed>();
    let mut queue: VecDeque<Boxed> = VecDeque::new();
    let mut waiting: VecDeque<Boxed> = VecDeque::new();
    let mut parked: FuturesUnordered<StepFuture<Out>> = FuturesUnordered::new();
    let mut pieces = Vec::new();
    queue.push_back(Box::new(Begin { items }));
    loop {
        tokio::task::consume_budget().await;
        if let Ok(event) = inbox.try_recv() {
            queue.push_back(event);
        }
        let free = parked.len() < workers;
        let next = match waiting.pop_front() {
            Some(event) if free => Some(event),
            Some(event) => {
                waiting.push_front(event);
                queue.pop_front()
            }
            None => queue.pop_front(),
        };
        let out = match next {
            Some(event) if event.id() == Item::ID && !free => {
                waiting.push_back(event);
                continue;
            }
            Some(event) if event.id() == Piece::ID => {
                pieces.push(take::<Piece>(event));
                if pieces.len() as u64 == items {
                    queue.push_back(join(std::mem::take(&mut pieces)));
                }
                continue;
            }
            Some(event) => match table.start(event) {
                Err(done) => return take::<Done>(done).x,
                Ok(mut step) => match poll_fn(|cx| Poll::Ready(step.as_mut().poll(cx))).await {
                    Poll::Ready(out) => out,
                    Poll::Pending => {
                        parked.push(step);
                        continue;
                    }
                },
            },
            None => parked.next().await.expect("something is running"),
        };
        match out {
            Out::One(event) => queue.push_back(event),
            Out::Many(events) => queue.extend(events),
        }
    }
}

async fn join_set(items: u64, workers: usize) -> u64 {
    let permits = Arc::new(Semaphore::new(workers.min(Semaphore::MAX_PERMITS)));
    let table = Table::new().step(Item::ID, work);
    let mut running = JoinSet::new();
    for n in 0..items {
        let step = table.start(Box::new(Item { n }));
        let Ok(step) = step else { unreachable!("items have a step") };
        if workers == UNLIMITED {
            running.spawn(step);
        } else {
            let permit = permits.clone().acquire_owned().await;
            running.spawn(async move {
                let _permit = permit;
                step.await
            });
        }
    }
    let mut pieces = Vec::new();
    while let Some(out) = running.join_next().await {
        if let Ok(Out::One(event)) = out {
            pieces.push(take::<Piece>(event));
        }
    }
    take::<Done>(join(pieces)).x
}
