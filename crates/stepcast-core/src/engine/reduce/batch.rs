//! Batches: opened by a `Vec` in a step's return value, closed when no member has anything left to do.

use super::{Engine, Lineage};
use crate::Payload;
use crate::definition::{InputShape, StepIx};
use crate::engine::exec::{ROOT, Recovery, ScopeIx, merge_recovery};
use crate::engine::scopes::{Batch, Collected, Collector, Member};

impl Engine<'_> {
    /// One more thing keeps the member open.
    pub(crate) fn hold(&mut self, scope: ScopeIx) {
        if scope != ROOT
            && let Some(member) = self.state.scopes.as_mut().and_then(|scopes| scopes.member_mut(scope))
        {
            member.open += 1;
        }
    }

    /// One thing less keeps the member open; closing it may close its batch, and that the member around it.
    pub(crate) fn release(&mut self, mut scope: ScopeIx) {
        while scope != ROOT {
            let Some(scopes) = self.state.scopes.as_deref_mut() else { return };
            let Some(member) = scopes.member_mut(scope) else { return };
            member.open -= 1;
            if member.open > 0 {
                return;
            }
            let batch = member.batch;
            scopes.members.remove(scope - 1);
            if self.def.has_joins {
                self.drop_joins_of(scope);
            }
            match self.leave_batch(batch) {
                Some(parent) => scope = parent,
                None => return,
            }
        }
    }

    /// Opens a batch whose members give what `kind` stands for.
    pub(crate) fn open_batch(&mut self, opener: StepIx, kind: u64, parent: ScopeIx, recovery: &Recovery) -> u32 {
        self.hold(parent);
        let collectors = self.def.steps[opener as usize].openers.iter().find(|opener| opener.kind == kind);
        let collectors = collectors.map_or(&[][..], |opener| &opener.collectors);
        let collectors = collectors
            .iter()
            .map(|step| Collector { step: *step, items: Vec::new(), fired: false, recovery: None })
            .collect();
        self.state.scopes.get_or_insert_default().batches.insert(Batch {
            parent,
            next_index: 0,
            open: 1,
            collectors,
            opener,
            recovery: recovery.clone(),
        })
    }

    /// Adds a member that is open until it is released.
    pub(crate) fn begin_member(&mut self, batch: u32) -> ScopeIx {
        let Some(scopes) = self.state.scopes.as_deref_mut() else { return ROOT };
        let Some(entry) = scopes.batches.get_mut(batch) else { return ROOT };
        let index = entry.next_index;
        entry.next_index += 1;
        entry.open += 1;
        scopes.members.insert(Member { batch, index, open: 1 }) + 1
    }

    /// The producer's list is complete.
    pub(crate) fn seal_batch(&mut self, batch: u32) {
        if let Some(parent) = self.leave_batch(batch) {
            self.release(parent);
        }
    }

    /// One member less, or the list complete. Gives the scope to release if that closed the batch.
    fn leave_batch(&mut self, batch: u32) -> Option<ScopeIx> {
        let scopes = self.state.scopes.as_deref_mut()?;
        let entry = scopes.batches.get_mut(batch)?;
        entry.open -= 1;
        if entry.open > 0 {
            return None;
        }
        let closed = scopes.batches.remove(batch)?;
        for collector in closed.collectors {
            if !collector.fired {
                self.run_collector(collector, closed.parent, closed.recovery.clone());
            }
        }
        Some(closed.parent)
    }

    fn run_collector(&mut self, mut collector: Collector, scope: ScopeIx, mut recovery: Recovery) {
        // Stable: events of one member stay in the order in which they came.
        if matches!(self.def.steps[collector.step as usize].shape, InputShape::Collect) {
            collector.items.sort_by_key(|item| item.member);
        }
        merge_recovery(&mut recovery, &collector.recovery);
        let serials = collector.items.iter().map(|item| item.serial).collect();
        // In place, without a list of its own.
        let events = collector.items.into_iter().map(|item| item.event).collect();
        self.run_many(collector.step, serials, events, scope, recovery);
    }

    /// Keeps an event for a collecting step of the innermost batch. `false` if there is none.
    pub(crate) fn collect_into_batch(&mut self, step: StepIx, serial: u64, event: Payload, from: &Lineage) -> bool {
        let def = self.def;
        let Some(scopes) = self.state.scopes.as_deref_mut() else { return false };
        let Some(&Member { batch, index, .. }) = scopes.member(from.scope) else { return false };
        let Some(batch) = scopes.batches.get_mut(batch) else { return false };
        let Some(collector) = batch.collectors.iter_mut().find(|collector| collector.step == step) else {
            return false;
        };
        if collector.fired {
            return true;
        }
        collector.items.push(Collected { member: index, serial, event });
        merge_recovery(&mut collector.recovery, &from.recovery);
        if let InputShape::Take { count } = def.steps[step as usize].shape
            && collector.items.len() as u32 >= count
        {
            collector.fired = true;
            let (items, recovery) = (std::mem::take(&mut collector.items), collector.recovery.take());
            let full = Collector { step, items, fired: false, recovery };
            let (parent, recovery) = (batch.parent, batch.recovery.clone());
            self.run_collector(full, parent, recovery);
        }
        true
    }

    /// A join that did not get all its events within a member never will.
    fn drop_joins_of(&mut self, scope: ScopeIx) {
        let Some(joins) = self.state.joins.as_deref_mut() else { return };
        let keys: Vec<_> = (0..self.def.steps.len() as StepIx)
            .map(|step| (step, scope))
            .filter(|key| joins.0.contains_key(key))
            .collect();
        for key in keys {
            let slots = self.state.joins.as_deref_mut().and_then(|joins| joins.0.remove(&key)).unwrap_or_default();
            for waiting in slots.into_iter().flatten() {
                if let Some(ix) = self.def.event_by_hash(waiting.event.meta().hash) {
                    self.unhandled(ix, Some(key.0));
                }
            }
        }
    }
}
