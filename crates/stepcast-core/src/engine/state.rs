use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::exec::Exec;
use super::inputs::Inputs;
use super::scopes::Scopes;
use super::slab::Slab;
use super::small_map::SmallMap;
use super::waits::Waits;
use super::{ExecKey, Time, collect::Buffers, joins::Joins};
use crate::definition::EventIx;

/// Everything a run is, as plain data: queue, executions, batches, collectors, waiters, timers, counters.
///
/// Only [`reduce`](super::reduce) changes it. What only schedules (who holds a worker slot) is rebuilt on restore
/// and is not part of the serialized form.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunState {
    pub(crate) phase: Phase,
    pub(crate) next_event: u64,
    pub(crate) next_exec: u64,
    pub(crate) next_id: u64,
    pub(crate) failures: u32,
    pub(crate) last_unhandled: Option<EventIx>,
    pub(crate) execs: Slab<Exec>,
    pub(crate) scopes: Option<Box<Scopes>>,
    pub(crate) joins: Option<Box<Joins>>,
    pub(crate) waits: Option<Box<Waits>>,
    pub(crate) inputs: Option<Box<Inputs>>,
    pub(crate) buffers: Option<Box<Buffers>>,
    pub(crate) timers: Option<Box<Timers>>,
    // Boxed: few runs have senders that number their events.
    #[allow(clippy::box_collection)]
    pub(crate) senders: Option<Box<BTreeMap<u64, u64>>>,
    pub(crate) busy_micros: u64,
    pub(crate) last_tick: Time,
    pub(crate) timeout_micros: Option<u64>,
    #[serde(skip)]
    pub(crate) schedule: Schedule,
}

/// So many places stay in a queue or table that was emptied: about 1 MiB for each thread that ended a wide run. Given back to
/// the allocator, the pages of a wide fan-out cost a third of its time anew in every run.
pub(crate) const ROOM: usize = 16_384;

impl RunState {
    /// Empties it, and leaves a little room for the next run to use.
    pub fn clear(&mut self) {
        // The end of a run has cleared the rest.
        if self.phase != Phase::Ended {
            self.clear_work();
        }
        (self.phase, self.next_event, self.next_exec, self.next_id, self.failures) = (Phase::Created, 0, 0, 0, 0);
        (self.busy_micros, self.timeout_micros) = (0, None);
    }

    /// Forgets everything but what is still asked of a run that has ended: its counters and times.
    pub(crate) fn clear_work(&mut self) {
        self.execs.clear(ROOM);
        self.schedule.clear(ROOM);
        (self.scopes, self.joins, self.waits, self.inputs) = (None, None, None, None);
        (self.buffers, self.timers, self.senders) = (None, None, None);
        (self.last_unhandled, self.last_tick) = (None, Time(0));
    }
}

impl Schedule {
    fn clear(&mut self, room: usize) {
        for queue in [&mut self.ready, &mut self.ahead] {
            queue.clear();
            queue.shrink_to(room);
        }
        (self.running, self.queued) = (0, 0);
        self.steps = Vec::new();
    }
}

/// Whether a run has begun and ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// No start event yet.
    #[default]
    Created,
    /// Begun, not ended.
    Running,
    /// Ended; nothing changes any more.
    Ended,
}

/// Who may start next. Not serialized: a restore queues every execution anew.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule {
    pub(crate) ready: VecDeque<ExecKey>,
    /// Executions whose wait was answered: they take a slot ahead of new work.
    pub(crate) ahead: VecDeque<ExecKey>,
    /// Executions that hold a slot.
    pub(crate) running: usize,
    /// Executions queued anywhere: ready, ahead, or in a step's backlog.
    pub(crate) queued: usize,
    /// Per step, only where the definition limits workers.
    pub(crate) steps: Vec<StepLoad>,
}

/// The worker slots of one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepLoad {
    pub(crate) running: u32,
    pub(crate) backlog: VecDeque<ExecKey>,
    pub(crate) ahead: VecDeque<ExecKey>,
}

/// Deadlines, earliest first. The number tells two at one moment apart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Timers(pub(crate) SmallMap<(Time, u64), Timer>);

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Timer {
    /// A delayed retry is due.
    Retry(ExecKey),
    /// A wait gives up.
    Wait(u64),
}
