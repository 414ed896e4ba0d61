//! Batches in the model: after every act, whatever nothing keeps open any more is closed.

use super::{Asked, Batch, Collector, Ev, Live, Member, Model, Recovery, Source};
use crate::{Input, Out};

impl Model<'_> {
    pub(super) fn begin(&mut self, step: usize, inputs: Vec<Ev>, scope: Option<usize>, recovery: Recovery) {
        self.lives.push(Live {
            step,
            inputs,
            scope,
            recovery,
            attempt: 1,
            commits: 0,
            key: None,
            due: None,
            asked: false,
            children: 0,
        });
    }

    pub(super) fn deliver_all(&mut self, outs: &[Out], source: &Source) {
        for out in outs {
            if self.ended.is_some() {
                return;
            }
            match out {
                Out::Event(kind, id) => self.deliver(*kind, *id, source),
                Out::Batch(kind, members) => {
                    let known = self.graph.openers[source.step].iter().find(|(known, _)| known == kind);
                    let collectors = known.map_or(Vec::new(), |(_, steps)| steps.clone());
                    let collector = |step| Collector { step, items: Vec::new(), fired: false };
                    let collectors = collectors.into_iter().map(collector).collect();
                    let batch = self.batches.len();
                    self.saw(if source.scope.is_some() { "batch in a batch" } else { "batch" });
                    self.batches.push(Batch {
                        parent: source.scope,
                        members: members.len(),
                        collectors,
                        recovery: source.recovery.clone(),
                        closed: false,
                    });
                    for (index, member) in members.iter().enumerate() {
                        self.members.push(Member { batch, index, closed: false });
                        let scope = Some(self.members.len() - 1);
                        self.deliver_all(member, &Source { scope, ..source.clone() });
                    }
                }
            }
        }
    }

    /// Keeps an event for a collecting step of the innermost batch. `false` if that batch has no such collector.
    pub(super) fn collect(&mut self, step: usize, event: Ev, source: &Source) -> bool {
        let Some(member) = source.scope.map(|scope| &self.members[scope]) else { return false };
        let (at, index) = (member.batch, member.index);
        let collector = self.batches[at].collectors.iter_mut().find(|collector| collector.step == step);
        let Some(collector) = collector else { return false };
        if collector.fired {
            return true;
        }
        collector.items.push((index, event, source.recovery.clone()));
        if let Input::Take(_, count) = self.graph.nodes[step].input
            && collector.items.len() >= count
        {
            collector.fired = true;
            let items = std::mem::take(&mut collector.items);
            self.saw("full take");
            self.run_collector(at, step, items);
        }
        true
    }

    fn run_collector(&mut self, batch: usize, step: usize, mut items: Vec<(usize, Ev, Recovery)>) {
        // Events of a `Take` stay in the order in which they came.
        if let Input::Collect(_) = self.graph.nodes[step].input {
            items.sort_by_key(|(member, event, _)| (*member, event.arrival));
        }
        let (parent, mut recovery) = (self.batches[batch].parent, self.batches[batch].recovery.clone());
        items.iter().for_each(|(_, _, other)| Self::merge(&mut recovery, other));
        self.begin(step, items.into_iter().map(|(_, event, _)| event).collect(), parent, recovery);
    }

    pub(super) fn close_what_is_done(&mut self) {
        loop {
            let member =
                (0..self.members.len()).find(|member| !self.members[*member].closed && !self.is_kept_open(*member));
            if let Some(member) = member {
                self.close_member(member);
                continue;
            }
            let done = |batch: &usize| {
                !self.batches[*batch].closed
                    && self.members.iter().all(|member| member.batch != *batch || member.closed)
            };
            let Some(batch) = (0..self.batches.len()).find(done) else { return };
            self.close_batch(batch);
        }
    }

    fn is_kept_open(&self, member: usize) -> bool {
        let asked = self.questions.iter().any(|question| match &question.asked {
            Asked::Event { scope, .. } => *scope == Some(member),
            _ => false,
        });
        asked
            || self.lives.iter().any(|live| live.scope == Some(member))
            || self.batches.iter().any(|batch| !batch.closed && batch.parent == Some(member))
    }

    fn close_member(&mut self, member: usize) {
        self.members[member].closed = true;
        let keys: Vec<_> = self.joins.keys().filter(|(_, scope)| *scope == Some(member)).cloned().collect();
        for key in keys {
            self.saw("join dropped with its member");
            for (event, _) in self.joins.remove(&key).into_iter().flatten().flatten() {
                self.unhandled(event.kind);
            }
        }
    }

    fn close_batch(&mut self, at: usize) {
        self.batches[at].closed = true;
        assert_eq!(self.members.iter().filter(|member| member.batch == at).count(), self.batches[at].members);
        for collector in std::mem::take(&mut self.batches[at].collectors) {
            if !collector.fired {
                let filled = if collector.items.is_empty() { "empty collector" } else { "filled collector" };
                self.saw(filled);
                self.run_collector(at, collector.step, collector.items);
            }
        }
    }

    /// Whether every batch has closed.
    pub fn all_batches_closed(&self) -> bool {
        self.batches.iter().all(|batch| batch.closed) && self.members.iter().all(|member| member.closed)
    }
}
