//! The store that runs are written to, by so many writers, each of which writes when its last row is durable.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use stepcast_core::backend::*;
use stepcast_core::engine::Time;
use stepcast_sqlite::SqliteBackend;

use super::{Folder, ROW, RUNS};
use crate::measure::{Suite, per_op};

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    writes(suite, "durable-64", "store", RUNS, sizes.durable_rows, |_, _| ());
    writes(suite, "durable-64", "store+event", RUNS, sizes.durable_rows, with_event);
    writes(suite, "durable-64", "store+status", RUNS, sizes.durable_rows, with_status);
    writes(suite, "durable-1", "store", 1, sizes.durable_alone, |_, _| ());
    short_runs(suite, sizes.durable_rows);
}

fn with_event(batch: &mut Batch, n: u64) {
    let json = "x".repeat(ROW / 2);
    batch.events = vec![StreamRow { seq: n, tag: "Progress".to_owned(), json, at: Time(n) }];
}

fn with_status(batch: &mut Batch, n: u64) {
    let status = if n.is_multiple_of(2) { StatusChange::Running } else { StatusChange::Waiting };
    (batch.status, batch.due) = (Some(status), Some(Due::At(Time(n))));
}

/// Where batches come back to the thread that writes, as a runtime's do: many at once, with one wake.
#[derive(Default)]
struct Heard {
    back: Mutex<Back>,
    bell: Condvar,
}

#[derive(Default)]
struct Back {
    landed: Vec<Vec<Owed>>,
    receipts: Vec<(usize, Receipt)>,
}

impl ReceivesAll for Heard {
    fn receive_all(self: Arc<Self>, landed: Vec<Vec<Owed>>) {
        self.back.lock().expect("unpoisoned").landed.extend(landed);
        self.bell.notify_one();
    }
}

struct Writer {
    number: usize,
    heard: Arc<Heard>,
}

impl Receiver for Writer {
    fn receive(self: Arc<Self>, receipt: Receipt) {
        let receipts = &mut self.heard.back.lock().expect("unpoisoned").receipts;
        receipts.push((self.number, receipt));
        // Whoever takes them takes all; to ring the bell is a system call.
        if receipts.len() == 1 {
            self.heard.bell.notify_one();
        }
    }

    fn of_all(&self) -> Option<Arc<dyn ReceivesAll>> {
        Some(Arc::clone(&self.heard) as Arc<dyn ReceivesAll>)
    }
}

struct Store {
    backend: SqliteBackend,
    writers: Vec<Arc<Writer>>,
    heard: Arc<Heard>,
    /// Receipts that were taken together.
    taken: Vec<(usize, Receipt)>,
    _folder: Folder,
}

impl Store {
    fn new(writers: usize) -> Self {
        let folder = Folder::new();
        let backend = SqliteBackend::open(folder.file()).expect("a store");
        let heard = Arc::<Heard>::default();
        let writer = |number| Arc::new(Writer { number, heard: Arc::clone(&heard) });
        let writers = (0..writers).map(writer).collect();
        Self { backend, writers, heard, taken: Vec::new(), _folder: folder }
    }

    fn write(&self, writer: usize, batch: Box<Batch>) {
        self.backend.write(batch, Done::to(Arc::clone(&self.writers[writer]) as Arc<dyn Receiver>));
    }

    /// Who wrote, and what: its room is used again.
    fn next(&mut self) -> (usize, Box<Batch>) {
        if self.taken.is_empty() {
            let nothing = |back: &mut Back| back.landed.is_empty() && back.receipts.is_empty();
            let back = self.heard.back.lock().expect("unpoisoned");
            let mut back = self.heard.bell.wait_while(back, nothing).expect("unpoisoned");
            let landed = std::mem::take(&mut back.landed);
            drop(back);
            landed.into_iter().flatten().for_each(|owed| owed.settle(Ok(())));
            std::mem::swap(&mut self.heard.back.lock().expect("unpoisoned").receipts, &mut self.taken);
            // The first one goes on first.
            self.taken.reverse();
        }
        let (writer, receipt) = self.taken.pop().expect("a receipt");
        receipt.result.expect("a batch that is written");
        (writer, receipt.spent.expect("a batch"))
    }
}

fn id(n: u64) -> Arc<str> {
    format!("01890000-0000-7000-8000-{n:012}").into()
}

fn row(n: u64) -> Vec<JournalRow> {
    vec![JournalRow { n, data: vec![7; ROW] }]
}

pub fn creation(n: u64) -> Box<Batch> {
    let new = NewRun {
        workflow: "Bench".to_owned(),
        description: "{}".to_owned(),
        parent: None,
        start: format!("\"{}\"", "x".repeat(ROW / 2)),
        ..NewRun::default()
    };
    Box::new(Batch { created: Some(Box::new(new)), ..Batch::of(id(n), FIRST_FENCE, Time(n)) })
}

fn writes(suite: &mut Suite, shape: &'static str, subject: &str, runs: usize, rows: u64, more: fn(&mut Batch, u64)) {
    let mut kept = None;
    suite.value(shape, subject, "ns/row", rows, move || {
        let (store, last) = kept.get_or_insert_with(|| {
            let mut store = Store::new(runs);
            (0..runs).for_each(|run| store.write(run, creation(run as u64)));
            let ready: Vec<_> = (0..runs).map(|_| store.next()).collect();
            for (run, new) in ready {
                let first = Batch { rows: row(0), key: new.key, ..Batch::of(id(run as u64), FIRST_FENCE, Time(0)) };
                store.taken.push((run, Receipt { spent: Some(Box::new(first)), result: Ok(()) }));
            }
            (store, vec![0; runs])
        });
        let start = Instant::now();
        for done in 0..rows {
            let (run, mut batch) = store.next();
            last[run] += 1;
            batch.at = Time(last[run]);
            batch.rows[0].n = last[run];
            // A run writes its row anew, too.
            batch.rows[0].data.fill(last[run] as u8);
            more(&mut batch, last[run]);
            store.write(run, batch);
            // All are durable in the end, and the next turn begins with all of them.
            if done + 1 == rows {
                let all: Vec<_> = (0..runs).map(|_| store.next()).collect();
                let receipt = |batch| Receipt { spent: Some(batch), result: Ok(()) };
                store.taken = all.into_iter().map(|(run, batch)| (run, receipt(batch))).collect();
            }
        }
        per_op(start.elapsed(), rows)
    });
}

/// Each writer begins a run, writes ten rows, ends it with a stop event, and begins the next.
fn short_runs(suite: &mut Suite, rows: u64) {
    const STEPS: u64 = 10;
    let mut kept = None;
    let all = rows / STEPS;
    suite.value("durable-64", "store+runs", "ns/row", rows, move || {
        let (store, begun) = kept.get_or_insert_with(|| (Store::new(RUNS), 0));
        let (mut current, mut ended, mut left) = (vec![(0, 0); RUNS], 0, all);
        let start = Instant::now();
        for (writer, place) in current.iter_mut().enumerate() {
            *begun += 1;
            left -= 1;
            *place = (*begun, 0);
            store.write(writer, creation(*begun));
        }
        while ended < all {
            let (writer, last) = store.next();
            let (run, n) = &mut current[writer];
            if *n < STEPS {
                *n += 1;
                store.write(writer, step(*run, last.key, *n, *n == STEPS));
                continue;
            }
            ended += 1;
            if left > 0 {
                left -= 1;
                *begun += 1;
                (*run, *n) = (*begun, 0);
                store.write(writer, creation(*begun));
            }
        }
        per_op(start.elapsed(), rows)
    });
}

fn step(run: u64, key: u64, n: u64, last: bool) -> Box<Batch> {
    let batch = Batch { rows: row(n), key, ..Batch::of(id(run), FIRST_FENCE, Time(n)) };
    if !last {
        return Box::new(batch);
    }
    let json = "x".repeat(ROW / 2);
    let stop = StreamRow { seq: 1, tag: "StopEvent".to_owned(), json: json.clone(), at: Time(n) };
    let status = Some(StatusChange::Completed { result: json, failures: 0 });
    Box::new(Batch { events: vec![stop], status, ..batch })
}
