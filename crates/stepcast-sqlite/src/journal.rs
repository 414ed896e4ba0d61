//! Where the rows of a run are in the journal.
//!
//! Each row knows the place of the one before it. A run's last row is the last one of it past `heads.noted`, or, if there
//! is none, at `runs.head`. So a commit touches the end of one table however many runs it is for.

use rusqlite::{Connection, params};
use stepcast_core::backend::JournalRow;

use crate::sql::{Stored, all, db, first, run, un};
use crate::writer::Ends;

/// The end of a run's journal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct End {
    /// The place of its last row; 0 if there is none.
    pub(crate) id: i64,
    /// The number of the last row; that of the last one covered if there is none.
    pub(crate) n: u64,
    /// The number of the last row that a snapshot covers.
    pub(crate) covers: u64,
}

/// A row that is not where it should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing(pub(crate) u64);

pub(crate) fn noted(conn: &Connection) -> Stored<i64> {
    Ok(first(conn, "SELECT noted FROM heads", [], |row| row.get(0))?.unwrap_or(0))
}

/// The place after the last.
pub(crate) fn next_place(conn: &Connection, noted: i64) -> Stored<i64> {
    let last: Option<Option<i64>> = first(conn, "SELECT max(id) FROM journal", [], |row| row.get(0))?;
    Ok(last.flatten().unwrap_or(0).max(noted) + 1)
}

/// Notes the last rows of all runs past the noted ones. `ends` has them by run, if they are known.
pub(crate) fn note(conn: &Connection, last: i64, ends: Option<&Ends>) -> Stored<()> {
    if let Some(ends) = ends {
        for (key, place) in ends {
            run(conn, "UPDATE runs SET head = ?2 WHERE id = ?1", [key, place])?;
        }
    } else {
        run(
            conn,
            "UPDATE runs SET head = tail.id FROM (SELECT run, max(id) AS id FROM journal \
             WHERE id > (SELECT noted FROM heads) GROUP BY run) AS tail WHERE runs.id = tail.run",
            [],
        )?;
    }
    run(conn, "UPDATE heads SET noted = ?1", [last])?;
    Ok(())
}

/// The end of the journal of the run `key`.
pub(crate) fn end(conn: &Connection, key: i64) -> Stored<Result<End, Missing>> {
    let covers = first(conn, "SELECT covers FROM snapshots WHERE run = ?1", [key], |row| row.get::<_, i64>(0))?;
    let covers = un(covers.unwrap_or(0));
    let tail: Option<Option<i64>> =
        first(conn, "SELECT max(id) FROM journal WHERE id > (SELECT noted FROM heads) AND run = ?1", [key], |row| {
            row.get(0)
        })?;
    let id = match tail.flatten() {
        Some(id) => id,
        None => first(conn, "SELECT head FROM runs WHERE id = ?1", [key], |row| row.get(0))?.unwrap_or(0),
    };
    if id == 0 {
        return Ok(Ok(End { id: 0, n: covers, covers }));
    }
    let n = first(conn, "SELECT n FROM journal WHERE id = ?1 AND run = ?2", [id, key], |row| row.get::<_, i64>(0))?;
    Ok(match n.map(un) {
        Some(n) if n > covers => Ok(End { id, n, covers }),
        _ => Err(Missing(covers + 1)),
    })
}

/// The rows of a run after those that are covered, in order.
pub(crate) fn rows(conn: &Connection, key: i64, end: End) -> Stored<Result<Vec<JournalRow>, Missing>> {
    let mut rows = Vec::new();
    let mut id = end.id;
    for expected in (end.covers + 1..=end.n).rev() {
        let row = first(conn, "SELECT n, prev, data FROM journal WHERE id = ?1 AND run = ?2", [id, key], |row| {
            Ok((un(row.get(0)?), row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        })?;
        match row {
            Some((n, prev, data)) if n == expected => {
                rows.push(JournalRow { n, data });
                id = prev;
            }
            _ => return Ok(Err(Missing(expected))),
        }
    }
    rows.reverse();
    Ok(Ok(rows))
}

/// Deletes the rows of a run up to `covers`, and says what its end is then.
pub(crate) fn cut(conn: &Connection, key: i64, end: End, covers: u64) -> Stored<Result<End, Missing>> {
    let mut id = end.id;
    for n in (covers + 1..=end.n).rev() {
        let sql = "SELECT prev FROM journal WHERE id = ?1 AND run = ?2 AND n = ?3";
        match first(conn, sql, params![id, key, db(n)], |row| row.get(0))? {
            Some(prev) => id = prev,
            None => return Ok(Err(Missing(n))),
        }
    }
    for n in (end.covers + 1..=covers).rev() {
        let sql = "DELETE FROM journal WHERE id = ?1 AND run = ?2 AND n = ?3 RETURNING prev";
        // RETURNING wants the statement to be stepped to its end, which a query of all rows does.
        match all(conn, sql, params![id, key, db(n)], |row| row.get(0))?.first() {
            Some(prev) => id = *prev,
            None => return Ok(Err(Missing(n))),
        }
    }
    let end = End { id: if covers == end.n { 0 } else { end.id }, n: end.n, covers };
    run(conn, "UPDATE runs SET head = ?2 WHERE id = ?1", [key, end.id])?;
    Ok(Ok(end))
}
