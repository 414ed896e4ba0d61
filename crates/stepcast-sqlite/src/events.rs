//! Where the stream events of a run are: `events` by run, and before that `fresh` in the order in which they came. So a
//! commit touches the end of one table however many runs it is for, and a page of `events` takes many rows at once.

use rusqlite::{Connection, params};
use stepcast_core::backend::StreamRow;

use crate::sql::{Stored, all, db, first, run, time, un};

/// So many fresh events, or bytes of them, wait to be moved; whoever reads a stream looks through all of them.
pub(crate) const MOST_FRESH: usize = 1024;
pub(crate) const MOST_BYTES: usize = 1 << 20;

/// The number of a run's last event; 0 if there is none.
pub(crate) fn last_seq(conn: &Connection, key: i64) -> Stored<u64> {
    let sql = "SELECT max(seq) FROM (SELECT max(seq) AS seq FROM events WHERE run = ?1 \
               UNION ALL SELECT max(seq) FROM fresh WHERE run = ?1)";
    let last = first(conn, sql, [key], |row| row.get::<_, Option<i64>>(0))?;
    Ok(un(last.flatten().unwrap_or(0)))
}

/// The events of a run after one, in order.
pub(crate) fn after(conn: &Connection, key: i64, after: u64, limit: i64) -> Stored<Vec<StreamRow>> {
    let sql = "SELECT seq, tag, json, at FROM events WHERE run = ?1 AND seq > ?2 \
               UNION ALL SELECT seq, tag, json, at FROM fresh WHERE run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    all(conn, sql, params![key, db(after), limit], |row| {
        Ok(StreamRow { seq: un(row.get(0)?), tag: row.get(1)?, json: row.get(2)?, at: time(row, 3)? })
    })
}

/// How many fresh events there are, and about how many bytes.
pub(crate) fn fresh(conn: &Connection) -> Stored<(usize, usize)> {
    // They come one after the other and go all at once.
    let sql = "SELECT 1 + id - (SELECT min(id) FROM fresh), length(json) FROM fresh ORDER BY id DESC LIMIT 1";
    let found = first(conn, sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?.unwrap_or_default();
    let rows = un(found.0) as usize;
    Ok((rows, rows.saturating_mul(un(found.1) as usize)))
}

/// Moves all fresh events to where they stay. In the order in which they came: to sort them first costs more than it saves.
/// A failure ends the whole transaction, so the statement need not be able to take back its own rows.
pub(crate) fn settle(conn: &Connection) -> Stored<()> {
    run(conn, "INSERT OR FAIL INTO events SELECT run, seq, tag, at, json FROM fresh", [])?;
    run(conn, "DELETE FROM fresh", [])?;
    Ok(())
}
