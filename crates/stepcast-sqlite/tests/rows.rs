//! Journal rows that go into the table several at a time, and between them what reads or cuts it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use stepcast_core::backend::*;
use stepcast_sqlite::SqliteBackend;
use support::*;

/// Bytes that say whose they are; some are longer than what waits for others.
fn row_of(run: &str, n: u64) -> JournalRow {
    let long = if n.is_multiple_of(7) { 5_000 } else { 0 };
    JournalRow { n, data: format!("{run}{n}{}", "-".repeat(long)).into_bytes() }
}

fn next_rows(run: &str, from: u64, to: u64) -> Batch {
    Batch { rows: (from..=to).map(|n| row_of(run, n)).collect(), ..batch(run, FIRST_FENCE) }
}

fn assert_rows(backend: &SqliteBackend, run: &str, from: u64, to: u64) {
    let expected: Vec<JournalRow> = (from..=to).map(|n| row_of(run, n)).collect();
    assert_eq!(backend.load(run).unwrap().rows, expected, "of {run}");
}

#[test]
fn batches_of_any_size_are_read_as_they_were_written() {
    let folder = Folder::new();
    let backend = SqliteBackend::open(folder.store()).unwrap();
    let mut last = 0;
    for run in ["a", "b"] {
        create(&backend, run);
    }
    for size in 1..=40 {
        for run in ["a", "b"] {
            write(&backend, next_rows(run, last + 1, last + size)).unwrap();
        }
        last += size;
    }
    for run in ["a", "b"] {
        assert_rows(&backend, run, 1, last);
    }
    drop(backend);
    let backend = SqliteBackend::open(folder.store()).unwrap();
    assert_rows(&backend, "a", 1, last);
    assert!(backend.check().unwrap().damage.is_empty());
}

#[test]
fn rows_go_on_after_the_last_ones_were_cut() {
    let folder = Folder::new();
    let backend = SqliteBackend::open(folder.store()).unwrap();
    for run in ["a", "b"] {
        create(&backend, run);
    }
    write(&backend, next_rows("b", 1, 3)).unwrap();
    write(&backend, next_rows("a", 1, 20)).unwrap();
    // The table's last rows go, within the batch that brings them and after it.
    let snapshot = |covers| Some(Box::new(SnapshotRow { covers, data: b"all".to_vec() }));
    write(&backend, Batch { snapshot: snapshot(37), ..next_rows("a", 21, 37) }).unwrap();
    write(&backend, next_rows("a", 38, 60)).unwrap();
    write(&backend, Batch { snapshot: snapshot(60), ..batch("a", FIRST_FENCE) }).unwrap();
    write(&backend, next_rows("b", 4, 30)).unwrap();
    write(&backend, next_rows("a", 61, 62)).unwrap();
    assert_rows(&backend, "a", 61, 62);
    assert_rows(&backend, "b", 1, 30);
    // One that is refused takes nothing of the others with it.
    assert!(write(&backend, Batch { snapshot: snapshot(99), ..next_rows("b", 31, 33) }).is_err());
    write(&backend, next_rows("a", 63, 90)).unwrap();
    assert_rows(&backend, "a", 61, 90);
    assert!(backend.check().unwrap().damage.is_empty());
}
