//! Journal rows a second with 64 runs in flight, and one row at a time, beside SQLite's own in the same minutes:
//! `cargo run --release -p stepcast-sqlite --example group_commit [folder]`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use stepcast_core::backend::*;
use stepcast_core::engine::Time;
use stepcast_sqlite::SqliteBackend;

const RUNS: usize = 64;
const ROW: usize = 200;
const ROUNDS: usize = 7;

fn main() {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let folder = folder.join(format!("stepcast-group-commit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (mut grouped, mut alone) = (Vec::new(), Vec::new());
    let (mut eventful, mut restless) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let path = |name: &str| folder.join(format!("{name}-{round}.db"));
        let group = (raw(&path("raw-group"), RUNS, 32_000), backend(&path("group"), RUNS, 32_000, |batch, _| batch));
        let one = (raw(&path("raw-one"), 1, 800), backend(&path("one"), 1, 800, |batch, _| batch));
        let with_event = backend(&path("events"), RUNS, 32_000, with_event);
        let with_status = backend(&path("status"), RUNS, 32_000, with_status);
        // The first round warms up.
        if round > 0 {
            eventful.push((group.0, with_event));
            restless.push((group.0, with_status));
            grouped.push(group);
            alone.push(one);
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let rate = |name: &str, rows: f64, samples: &[(Duration, Duration)]| {
        let median = |pick: fn(&(Duration, Duration)) -> Duration| {
            let mut times: Vec<Duration> = samples.iter().map(pick).collect();
            times.sort();
            (times[times.len() / 2].as_secs_f64(), times[0].as_secs_f64())
        };
        let (raw, ours) = (median(|sample| sample.0), median(|sample| sample.1));
        println!(
            "{name}: raw SQLite {:.0} rows/s (best {:.0}), stepcast {:.0} (best {:.0})",
            rows / raw.0,
            rows / raw.1,
            rows / ours.0,
            rows / ours.1
        );
        println!(
            "    rows/s against raw: median {:.2}x, best {:.2}x; time: {:.2}x",
            raw.0 / ours.0,
            raw.1 / ours.1,
            ours.0 / raw.0
        );
    };
    rate("64 runs in flight (goal >= 0.8x rows/s)", 32_000.0, &grouped);
    rate("64 runs in flight, a stream event with each row", 32_000.0, &eventful);
    rate("64 runs in flight, status and deadline with each row", 32_000.0, &restless);
    rate("one row at a time (goal <= 1.3x time)", 800.0, &alone);
}

/// A loop that does nothing but insert and commit.
fn raw(path: &Path, group: usize, rows: usize) -> Duration {
    let conn = Connection::open(path).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.pragma_update(None, "synchronous", "FULL").unwrap();
    conn.execute_batch("CREATE TABLE journal(id INTEGER PRIMARY KEY, run INTEGER, n INTEGER, data BLOB)").unwrap();
    let data = vec![7_u8; ROW];
    let start = Instant::now();
    for commit in 0..rows / group {
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
        for run in 0..group {
            let mut insert = conn.prepare_cached("INSERT INTO journal(run, n, data) VALUES(?1, ?2, ?3)").unwrap();
            insert.execute(params![run as i64, commit as i64, data]).unwrap();
        }
        conn.execute_batch("COMMIT").unwrap();
    }
    start.elapsed()
}

fn with_event(batch: Batch, n: u64) -> Batch {
    let json = "x".repeat(ROW / 2);
    Batch { events: vec![StreamRow { seq: n, tag: "Progress".to_owned(), json, at: Time(n) }], ..batch }
}

fn with_status(batch: Batch, n: u64) -> Batch {
    let status = if n.is_multiple_of(2) { StatusChange::Running } else { StatusChange::Waiting };
    Batch { status: Some(status), due: Some(Due::At(Time(n))), ..batch }
}

/// So many runs, each of which writes its next row when its last one is durable.
fn backend(path: &Path, runs: usize, rows: usize, more: fn(Batch, u64) -> Batch) -> Duration {
    let backend = Arc::new(SqliteBackend::open(path).unwrap());
    let names: Vec<Arc<str>> = (0..runs).map(|run| format!("01890000-0000-7000-8000-{run:012}").into()).collect();
    let (told, heard) = mpsc::channel();
    let write = |run: usize, batch: Batch| {
        let told = told.clone();
        backend.write(Box::new(batch), Done::new(move |result| drop(told.send((run, result)))));
    };
    for (run, name) in names.iter().enumerate() {
        let new = NewRun { workflow: "Bench".to_owned(), ..NewRun::default() };
        write(run, Batch { created: Some(Box::new(new)), ..Batch::of(name.clone(), FIRST_FENCE, Time(0)) });
    }
    for _ in 0..runs {
        heard.recv().unwrap().1.unwrap();
    }
    let next = |run: usize, n: u64| {
        let rows = vec![JournalRow { n, data: vec![7; ROW] }];
        let batch = Batch { rows, ..Batch::of(names[run].clone(), FIRST_FENCE, Time(n)) };
        write(run, more(batch, n));
    };
    let mut last = vec![1; runs];
    let start = Instant::now();
    (0..runs).for_each(|run| next(run, 1));
    for done in 1..=rows {
        let (run, result) = heard.recv().unwrap();
        result.unwrap();
        if done + runs <= rows {
            last[run] += 1;
            next(run, last[run]);
        }
    }
    let taken = start.elapsed();
    backend.close().unwrap();
    taken
}
