//! The ends of the tables that grow with nearly every batch: the journal, whose runs' last rows are not yet noted, and
//! events that are not yet where they stay.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::work::Work;
use crate::sql::Stored;
use crate::{events, journal};

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
    /// Whether the table has a row right before that.
    pub(super) joined: bool,
    /// The places of the last rows past `noted`, by the run's key.
    ends: Ends,
    /// Whether `ends` knows all of them.
    whole: bool,
}

/// Events that are not yet where they stay.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    rows: usize,
    bytes: usize,
}

impl Fresh {
    pub(super) fn add(&mut self, bytes: usize) {
        self.rows += 1;
        self.bytes += bytes;
    }
}

/// Places by the keys of runs.
pub(crate) type Ends = HashMap<i64, i64, BuildHasherDefault<KeyHasher>>;

/// Spreads keys, which are the store's own: nobody chooses them.
#[derive(Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_i64(i64::from(*byte)));
    }

    fn write_i64(&mut self, key: i64) {
        let mixed = (self.0 ^ key as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
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

    /// Rows were deleted, perhaps the last one.
    pub(super) fn cut(&mut self) {
        self.joined = false;
    }

    /// Something was taken back: only the table knows.
    pub(super) fn doubt(&mut self) {
        (self.whole, self.joined) = (false, false);
    }
}

impl Work<'_> {
    /// After others wrote, or when what was written did not last.
    pub(super) fn read_tail(&mut self) -> Stored<()> {
        let noted = journal::noted(self.conn)?;
        let next = journal::next_place(self.conn, noted)?;
        self.count_fresh()?;
        self.tail = Tail { next, noted, joined: false, ends: Ends::default(), whole: next == noted + 1 };
        Ok(())
    }

    /// What is done once for many commits.
    pub(super) fn tidy_up(&mut self) -> Stored<()> {
        if self.fresh.rows >= events::MOST_FRESH || self.fresh.bytes >= events::MOST_BYTES {
            self.settle_events()?;
        }
        if self.tail.next - 1 - self.tail.noted >= NOTE { self.note() } else { Ok(()) }
    }

    pub(super) fn count_fresh(&mut self) -> Stored<()> {
        let (rows, bytes) = events::fresh(self.conn)?;
        self.fresh = Fresh { rows, bytes };
        Ok(())
    }

    pub(super) fn settle_events(&mut self) -> Stored<()> {
        if self.fresh.rows > 0 {
            self.flush_events()?;
            events::settle(self.conn)?;
            self.fresh = Fresh::default();
        }
        Ok(())
    }

    pub(super) fn note_for_claim(&mut self) -> Stored<()> {
        if self.tail.next - 1 - self.tail.noted >= NOTE_FOR_CLAIM { self.note() } else { Ok(()) }
    }

    fn note(&mut self) -> Stored<()> {
        let last = self.tail.next - 1;
        journal::note(self.conn, last, self.tail.whole.then_some(&self.tail.ends))?;
        self.tail = Tail { noted: last, ends: Ends::default(), whole: true, ..self.tail };
        Ok(())
    }
}
