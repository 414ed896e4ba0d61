use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::Ordering;

use futures_util::stream::FuturesUnordered;
use stepcast_core::engine::{Commands, ExecKey, RunState, Time};
use stepcast_core::{Payload, StepError};
use tokio::runtime::Handle;
use tokio::time::Sleep;

use super::SLICE;
use super::kept::Journal;
use super::place::{Entry, Local, Place, ProbeWaker};
use super::spares::Spares;
use super::stepping::Stepping;
use crate::exec::OpLog;
use crate::program::Program;
use crate::run::{Message, RunShared};

/// A slice of polls that takes longer makes its steps be timed one by one.
const LONG_SLICE_MICROS: u64 = 1_000;

/// So many places in the table of executions stay for a thread's next run.
const ROOM: usize = 32;

thread_local! {
    static LEFT: Spares<RunCore> = const { Spares::new() };
}

/// What the dispatcher keeps of a run: its state, and its executions that are under way.
pub(crate) struct RunCore {
    pub(crate) state: RunState,
    pub(crate) cmds: Commands,
    /// By lane. An execution that ends in its first poll never gets an entry.
    pub(crate) entries: Vec<Option<Box<Entry>>>,
    pub(crate) locals: Option<Box<FuturesUnordered<Local>>>,
    pub(crate) more: Option<Box<More>>,
    /// Only of a run that a backend keeps.
    pub(crate) journal: Option<Box<Journal>>,
    /// The start event, until the first poll.
    pub(crate) start: Option<Payload>,
    pub(crate) probe: Option<ProbeWaker>,
    /// Steps that were polled in this slice, by number modulo 64.
    pub(crate) polled: u64,
    pub(crate) now: Time,
    pub(crate) max_running: usize,
    /// So many executions begin between two looks: none, while the run stands still.
    pub(crate) slice: usize,
    /// Executions in tasks of their own.
    pub(crate) in_tasks: usize,
    pub(crate) ended: bool,
    /// Whether the task went to sleep, so that whoever has word for it wakes it.
    pub(crate) asleep: bool,
    /// Where to go on, while the run is put away.
    pub(crate) tokio: Option<Handle>,
}

/// What few runs need, kept out of the others.
#[derive(Default)]
pub(crate) struct More {
    /// When running attempts have used up their step's timeout.
    pub(crate) deadlines: BTreeMap<(Time, ExecKey), ()>,
    pub(crate) sleep: Option<Pin<Box<Sleep>>>,
    /// The final errors of executions, by serial number, until it is decided what becomes of them.
    pub(crate) errors: BTreeMap<u64, StepError>,
    /// Answers to waits whose predicate does not exist yet after a restore.
    pub(crate) deferred: Vec<Message>,
    /// Records of executions that a restore has not begun again yet.
    pub(crate) restored: BTreeMap<u64, OpLog>,
    /// What executions send that finds the run's queue full.
    pub(crate) room: super::room::Room,
    /// Who lets the run go on step by step.
    pub(crate) stepping: Option<Box<Stepping>>,
    /// After the run's end: when executions that go on are dropped.
    pub(crate) grace_until: Option<Time>,
    #[cfg(feature = "testing")]
    pub(crate) test: Option<crate::testing::TestHooks>,
}

impl RunCore {
    pub(crate) fn new(state: RunState, max_running: usize) -> Self {
        RunCore {
            state,
            cmds: Commands::default(),
            entries: Vec::new(),
            locals: None,
            more: None,
            journal: None,
            start: None,
            probe: None,
            polled: 0,
            now: Time(0),
            max_running,
            slice: SLICE,
            in_tasks: 0,
            ended: false,
            asleep: false,
            tokio: None,
        }
    }

    /// A new run.
    pub(crate) fn begin(run: &RunShared, start: Payload) -> Box<Self> {
        let mut core = RunCore::with_options(run);
        core.state.limit_time(run.options().and_then(|options| options.timeout));
        core.start = Some(start);
        core
    }

    /// The core of a run without state, in the room of the thread's last one.
    pub(super) fn with_options(run: &RunShared) -> Box<Self> {
        let options = run.options();
        let max_running = options.and_then(|options| options.max_running).unwrap_or(run.def().policy().max_running);
        let mut core = LEFT.with(Spares::take).unwrap_or_else(|| Box::new(RunCore::new(RunState::default(), 0)));
        core.max_running = max_running;
        let still = run.extra_if_any().is_some_and(|extra| extra.still.load(Ordering::Relaxed));
        core.slice = if still { 0 } else { SLICE };
        core.journal = run.keeping().and_then(|keeping| keeping.take_journal(run.id()));
        #[cfg(feature = "testing")]
        if let Some(test) = options.and_then(|options| options.test.clone()) {
            core.more().test = Some(test);
        }
        core
    }

    /// A run that goes on from its snapshot.
    pub(crate) fn restored(run: &RunShared, state: RunState, records: BTreeMap<u64, OpLog>) -> Box<Self> {
        let mut core = RunCore::with_options(run);
        let timeout = run.options().and_then(|options| options.timeout);
        core.state = state;
        if let Some(timeout) = timeout {
            core.state.set_timeout(timeout);
        }
        // Its next tick may be the one that says that its time is used up.
        core.state.start_clock(crate::clock::now());
        if !records.is_empty() {
            core.more().restored = records;
        }
        core
    }

    /// Leaves the room of a run that was wound down to the thread's next one.
    pub(crate) fn leave(mut self: Box<Self>) {
        self.cmds.clear();
        self.entries.clear();
        self.entries.shrink_to(ROOM);
        if let Some(journal) = self.journal.take() {
            journal.leave();
        }
        (self.locals, self.more) = (None, None);
        (self.start, self.probe, self.tokio) = (None, None, None);
        (self.polled, self.in_tasks, self.ended, self.asleep) = (0, 0, false, false);
        LEFT.with(|left| left.leave(self));
    }

    /// What is left of a run that has ended.
    pub(crate) fn ended() -> Self {
        RunCore { ended: true, ..RunCore::new(RunState::default(), 0) }
    }

    pub(crate) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// The next execution to run; tests may choose among the ready ones.
    pub(crate) fn take_ready(&mut self) -> Option<ExecKey> {
        #[cfg(feature = "testing")]
        if let Some(test) = self.more.as_ref().and_then(|more| more.test.clone()) {
            return self.state.take_ready(|ready| test.pick(ready));
        }
        self.state.take_ready(|_| 0)
    }

    /// Queues the execution that was to run next: this slice is over.
    pub(crate) fn put_back(&mut self) {
        if let Some(next) = self.cmds.next.take() {
            self.state.put_back(next);
        }
    }

    pub(crate) fn entry(&mut self, key: ExecKey) -> Option<&mut Entry> {
        self.entries.get_mut(key.lane as usize)?.as_deref_mut().filter(|entry| entry.key == key)
    }

    /// The entry of this attempt, unless that is over.
    pub(crate) fn entry_of(&mut self, key: ExecKey, attempt: u32) -> Option<&mut Entry> {
        self.entry(key).filter(|entry| entry.attempt == attempt && !matches!(entry.place, Place::Between))
    }

    pub(crate) fn entry_ref(&self, key: ExecKey) -> Option<&Entry> {
        self.entries.get(key.lane as usize)?.as_deref().filter(|entry| entry.key == key)
    }

    pub(crate) fn put_entry(&mut self, entry: Entry) {
        let lane = entry.key.lane as usize;
        if self.entries.len() <= lane {
            self.entries.reserve_exact(if lane == 0 {
                1
            } else {
                (lane + 1 - self.entries.len()).max(self.entries.len())
            });
            self.entries.resize_with(lane + 1, || None);
        }
        self.entries[lane] = Some(Box::new(entry));
    }

    pub(crate) fn take_entry(&mut self, key: ExecKey) -> Option<Entry> {
        self.entry(key)?;
        let entry = self.entries[key.lane as usize].take().map(|entry| *entry)?;
        if let Some(deadline) = entry.deadline {
            self.more().deadlines.remove(&(deadline, key));
        }
        if let Place::Task(_) = entry.place {
            self.in_tasks -= 1;
        }
        Some(entry)
    }

    /// Whether nothing of the run is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_tasks == 0 && self.locals.as_ref().is_none_or(|locals| locals.is_empty()) && !self.state.has_ready()
    }

    /// Whether a batch of a kept run is under way.
    pub(crate) fn is_writing(&self) -> bool {
        self.journal.as_deref().is_some_and(Journal::is_writing)
    }

    pub(crate) fn waits_for_room(&self) -> bool {
        !self.ended && self.more.as_ref().is_some_and(|more| !more.room.is_empty())
    }

    pub(crate) fn has_timer(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.sleep.is_some())
    }

    /// The next moment at which something is due without anybody's doing.
    pub(crate) fn next_due(&self) -> Option<Time> {
        let more = self.more.as_deref();
        let deadline = more.and_then(|more| more.deadlines.keys().next()).map(|(at, _)| *at);
        let grace = more.and_then(|more| more.grace_until);
        [self.state.next_timer(), deadline, self.state.timeout_at(self.now), grace].into_iter().flatten().min()
    }

    /// Whether something is due already.
    pub(crate) fn is_due(&self) -> bool {
        !self.ended && self.next_due().is_some_and(|due| due <= self.now)
    }

    /// After a slice: if it took long altogether, the clock is read after each poll of its steps for a while.
    pub(crate) fn judge_slice(&mut self, program: &Program, before: Time) {
        if self.now.0.saturating_sub(before.0) > LONG_SLICE_MICROS {
            program.suspect(self.polled);
        }
    }

    /// Gives back the room that a run without work does not need.
    pub(crate) fn shrink(&mut self) {
        self.state.shrink();
        self.locals = None;
        self.probe = None;
        while matches!(self.entries.last(), Some(None)) {
            self.entries.pop();
        }
        // A large table is not moved at every rest.
        if self.entries.len() <= ROOM || self.entries.capacity() > 2 * self.entries.len() {
            self.entries.shrink_to_fit();
        }
        self.cmds = Commands::default();
    }
}

impl std::fmt::Debug for RunCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunCore").field("now", &self.now).field("ended", &self.ended).finish_non_exhaustive()
    }
}
