//! Files that are no store, or no longer a good one: a clear error, and nothing lost.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::time::Duration;

use rusqlite::Connection;
use stepcast_core::backend::*;
use stepcast_core::engine::Time;
use stepcast_sqlite::{Damage, OpenError, SqliteBackend, SqliteOptions};
use support::*;

fn filled(folder: &Folder) {
    let backend = SqliteBackend::open(folder.store()).unwrap();
    for run in ["a", "b"] {
        create(&backend, run);
        write(&backend, Batch { events: (1..=20).map(event).collect(), ..rows(run, 1, 1..=400) }).unwrap();
    }
    backend.close().unwrap();
}

#[test]
fn something_else_is_refused_and_left_alone() {
    let folder = Folder::new();
    fs::write(folder.store(), "not a database at all, but long enough to be looked at. ".repeat(50)).unwrap();
    let before = fs::read(folder.store()).unwrap();
    let error = SqliteBackend::open(folder.store()).unwrap_err();
    assert!(matches!(error, OpenError::Storage { source: StorageError::Corrupt { .. }, .. }), "{error}");
    assert_eq!(fs::read(folder.store()).unwrap(), before);

    fs::remove_file(folder.store()).unwrap();
    Connection::open(folder.store()).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    let before = fs::read(folder.store()).unwrap();
    let error = SqliteBackend::open(folder.store()).unwrap_err();
    assert!(matches!(error, OpenError::NotAStore { .. }), "{error}");
    assert_eq!(fs::read(folder.store()).unwrap(), before);
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    let folder = Folder::new();
    filled(&folder);
    Connection::open(folder.store()).unwrap().pragma_update(None, "user_version", 4).unwrap();
    for options in [SqliteOptions::default(), SqliteOptions::default().read_only()] {
        let error = options.open(folder.store()).unwrap_err();
        assert!(matches!(error, OpenError::NewerVersion { found: 4, known: 3, .. }), "{error}");
    }
    Connection::open(folder.store()).unwrap().pragma_update(None, "user_version", 3).unwrap();
    assert_eq!(SqliteBackend::open(folder.store()).unwrap().load("a").unwrap().rows.len(), 400);
}

#[test]
fn a_truncated_file_is_reported() {
    let folder = Folder::new();
    filled(&folder);
    let whole = fs::metadata(folder.store()).unwrap().len();
    let mut refused = 0;
    for kept in [100, 4096, 20_000, whole / 2, whole - 4096] {
        fs::OpenOptions::new().write(true).open(folder.store()).unwrap().set_len(kept).unwrap();
        // Either it does not open, or the damage is found; never a panic, never a wrong journal.
        match SqliteBackend::open(folder.store()) {
            Err(error) => {
                assert!(matches!(error, OpenError::Storage { source: StorageError::Corrupt { .. }, .. }), "{error}");
                refused += 1;
            }
            Ok(backend) => {
                let report = backend.check();
                assert!(report.is_err() || !report.unwrap().damage.is_empty(), "{kept} of {whole} bytes");
            }
        }
        fs::remove_file(folder.store()).unwrap();
        let _ = fs::remove_file(folder.store().with_extension("db-wal"));
        let _ = fs::remove_file(folder.store().with_extension("db-shm"));
        filled(&folder);
    }
    assert!(refused > 0);
}

#[test]
fn a_truncated_log_loses_its_end_and_nothing_else() {
    let folder = Folder::new();
    let backend = SqliteBackend::open(folder.store()).unwrap();
    create(&backend, "a");
    for n in 1..=60 {
        write(&backend, Batch { events: vec![event(n)], ..rows("a", 1, [n]) }).unwrap();
    }
    // As they lie while nobody has closed the store.
    let (store, log) = (fs::read(folder.store()).unwrap(), fs::read(folder.store().with_extension("db-wal")).unwrap());
    assert!(log.len() > 200_000, "{}", log.len());
    let mut least = 60;
    for kept in [log.len(), log.len() - 1, log.len() - 5000, log.len() - 100_000, log.len() / 3 + 77] {
        let copy = Folder::new();
        fs::write(copy.store(), &store).unwrap();
        fs::write(copy.store().with_extension("db-wal"), &log[..kept]).unwrap();
        let backend = SqliteBackend::open(copy.store()).unwrap();
        assert!(backend.check().unwrap().damage.is_empty());
        let stored = backend.load("a").unwrap();
        let last = stored.last_seq;
        assert_eq!(numbers(&stored), (1..=last).collect::<Vec<_>>(), "{kept} bytes");
        assert!(last <= least, "{kept} bytes: {last} of {least} rows");
        least = last;
        let fence = claim(&backend, "a").unwrap();
        write(&backend, rows("a", fence, [last + 1])).unwrap();
    }
    assert!(least < 60);
}

#[test]
fn bytes_overwritten_anywhere_never_panic() {
    for seed in 0..40_u64 {
        let folder = Folder::new();
        filled(&folder);
        let mut bytes = fs::read(folder.store()).unwrap();
        let at = (seed as usize * 7919 * 4096 / 13) % (bytes.len() - 64);
        bytes[at..at + 64].fill(0xA5);
        fs::write(folder.store(), &bytes).unwrap();
        let Ok(backend) = SqliteBackend::open(folder.store()) else { continue };
        let _ = backend.check();
        for run in ["a", "b"] {
            if let Ok(stored) = backend.load(run) {
                assert!(numbers(&stored).windows(2).all(|pair| pair[0] + 1 == pair[1]), "seed {seed}");
            }
            if let Ok(fence) = claim(&backend, run) {
                let _ = write(&backend, rows(run, fence, [401]));
            }
        }
    }
}

#[test]
fn a_missing_row_is_a_gap_and_harms_no_other_run() {
    for (row, expected) in [(200, 200), (1, 1), (400, 1)] {
        let folder = Folder::new();
        filled(&folder);
        {
            // As after a crash: what was last is noted, then lost.
            let conn = Connection::open(folder.store()).unwrap();
            let noted = "UPDATE runs SET head = (SELECT max(id) FROM journal WHERE journal.run = runs.id);
                UPDATE heads SET noted = (SELECT max(id) FROM journal)";
            conn.execute_batch(noted).unwrap();
            conn.execute("DELETE FROM journal WHERE n = ?1 AND run = 1", [row]).unwrap();
        }
        let backend = SqliteBackend::open(folder.store()).unwrap();
        let error = backend.load("a").unwrap_err();
        assert!(matches!(error, LoadError::Gap { row, .. } if row == expected), "{error}");
        assert_eq!(backend.load("b").unwrap().rows.len(), 400);
        let report = backend.check().unwrap();
        assert!(matches!(report.damage.as_slice(), [Damage::Run(LoadError::Gap { .. })]), "{report:?}");
        let fence = claim(&backend, "b").unwrap();
        write(&backend, rows("b", fence, [401])).unwrap();
        // Even a damaged run can be removed.
        backend.write(Box::new(Batch { release: true, ..batch("b", fence) }), Done::new(|_| ()));
        backend.purge("a").unwrap();
        assert!(backend.check().unwrap().damage.is_empty());
    }
}

#[test]
fn a_missing_event_is_a_gap() {
    let folder = Folder::new();
    filled(&folder);
    let gone = Connection::open(folder.store()).unwrap().execute("DELETE FROM fresh WHERE seq = 7 AND run = 1", []);
    assert_eq!(gone.unwrap(), 1);
    let backend = SqliteBackend::open(folder.store()).unwrap();
    let error = backend.events("a", 0, 99).unwrap_err();
    assert!(matches!(error, LoadError::EventGap { seq: 7, .. }), "{error}");
    assert_eq!(backend.events("a", 7, 99).unwrap().len(), 13);
}

#[test]
fn a_read_only_store_reads_and_refuses() {
    let folder = Folder::new();
    filled(&folder);
    let backend = SqliteOptions::default().read_only().open(folder.store()).unwrap();
    assert_eq!(backend.load("a").unwrap().rows.len(), 400);
    let refused = write(&backend, rows("a", 1, [401]));
    assert!(matches!(refused, Err(WriteError::Storage(StorageError::ReadOnly { .. }))), "{refused:?}");
    assert!(matches!(claim(&backend, "a"), Err(ClaimError::Storage(StorageError::ReadOnly { .. }))));
    let missing = SqliteOptions::default().read_only().open(folder.store().with_extension("none"));
    assert!(matches!(missing, Err(OpenError::Storage { source: StorageError::Io { .. }, .. })));
}

#[test]
fn a_lock_that_stays_is_an_error_and_one_that_goes_is_waited_for() {
    let folder = Folder::new();
    let backend = SqliteOptions::default().lock_wait(Duration::from_millis(50)).open(folder.store()).unwrap();
    create(&backend, "a");
    let other = Connection::open(folder.store()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = write(&backend, rows("a", 1, [1]));
    assert!(matches!(locked, Err(WriteError::Storage(StorageError::Locked { .. }))), "{locked:?}");
    let opened = SqliteOptions::default().lock_wait(Duration::from_millis(50)).open(folder.store());
    assert!(matches!(opened, Err(OpenError::Storage { source: StorageError::Locked { .. }, .. })));
    other.execute_batch("COMMIT").unwrap();
    assert!(matches!(write(&backend, rows("a", 1, [1])), Err(WriteError::Stopped { .. })));
    let fence = claim(&backend, "a").unwrap();

    let patient = SqliteBackend::open(folder.store()).unwrap();
    create(&patient, "b");
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| write(&patient, rows("b", 1, [1])));
        other.execute_batch("COMMIT").unwrap();
        writing.join().unwrap().unwrap();
    });
    write(&backend, rows("a", fence, [1])).unwrap();
}

#[test]
fn a_full_disk_fails_the_write_and_loses_nothing() {
    let folder = Folder::new();
    let options = SqliteOptions::default().max_pages(120);
    let backend = options.open(folder.store()).unwrap();
    create(&backend, "a");
    create(&backend, "b");
    let large = |n| Batch { rows: vec![JournalRow { n, data: vec![7; 20_000] }], ..batch("a", 1) };
    let mut kept = 0;
    let error = loop {
        match write(&backend, large(kept + 1)) {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1000, "the limit is never reached");
    };
    assert!(matches!(error, WriteError::Storage(StorageError::Full { .. })), "{error:?}");
    assert!(kept > 5);
    assert!(matches!(write(&backend, large(kept + 1)), Err(WriteError::Stopped { .. })));
    assert_eq!(backend.load("a").unwrap().rows.len() as u64, kept);
    // What needs no room goes on, and with room so does the rest.
    write(&backend, rows("b", 1, [1])).unwrap();
    let fence = claim(&backend, "a").unwrap();
    let cut = SnapshotRow { covers: kept, data: Vec::new() };
    write(&backend, Batch { snapshot: Some(Box::new(cut)), ..batch("a", fence) }).unwrap();
    write(&backend, Batch { fence, ..large(kept + 1) }).unwrap();
    assert_eq!(numbers(&backend.load("a").unwrap()), [kept + 1]);
}

#[test]
fn a_purge_shrinks_the_file() {
    let folder = Folder::new();
    let backend = SqliteBackend::open(folder.store()).unwrap();
    let size = || fs::metadata(folder.store()).unwrap().len();
    create(&backend, "kept");
    for n in 0..50 {
        let run = format!("r{n}");
        let status = Some(StatusChange::Completed { result: "1".to_owned(), failures: 0 });
        let data = Batch { rows: vec![JournalRow { n: 1, data: vec![1; 100_000] }], ..creation(&run) };
        write(&backend, data).unwrap();
        write(&backend, Batch { status, ..batch(&run, 1) }).unwrap();
    }
    backend.purge("r0").unwrap();
    let full = size();
    assert!(full > 4_500_000, "{full}");
    assert_eq!(backend.purge_ended(Time(u64::MAX), 1000).unwrap(), 49);
    assert!(size() < 300_000, "{} of {full} bytes are left", size());
    let wal = fs::metadata(folder.store().with_extension("db-wal")).unwrap().len();
    assert!(wal < 300_000, "{wal} bytes are left in the log");
    assert!(backend.check().unwrap().damage.is_empty());
    assert!(backend.run("kept").unwrap().is_some());
    backend.close().unwrap();
    assert_eq!(SqliteBackend::open(folder.store()).unwrap().check().unwrap().runs, 1);
}

#[test]
fn a_store_of_the_format_before_is_read_and_brought_up_to_date() {
    let folder = Folder::new();
    filled(&folder);
    let before = "DROP INDEX runs_definition; ALTER TABLE runs DROP COLUMN definition; DROP TABLE definitions;
        ALTER TABLE mailbox DROP COLUMN trace;
        PRAGMA user_version = 2";
    Connection::open(folder.store()).unwrap().execute_batch(before).unwrap();
    let format = || Connection::open(folder.store()).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0));
    let reader = SqliteOptions::default().read_only().open(folder.store()).unwrap();
    assert_eq!(reader.runs(&RunFilter::default(), None, 9).unwrap().len(), 2);
    assert_eq!(reader.load("a").unwrap().record.definition, None);
    assert_eq!(reader.definition("h").unwrap(), None);
    assert_eq!(format(), Ok(2), "who only reads changes nothing");

    let backend = SqliteBackend::open(folder.store()).unwrap();
    assert_eq!(format(), Ok(3));
    assert_eq!(backend.load("a").unwrap().rows.len(), 400);
    let mut batch = creation("c");
    if let Some(new) = &mut batch.created {
        new.definition = Some(Definition { hash: id("h"), json: id("{}") });
    }
    write(&backend, batch).unwrap();
    // Who had opened it before sees what is new.
    for backend in [&backend as &dyn Backend, &reader] {
        assert_eq!(backend.run("c").unwrap().unwrap().definition, Some(id("h")));
        assert_eq!(backend.run("b").unwrap().unwrap().definition, None);
        assert_eq!(backend.definition("h").unwrap(), Some(id("{}")));
    }
    assert!(backend.check().unwrap().damage.is_empty());
}
