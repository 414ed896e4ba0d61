//! Runs that end as nearly all do: those that began one after the other, and so lie together, are changed by one statement.

use rusqlite::{Connection, Statement};
use stepcast_core::backend::RunStatus;

use super::FaultPoint;
use super::many::{LONG, SIZES};
use super::work::Work;
use crate::error::storage;
use crate::sql::{Stored, kept, status_code};

/// Ends that wait, and the statements for them.
pub(super) struct Ends<'c> {
    conn: &'c Connection,
    /// By `SIZES`, made when they are first needed: for those with others between them, and for those without.
    statements: [[Option<Statement<'c>>; SIZES.len()]; 2],
    waiting: Vec<End>,
    text: String,
}

#[derive(Clone, Copy, Debug)]
struct End {
    key: i64,
    at: i64,
    /// The place of the run's last row.
    head: i64,
    /// Where its result is in the text of all.
    result: (usize, usize),
}

impl<'c> Ends<'c> {
    pub(super) fn new(conn: &'c Connection) -> Self {
        Ends { conn, statements: Default::default(), waiting: Vec::new(), text: String::new() }
    }

    /// A run without a deadline that ended well, and gave nothing up.
    pub(super) fn add(&mut self, key: i64, at: i64, head: i64, result: &str) {
        let begin = self.text.len();
        self.text.push_str(result);
        self.waiting.push(End { key, at, head, result: (begin, self.text.len()) });
    }

    pub(super) fn is_full(&self) -> bool {
        // Those that lie together may come in any order.
        self.waiting.len() >= 4 * SIZES[0] || self.text.len() >= LONG
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        if self.text.len() > LONG {
            self.text = String::new();
        }
        self.text.clear();
    }

    fn flush(&mut self, put: impl Fn()) -> rusqlite::Result<()> {
        self.waiting.sort_unstable_by_key(|end| end.key);
        let mut waiting = &self.waiting[..];
        while !waiting.is_empty() {
            let (at, size) = neighbours(waiting);
            let (now, later) = waiting.split_at(size);
            let joined = now[size - 1].key - now[0].key < size as i64;
            let statement = match &mut self.statements[usize::from(joined)][at] {
                Some(statement) => statement,
                none => none.insert(kept(self.conn, &update(size, joined))?),
            };
            for (end, number) in now.iter().zip((1..).step_by(4)) {
                statement.raw_bind_parameter(number, end.key)?;
                statement.raw_bind_parameter(number + 1, &self.text[end.result.0..end.result.1])?;
                statement.raw_bind_parameter(number + 2, end.at)?;
                statement.raw_bind_parameter(number + 3, end.head)?;
            }
            statement.raw_execute()?;
            statement.clear_bindings();
            waiting = later;
            put();
        }
        self.clear();
        Ok(())
    }
}

/// The largest statement for those that come first, by its place and size: it walks past all runs between them.
fn neighbours(waiting: &[End]) -> (usize, usize) {
    let near = |size: usize| match waiting.get(size - 1) {
        Some(last) => last.key - waiting[0].key < 2 * size as i64,
        None => false,
    };
    let at = SIZES.iter().position(|size| near(*size)).unwrap_or(SIZES.len() - 1);
    (at, SIZES[at])
}

/// The statement for so many runs in order, whose values are key, result, time and place. It goes once through a part of
/// the table, and so writes each page and opens each index once. Where they are joined, there are no others between them.
fn update(size: usize, joined: bool) -> String {
    let value = |column| choose(0, size, column);
    let own = if joined { String::new() } else { format!(" AND id = {}", value(0)) };
    format!(
        "UPDATE OR FAIL runs SET status = {}, result = {}, error = NULL, changed = {}, failures = 0, holder = NULL, \
         head = {} WHERE id BETWEEN ?1 AND ?{}{own}",
        status_code(RunStatus::Completed),
        value(1),
        value(2),
        value(3),
        4 * size - 3,
    )
}

/// That value of one of the runs from `begin` to `end` that belongs to the row: found by halves.
fn choose(begin: usize, end: usize, column: usize) -> String {
    if end - begin == 1 {
        return format!("?{}", 4 * begin + 1 + column);
    }
    let middle = begin + (end - begin) / 2;
    let (lower, upper) = (choose(begin, middle, column), choose(middle, end, column));
    format!("CASE WHEN id < ?{} THEN {lower} ELSE {upper} END", 4 * middle + 1)
}

impl Work<'_> {
    /// Before anybody looks at runs in the table, and before the end of the transaction.
    pub(super) fn flush_runs(&mut self) -> Stored<()> {
        self.flush_creates()?;
        let Work { often, options, .. } = self;
        often.ends.flush(|| options.fault(FaultPoint::Statement)).map_err(storage)
    }
}
