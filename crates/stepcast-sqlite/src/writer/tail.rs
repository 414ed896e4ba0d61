//! The end of the journal, whose runs' last rows are not yet noted.

use std::collections::HashMap;

use super::work::Work;
use crate::journal;
use crate::sql::Stored;

/// How far the journal grows before the last rows of its runs are noted.
const NOTE: i64 = 4096;
/// How far it may have grown when a run is claimed, which is then looked for there.
const NOTE_FOR_CLAIM: i64 = 256;

#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The place of the next row.
    pub(super) next: i64,
    /// Up to where last rows are noted.
    noted: i64,
    /// The places of the last rows past `noted`, by the run's key.
    ends: HashMap<i64, i64>,
    /// Whether `ends` knows all of them.
    whole: bool,
}

impl Tail {
    /// Takes the next place for a row of a run.
    pub(super) fn append(&mut self, key: i64) -> i64 {
        let place = self.next;
        self.next += 1;
        self.ends.insert(key, place);
        place
    }

    /// A run has no more rows there.
    pub(super) fn remove(&mut self, key: i64) {
        self.ends.remove(&key);
    }

    /// Something was taken back: only the table knows.
    pub(super) fn doubt(&mut self) {
        self.whole = false;
    }
}

impl Work<'_> {
    /// After others wrote, or when what was written did not last.
    pub(super) fn read_tail(&mut self) -> Stored<()> {
        let noted = journal::noted(self.conn)?;
        let next = journal::next_place(self.conn, noted)?;
        self.tail = Tail { next, noted, ends: HashMap::new(), whole: next == noted + 1 };
        Ok(())
    }

    pub(super) fn note_ends(&mut self) -> Stored<()> {
        if self.tail.next - 1 - self.tail.noted >= NOTE { self.note() } else { Ok(()) }
    }

    pub(super) fn note_for_claim(&mut self) -> Stored<()> {
        if self.tail.next - 1 - self.tail.noted >= NOTE_FOR_CLAIM { self.note() } else { Ok(()) }
    }

    fn note(&mut self) -> Stored<()> {
        let last = self.tail.next - 1;
        journal::note(self.conn, last, self.tail.whole.then_some(&self.tail.ends))?;
        self.tail = Tail { next: self.tail.next, noted: last, ends: HashMap::new(), whole: true };
        Ok(())
    }
}
