//! Journal rows on their way into the table: several go in with one statement, at half the cost of one at a time.

use std::sync::Arc;

use rusqlite::{Connection, Statement, params};
use stepcast_core::backend::StorageError;

use super::FaultPoint;
use super::many::{SIZES, largest};
use super::work::Work;
use crate::error::storage;
use crate::sql::{Stored, db, kept};

/// A row of more bytes is not copied to wait for others.
pub(super) const LONG: usize = 4096;

/// Statements that append, for each of the sizes.
pub(super) struct Appends<'c> {
    /// For a row whose place does not follow from the table's last one.
    placed: Statement<'c>,
    /// For rows that follow each other and the table's last one, by `SIZES`.
    next: Vec<Statement<'c>>,
}

/// Rows that have their places, and no statement yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    rows: Vec<Row>,
    bytes: Vec<u8>,
}

/// What a row is besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewRow {
    pub(super) place: i64,
    pub(super) key: i64,
    pub(super) n: u64,
    /// The place of the run's row before it.
    pub(super) before: i64,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    new: NewRow,
    /// Where its bytes end among all.
    end: usize,
}

impl<'c> Appends<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> Stored<Self> {
        let next = SIZES.iter().map(|size| {
            let values = vec!["(?, ?, ?, ?)"; *size].join(", ");
            // A failure ends the whole transaction, so a statement need not be able to take back its own rows: for that
            // SQLite would copy every page that it touches.
            kept(conn, &format!("INSERT OR FAIL INTO journal(run, n, prev, data) VALUES {values}"))
        });
        let placed = kept(conn, "INSERT INTO journal(id, run, n, prev, data) VALUES(?1, ?2, ?3, ?4, ?5)");
        Ok(Appends { placed: placed.map_err(storage)?, next: next.collect::<Result<_, _>>().map_err(storage)? })
    }

    fn put_placed(&mut self, new: NewRow, data: &[u8]) -> Stored<()> {
        let NewRow { place, key, n, before } = new;
        self.placed.execute(params![place, key, db(n), before, data]).map(drop).map_err(storage)
    }
}

impl Waiting {
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.bytes.clear();
    }
}

impl Work<'_> {
    /// Appends a row, now or with the next ones.
    pub(super) fn put_row(&mut self, new: NewRow, data: &[u8]) -> Stored<()> {
        if data.len() > LONG {
            self.flush_rows()?;
            self.often.appends.put_placed(new, data)?;
            self.tail.joined = true;
            self.fault(FaultPoint::Statement);
            return Ok(());
        }
        self.waiting.bytes.extend_from_slice(data);
        self.waiting.rows.push(Row { new, end: self.waiting.bytes.len() });
        if self.waiting.rows.len() >= SIZES[0] { self.flush_rows() } else { Ok(()) }
    }

    /// Before anybody looks into the table, and before the end of the transaction.
    pub(super) fn flush_rows(&mut self) -> Stored<()> {
        if self.waiting.rows.is_empty() {
            return Ok(());
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let (mut rows, mut begin) = (&waiting.rows[..], 0);
        while let Some(first) = rows.first() {
            let taken = if self.tail.joined {
                let (at, size) = largest(rows.len());
                let statement = &mut self.often.appends.next[at];
                let mut place = 0;
                for (row, column) in rows[..size].iter().zip((1..).step_by(4)) {
                    let NewRow { key, n, before, .. } = row.new;
                    statement.raw_bind_parameter(column, key).map_err(storage)?;
                    statement.raw_bind_parameter(column + 1, db(n)).map_err(storage)?;
                    statement.raw_bind_parameter(column + 2, before).map_err(storage)?;
                    statement.raw_bind_parameter(column + 3, &waiting.bytes[begin..row.end]).map_err(storage)?;
                    (begin, place) = (row.end, row.new.place);
                }
                statement.raw_execute().map_err(storage)?;
                // SQLite has room at hand for about as many values as one statement has here, so none keeps it.
                statement.clear_bindings();
                let found = self.conn.last_insert_rowid();
                if found != place {
                    return Err(StorageError::Corrupt { source: Arc::new(Misplaced { place, found }) });
                }
                size
            } else {
                self.often.appends.put_placed(first.new, &waiting.bytes[begin..first.end])?;
                (begin, self.tail.joined) = (first.end, true);
                1
            };
            rows = &rows[taken..];
            self.fault(FaultPoint::Statement);
        }
        waiting.clear();
        self.waiting = waiting;
        Ok(())
    }
}

/// A row came to another place than the one that others were told.
#[derive(Debug, thiserror::Error)]
#[error("A row came to the place {found} instead of {place}: the table is damaged, or not only stepcast writes it.")]
pub(super) struct Misplaced {
    pub(super) place: i64,
    pub(super) found: i64,
}
