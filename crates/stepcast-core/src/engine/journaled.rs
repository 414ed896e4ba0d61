//! What the journal has to know and do of a run's state: whether a tick would change anything, how a state is folded
//! without its schedule, and how another process takes it over.

use super::exec::{Activity, Status};
use super::inputs::Asked;
use super::state::Phase;
use super::verify::HIGHEST_PLACE;
use super::{Commit, ExecKey, OpId, Operation, Report, RunState, SenderSeq, TickKind, Time};
use crate::AnyEvent;
use crate::definition::{StepIx, WorkflowDef};

/// So many places are looked at for new executions, before all are.
const NEAR: usize = 64;

impl RunState {
    /// Whether the tick is one that the reducer does not pass over as repeated, stale or misdirected.
    pub(crate) fn takes(&self, def: &WorkflowDef, tick: &TickKind) -> bool {
        match tick {
            _ if self.phase == Phase::Ended => false,
            TickKind::Start { .. } => self.phase == Phase::Created,
            TickKind::Report(report) => self.takes_report(report),
            TickKind::Commit(commit) => self.takes_commit(def, commit),
            TickKind::External(external) => external.id.is_none_or(|id| self.is_new(id)),
            TickKind::Answer { input, .. } => self.inputs.as_deref().is_some_and(|all| all.0.contains_key(input)),
            TickKind::Kept { event, matches } => {
                let keeps =
                    |serial| self.waits.as_deref().is_some_and(|waits| waits.find_kept(*event, serial).is_some());
                matches.places().any(keeps)
            }
            TickKind::Parked { .. } => false,
            TickKind::Timers | TickKind::Cancel | TickKind::SendersGone => true,
        }
    }

    fn takes_report(&self, report: &Report) -> bool {
        let exec = self.exec_ref(report.exec);
        exec.is_some_and(|exec| exec.attempt == report.attempt && exec.status == Status::Active)
    }

    /// The step of an execution that is in its first attempt, whose report would be taken.
    pub(crate) fn active_first(&self, key: ExecKey) -> Option<StepIx> {
        let exec = self.exec_ref(key)?;
        let is_first = exec.attempt == 1 && exec.status == Status::Active && self.phase == Phase::Running;
        is_first.then_some(exec.step)
    }

    fn takes_commit(&self, def: &WorkflowDef, commit: &Commit) -> bool {
        if let Operation::Wait(wait) = &commit.op {
            let places = def.policy.max_records.max(HIGHEST_PLACE);
            if wait.event as usize >= def.events.len() || wait.id.ordinal as usize >= places {
                return false;
            }
        }
        self.exec_ref(commit.exec).is_some_and(|exec| {
            exec.attempt == commit.attempt && exec.status == Status::Active && commit.seq == exec.commits + 1
        })
    }

    pub(crate) fn is_new(&self, id: SenderSeq) -> bool {
        let last = self.senders.as_deref().and_then(|senders| senders.get(&id.sender));
        last.is_none_or(|last| id.seq > *last)
    }

    pub(crate) fn saw(&mut self, id: SenderSeq) {
        let last = self.senders.get_or_insert_default().entry(id.sender).or_insert(0);
        *last = id.seq.max(*last);
    }

    /// What a tick at this time makes of the time counted so far; `None` where no timeout counts it.
    pub(crate) fn busy_at(&self, now: Time) -> Option<u64> {
        self.timeout_micros?;
        let passed = if self.is_busy() { now.0.saturating_sub(self.last_tick.0) } else { 0 };
        Some(self.busy_micros.saturating_add(passed))
    }

    /// Whether a tick at this time ends the run because its time is used up.
    pub(crate) fn runs_out_at(&self, now: Time) -> bool {
        let used = self.busy_at(now).zip(self.timeout_micros);
        self.phase == Phase::Running && used.is_some_and(|(busy, limit)| busy >= limit)
    }

    pub(crate) fn set_clock(&mut self, busy: Option<u64>, now: Time) {
        if self.timeout_micros.is_some() {
            self.busy_micros = busy.unwrap_or(self.busy_micros);
            self.last_tick = now;
        }
    }

    pub(crate) fn set_last_tick(&mut self, at: Time) {
        self.last_tick = at;
    }

    pub(crate) fn queued(&self) -> usize {
        self.schedule.queued
    }

    /// Replaces the number of queued executions, which a fold counts otherwise than a host that gives out slots.
    pub(crate) fn set_queued(&mut self, queued: usize) {
        self.schedule.queued = queued;
    }

    /// Whether the execution would give a place in the queue back if it ended now.
    pub(crate) fn holds_place(&self, key: ExecKey) -> bool {
        self.exec_ref(key).is_some_and(|exec| {
            exec.status == Status::Active && !matches!(exec.activity, Activity::Running | Activity::Parked)
        })
    }

    /// Every active execution is with its step runner and waits: what a host knows that found nothing to do.
    pub(crate) fn park_all(&mut self) {
        self.schedule = Default::default();
        for (_, exec) in self.execs.iter_mut() {
            exec.activity = Activity::Parked;
        }
    }

    /// The state in another process: every active execution is queued, oldest first, no predicate is there, and the
    /// time in between does not count.
    pub(crate) fn taken_over(&mut self, def: &WorkflowDef) {
        let armed = self.armed();
        self.set_armed(&armed, false);
        if self.timeout_micros.is_some() {
            self.last_tick = Time(u64::MAX);
        }
        self.requeue(def);
    }

    /// Queues every active execution anew, oldest first.
    pub(crate) fn requeue(&mut self, def: &WorkflowDef) {
        self.schedule = Default::default();
        self.queue_all(def);
    }

    /// Gives the input that a wait made an announcement whose type is not one of the workflow's.
    pub(crate) fn announced(&mut self, exec: ExecKey, op: &OpId, event: AnyEvent) {
        let waiter = self.waiter_of(exec, op);
        let waiter = waiter.and_then(|id| self.waits.as_deref()?.waiters.get(&id));
        let Some(input) = waiter.and_then(|waiter| waiter.input) else { return };
        if let Some(input) = self.inputs.as_deref_mut().and_then(|inputs| inputs.0.get_mut(&input))
            && let Asked::Wait { event: asked, .. } = &mut input.asked
        {
            *asked = event;
        }
    }

    /// The waiters whose predicates exist in this process.
    pub(crate) fn armed(&self) -> Vec<u64> {
        let waiters = self.waits.iter().flat_map(|waits| waits.waiters.iter());
        waiters.filter(|(_, waiter)| waiter.armed).map(|(id, _)| *id).collect()
    }

    pub(crate) fn set_armed(&mut self, ids: &[u64], armed: bool) {
        let Some(waits) = self.waits.as_deref_mut() else { return };
        for id in ids {
            waits.set_armed(*id, armed);
        }
    }

    /// How many executions there have been.
    pub(crate) fn last_serial(&self) -> u64 {
        self.next_exec
    }

    /// Where the next executions will be, apart from this place.
    pub(crate) fn next_lanes(&self, here: Option<u32>) -> NextLanes {
        let free = self.execs.next_free(NEAR).iter().copied().chain(here).collect();
        NextLanes { free, end: self.execs.end() }
    }

    /// The executions younger than a serial number, as far as they are in one of these places.
    pub(crate) fn younger_than(&self, serial: u64, lanes: &NextLanes) -> impl Iterator<Item = ExecKey> {
        let all = lanes.free.iter().copied().chain(lanes.end..self.execs.end());
        all.filter_map(move |lane| {
            let exec = self.execs.get(lane).filter(|exec| exec.serial > serial)?;
            Some(exec.key(lane))
        })
    }
}

/// Places in the table of executions that are used next.
#[derive(Debug)]
pub(crate) struct NextLanes {
    free: Vec<u32>,
    end: u32,
}
