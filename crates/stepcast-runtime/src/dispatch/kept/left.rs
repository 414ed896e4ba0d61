//! What kept runs of a thread left when they ended. Short runs come in rows, many at a time, and each asks for the same
//! memory again: the next ones take turns with its room.

use std::cell::RefCell;
use std::sync::Arc;

use stepcast_core::backend::{Batch, FIRST_FENCE, NewRun};

use stepcast_core::engine::Time;

use super::journal::{Journal, ROW};

/// So many of each stay.
const MOST: usize = 64;
/// A text with more room does not stay.
const LONG: usize = 4096;

thread_local! {
    static LEFT: RefCell<Left> = const { RefCell::new(Left { journals: Vec::new(), news: Vec::new() }) };
}

// Boxed, as a run holds them: they are not moved.
#[allow(clippy::vec_box)]
struct Left {
    journals: Vec<Box<Journal>>,
    news: Vec<Box<NewRun>>,
}

/// A place for what a run is created with. What is in it is of no meaning.
pub(crate) fn room_for_new() -> Box<NewRun> {
    LEFT.with_borrow_mut(|left| left.news.pop()).unwrap_or_default()
}

fn leave_new(mut new: Box<NewRun>) {
    if new.workflow.capacity() > LONG || new.description.capacity() > LONG {
        return;
    }
    (new.start, new.parent, new.definition) = (String::new(), None, None);
    LEFT.with_borrow_mut(|left| {
        if left.news.len() < MOST {
            left.news.push(new);
        }
    });
}

impl Journal {
    /// A journal in the room of another one.
    pub(super) fn in_room(run: Arc<str>) -> Box<Self> {
        match LEFT.with_borrow_mut(|left| left.journals.pop()) {
            Some(mut journal) => {
                journal.batch.run = Arc::clone(&run);
                if let Some(next) = &mut journal.next {
                    next.run = Arc::clone(&run);
                }
                journal.run = run;
                journal
            }
            None => Box::new(Journal::at(run, FIRST_FENCE, 0, 0)),
        }
    }

    /// Takes a batch back that is written: the one after the next goes into its room.
    pub(super) fn take_back(&mut self, mut batch: Box<Batch>) {
        self.spent = std::mem::take(&mut batch.rows);
        if self.batch.events.capacity() == 0 && batch.events.capacity() > 0 {
            self.batch.events = std::mem::take(&mut batch.events);
            self.batch.events.clear();
        }
        batch.events.clear();
        if !batch.only_appends() {
            batch.created.take().into_iter().for_each(leave_new);
            let events = std::mem::take(&mut batch.events);
            *batch = Batch { events, ..Batch::of(Arc::clone(&self.run), self.fence, batch.at) };
        }
        self.next = Some(batch);
    }

    /// Leaves the room of a run that has ended to the thread's next one.
    pub(crate) fn leave(mut self: Box<Self>) {
        let mut spent = std::mem::take(&mut self.spent);
        let (mut events, mut held) = (std::mem::take(&mut self.batch.events), std::mem::take(&mut self.held));
        spent.truncate(1);
        spent.retain(|row| row.data.capacity() <= 2 * ROW);
        events.clear();
        held.clear();
        spent.shrink_to(4);
        events.shrink_to(4);
        held.shrink_to(4);
        let (batch, next) = (std::mem::take(&mut self.batch), self.next.take());
        *self = Journal { spent, held, batch, next, ..Journal::at(Arc::default(), FIRST_FENCE, 0, 0) };
        for batch in self.next.iter_mut().chain([&mut self.batch]) {
            **batch = Batch::of(Arc::clone(&self.run), FIRST_FENCE, Time(0));
        }
        self.batch.events = events;
        LEFT.with_borrow_mut(|left| {
            if left.journals.len() < MOST {
                left.journals.push(self);
            }
        });
    }
}
