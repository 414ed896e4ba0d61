//! The end of an attempt.

use super::{Engine, Lineage};
use crate::definition::{StepIx, Taker};
use crate::engine::exec::{Activity, Input, ROOT, ScopeIx, Status};
use crate::engine::state::Phase;
use crate::engine::{Command, ExecKey, Matches, Report};
use crate::{OutToken, Outputs, Payload, Role};

impl Engine<'_> {
    /// The common end of an attempt: one event, for one step, nothing to wait for and nobody watching. The execution's
    /// place is reused for the next one, which is what taking it out and putting the next one in would come to.
    /// Gives the report back if it is anything else.
    pub(crate) fn pass_on(&mut self, report: Report) -> Option<Report> {
        let Report { exec: key, attempt, started, outcome, matches } = report;
        let outputs = match outcome {
            Ok(outputs) if !self.out.observe && self.state.timeout_micros.is_none() => outputs,
            outcome => return Some(Report { exec: key, attempt, started, outcome, matches }),
        };
        let outputs = match outputs.into_single() {
            Ok(event) => match self.succeed_in_place(key, attempt, event) {
                None => return None,
                Some(event) => Outputs::from(event),
            },
            Err(outputs) => outputs,
        };
        Some(Report { exec: key, attempt, started, outcome: Ok(outputs), matches })
    }

    fn succeed_in_place(&mut self, key: ExecKey, attempt: u32, event: Payload) -> Option<Payload> {
        let def = self.def;
        let state = &mut *self.state;
        let full = state.schedule.queued >= def.policy.max_queued;
        let Some(exec) = state.execs.get_mut(key.lane).filter(|exec| exec.serial == key.serial) else {
            return Some(event);
        };
        let step = &def.steps[exec.step as usize];
        let plain = exec.attempt == attempt && exec.more.is_none() && exec.commits == 0 && !full;
        if !plain || exec.activity != Activity::Running || state.phase != Phase::Running {
            return Some(event);
        }
        let hash = event.meta().hash;
        let Some((_, ix)) = step.outs.iter().find(|(known, _)| *known == hash) else { return Some(event) };
        let entry = &def.events[*ix as usize];
        let next = match entry.takers[..] {
            [Taker::Single(next)] if !entry.waited && entry.meta.role == Role::Plain => next,
            [Taker::Collect(collector)] if !entry.waited && exec.scope != ROOT && entry.meta.role == Role::Plain => {
                return self.collect_in_place(key, collector, event);
            }
            _ => return Some(event),
        };
        state.next_event += 1;
        state.next_exec += 1;
        exec.serial = state.next_exec;
        let ended = std::mem::replace(&mut exec.step, next);
        exec.attempt = 1;
        exec.cause = state.next_event;
        exec.activity = Activity::Queued;
        exec.input = Input::One(event);
        let key = ExecKey { lane: key.lane, serial: exec.serial };
        state.free_slot(def, ended);
        state.enqueue(def, key, next);
        None
    }

    /// The other common end: one event, kept by the one step that collects it.
    fn collect_in_place(&mut self, key: ExecKey, collector: StepIx, event: Payload) -> Option<Payload> {
        let Some(scope) = self.state.execs.get(key.lane).map(|exec| exec.scope) else { return Some(event) };
        if !self.collects(collector, scope) {
            return Some(event);
        }
        self.state.next_event += 1;
        let serial = self.state.next_event;
        let Some(exec) = self.state.execs.remove(key.lane) else { return Some(event) };
        self.state.free_slot(self.def, exec.step);
        let from = Lineage { scope, recovery: exec.recovery, step: Some(exec.step) };
        self.collect_into_batch(collector, serial, event, &from);
        self.release(scope);
        None
    }

    pub(crate) fn report(&mut self, report: Report) {
        let Some(exec) = self.state.exec_ref(report.exec) else { return };
        if exec.attempt != report.attempt || exec.status != Status::Active {
            return;
        }
        match report.outcome {
            Ok(outputs) => self.succeeded(report.exec, outputs, &report.matches),
            Err(failure) => self.attempt_failed(report.exec, report.started, *failure),
        }
    }

    /// The execution is over: what it gave is delivered, then it leaves its batch member.
    pub(crate) fn succeeded(&mut self, key: ExecKey, outputs: Outputs, matches: &Matches) {
        if self.out.observe {
            self.frame_outputs(key, crate::StepState::NotRunning, &outputs);
        }
        let Some(exec) = self.take_exec(key) else { return };
        if exec.commits > 0 {
            self.out.push(Command::Forget { exec: key });
        }
        let from = Lineage { scope: exec.scope, recovery: exec.recovery, step: Some(exec.step) };
        self.deliver_outputs(exec.step, outputs, from, matches);
        if exec.scope != ROOT {
            self.release(exec.scope);
        }
    }

    /// Delivers a list of outputs, with the batches it opens.
    pub(crate) fn deliver_outputs(&mut self, step: StepIx, outputs: Outputs, from: Lineage, matches: &Matches) {
        let def = self.def;
        let outs = &def.steps[step as usize].outs;
        let mut nest = Vec::new();
        let mut position = 0;
        let mut current = from;
        for token in outputs {
            match token {
                OutToken::Event(event) => {
                    if event.begins_member {
                        self.next_member(&mut nest, &mut current);
                    }
                    let hash = event.payload.meta().hash;
                    let known = outs.iter().find(|(known, _)| *known == hash).map(|(_, ix)| *ix);
                    if let Some(ix) = known.or_else(|| def.event_by_hash(hash)) {
                        self.deliver_known(ix, event.payload, &current, position, matches);
                    }
                    position += 1;
                }
                OutToken::Open { kind } => self.open(&mut nest, step, kind, &mut current),
                OutToken::Member => self.next_member(&mut nest, &mut current),
                OutToken::Close => self.close(&mut nest, &mut current),
            }
            if self.state.phase == crate::engine::state::Phase::Ended {
                return;
            }
        }
        // A return type of a user's own may have left a batch open.
        while !nest.is_empty() {
            self.close(&mut nest, &mut current);
        }
    }

    fn open(&mut self, nest: &mut Vec<Open>, step: StepIx, kind: u64, current: &mut Lineage) {
        let batch = self.open_batch(step, kind, current.scope, &current.recovery);
        nest.push(Open { batch, parent: current.scope, member: None });
    }

    fn next_member(&mut self, nest: &mut [Open], current: &mut Lineage) {
        let Some(open) = nest.last_mut() else { return };
        let finished = open.member.take();
        let member = self.begin_member(open.batch);
        open.member = Some(member);
        current.scope = member;
        if let Some(finished) = finished {
            self.release(finished);
        }
    }

    fn close(&mut self, nest: &mut Vec<Open>, current: &mut Lineage) {
        let Some(open) = nest.pop() else { return };
        current.scope = open.parent;
        if let Some(member) = open.member {
            self.release(member);
        }
        self.seal_batch(open.batch);
    }
}

/// A batch that is open while a list of outputs is delivered, and its member of the moment.
struct Open {
    batch: u32,
    parent: ScopeIx,
    member: Option<ScopeIx>,
}
