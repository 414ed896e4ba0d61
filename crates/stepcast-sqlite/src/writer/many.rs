//! Rows of one table on their way into it: several go in with one statement, at half the cost of one at a time.

use rusqlite::types::Null;
use rusqlite::{Connection, Statement};

use crate::sql::kept;

/// How many rows a statement takes.
pub(super) const SIZES: [usize; 5] = [16, 8, 4, 2, 1];
/// Rows with more text together do not wait for others.
pub(super) const LONG: usize = 64 << 10;

/// Rows that wait, and the statements for them.
pub(super) struct Many<'c> {
    conn: &'c Connection,
    /// The table with its columns.
    into: &'static str,
    /// How many values a row has.
    columns: usize,
    /// What is put into the columns, from the number of a row's first value on.
    row: fn(usize) -> String,
    /// By `SIZES`, made when they are first needed: who opens a store may write little.
    statements: [Option<Statement<'c>>; SIZES.len()],
    values: Vec<Put>,
    text: String,
}

#[derive(Clone, Copy, Debug)]
enum Put {
    Nothing,
    Number(i64),
    /// Where it ends in the text of all; it begins where the last one ended.
    Text(usize),
}

impl<'c> Many<'c> {
    pub(super) fn new(conn: &'c Connection, into: &'static str, columns: usize, row: fn(usize) -> String) -> Self {
        let statements = std::array::from_fn(|_| None);
        Many { conn, into, columns, row, statements, values: Vec::new(), text: String::new() }
    }

    pub(super) fn number(&mut self, number: i64) -> &mut Self {
        self.values.push(Put::Number(number));
        self
    }

    pub(super) fn number_if(&mut self, number: Option<i64>) -> &mut Self {
        self.values.push(number.map_or(Put::Nothing, Put::Number));
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self.values.push(Put::Text(self.text.len()));
        self
    }

    pub(super) fn text_if(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => {
                self.values.push(Put::Nothing);
                self
            }
        }
    }

    /// How many rows wait.
    pub(super) fn len(&self) -> usize {
        self.values.len() / self.columns
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= SIZES[0] || self.text.len() >= LONG
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
        if self.text.len() > LONG {
            self.text = String::new();
        }
        self.text.clear();
    }

    /// Puts them into the table, and says after each statement how many rows it had.
    pub(super) fn flush(&mut self, mut put: impl FnMut(usize)) -> rusqlite::Result<()> {
        let (mut values, mut begin) = (&self.values[..], 0);
        while !values.is_empty() {
            let (at, size) = largest(values.len() / self.columns);
            let statement = match &mut self.statements[at] {
                Some(statement) => statement,
                none => {
                    none.insert(prepare(self.conn, self.into, (0..size).map(|row| (self.row)(row * self.columns + 1)))?)
                }
            };
            let (now, later) = values.split_at((size * self.columns).min(values.len()));
            for (value, number) in now.iter().zip(1..) {
                match *value {
                    Put::Nothing => statement.raw_bind_parameter(number, Null)?,
                    Put::Number(value) => statement.raw_bind_parameter(number, value)?,
                    Put::Text(end) => {
                        statement.raw_bind_parameter(number, &self.text[begin..end])?;
                        begin = end;
                    }
                }
            }
            statement.raw_execute()?;
            // SQLite has room at hand for about as many values as one statement has here, so none keeps it.
            statement.clear_bindings();
            values = later;
            put(size);
        }
        self.clear();
        Ok(())
    }
}

fn prepare<'c>(
    conn: &'c Connection,
    into: &str,
    rows: impl Iterator<Item = String>,
) -> rusqlite::Result<Statement<'c>> {
    let rows: Vec<String> = rows.collect();
    // See `Appends` for why it may fail in the middle.
    kept(conn, &format!("INSERT OR FAIL INTO {into} VALUES {}", rows.join(", ")))
}

/// The largest statement that so many rows fill, by its place and size.
pub(super) fn largest(rows: usize) -> (usize, usize) {
    let at = SIZES.iter().position(|size| *size <= rows).unwrap_or(SIZES.len() - 1);
    (at, SIZES[at])
}
