//! Small things that all statements need.

use rusqlite::{Connection, OptionalExtension, Params, PrepFlags, Row, Statement};
use stepcast_core::backend::{InputStatus, MailKind, RunStatus, StorageError};
use stepcast_core::engine::Time;

use crate::error::storage;

pub(crate) type Stored<T> = Result<T, StorageError>;

/// A number as SQLite keeps it. Those past 2^63 do not arise by counting; they become the greatest.
pub(crate) fn db(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as it was kept; negative ones arise only from damage and match nothing.
pub(crate) fn un(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(crate) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Time> {
    row.get(column).map(|at| Time(un(at)))
}

/// A statement that stays. Without being told so, SQLite keeps it in the little memory that it has at hand, and asks the
/// system for all that the statements that run need.
pub(crate) fn kept<'c>(conn: &'c Connection, sql: &str) -> rusqlite::Result<Statement<'c>> {
    conn.prepare_with_flags(sql, PrepFlags::SQLITE_PREPARE_PERSISTENT)
}

/// Runs a statement that gives no rows, and says how many rows it changed.
pub(crate) fn run(conn: &Connection, sql: &str, params: impl Params) -> Stored<usize> {
    conn.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(storage)
}

/// The first row of a query, if any.
pub(crate) fn first<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Stored<Option<T>> {
    conn.prepare_cached(sql).and_then(|mut statement| statement.query_row(params, map).optional()).map_err(storage)
}

/// All rows of a query.
pub(crate) fn all<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Stored<Vec<T>> {
    conn.prepare_cached(sql).and_then(|mut statement| statement.query_map(params, map)?.collect()).map_err(storage)
}

pub(crate) fn status_code(status: RunStatus) -> i64 {
    match status {
        RunStatus::Running => 0,
        RunStatus::Waiting => 1,
        RunStatus::Completed => 2,
        RunStatus::CompletedWithFailures => 3,
        RunStatus::Failed => 4,
        RunStatus::Cancelled => 5,
        // Every status that a later version adds comes with a later format, which this one refuses to open.
        _ => 6,
    }
}

/// The first code of a status that stays.
pub(crate) const FIRST_END: i64 = 2;

pub(crate) fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<RunStatus> {
    Ok(match row.get::<_, i64>(column)? {
        0 => RunStatus::Running,
        1 => RunStatus::Waiting,
        2 => RunStatus::Completed,
        3 => RunStatus::CompletedWithFailures,
        4 => RunStatus::Failed,
        5 => RunStatus::Cancelled,
        6 => RunStatus::TimedOut,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(column, other)),
    })
}

pub(crate) const PENDING: i64 = 0;
pub(crate) const ANSWERED: i64 = 1;
pub(crate) const WITHDRAWN: i64 = 2;
pub(crate) const EXPIRED: i64 = 3;

/// From the columns status, answer, answered by, closed.
pub(crate) fn input_status(row: &Row<'_>, column: usize) -> rusqlite::Result<InputStatus> {
    Ok(match row.get::<_, i64>(column)? {
        PENDING => InputStatus::Pending,
        ANSWERED => {
            InputStatus::Answered { answer: row.get(column + 1)?, by: row.get(column + 2)?, at: time(row, column + 3)? }
        }
        WITHDRAWN => InputStatus::Withdrawn { at: time(row, column + 3)? },
        EXPIRED => InputStatus::Expired { at: time(row, column + 3)? },
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(column, other)),
    })
}

/// The kind of a letter and the input that it answers.
pub(crate) fn mail_code(kind: MailKind) -> (i64, Option<i64>) {
    match kind {
        MailKind::Event => (0, None),
        MailKind::Answer { input } => (1, Some(db(input))),
        MailKind::Wake => (3, None),
        _ => (2, None),
    }
}

pub(crate) fn mail_kind(row: &Row<'_>, column: usize) -> rusqlite::Result<MailKind> {
    Ok(match row.get::<_, i64>(column)? {
        0 => MailKind::Event,
        1 => MailKind::Answer { input: un(row.get(column + 1)?) },
        2 => MailKind::Cancel,
        3 => MailKind::Wake,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(column, other)),
    })
}
