//! The end of an attempt.

use super::{Engine, Lineage};
use crate::definition::StepIx;
use crate::engine::exec::{ROOT, ScopeIx, Status};
use crate::engine::{Command, ExecKey, Matches, Report};
use crate::{OutToken, Outputs};

impl Engine<'_> {
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
        let Some(mut exec) = self.take_exec(key) else { return };
        if exec.commits > 0 {
            self.out.push(Command::Forget { exec: key });
        }
        let from = Lineage { scope: exec.scope, recovery: exec.take_recovery(), step: Some(exec.step) };
        self.deliver_outputs(exec.step, outputs, from, matches);
        if exec.scope != ROOT {
            self.release(exec.scope);
        }
    }

    /// Delivers a list of outputs, with the batches it opens.
    pub(crate) fn deliver_outputs(&mut self, step: StepIx, outputs: Outputs, from: Lineage, matches: &Matches) {
        let def = self.def;
        let outs = &def.steps[step as usize].outs;
        let many = outputs.len();
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
                OutToken::Open { kind } => {
                    if nest.is_empty() {
                        self.state.execs.reserve(many.min(def.policy.max_queued));
                        self.state.scopes.get_or_insert_default().members.reserve(many);
                    }
                    self.open(&mut nest, step, kind, &mut current);
                }
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
