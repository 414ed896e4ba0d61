//! What executions ask for through their contexts.

use std::sync::atomic::Ordering;

use stepcast_core::Outputs;
use stepcast_core::engine::{CollectRequest, Commit, ExecKey, Matches, OpId, OpKind, Operation, TickKind, WaitRequest};

use super::Dispatch;
use super::core::RunCore;
use crate::exec::Recorded;
use crate::run::{Deadline, Request};

impl Dispatch {
    pub(crate) fn operation(&mut self, core: &mut RunCore, exec: ExecKey, attempt: u32, request: Request) {
        // A wait that a failing attempt dropped stays open for the next one: nobody is asked twice.
        if core.entry_of(exec, attempt).is_none() {
            return;
        }
        match request {
            Request::SendNow { id, event } => self.send_now(core, exec, attempt, id, event),
            // A wait from before the run was brought back got its event while the execution came to it again.
            Request::Wait { id, .. } if core.is_answered(exec, &id) => {}
            Request::Wait { id, event, filter, predicate, shared, announce, deadline } => {
                let (outputs, matches) = self.take_outbox(core, exec);
                if let (Some(predicate), Some(shared)) =
                    (predicate, core.entry(exec).and_then(|entry| entry.shared.clone()))
                {
                    shared.log().arm(&id, predicate);
                }
                let deadline = deadline.map(|deadline| match deadline {
                    Deadline::After(duration) => core.now.after(duration),
                    Deadline::At(time) => time,
                });
                let wait = WaitRequest { id, event, filter, shared, announce, deadline };
                self.commit(core, exec, outputs, matches, Operation::Wait(wait));
            }
            Request::Collect { id, buffer, event, expected } => {
                let collect = CollectRequest { id, buffer, event, expected };
                // Only a collection that hands out its set is a commit point.
                let (outputs, matches) = match core.state.completes(self.env.run.def(), exec, &collect) {
                    true => self.take_outbox(core, exec),
                    false => Default::default(),
                };
                self.commit(core, exec, outputs, matches, Operation::Collect(collect));
            }
            Request::Child { id } => {
                if let Some(keeping) = self.env.run.keeping() {
                    // Before the child can be there: it ends with the run, whoever of them comes into the store first.
                    keeping.has_children.store(true, Ordering::Relaxed);
                }
                let (outputs, matches) = self.take_outbox(core, exec);
                self.commit(core, exec, outputs, matches, Operation::Child { id });
            }
            Request::ChildDone { id, run_id, end } => {
                self.record(core, exec, &id, Recorded::Child { run_id, end: Some(end) });
                self.commit(core, exec, Outputs::default(), Matches::default(), Operation::ChildDone { id });
            }
            Request::Withdraw { id } => {
                self.commit(core, exec, Outputs::default(), Matches::default(), Operation::Withdraw { id });
            }
        }
    }

    pub(super) fn commit(
        &mut self,
        core: &mut RunCore,
        exec: ExecKey,
        outputs: Outputs,
        matches: Matches,
        op: Operation,
    ) {
        let Some(view) = core.state.exec(exec) else { return };
        let commit = Commit { exec, attempt: view.attempt, seq: view.commits + 1, outputs, matches, op };
        self.tick(core, TickKind::Commit(Box::new(commit)));
    }

    /// What the execution sent since its last commit point.
    fn take_outbox(&mut self, core: &mut RunCore, exec: ExecKey) -> (Outputs, Matches) {
        let Some(shared) = core.entry(exec).and_then(|entry| entry.shared.clone()) else { return Default::default() };
        let outputs = shared.log().commit();
        let matches = self.match_outputs(core, None, &outputs);
        (outputs, matches)
    }

    fn record(&mut self, core: &mut RunCore, exec: ExecKey, id: &OpId, record: Recorded) {
        let bound = self.env.run.def().policy().max_records;
        if let Some(shared) = core.entry(exec).and_then(|entry| entry.shared.clone()) {
            shared.log().record(OpKind::Child, &id.label, id.ordinal, record, bound.saturating_add(1));
        }
    }
}
