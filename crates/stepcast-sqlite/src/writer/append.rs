//! Rows and events: what nearly every batch brings, and little else.

use std::sync::Arc;

use stepcast_core::backend::{Batch, LoadError, StorageError, WriteError};

use super::FaultPoint;
use super::known::Held;
use super::lines::Lines;
use super::rows::NewRow;
use super::work::Work;
use crate::error::storage;
use crate::events;
use crate::journal::{self, End, Missing};
use crate::sql::{Stored, db};

/// SQLite's own limit.
const LARGEST: usize = 1_000_000_000;

impl Work<'_> {
    pub(super) fn check_rows(&mut self, held: &mut Held, batch: &Batch) -> Stored<Result<(), WriteError>> {
        if batch.rows.is_empty() {
            return Ok(Ok(()));
        }
        let end = match self.end_of(held, &batch.run)? {
            Ok(end) => end,
            Err(error) => return Ok(Err(error)),
        };
        for (row, expected) in batch.rows.iter().zip(end.n + 1..) {
            if row.n != expected {
                return Ok(Err(WriteError::RowGap { run: batch.run.clone(), expected, found: row.n }));
            }
            if let Err(error) = fits(&batch.run, row.data.len()) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// After they were checked.
    pub(super) fn append_rows(&mut self, held: &mut Held, batch: &Batch) -> Stored<()> {
        let Some(mut end) = held.end else { return Ok(()) };
        for row in &batch.rows {
            let place = self.tail.append(held.key);
            self.put_row(NewRow { place, key: held.key, n: row.n, before: end.id }, &row.data)?;
            (end.id, end.n) = (place, row.n);
        }
        held.end = Some(end);
        Ok(())
    }

    /// Appends a line. `false` if it has to be looked at as any other batch; nothing is noted of a run that may not be
    /// written.
    pub(super) fn append_line(&mut self, lines: &Lines, at: usize) -> Stored<bool> {
        let Some((line, data)) = lines.get(at) else { return Ok(false) };
        let Some(note) = self.held.at(line.key) else { return Ok(false) };
        let held = note.get();
        let Some(end) = held.end.filter(|end| line.n == end.n + 1) else { return Ok(false) };
        if held.fence != line.fence || !self.is_fresh(&held) {
            return Ok(false);
        }
        let place = self.tail.append(line.key);
        note.set(Held { end: Some(End { id: place, n: line.n, ..end }), ..held });
        self.put_row(NewRow { place, key: line.key, n: line.n, before: end.id }, data)?;
        Ok(true)
    }

    pub(super) fn end_of(&mut self, held: &mut Held, run: &Arc<str>) -> Stored<Result<End, WriteError>> {
        if let Some(end) = held.end {
            return Ok(Ok(end));
        }
        self.flush_rows()?;
        Ok(match journal::end(self.conn, held.key)? {
            Ok(end) => {
                held.end = Some(end);
                Ok(end)
            }
            Err(missing) => Err(damaged(run, missing)),
        })
    }

    pub(super) fn check_events(&mut self, held: &mut Held, batch: &Batch) -> Stored<Result<(), WriteError>> {
        if batch.events.is_empty() {
            return Ok(Ok(()));
        }
        let last = match held.last_seq {
            Some(last) => last,
            None => {
                self.flush_events()?;
                events::last_seq(self.conn, held.key)?
            }
        };
        held.last_seq = Some(last);
        for (event, expected) in batch.events.iter().zip(last + 1..) {
            if event.seq != expected {
                return Ok(Err(WriteError::EventGap { run: batch.run.clone(), expected, found: event.seq }));
            }
            if let Err(error) = fits(&batch.run, event.json.len()) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// After they were checked.
    pub(super) fn append_events(&mut self, held: &mut Held, batch: &Batch) -> Stored<()> {
        // The only event of a run has its place at once.
        let settled = batch.events.len() == 1 && held.last_seq == Some(0) && batch.ends();
        for event in &batch.events {
            let table = if settled { &mut self.often.events } else { &mut self.often.fresh };
            table.number(held.key).number(db(event.seq)).text(&event.tag).number(db(event.at.0)).text(&event.json);
            if table.is_full() {
                self.flush_events()?;
            }
            if !settled {
                self.fresh.add(event.json.len());
            }
            held.last_seq = Some(event.seq);
        }
        Ok(())
    }

    /// Before anybody looks for events, and before the end of the transaction.
    pub(super) fn flush_events(&mut self) -> Stored<()> {
        let Work { often, options, .. } = self;
        for table in [&mut often.events, &mut often.fresh] {
            table.flush(|_| options.fault(FaultPoint::Statement)).map_err(storage)?;
        }
        Ok(())
    }
}

pub(super) fn fits(run: &Arc<str>, bytes: usize) -> Result<(), WriteError> {
    // The rest of the row needs some room too.
    let limit = LARGEST - 4096;
    if bytes <= limit { Ok(()) } else { Err(WriteError::TooLarge { run: run.clone(), bytes, limit }) }
}

/// The journal of one run is damaged, which is no reason to refuse the others.
pub(super) fn damaged(run: &Arc<str>, missing: Missing) -> WriteError {
    let gap = LoadError::Gap { run: run.clone(), row: missing.0 };
    WriteError::Storage(StorageError::Corrupt { source: Arc::new(gap) })
}
