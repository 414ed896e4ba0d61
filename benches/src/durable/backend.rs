//! The store that runs are written to, by so many writers, each of which writes when its last row is durable.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use stepcast_core::backend::*;
use stepcast_core::engine::Time;
use stepcast_sqlite::SqliteBackend;

use super::{Folder, ROW, RUNS};
use crate::measure::{Suite, per_op};

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    writes(suite, "durable-64", "store", RUNS, sizes.durable_rows, |batch, _| batch);
    writes(suite, "durable-64", "store+event", RUNS, sizes.durable_rows, with_event);
    writes(suite, "durable-64", "store+status", RUNS, sizes.durable_rows, with_status);
    writes(suite, "durable-1", "store", 1, sizes.durable_alone, |batch, _| batch);
    short_runs(suite, sizes.durable_rows);
}

fn with_event(batch: Batch, n: u64) -> Batch {
    let json = "x".repeat(ROW / 2);
    Batch { events: vec![StreamRow { seq: n, tag: "Progress".to_owned(), json, at: Time(n) }], ..batch }
}

fn with_status(batch: Batch, n: u64) -> Batch {
    let status = if n.is_multiple_of(2) { StatusChange::Running } else { StatusChange::Waiting };
    Batch { status: Some(status), due: Some(Due::At(Time(n))), ..batch }
}

struct Store {
    backend: SqliteBackend,
    told: Sender<(usize, Result<(), WriteError>)>,
    heard: Receiver<(usize, Result<(), WriteError>)>,
    _folder: Folder,
}

impl Store {
    fn new() -> Self {
        let folder = Folder::new();
        let backend = SqliteBackend::open(folder.file()).expect("a store");
        let (told, heard) = channel();
        Self { backend, told, heard, _folder: folder }
    }

    fn write(&self, writer: usize, batch: Batch) {
        let told = self.told.clone();
        self.backend.write(Box::new(batch), Done::new(move |result| drop(told.send((writer, result)))));
    }

    fn next(&self) -> usize {
        let (writer, result) = self.heard.recv().expect("a receipt");
        result.expect("a batch that is written");
        writer
    }
}

fn id(n: u64) -> Arc<str> {
    format!("01890000-0000-7000-8000-{n:012}").into()
}

fn row(n: u64) -> Vec<JournalRow> {
    vec![JournalRow { n, data: vec![7; ROW] }]
}

pub fn creation(n: u64) -> Batch {
    let new = NewRun {
        workflow: "Bench".to_owned(),
        description: "{}".to_owned(),
        parent: None,
        start: format!("\"{}\"", "x".repeat(ROW / 2)),
        ..NewRun::default()
    };
    Batch { created: Some(Box::new(new)), ..Batch::of(id(n), FIRST_FENCE, Time(n)) }
}

fn writes(
    suite: &mut Suite,
    shape: &'static str,
    subject: &str,
    runs: usize,
    rows: u64,
    more: fn(Batch, u64) -> Batch,
) {
    let mut kept = None;
    suite.value(shape, subject, "ns/row", rows, move || {
        let (store, names, last) = kept.get_or_insert_with(|| {
            let store = Store::new();
            (0..runs).for_each(|run| store.write(run, creation(run as u64)));
            for _ in 0..runs {
                store.next();
            }
            let names: Vec<Arc<str>> = (0..runs).map(|run| id(run as u64)).collect();
            (store, names, vec![0; runs])
        });
        let mut write = |run: usize| {
            last[run] += 1;
            let n = last[run];
            let batch = Batch { rows: row(n), ..Batch::of(names[run].clone(), FIRST_FENCE, Time(n)) };
            store.write(run, more(batch, n));
        };
        let start = Instant::now();
        (0..runs).for_each(&mut write);
        for done in 1..=rows {
            let run = store.next();
            if done + runs as u64 <= rows {
                write(run);
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
        let (store, begun) = kept.get_or_insert_with(|| (Store::new(), 0));
        let (mut current, mut ended, mut left) = (vec![(0, 0); RUNS], 0, all);
        let start = Instant::now();
        for (writer, place) in current.iter_mut().enumerate() {
            *begun += 1;
            left -= 1;
            *place = (*begun, 0);
            store.write(writer, creation(*begun));
        }
        while ended < all {
            let writer = store.next();
            let (run, n) = &mut current[writer];
            if *n < STEPS {
                *n += 1;
                store.write(writer, step(*run, *n, *n == STEPS));
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

fn step(run: u64, n: u64, last: bool) -> Batch {
    let batch = Batch { rows: row(n), ..Batch::of(id(run), FIRST_FENCE, Time(n)) };
    if !last {
        return batch;
    }
    let json = "x".repeat(ROW / 2);
    let stop = StreamRow { seq: 1, tag: "StopEvent".to_owned(), json: json.clone(), at: Time(n) };
    Batch { events: vec![stop], status: Some(StatusChange::Completed { result: json, failures: 0 }), ..batch }
}
