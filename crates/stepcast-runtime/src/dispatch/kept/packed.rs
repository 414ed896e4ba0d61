//! The journal of a run at rest, in little room.

use std::sync::Arc;

use stepcast_core::engine::Time;

use super::Journal;
use crate::run::RunId;

const NEVER: Time = Time(u64::MAX);

/// A journal that nobody works with.
pub(crate) enum AtRest {
    /// Nothing is on its way, so the place alone is left of it.
    Packed(Box<Packed>),
    /// Something is.
    Whole(Box<Journal>),
}

/// A place in a journal.
pub(crate) struct Packed {
    parent: Option<Arc<str>>,
    fence: u64,
    row: u64,
    seq: u64,
    last_letter: u64,
    /// The end of time where there is none.
    due: Time,
    since: u32,
    began: bool,
    waits: bool,
}

impl AtRest {
    pub(crate) fn of(mut journal: Box<Journal>) -> Self {
        let nothing_comes = journal.is_idle() && !journal.is_writing() && journal.first.is_none() && !journal.leave;
        let nothing_came = journal.finished.is_empty()
            && journal.starting.is_empty()
            && journal.early.is_empty()
            && journal.found.is_empty();
        if !nothing_comes || !nothing_came {
            (journal.spent, journal.next) = (Vec::new(), None);
            return AtRest::Whole(journal);
        }
        let Journal { fence, parent, row, seq, began, waits, due, last_letter, since, .. } = *journal;
        // A checkpoint is made long before.
        let since = u32::try_from(since).unwrap_or(u32::MAX);
        let due = due.unwrap_or(NEVER);
        AtRest::Packed(Box::new(Packed { parent, fence, row, seq, last_letter, due, since, began, waits }))
    }

    pub(crate) fn take_up(self, run: &RunId) -> Box<Journal> {
        match self {
            AtRest::Whole(journal) => journal,
            AtRest::Packed(packed) => {
                let Packed { parent, fence, row, seq, last_letter, due, since, began, waits } = *packed;
                let empty = Journal::at(Arc::clone(run.shared()), fence, row, seq);
                let (due, since) = (Some(due).filter(|due| *due != NEVER), since as usize);
                Box::new(Journal { parent, last_letter, since, due, began, waits, ..empty })
            }
        }
    }
}
