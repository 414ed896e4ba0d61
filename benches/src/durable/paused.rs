//! A store full of paused runs: opening it, asking it what there is to do, and taking over what was interrupted.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use stepcast_core::backend::*;
use stepcast_core::engine::Time;
use stepcast_sqlite::SqliteBackend;

use super::{Folder, ROW, backend};
use crate::measure::Suite;

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    let paused: Shared = Rc::default();
    let (opened, asked, held) = (paused.clone(), paused.clone(), paused);
    let count = sizes.paused;
    suite.value("durable-open", "store", "ms", count, move || {
        let file = opened.borrow_mut().get_or_insert_with(|| filled(count)).file();
        let start = Instant::now();
        let backend = open(&file);
        let found = to_do(&backend);
        let taken = start.elapsed();
        assert_eq!(found, 0, "nothing is due, running or mailed");
        taken.as_secs_f64() * 1000.0
    });
    suite.value("durable-ask", "store", "ms", count, move || {
        let file = asked.borrow_mut().get_or_insert_with(|| filled(count)).file();
        let backend = open(&file);
        to_do(&backend);
        let start = Instant::now();
        to_do(&backend);
        start.elapsed().as_secs_f64() * 1000.0
    });
    suite.value("durable-memory", "store", "B/run", count, move || {
        let file = held.borrow_mut().get_or_insert_with(|| filled(count)).file();
        let before = resident();
        let backend = open(&file);
        to_do(&backend);
        let after = resident();
        drop(backend);
        (after - before).max(0.0) / count as f64
    });
    let interrupted = sizes.interrupted;
    suite.value("durable-recover", "store", "ms", interrupted, move || recover(interrupted));
}

type Shared = Rc<RefCell<Option<Folder>>>;

fn open(file: &std::path::Path) -> SqliteBackend {
    SqliteBackend::open(file).expect("a store")
}

fn write_all(backend: &SqliteBackend, batches: impl Iterator<Item = Batch>) {
    let (told, heard) = channel();
    for batch in batches {
        let told = told.clone();
        backend.write(Box::new(batch), Done::new(move |result| drop(told.send(result))));
    }
    drop(told);
    heard.iter().for_each(|result| result.expect("a batch that is written"));
}

/// Each waits for an answer or its deadline, in a day, and has left the memory of whoever began it.
fn filled(count: u64) -> Folder {
    let folder = Folder::new();
    let backend = open(&folder.file());
    let question =
        |n| InputChange::Opened(Box::new(NewInput { input: 1, step: format!("ask{n}"), ..NewInput::default() }));
    let runs = (0..count).map(|n| Batch {
        rows: vec![JournalRow { n: 1, data: vec![7; ROW] }],
        snapshot: Some(Box::new(SnapshotRow { covers: 1, data: vec![7; 2 * ROW] })),
        inputs: vec![question(n)],
        status: Some(StatusChange::Waiting),
        due: Some(Due::At(Time(86_400_000 + n))),
        release: true,
        ..*backend::creation(n)
    });
    write_all(&backend, runs);
    folder
}

/// What a runtime asks when it begins and from then on.
fn to_do(backend: &SqliteBackend) -> usize {
    let unclaimed = || RunFilter { unclaimed: true, ..RunFilter::default() };
    let running = RunFilter { workflow: Some("Bench".to_owned()), statuses: vec![RunStatus::Running], ..unclaimed() };
    let due = RunFilter { due_by: Some(Time(1_000)), ..unclaimed() };
    let mailed = RunFilter { mailed: true, ..unclaimed() };
    [running, due, mailed].iter().map(|filter| backend.runs(filter, None, 1_000).expect("runs").len()).sum()
}

/// Runs in the middle of ten rows, whose holder went: until all are held and read.
fn recover(count: u64) -> f64 {
    let folder = Folder::new();
    let backend = open(&folder.file());
    let rows = || (1..=5).map(|n| JournalRow { n, data: vec![7; ROW] }).collect();
    write_all(&backend, (0..count).map(|n| Batch { rows: rows(), ..*backend::creation(n) }));
    drop(backend);

    let start = Instant::now();
    let backend = open(&folder.file());
    let running = RunFilter {
        workflow: Some("Bench".to_owned()),
        statuses: vec![RunStatus::Running],
        unclaimed: true,
        ..RunFilter::default()
    };
    let mut recovered = 0;
    loop {
        let page = backend.runs(&running, None, 500).expect("runs");
        if page.is_empty() {
            break;
        }
        let ids: Vec<Arc<str>> = page.into_iter().map(|run| run.run).collect();
        let leases = backend.claim(&ids.iter().map(|id| &**id).collect::<Vec<_>>());
        assert!(leases.iter().all(Result::is_ok));
        for id in &ids {
            assert_eq!(backend.load(id).expect("a run").rows.len(), 5);
        }
        recovered += ids.len() as u64;
    }
    assert_eq!(recovered, count);
    start.elapsed().as_secs_f64() * 1000.0
}

/// Memory of this process: SQLite's own is not the allocator's to count.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0
}
