//! Commit points of an execution, and the operations that begin there.

use super::{Engine, Lineage};
use crate::engine::collect::Entry;
use crate::engine::exec::Status;
use crate::engine::verify::HIGHEST_PLACE;
use crate::engine::{CollectRequest, Commit, ExecKey, OpResult, Operation, RunState};

impl Engine<'_> {
    pub(crate) fn commit(&mut self, commit: Commit) {
        // A number that the definition does not have is of no event type.
        if matches!(&commit.op, Operation::Wait(wait) if wait.event as usize >= self.def.events.len()) {
            return;
        }
        // Nor can a place beyond its execution's record be one of an operation.
        let places = self.def.policy.max_records.max(HIGHEST_PLACE);
        if matches!(&commit.op, Operation::Wait(wait) if wait.id.ordinal as usize >= places) {
            return;
        }
        let Some(exec) = self.state.exec_mut(commit.exec) else { return };
        if exec.attempt != commit.attempt || exec.status != Status::Active || commit.seq != exec.commits + 1 {
            return;
        }
        exec.commits = commit.seq;
        let (step, key) = (exec.step, commit.exec);
        if !commit.outputs.is_empty() {
            let from = Lineage { scope: exec.scope, recovery: exec.recovery().clone(), step: Some(step) };
            if self.out.observe {
                self.frame_outputs(key, crate::StepState::Running, &commit.outputs);
            }
            self.deliver_outputs(step, commit.outputs, from, &commit.matches);
            if self.state.exec_ref(key).is_none() {
                return;
            }
        }
        match commit.op {
            Operation::Deliver { id } => self.resume(key, id, OpResult::Delivered),
            Operation::Refuse { id } => self.resume(key, id, OpResult::NoRoom),
            Operation::Wait(mut wait) => {
                wait.announce = wait.announce.map(crate::Payload::into_shared);
                self.wait(key, wait);
            }
            Operation::Withdraw { id } => self.withdraw_one(key, &id),
            Operation::Collect(collect) => self.collect(key, collect),
            Operation::Child { id } => {
                if let Some(exec) = self.state.exec_mut(key)
                    && !exec.more().open_children.contains(&id)
                {
                    exec.more().open_children.push(id.clone());
                }
                self.resume(key, id, OpResult::ChildStarted);
            }
            Operation::ChildDone { id } => {
                if let Some(exec) = self.state.exec_mut(key) {
                    exec.more().open_children.retain(|open| *open != id);
                }
                self.resume(key, id, OpResult::ChildEnded);
            }
        }
    }

    fn collect(&mut self, key: ExecKey, collect: CollectRequest) {
        let Some(step) = self.state.exec_ref(key).map(|exec| exec.step) else { return };
        let Some(ix) = self.def.event_by_hash(collect.event.meta().hash) else { return };
        let bound = self.def.policy.max_collect;
        let buffers = self.state.buffers.get_or_insert_default();
        let buffer = buffers.0.entry((step, collect.buffer.clone())).or_default();
        let result = if buffer.len >= bound {
            OpResult::BufferFull
        } else {
            let entry = Entry { exec: key, op: collect.id.clone(), event: collect.event.into_shared() };
            buffer.queues.entry(ix).or_default().push_back(entry);
            buffer.len += 1;
            match take_set(buffer, &collect.expected) {
                Some(set) => OpResult::Collected(set),
                None => OpResult::Kept,
            }
        };
        if buffer.len == 0 {
            buffers.0.remove(&(step, collect.buffer));
        }
        self.resume(key, collect.id, result);
    }
}

/// Takes one full set out of the buffer, in the declared order, if it holds one.
fn take_set(buffer: &mut crate::engine::collect::Buffer, expected: &[u32]) -> Option<Vec<crate::Payload>> {
    if !holds_set(buffer, expected, None) {
        return None;
    }
    let mut set = Vec::with_capacity(expected.len());
    for ix in expected {
        set.push(buffer.queues.get_mut(ix)?.pop_front()?.event);
        buffer.len -= 1;
    }
    buffer.queues.retain(|_, queue| !queue.is_empty());
    Some(set)
}

/// Whether the buffer, and one more event of type `extra`, holds a full set.
fn holds_set(buffer: &crate::engine::collect::Buffer, expected: &[u32], extra: Option<u32>) -> bool {
    expected.iter().all(|ix| {
        let wanted = expected.iter().filter(|other| *other == ix).count();
        let held = buffer.queues.get(ix).map_or(0, |queue| queue.len()) + usize::from(extra == Some(*ix));
        held >= wanted
    })
}

impl RunState {
    /// Whether this collection would hand out its set: then, and only then, it is a commit point.
    pub fn completes(&self, def: &crate::WorkflowDef, exec: ExecKey, collect: &CollectRequest) -> bool {
        let Some(step) = self.exec_ref(exec).map(|exec| exec.step) else { return false };
        let extra = def.event_by_hash(collect.event.meta().hash);
        let empty = Default::default();
        let key = (step, collect.buffer.clone());
        let buffer = self.buffers.as_deref().and_then(|buffers| buffers.0.get(&key)).unwrap_or(&empty);
        holds_set(buffer, &collect.expected, extra)
    }
}
