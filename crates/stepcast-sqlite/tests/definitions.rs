//! Documents and descriptions of workflows in the file: one row for all runs that were created with the same.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use rusqlite::Connection;
use stepcast_core::backend::*;
use stepcast_core::engine::Time;
use stepcast_sqlite::SqliteBackend;
use support::*;

fn rows_of(folder: &Folder) -> i64 {
    count(folder, "SELECT count(*) FROM definitions")
}

fn count(folder: &Folder, sql: &str) -> i64 {
    let conn = Connection::open(folder.store()).unwrap();
    conn.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn runs_of_one_document_add_no_row() {
    let folder = Folder::new();
    let backend = SqliteBackend::open(folder.store()).unwrap();
    let defined = |run: &str, hash: &str| {
        let mut batch = creation(run);
        if let Some(new) = &mut batch.created {
            new.definition = Some(Definition { hash: id(hash), json: id("{}") });
        }
        Batch { status: Some(StatusChange::Cancelled { error: "null".to_owned() }), ..batch }
    };
    for n in 0..300 {
        // Two documents by turns, so that it is not only the last one that is remembered.
        write(&backend, defined(&format!("r{n}"), if n % 2 == 0 { "even" } else { "odd" })).unwrap();
    }
    assert_eq!(rows_of(&folder), 2);
    // Another one leaves nothing where it fails.
    assert!(write(&backend, defined("r0", "third")).is_err());
    let mut gap = defined("new", "fourth");
    gap.rows = vec![row(2)];
    assert!(matches!(write(&backend, gap), Err(WriteError::RowGap { .. })));
    assert_eq!(rows_of(&folder), 2);
    assert_eq!(backend.purge_ended(Time(9_999), 299).unwrap(), 299);
    assert_eq!(rows_of(&folder), 1);
    assert_eq!(backend.purge_ended(Time(9_999), 299).unwrap(), 1);
    assert_eq!(rows_of(&folder), 0);
    // What was remembered of them is not used for the next.
    write(&backend, defined("again", "odd")).unwrap();
    assert_eq!(backend.run("again").unwrap().unwrap().definition, Some(id("odd")));
    assert_eq!(backend.definition("odd").unwrap(), Some(id("{}")));
}

#[test]
fn a_description_goes_with_its_last_run() {
    let folder = Folder::new();
    let backend = SqliteBackend::open(folder.store()).unwrap();
    let described = |run: &str, description: &str| {
        let mut batch = creation(run);
        if let Some(new) = &mut batch.created {
            description.clone_into(&mut new.description);
        }
        Batch { status: Some(StatusChange::Cancelled { error: "null".to_owned() }), ..batch }
    };
    for (run, description) in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("c1", "c"), ("b2", "b")] {
        write(&backend, described(run, description)).unwrap();
    }
    backend.close().unwrap();
    // As earlier stores have it.
    Connection::open(folder.store())
        .unwrap()
        .execute_batch("CREATE INDEX starts_description ON starts(description)")
        .unwrap();
    let backend = SqliteBackend::open(folder.store()).unwrap();
    let indexes = "SELECT count(*) FROM sqlite_schema WHERE name = 'starts_description'";
    assert_eq!(count(&folder, indexes), 0);
    let descriptions = || count(&folder, "SELECT count(*) FROM descriptions");
    assert_eq!(descriptions(), 3);
    backend.purge("a1").unwrap();
    assert_eq!(descriptions(), 3);
    backend.purge("a2").unwrap();
    assert_eq!(descriptions(), 2);
    assert_eq!(backend.load("b1").unwrap().description, "b");
    assert_eq!(backend.purge_ended(Time(9_999), 9).unwrap(), 3);
    assert_eq!(descriptions(), 0);
    // What was remembered of one is not used for the next.
    write(&backend, described("again", "b")).unwrap();
    assert_eq!(backend.load("again").unwrap().description, "b");
}
