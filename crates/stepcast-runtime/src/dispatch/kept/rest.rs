//! A kept run that has nothing to do: checkpoints, leaving memory, and being read anew.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll};

use stepcast_core::backend::{Done, SnapshotRow, WriteError};
use stepcast_core::engine::RunState;
use stepcast_core::journal::Checkpoint;
use tokio::runtime::Handle;

use super::capture::Take;
use crate::dispatch::{Dispatch, Round, RunCore, place};
use crate::durable::{self, Keeping, Loaded};
use crate::run::{AnyRun, Inbox, RunShared, Task, lock};
use crate::runtime::RuntimeLink;

/// So many bytes of rows are kept before a checkpoint stands for them.
const LONG: usize = 256 * 1024;

/// A run that leaves memory with less has no checkpoint made: its rows are read as fast.
const SHORT: usize = 4 * 1024;

impl Dispatch {
    /// Makes a checkpoint where the journal has become long. Only called while nothing is held: what the reducer asked
    /// for is done, so that records are as far as the state.
    pub(super) fn shorten(&mut self, core: &mut RunCore) {
        let long = core.journal.as_deref().is_some_and(|journal| journal.since > LONG && journal.held.is_empty());
        if long && !core.state.has_ended() {
            self.add_checkpoint(core);
        }
    }

    fn add_checkpoint(&mut self, core: &mut RunCore) {
        let taken = match self.capture(core, Take::All) {
            Ok(taken) => taken,
            Err(error) => return self.cannot_keep(core, error),
        };
        let kept = taken.kept;
        if let Err(error) = self.write_new(core, taken.new) {
            return self.cannot_keep(core, error);
        }
        let RunCore { journal: Some(journal), state, .. } = core else { return };
        let checkpoint = Checkpoint::of(self.env.run.def(), journal.row, state, kept);
        match serde_json::to_vec(&checkpoint) {
            Ok(data) => {
                journal.batch.snapshot = Some(Box::new(SnapshotRow { covers: journal.row, data }));
                (journal.since, journal.first) = (0, None);
            }
            // The rows say the same.
            Err(error) => {
                journal.since = 0;
                tracing::warn!(target: "stepcast", %error, "a checkpoint could not be written; the journal stays long");
            }
        }
    }

    /// Whether the run may leave memory now: nobody holds it, and it rests.
    pub(in crate::dispatch) fn may_leave(&self, core: &RunCore) -> bool {
        core.journal.as_deref().is_some_and(|journal| journal.leave && !journal.is_writing() && !journal.has_batch())
            && core.rests()
            && !core.ended
            && !self.env.run.keeping().is_some_and(|keeping| keeping.has_to_stay() || keeping.begins_child())
            && !self.is_needed_above()
            && !self.is_about_to_hear(core)
            && core.more.as_deref().is_none_or(|more| more.deferred.is_empty() && more.room.is_empty())
    }

    /// Whether a parent needs the run in memory: it waits there for its end, or only its step knows the workflow.
    fn is_needed_above(&self) -> bool {
        let run = &self.env.run;
        let is_known = || run.link().is_some_and(|link| link.knows(run.def()));
        run.parent().is_some_and(|parent| parent.is_in_memory() || !(parent.has_ended() || is_known()))
    }

    /// Whether a child has ended, or is about to, of whose end the execution that waits for it has yet to be told. The
    /// store's word of that may be taken already, so a run that left now would not be brought back for it.
    fn is_about_to_hear(&self, core: &RunCore) -> bool {
        let ends = |child: &Arc<RunShared>| {
            child.ending.load(Ordering::Acquire) || child.keeping().is_some_and(Keeping::is_sealed)
        };
        let waits_for = |child: &Arc<RunShared>| {
            let executions = core.entries.iter().flatten().filter_map(|entry| entry.shared.as_ref());
            executions.into_iter().any(|shared| shared.log().awaits_child(child.id().as_str()))
        };
        self.env.run.children().iter().filter(|child| ends(child)).any(waits_for)
    }

    /// Leaves memory unless word has come, or somebody holds the run after all.
    pub(in crate::dispatch) fn try_to_leave(&mut self, mut core: Box<RunCore>, cx: &mut Context<'_>) -> Poll<()> {
        let run = Arc::clone(&self.env.run);
        let inbox = lock(&run.inbox);
        if run.mail.load(Ordering::Acquire) {
            drop(inbox);
        } else {
            core = match self.leave_memory(core, inbox) {
                Ok(()) => return Poll::Ready(()),
                Err(core) => core,
            };
        }
        cx.waker().wake_by_ref();
        self.core = Some(core);
        Poll::Pending
    }

    /// Leaves memory; the run is taken up again from the store. Gives what may only be dropped without a lock.
    fn leave_memory(&mut self, mut core: Box<RunCore>, mut inbox: MutexGuard<'_, Inbox>) -> Result<(), Box<RunCore>> {
        let run = Arc::clone(&self.env.run);
        let link = run.link();
        // A parent that comes back now looks at this run's place under the same lock.
        if run.is_awaited() {
            drop(inbox);
            return Err(stays(core));
        }
        // Before anybody can miss it.
        if let Some(link) = link {
            link.leaves(run.id());
        }
        let gone: Option<AnyRun> = link.and_then(|link| link.forget_idle(&run));
        if gone.is_none() {
            inbox.task = Task::Leaving;
            drop(inbox);
            return self.go_away(core);
        }
        inbox.task = Task::Ended;
        drop(inbox);
        if core.journal.as_deref().is_some_and(|journal| journal.since > SHORT) {
            self.add_checkpoint(&mut core);
        }
        let due = core.state.next_timer();
        if let Some(journal) = core.journal.as_deref_mut() {
            journal.batch.release = true;
            run.write_last(journal.take_batch(core.now));
        }
        close_all(&mut core);
        place::drop_quietly(core);
        if let (Some(link), Some(due)) = (link, due) {
            link.sleeps_until(run.id(), due);
        }
        drop(gone);
        Ok(())
    }

    /// Leaves memory but for what a handle shows of the run: somebody holds one, or gave it up just now. The lease stays.
    fn go_away(&mut self, mut core: Box<RunCore>) -> Result<(), Box<RunCore>> {
        let run = Arc::clone(&self.env.run);
        // One that goes on step by step would have to be led up to its waits again.
        let steps = core.slice == 0 || core.more.as_deref().is_some_and(|more| more.stepping.is_some());
        let (Some(keeping), Some(link), Ok(tokio), false) = (run.keeping(), run.link(), Handle::try_current(), steps)
        else {
            return Err(stays(core));
        };
        if !run.may_go_away() {
            return Err(stays(core));
        }
        if core.journal.as_deref().is_some_and(|journal| journal.since > SHORT) {
            // It goes once that is written.
            self.add_checkpoint(&mut core);
            return Err(core);
        }
        let due = core.state.next_timer();
        close_all(&mut core);
        if let Some(mut journal) = core.journal.take() {
            journal.leave = false;
            keeping.put_journal(journal);
        }
        place::drop_quietly(core);
        if let Some(due) = due {
            link.sleeps_until(run.id(), due);
        }
        let mut inbox = lock(&run.inbox);
        inbox.task = Task::Away(tokio);
        if run.mail.load(Ordering::Acquire) {
            run.rouse(inbox);
        }
        Ok(())
    }

    /// Somebody answered before the deadline that the batch was about: the state is read anew and goes on from there.
    pub(super) fn reload(&mut self, core: &mut RunCore, error: WriteError) {
        tracing::debug!(target: "stepcast", %error, "the run is read anew");
        close_all(core);
        core.cut_step();
        core.entries.clear();
        core.state = RunState::default();
        if let Some(more) = core.more.as_deref_mut() {
            more.restored.clear();
            more.errors.clear();
            more.deadlines.clear();
        }
        let Some(journal) = core.journal.as_deref_mut() else { return };
        (journal.held, journal.flight, journal.reloading) = (Vec::new(), None, true);
        tokio::spawn(durable::read_anew(Arc::clone(&self.env.run)));
    }

    /// Goes on with a state that was read anew, once it is there.
    pub(super) fn take_reloaded(&mut self, core: &mut RunCore) -> Round {
        let run = Arc::clone(&self.env.run);
        if !core.journal.as_deref().is_some_and(|journal| journal.reloading) {
            return Round::Dry;
        }
        let Some(loaded) = run.keeping().and_then(|keeping| keeping.take_reloaded()) else { return Round::Dry };
        match loaded {
            Ok(Loaded { restored, journal, .. }) => {
                let mut data = run.data();
                data.forget_cells();
                restored.store.fill(&mut data);
                drop(data);
                core.state = restored.state;
                core.state.start_clock(core.now);
                core.more().restored = restored.records;
                core.journal = Some(journal);
            }
            Err(error) => {
                let error =
                    WriteError::Storage(stepcast_core::backend::StorageError::Other { source: Arc::new(error) });
                self.lost(core, error);
            }
        }
        Round::Worked
    }
}

/// Not now.
fn stays(mut core: Box<RunCore>) -> Box<RunCore> {
    if let Some(journal) = core.journal.as_deref_mut() {
        journal.leave = false;
    }
    core
}

/// Lets go of every execution; what they were waiting for is not withdrawn.
fn close_all(core: &mut RunCore) {
    for entry in core.entries.iter_mut().filter_map(Option::take) {
        if let Some(shared) = &entry.shared {
            shared.close();
        }
        if let place::Place::Task(task) = &entry.place {
            task.abort();
        }
        place::drop_quietly(entry);
    }
    place::drop_quietly(core.locals.take());
    core.in_tasks = 0;
}

impl RunShared {
    /// When the run last had something to do, for those who look for idle ones.
    pub(crate) fn rests_since(&self) -> Option<u64> {
        let since = self.keeping()?.quiet_since.load(Ordering::Relaxed);
        (since != u64::MAX).then_some(since)
    }
}

impl Dispatch {
    /// The run leaves memory as soon as it rests, unless it has begun something since somebody saw it rest for long.
    pub(in crate::dispatch) fn leave_soon(&self, core: &mut RunCore) {
        let closes = || self.env.run.link().and_then(RuntimeLink::inner).is_some_and(|inner| inner.is_closed());
        if let Some(journal) = core.journal.as_deref_mut() {
            journal.leave = self.env.run.rests_since().is_some() || closes();
        }
    }

    /// Notes since when a kept run rests, for those who look for idle ones.
    pub(in crate::dispatch) fn note_rest(&self, core: &RunCore) {
        let Some(keeping) = self.env.run.keeping() else { return };
        if !(core.rests() || core.stands_still()) || core.is_writing() {
            keeping.quiet_since.store(u64::MAX, Ordering::Relaxed);
        } else if keeping.quiet_since.load(Ordering::Relaxed) == u64::MAX {
            // It keeps the time at which it began to rest.
            keeping.quiet_since.store(core.now.0, Ordering::Relaxed);
            if let Some(link) = self.env.run.link() {
                link.tell_rest();
            }
        }
    }
}

impl RunCore {
    /// What a run that is away begins with: all of it is still to be read.
    pub(crate) fn to_be_read(run: &RunShared) -> Box<Self> {
        let mut core = RunCore::with_options(run);
        if let Some(journal) = core.journal.as_deref_mut() {
            journal.reloading = true;
        }
        core
    }

    /// Gives the run's lease back: it cannot begin here, and stays in the store as it is.
    pub(in crate::dispatch) fn let_go(&mut self, run: &RunShared) {
        let (Some(journal), Some(keeping)) = (self.journal.take(), run.keeping()) else { return };
        if journal.batch.created.is_none() && journal.flight.is_none() {
            keeping.backend().write(journal.releasing(self.now), Done::new(|_| ()));
        }
    }
}
