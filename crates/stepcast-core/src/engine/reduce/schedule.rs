//! Who may start: worker slots per step, and the run's queue.

use super::Engine;
use crate::definition::{StepIx, WorkflowDef};
use crate::engine::exec::{Activity, Exec, Status};
use crate::engine::state::{Phase, StepLoad};
use crate::engine::{Command, ExecKey, RunFailure, RunState};

impl RunState {
    /// The execution that may start next, marked as running. Executions that were answered come first.
    ///
    /// `pick` chooses among the ready ones: given their number, it names a position. Hosts use 0.
    pub fn take_ready(&mut self, mut pick: impl FnMut(usize) -> usize) -> Option<ExecKey> {
        loop {
            let (key, wanted) = match self.schedule.ahead.pop_front() {
                Some(key) => (key, Activity::Resuming),
                None => {
                    let ready = &mut self.schedule.ready;
                    let at = match ready.len() {
                        0 => return None,
                        1 => 0,
                        len => pick(len).min(len - 1),
                    };
                    let key = if at == 0 { ready.pop_front() } else { ready.swap_remove_back(at) };
                    (key?, Activity::Queued)
                }
            };
            let Some(exec) = self.exec_mut(key) else { continue };
            if exec.activity == wanted && exec.status == Status::Active {
                exec.activity = Activity::Running;
                self.schedule.queued -= 1;
                self.schedule.running += 1;
                return Some(key);
            }
        }
    }

    /// Whether an execution could start now.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.schedule.ready.is_empty() || !self.schedule.ahead.is_empty()
    }

    /// Executions that hold a worker slot.
    pub fn running(&self) -> usize {
        self.schedule.running
    }

    /// Whether the run's queue has room for an event of this type, for each step that takes it.
    pub fn has_room(&self, def: &WorkflowDef, event: u64) -> bool {
        let takers = def.event_by_hash(event).map_or(0, |ix| def.takers(ix).len());
        self.schedule.queued + takers.min(def.policy.max_queued) <= def.policy.max_queued
    }

    /// Whether something is queued or running.
    pub fn is_busy(&self) -> bool {
        self.schedule.running + self.schedule.queued > 0
    }

    pub(crate) fn exec_mut(&mut self, key: ExecKey) -> Option<&mut Exec> {
        self.execs.get_mut(key.lane).filter(|exec| exec.serial == key.serial)
    }

    pub(crate) fn exec_ref(&self, key: ExecKey) -> Option<&Exec> {
        self.execs.get(key.lane).filter(|exec| exec.serial == key.serial)
    }

    /// Puts an execution into its queue: the run's, or its step's where that has no free worker.
    #[inline]
    pub(crate) fn enqueue(&mut self, def: &WorkflowDef, key: ExecKey, step: StepIx) {
        self.schedule.queued += 1;
        if let Some(limit) = def.steps[step as usize].workers {
            let load = self.load_mut(def, step);
            if load.running >= limit {
                load.backlog.push_back(key);
                self.set_activity(key, Activity::Backlog);
                return;
            }
            load.running += 1;
        }
        self.schedule.ready.push_back(key);
    }

    /// Queues a parked execution to take a slot again, ahead of new work.
    pub(crate) fn enqueue_ahead(&mut self, def: &WorkflowDef, key: ExecKey, step: StepIx) {
        self.schedule.queued += 1;
        if let Some(limit) = def.steps[step as usize].workers {
            let load = self.load_mut(def, step);
            if load.running >= limit {
                load.ahead.push_back(key);
                self.set_activity(key, Activity::ResumingBacklog);
                return;
            }
            load.running += 1;
        }
        self.schedule.ahead.push_back(key);
    }

    /// Gives a worker slot of a step back and lets the step's next execution have it.
    #[inline]
    pub(crate) fn free_slot(&mut self, def: &WorkflowDef, step: StepIx) {
        self.schedule.running -= 1;
        if def.steps[step as usize].workers.is_some() {
            self.pass_worker(def, step);
        }
    }

    /// A queued execution that is dropped before it started gives its place back. Its entries stay in the queues, where
    /// its activity tells that they mean nothing any more.
    pub(crate) fn unqueue(&mut self, def: &WorkflowDef, step: StepIx, was: Activity) {
        self.schedule.queued -= 1;
        if matches!(was, Activity::Queued | Activity::Resuming) && def.steps[step as usize].workers.is_some() {
            self.pass_worker(def, step);
        }
    }

    /// Gives a worker of a step that limits them to the next execution in its backlog.
    fn pass_worker(&mut self, def: &WorkflowDef, step: StepIx) {
        while let Some(next) = self.load_mut(def, step).ahead.pop_front() {
            if self.leaves_backlog(next, Activity::ResumingBacklog, Activity::Resuming) {
                return self.schedule.ahead.push_back(next);
            }
        }
        while let Some(next) = self.load_mut(def, step).backlog.pop_front() {
            if self.leaves_backlog(next, Activity::Backlog, Activity::Queued) {
                return self.schedule.ready.push_back(next);
            }
        }
        self.load_mut(def, step).running -= 1;
    }

    fn leaves_backlog(&mut self, key: ExecKey, from: Activity, to: Activity) -> bool {
        let waits = self.exec_ref(key).is_some_and(|exec| exec.activity == from && exec.status == Status::Active);
        if waits {
            self.set_activity(key, to);
        }
        waits
    }

    fn set_activity(&mut self, key: ExecKey, activity: Activity) {
        if let Some(exec) = self.exec_mut(key) {
            exec.activity = activity;
        }
    }

    fn load_mut(&mut self, def: &WorkflowDef, step: StepIx) -> &mut StepLoad {
        if self.schedule.steps.is_empty() {
            self.schedule.steps.resize_with(def.steps.len(), StepLoad::default);
        }
        &mut self.schedule.steps[step as usize]
    }
}

impl Engine<'_> {
    /// Adds an execution and queues it.
    #[inline]
    pub(crate) fn spawn(&mut self, mut exec: Exec) {
        if self.state.phase == Phase::Ended {
            return;
        }
        let step = exec.step;
        if self.state.schedule.queued >= self.def.policy.max_queued {
            let event = exec.input.as_slice().first().map_or("", |payload| payload.meta().tag).to_owned();
            let step = self.def.steps[step as usize].name.clone();
            self.fail(RunFailure::QueueFull { step, event, bound: self.def.policy.max_queued });
            return;
        }
        self.state.next_exec += 1;
        let serial = self.state.next_exec;
        exec.serial = serial;
        let lane = self.state.execs.insert(exec);
        let key = ExecKey { lane, serial };
        self.state.enqueue(self.def, key, step);
        if self.out.observe {
            self.frame(key, crate::StepState::Preparing, None);
        }
    }

    /// Takes an execution out of the state and gives its slot or its place in a queue back.
    pub(crate) fn take_exec(&mut self, key: ExecKey) -> Option<Exec> {
        self.state.exec_ref(key)?;
        let exec = self.state.execs.remove(key.lane)?;
        if exec.status == Status::Active {
            match exec.activity {
                Activity::Running => self.state.free_slot(self.def, exec.step),
                Activity::Parked => {}
                queued => self.state.unqueue(self.def, exec.step, queued),
            }
        }
        if exec.more.is_some() {
            self.withdraw(&exec);
        }
        Some(exec)
    }

    /// The step runner has parked the execution: its slot is free until something it waits for arrives.
    pub(crate) fn parked(&mut self, key: ExecKey) {
        let Some(exec) = self.state.exec_mut(key) else { return };
        if exec.status != Status::Active || exec.activity != Activity::Running {
            return;
        }
        exec.activity = Activity::Parked;
        let step = exec.step;
        self.state.free_slot(self.def, step);
        if self.out.observe {
            self.frame(key, crate::StepState::Waiting, None);
        }
    }

    /// Hands a result to an execution; a parked one takes a slot again.
    pub(crate) fn resume(&mut self, key: ExecKey, op: crate::engine::OpId, result: crate::engine::OpResult) {
        let Some(exec) = self.state.exec_mut(key) else { return };
        if exec.status == Status::Active && exec.activity == Activity::Parked {
            exec.activity = Activity::Resuming;
            let step = exec.step;
            self.state.enqueue_ahead(self.def, key, step);
        }
        self.out.push(Command::Resume { exec: key, op, result });
    }
}
