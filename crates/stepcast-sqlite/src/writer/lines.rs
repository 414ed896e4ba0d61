//! Batches that are one row of a run that the writer knows, as nearly all are. What is to be written of them comes to the
//! writer in one piece of memory; the batch itself it only keeps until that is durable, without a look at it: what is a
//! run's own stays with the thread that goes on with the run.

use std::sync::Arc;

use stepcast_core::backend::{Batch, JournalRow, Owed, ReceivesAll};

use super::rows::LONG;

/// So many of them, and of other jobs before them, are one piece at most.
pub(super) const MOST: usize = 512;
/// With room for more lines, or for more bytes of them, a piece is not used again: a burst is over.
const ROOM: (usize, usize) = (64, 32 << 10);

/// What is written, in order, and who is told.
#[derive(Default)]
pub(crate) struct Lines {
    lines: Vec<Line>,
    bytes: Vec<u8>,
    pub(super) owed: Vec<Owed>,
    /// Where all of them are taken back.
    of_all: Option<Arc<dyn ReceivesAll>>,
}

/// A row without its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) key: i64,
    pub(super) fence: u64,
    pub(super) n: u64,
    /// Where its bytes end among all.
    end: usize,
}

impl Lines {
    /// Whether a batch can be a line.
    pub(super) fn suit(batch: &Batch) -> bool {
        let short = |row: &JournalRow| row.data.len() <= LONG;
        batch.key != 0
            && batch.only_appends()
            && batch.events.is_empty()
            && matches!(&batch.rows[..], [row] if short(row))
    }

    /// Whether one more can come to these that is taken back there.
    pub(super) fn have_room_for(&self, of_all: &Option<Arc<dyn ReceivesAll>>) -> bool {
        let same = match (&self.of_all, of_all) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => true,
        };
        same && self.lines.len() < MOST
    }

    /// Adds one that suits, and for which there is room.
    pub(super) fn push(&mut self, owed: Owed, of_all: Option<Arc<dyn ReceivesAll>>) {
        let batch = &owed.batch;
        for row in &batch.rows {
            self.bytes.extend_from_slice(&row.data);
            let end = self.bytes.len();
            self.lines.push(Line { key: batch.key.cast_signed(), fence: batch.fence, n: row.n, end });
        }
        if self.of_all.is_none() {
            self.of_all = of_all;
        }
        self.owed.push(owed);
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<(Line, &[u8])> {
        let line = *self.lines.get(at)?;
        let begin = at.checked_sub(1).map_or(0, |before| self.lines[before].end);
        Some((line, &self.bytes[begin..line.end]))
    }

    /// Without the last ones, who are told that nobody writes them.
    pub(super) fn truncate(&mut self, len: usize) {
        self.lines.truncate(len);
        self.owed.truncate(len);
    }

    /// The batches, and where they are taken back.
    pub(super) fn take_owed(&mut self) -> (Vec<Owed>, Option<Arc<dyn ReceivesAll>>) {
        (std::mem::take(&mut self.owed), self.of_all.take())
    }

    /// Room for other lines, if it is worth keeping.
    pub(super) fn emptied(mut self) -> Option<Self> {
        (self.of_all, self.owed) = (None, Vec::new());
        self.lines.clear();
        self.bytes.clear();
        (self.lines.capacity() <= ROOM.0 && self.bytes.capacity() <= ROOM.1).then_some(self)
    }
}
