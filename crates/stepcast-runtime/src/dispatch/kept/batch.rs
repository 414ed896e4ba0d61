//! Batches on their way to the backend, and what happens once they are durable.

use std::sync::Arc;

use stepcast_core::WorkflowDef;
use stepcast_core::backend::{Due, Receipt, StatusChange, WriteError};
use stepcast_core::engine::{ExecKey, RunState, Time};
use stepcast_core::journal::{LabelDelta, WriteRowError, write_between};

use super::capture::{New, Take};
use super::journal::{Held, Journal};
use super::tick::with_extras;
use crate::dispatch::{Dispatch, RunCore};
use crate::durable::Keeping;
use crate::run::{RunError, lock};

impl Dispatch {
    /// Sends what there is to the backend. Whether anything was.
    #[inline]
    pub(super) fn flush(&mut self, core: &mut RunCore) -> bool {
        let is_dirty = self.env.run.keeping().is_some_and(Keeping::has_dirt);
        let is_idle = !is_dirty && core.state.has_ready() && core.journal.as_deref().is_some_and(Journal::is_idle);
        !is_idle && self.flush_all(core, is_dirty)
    }

    fn flush_all(&mut self, core: &mut RunCore, is_dirty: bool) -> bool {
        if is_dirty
            || core.journal.as_deref().is_some_and(|journal| !journal.left.is_empty() || !journal.changes.is_empty())
        {
            let captured = self.capture(core, Take::Records).and_then(|taken| self.write_new(core, taken.new));
            if let Err(error) = captured {
                self.cannot_keep(core, error);
            }
        }
        self.note_status(core);
        let Some(journal) = core.journal.as_deref_mut() else { return false };
        if !journal.has_batch() {
            // Nothing lasts of what is held, so nothing has to be waited for.
            let held = std::mem::take(&mut journal.held);
            let any = !held.is_empty();
            self.release(core, held);
            return any;
        }
        self.send(core);
        true
    }

    fn send(&mut self, core: &mut RunCore) {
        let Some(journal) = core.journal.as_deref_mut() else { return };
        // Mostly there is nothing, and its room stays where it is.
        let nothing = journal.held.is_empty();
        journal.flight = Some(if nothing { Vec::new() } else { std::mem::take(&mut journal.held) });
        let batch = journal.take_batch(core.now);
        if let Some(keeping) = self.env.run.keeping() {
            keeping.send(&self.env.run, batch);
        }
    }

    /// What executions have on record beside their ticks, and what changed without one.
    pub(super) fn write_new(&mut self, core: &mut RunCore, new: Vec<New>) -> Result<(), RunError> {
        let def = &self.env.run.program.def;
        let RunCore { journal: Some(journal), state, now, .. } = core else { return Ok(()) };
        if state.has_ended() {
            return Ok(());
        }
        let left = std::mem::take(&mut journal.left);
        for New { exec, ops } in left.into_iter().chain(new).filter(|new| !new.ops.is_empty()) {
            journal.write_between(def, state, *now, Some(exec), &ops).map_err(RunError::not_kept)?;
        }
        if !journal.changes.is_empty() {
            journal.write_between(def, state, *now, None, &[]).map_err(RunError::not_kept)?;
        }
        Ok(())
    }

    /// The store learns whether the run waits, and until when, with the batch that makes it so.
    fn note_status(&mut self, core: &mut RunCore) {
        // An attempt that has parked may have left word of its wait, which is not in the journal yet.
        let waits = core.rests()
            && !self.env.run.keeping().is_some_and(Keeping::begins_child)
            && lock(&self.env.run.inbox).messages.is_empty();
        let due = core.state.next_timer();
        let RunCore { journal: Some(journal), state, .. } = core else { return };
        if state.has_ended() || !(journal.has_batch() || waits) {
            return;
        }
        if journal.waits != waits {
            journal.waits = waits;
            journal.batch.status = Some(if waits { StatusChange::Waiting } else { StatusChange::Running });
        }
        if waits && journal.due != due {
            journal.due = due;
            journal.batch.due = Some(due.map_or(Due::Never, Due::At));
        }
    }

    /// What became of the batch under way. `None` while nothing is known.
    pub(super) fn landing(&mut self, core: &mut RunCore) -> Option<Result<(), WriteError>> {
        let keeping = self.env.run.keeping()?;
        let Receipt { result, spent, .. } = keeping.take_receipt()?;
        let journal = core.journal.as_deref_mut()?;
        if let Some(batch) = spent {
            journal.take_back(batch);
        }
        let held = journal.flight.take()?;
        if keeping.recorded.get().is_none() {
            keeping.settle_recorded(result.clone().map_err(Arc::new));
        }
        if result.is_ok() && !held.is_empty() {
            self.release(core, held);
        }
        Some(result)
    }

    /// Does what had to wait.
    fn release(&mut self, core: &mut RunCore, mut all: Vec<Held>) {
        for held in all.drain(..) {
            match held {
                Held::Command(command) => self.perform(core, command),
                Held::Publish(event, at) => self.publish(event, Some(at)),
                Held::Finish(end) => self.conclude(core, *end),
                Held::Reply(reply) => drop(reply.send(())),
            }
        }
        if let Some(journal) = core.journal.as_deref_mut().filter(|journal| journal.held.capacity() == 0) {
            journal.held = all;
        }
    }
}

impl Journal {
    /// Adds the row of what happened between two ticks, unless the execution is over.
    fn write_between(
        &mut self,
        def: &WorkflowDef,
        state: &RunState,
        now: Time,
        exec: Option<ExecKey>,
        ops: &[LabelDelta],
    ) -> Result<(), WriteRowError> {
        let (mut row, number) = (self.room(), self.next_row());
        let written = with_extras(&self.changes, self.seq, ops, |extras| {
            write_between(&mut row, def, state, number, now, exec, extras)
        })?;
        if written {
            self.begin_rows(def, state, now)?;
            self.push_changes(row);
        }
        Ok(())
    }
}
