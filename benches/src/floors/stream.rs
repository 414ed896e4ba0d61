//! Shape E: one producer, one reader, every event boxed and read in its type.

use crate::events::{Boxed, Event, Tick, take};
use crate::measure::Suite;
use crate::work::stream_result;
use std::any::Any;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

const BATCH: usize = 256;
const ROOM: usize = 1024;

pub fn register(suite: &mut Suite) {
    let n = suite.sizes().stream;
    suite.task("E", "mpsc_recv_many", n, move || timed(n, recv_many(n)));
    suite.task("E", "mpsc_recv", n, move || timed(n, recv(n)));
    suite.task("E", "log_cursor", n, move || timed(n, log_cursor(n)));
}

async fn timed(events: u64, reader: impl Future<Output = u64>) -> Duration {
    let start = Instant::now();
    let sum = reader.await;
    let taken = start.elapsed();
    assert_eq!(sum, stream_result(events));
    taken
}

fn produce(events: u64) -> mpsc::Receiver<Boxed> {
    let (stream, reader) = mpsc::channel::<Boxed>(ROOM);
    tokio::spawn(async move {
        for n in 0..events {
            if stream.send(Box::new(Tick { n })).await.is_err() {
                return;
            }
        }
    });
    reader
}

async fn recv(events: u64) -> u64 {
    let mut reader = produce(events);
    let mut sum = 0;
    while let Some(event) = reader.recv().await {
        sum += take::<Tick>(event).n;
    }
    sum
}

async fn recv_many(events: u64) -> u64 {
    let mut reader = produce(events);
    let mut batch = Vec::with_capacity(BATCH);
    let mut sum = 0;
    while reader.recv_many(&mut batch, BATCH).await > 0 {
        sum += batch.drain(..).map(|event| take::<Tick>(event).n).sum::<u64>();
    }
    sum
}

/// An append-only log that any number of readers can replay; woken once per batch.
#[derive(Default)]
struct Log {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    events: Vec<Arc<dyn Shared>>,
    reader_waits: bool,
    ended: bool,
}

trait Shared: Event + Sync {}
impl<E: Event + Sync> Shared for E {}

impl Log {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().expect("no panic under it");
        change(&mut state);
        if std::mem::take(&mut state.reader_waits) {
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Whether there may be more.
    async fn read(&self, cursor: usize, batch: &mut Vec<Arc<dyn Shared>>) -> bool {
        loop {
            {
                let mut state = self.state.lock().expect("no panic under it");
                let end = state.events.len().min(cursor + BATCH);
                batch.extend_from_slice(&state.events[cursor..end]);
                if end > cursor {
                    return true;
                }
                if state.ended {
                    return false;
                }
                state.reader_waits = true;
            }
            self.wake.notified().await;
        }
    }
}

async fn log_cursor(events: u64) -> u64 {
    let log = Arc::new(Log::default());
    let writer = log.clone();
    tokio::spawn(async move {
        for n in 0..events {
            // The turn for others that a bounded channel takes by itself.
            tokio::task::consume_budget().await;
            let event = Arc::new(Tick { n });
            writer.change(|state| state.events.push(event));
        }
        writer.change(|state| state.ended = true);
    });
    let (mut cursor, mut sum) = (0, 0);
    let mut batch = Vec::with_capacity(BATCH);
    while log.read(cursor, &mut batch).await {
        cursor += batch.len();
        for event in batch.drain(..) {
            let any: &dyn Any = &*event;
            sum += any.downcast_ref::<Tick>().expect("a tick").n;
        }
    }
    sum
}
