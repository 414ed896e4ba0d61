//! What kept runs of a thread leave to its next ones when they end.

use std::sync::Arc;

use stepcast_core::backend::{Batch, FIRST_FENCE, NewRun};
use stepcast_core::engine::Time;

use super::journal::{Journal, ROW};
use crate::dispatch::spares::Spares;

/// A text with more room does not stay.
const LONG: usize = 4096;

thread_local! {
    static JOURNALS: Spares<Journal> = const { Spares::new() };
    static NEW_RUNS: Spares<NewRun> = const { Spares::new() };
}

/// A place for what a run is created with. What is in it is of no meaning.
pub(crate) fn room_for_new() -> Box<NewRun> {
    NEW_RUNS.with(Spares::take).unwrap_or_default()
}

fn leave_new(mut new: Box<NewRun>) {
    if new.workflow.capacity() > LONG || new.description.capacity() > LONG {
        return;
    }
    (new.start, new.parent, new.definition) = (String::new(), None, None);
    NEW_RUNS.with(|left| left.leave(new));
}

impl Journal {
    /// A journal in the room of another one.
    pub(super) fn in_room(run: Arc<str>) -> Box<Self> {
        match JOURNALS.with(Spares::take) {
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
        self.key = batch.key;
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
        JOURNALS.with(|left| left.leave(self));
    }
}
