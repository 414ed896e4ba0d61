//! Stream events on their way from where they come to where they stay.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use rusqlite::Connection;
use stepcast_core::backend::*;
use stepcast_sqlite::SqliteBackend;
use support::*;

/// Enough for several moves, with a part left over.
const EVENTS: u64 = 2_500;
const AT_ONCE: u64 = 50;

fn events(run: &str, fence: u64, from: u64) -> Batch {
    Batch { events: (from..from + AT_ONCE).map(event).collect(), ..batch(run, fence) }
}

fn all(backend: &dyn Backend, run: &str) -> Vec<StreamRow> {
    let mut found: Vec<StreamRow> = Vec::new();
    loop {
        let page = backend.events(run, found.last().map_or(0, |event| event.seq), 300).unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

fn count(folder: &Folder, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    Connection::open(folder.store()).unwrap().query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn events_are_read_wherever_they_are() {
    let folder = Folder::new();
    let backend = SqliteBackend::open(folder.store()).unwrap();
    for run in ["a", "b"] {
        create(&backend, run);
    }
    for from in (1..=EVENTS).step_by(AT_ONCE as usize) {
        for run in ["a", "b"] {
            write(&backend, events(run, FIRST_FENCE, from)).unwrap();
            assert_eq!(backend.events(run, from - 1, 99).unwrap().len() as u64, AT_ONCE);
        }
    }
    assert!(count(&folder, "events") > 0 && count(&folder, "fresh") > 0, "some are moved, some are not yet");
    let expected: Vec<StreamRow> = (1..=EVENTS).map(event).collect();
    assert_eq!(all(&backend, "a"), expected);
    assert_eq!(backend.load("b").unwrap().last_seq, EVENTS);

    // Another process goes on from there.
    drop(backend);
    let backend = SqliteBackend::open(folder.store()).unwrap();
    let fence = claim(&backend, "a").unwrap();
    let again = write(&backend, events("a", fence, EVENTS));
    assert!(matches!(again, Err(WriteError::EventGap { expected, .. }) if expected == EVENTS + 1), "{again:?}");
    let fence = claim(&backend, "a").unwrap();
    write(&backend, events("a", fence, EVENTS + 1)).unwrap();
    assert_eq!(all(&backend, "a").len() as u64, EVENTS + AT_ONCE);
    assert!(backend.check().unwrap().damage.is_empty());

    // What is removed is removed from both places.
    write(&backend, Batch { release: true, ..batch("a", fence) }).unwrap();
    backend.purge("a").unwrap();
    assert_eq!(all(&backend, "b"), expected);
    assert_eq!((count(&folder, "events") + count(&folder, "fresh")) as u64, EVENTS);
}

#[test]
fn the_only_event_of_a_run_is_where_it_stays() {
    let folder = Folder::new();
    let backend = SqliteBackend::open(folder.store()).unwrap();
    create(&backend, "a");
    let status = Some(StatusChange::Completed { result: "1".to_owned(), failures: 0 });
    write(&backend, Batch { events: vec![event(1)], status, ..batch("a", FIRST_FENCE) }).unwrap();
    assert_eq!((count(&folder, "events"), count(&folder, "fresh")), (1, 0));
    assert_eq!(all(&backend, "a"), [event(1)]);
}
