//! SQLite itself: rows into an append-only table, committed in full, with nobody to tell.

use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, params};

use super::{Folder, ROW, RUNS};
use crate::measure::{Suite, per_op};

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    writes(suite, "durable-64", "sqlite_group_64", RUNS, sizes.durable_rows);
    writes(suite, "durable-1", "sqlite_commit", 1, sizes.durable_alone);
}

fn writes(suite: &mut Suite, shape: &'static str, subject: &str, group: usize, rows: u64) {
    let mut store: Option<(Folder, Connection)> = None;
    let mut commits = 0;
    suite.value(shape, subject, "ns/row", rows, move || {
        let (_, conn) = store.get_or_insert_with(|| {
            let folder = Folder::new();
            let conn = open(&folder.file());
            (folder, conn)
        });
        let data = vec![7_u8; ROW];
        let start = Instant::now();
        for _ in 0..rows / group as u64 {
            conn.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
            let insert = "INSERT INTO journal(run, n, data) VALUES(?1, ?2, ?3)";
            let mut insert = conn.prepare_cached(insert).expect("a statement");
            for run in 0..group {
                insert.execute(params![run as i64, commits, data]).expect("a row");
            }
            conn.execute_batch("COMMIT").expect("a commit");
            commits += 1;
        }
        per_op(start.elapsed(), rows)
    });
}

fn open(file: &Path) -> Connection {
    let conn = Connection::open(file).expect("a database");
    conn.pragma_update(None, "journal_mode", "WAL").expect("a log");
    conn.pragma_update(None, "synchronous", "FULL").expect("full commits");
    conn.execute_batch("CREATE TABLE journal(id INTEGER PRIMARY KEY, run INTEGER, n INTEGER, data BLOB)")
        .expect("a table");
    conn
}
