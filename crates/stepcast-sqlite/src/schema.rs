//! The tables, and who may open them.

use std::path::Path;

use rusqlite::Connection;

use crate::error::{OpenError, storage};
use crate::sql::{Stored, first};

/// The format that this version writes.
pub(crate) const FORMAT: i64 = 3;
/// The first format that knows the documents of workflows, and the traces that letters belong to.
const WITH_DEFINITIONS: i64 = 3;
/// The oldest format that can be read, and is brought up to date where it may be written.
const OLDEST: i64 = 2;
/// Marks an SQLite file as a store: `STPC`.
const APPLICATION: i64 = 0x5354_5043;

/// What changes with nearly every batch (the journal, fresh events) has no index and no place for each run; what is looked
/// for by run does. Events go on from `fresh` to `events` many at a time. A run's start may be large and does not change,
/// so it is not in the row that changes.
pub(crate) const TABLES: &str = "
CREATE TABLE owners(id INTEGER PRIMARY KEY AUTOINCREMENT, pid INTEGER NOT NULL);
CREATE TABLE runs(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    parent TEXT,
    status INTEGER NOT NULL,
    result TEXT,
    error TEXT,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    due INTEGER,
    holder INTEGER,
    fence INTEGER NOT NULL,
    head INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    definition INTEGER
);
CREATE INDEX runs_live ON runs(holder) WHERE status < 2;
CREATE INDEX runs_free ON runs(status, workflow) WHERE status < 2 AND holder IS NULL;
CREATE INDEX runs_ended ON runs(changed) WHERE status >= 2;
CREATE INDEX runs_due ON runs(due) WHERE due IS NOT NULL;
CREATE INDEX runs_children ON runs(parent) WHERE parent IS NOT NULL;
CREATE INDEX runs_definition ON runs(definition) WHERE definition IS NOT NULL;
CREATE TABLE definitions(id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, json TEXT NOT NULL);
CREATE TABLE descriptions(id INTEGER PRIMARY KEY, json TEXT NOT NULL UNIQUE);
CREATE TABLE starts(run INTEGER PRIMARY KEY, description INTEGER NOT NULL, json TEXT NOT NULL);
CREATE TABLE journal(
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    n INTEGER NOT NULL,
    prev INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE TABLE heads(noted INTEGER NOT NULL);
INSERT INTO heads VALUES(0);
CREATE TABLE snapshots(run INTEGER PRIMARY KEY, covers INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE events(
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    tag TEXT NOT NULL,
    at INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY(run, seq)
) WITHOUT ROWID;
CREATE TABLE fresh(
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    tag TEXT NOT NULL,
    at INTEGER NOT NULL,
    json TEXT NOT NULL
);
CREATE TABLE inputs(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL,
    input INTEGER NOT NULL,
    step TEXT NOT NULL,
    reason TEXT NOT NULL,
    expects TEXT,
    prompt TEXT,
    data TEXT,
    choices TEXT,
    schema TEXT,
    expires INTEGER,
    opened INTEGER NOT NULL,
    status INTEGER NOT NULL,
    answer TEXT,
    answered_by TEXT,
    closed INTEGER,
    UNIQUE(run, input)
);
CREATE INDEX inputs_pending ON inputs(id) WHERE status = 0;
CREATE TABLE mailbox(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    input INTEGER,
    json TEXT NOT NULL,
    dedup TEXT,
    at INTEGER NOT NULL,
    trace TEXT
);
CREATE INDEX mailbox_run ON mailbox(run);
CREATE TABLE taken(id INTEGER PRIMARY KEY, run INTEGER NOT NULL, dedup TEXT NOT NULL, UNIQUE(run, dedup));
CREATE INDEX taken_run ON taken(run);
CREATE TABLE calls(
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    namespace TEXT NOT NULL,
    run TEXT NOT NULL,
    json TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX calls_at ON calls(at);
";

/// Earlier stores have an index that every new run had to be put into, and only the last run of a description needed.
const WITHOUT: &str = "DROP INDEX IF EXISTS starts_description;";

/// What a store of format 2 does not have.
const FROM_2: &str = "
ALTER TABLE runs ADD COLUMN definition INTEGER;
CREATE INDEX runs_definition ON runs(definition) WHERE definition IS NOT NULL;
CREATE TABLE definitions(id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, json TEXT NOT NULL);
ALTER TABLE mailbox ADD COLUMN trace TEXT;
";

/// Makes an empty file a store, or sees that it is one, and brings an older one up to date. The caller holds the write
/// lock, so nobody else makes it.
pub(crate) fn prepare(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::Storage { path: path.to_owned(), source: storage(error) };
    if is_empty(conn).map_err(failed)? {
        conn.execute_batch(TABLES).map_err(failed)?;
        conn.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
        conn.pragma_update(None, "user_version", FORMAT).map_err(failed)?;
    }
    verify(conn, path)?;
    if format(conn).map_err(failed)? < FORMAT {
        conn.execute_batch(FROM_2).map_err(failed)?;
        conn.pragma_update(None, "user_version", FORMAT).map_err(failed)?;
    }
    conn.execute_batch(WITHOUT).map_err(failed)
}

fn is_empty(conn: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0 && pragma(conn, "application_id")? == 0 && pragma(conn, "user_version")? == 0)
}

/// Sees that a file is a store that this version can read; an empty one is not yet.
pub(crate) fn verify(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::Storage { path: path.to_owned(), source: storage(error) };
    if pragma(conn, "application_id").map_err(failed)? != APPLICATION {
        return Err(OpenError::NotAStore { path: path.to_owned() });
    }
    let found = format(conn).map_err(failed)?;
    // No store of format 1 was ever released.
    match (OLDEST..=FORMAT).contains(&found) {
        true => Ok(()),
        false => Err(OpenError::NewerVersion { path: path.to_owned(), found, known: FORMAT }),
    }
}

/// Whether the file may be changed at all: empty, or a store of this format.
pub(crate) fn verify_or_empty(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::Storage { path: path.to_owned(), source: storage(error) };
    if is_empty(conn).map_err(failed)? { Ok(()) } else { verify(conn, path) }
}

fn format(conn: &Connection) -> rusqlite::Result<i64> {
    pragma(conn, "user_version")
}

/// Whether the file has documents of workflows and traces of letters; one that is only read may be of an older format.
pub(crate) fn has_definitions(conn: &Connection) -> Stored<bool> {
    let format = first(conn, "PRAGMA user_version", [], |row| row.get::<_, i64>(0))?;
    Ok(format.is_some_and(|format| format >= WITH_DEFINITIONS))
}

fn pragma(conn: &Connection, name: &str) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, name, |row| row.get(0))
}
