//! Shape C: many short runs, a window of them in flight.

use crate::events::{Boxed, Done, Item, Table, take};
use crate::measure::Suite;
use crate::work::{fan_result, mix, windowed};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

type Steps = Arc<Table<Boxed>>;

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    let (n, width) = (sizes.runs, sizes.in_flight);
    suite.task("C", "spawn_oneshot", n, move || timed(n, width, spawn_oneshot));
    suite.task("C", "spawn_join", n, move || timed(n, width, spawn_join));
    suite.task("C", "spawn_channels", n, move || timed(n, width, spawn_channels));
}

async fn timed<F>(runs: u64, width: usize, start: fn(&Steps, u64) -> F) -> Duration
where
    F: Future<Output = u64>,
{
    let steps = Arc::new(Table::new().step(Item::ID, step));
    let begin = Instant::now();
    let sum = windowed(runs, width, |n| start(&steps, n)).await;
    let taken = begin.elapsed();
    assert_eq!(sum, fan_result(runs));
    taken
}

async fn step(event: Item) -> Boxed {
    Box::new(Done { x: mix(event.n) })
}

async fn run(steps: Steps, n: u64) -> u64 {
    let step = steps.start(Box::new(Item { n }));
    match step {
        Ok(step) => take::<Done>(step.await).x,
        Err(_) => 0,
    }
}

/// The least with a handle: a task and the way its result comes back.
fn spawn_oneshot(steps: &Steps, n: u64) -> impl Future<Output = u64> + use<> {
    let (done, result) = oneshot::channel();
    let steps = steps.clone();
    tokio::spawn(async move {
        let _ = done.send(run(steps, n).await);
    });
    async { result.await.expect("a result") }
}

fn spawn_join(steps: &Steps, n: u64) -> impl Future<Output = u64> + use<> {
    let run = tokio::spawn(run(steps.clone(), n));
    async { run.await.expect("a result") }
}

/// What a run costs whose inbox and stream are channels made ahead, with a reader of the stream.
fn spawn_channels(steps: &Steps, n: u64) -> impl Future<Output = u64> + use<> {
    let (inbox, mut mail) = mpsc::channel::<Boxed>(16);
    let (stream, mut events) = mpsc::channel::<u64>(16);
    let (done, result) = oneshot::channel();
    let steps = steps.clone();
    tokio::spawn(async move {
        let _ = mail.try_recv();
        let x = run(steps, n).await;
        let _ = stream.send(x).await;
        let _ = done.send(x);
    });
    let reader = tokio::spawn(async move { while events.recv().await.is_some() {} });
    async move {
        let x = result.await.expect("a result");
        let _ = reader.await;
        drop(inbox);
        x
    }
}
