//! Waits in the model: the first wait that wants an event decides, and what nobody may have is kept.

use stepcast::engine::{ExecKey, Filter, OpId};

use super::{Asked, Ending, Ev, Kept, Model, Question, Waiter};
use crate::{Input, Kind, Op, accepts};

/// What becomes of an event, as far as waits go.
#[derive(Debug, PartialEq)]
pub(super) enum Choice {
    /// No wait wants it.
    Nobody,
    /// A wait might want it whose predicate does not exist at the moment.
    Hold,
    /// These get it.
    These(Vec<Waiter>),
}

impl Model<'_> {
    /// The first wait that wants the event decides. `held`: of its own steps, only waits up to this one may have it.
    pub(super) fn chosen(&self, event: &Ev, held: u64) -> Choice {
        let own = |waiter: &Waiter| event.kind.is_some_and(|kind| self.runs(waiter.step, kind));
        let unarmed = |waiter: &Waiter| waiter.filter == Filter::Code && !waiter.armed;
        let mut wanting = self
            .waiters
            .iter()
            .filter(|waiter| Some(waiter.kind) == event.kind && event.arrival > waiter.after)
            .filter(|waiter| waiter.number <= held || !own(waiter))
            .filter(|waiter| unarmed(waiter) || accepts(&waiter.filter, event.id));
        match wanting.next() {
            None => Choice::Nobody,
            Some(first) if unarmed(first) => Choice::Hold,
            Some(first) if !first.shared => Choice::These(vec![first.clone()]),
            Some(first) => {
                let sharing: Vec<&Waiter> = [first].into_iter().chain(wanting.filter(|waiter| waiter.shared)).collect();
                match sharing.iter().any(|waiter| unarmed(waiter)) {
                    true => Choice::Hold,
                    false => Choice::These(sharing.into_iter().cloned().collect()),
                }
            }
        }
    }

    /// Hands the event to those who get it. Gives their steps.
    pub(super) fn hand(&mut self, waiters: &[Waiter], event: &Ev) -> Vec<usize> {
        if waiters.len() > 1 {
            self.saw("event shared by waits");
        }
        for waiter in waiters {
            self.saw("wait satisfied");
            self.satisfy(waiter.exec, &waiter.op, format!("event {}", event.id));
        }
        waiters.iter().map(|waiter| waiter.step).collect()
    }

    /// Whether every such event runs the step or fills a slot of it.
    fn runs(&self, step: usize, kind: Kind) -> bool {
        matches!(&self.graph.nodes[step].input, Input::Any(kinds) | Input::Join(kinds) if kinds.contains(&kind))
    }

    /// Whether a wait that begins later may have it.
    pub(super) fn may_be_awaited(&self, kind: Kind) -> bool {
        let mut steps = 0..self.graph.nodes.len();
        steps.any(|step| self.graph.nodes[step].waits.contains(&kind) && !self.runs(step, kind))
    }

    pub(super) fn keep(&mut self, kind: Kind, event: Kept) {
        let kept = self.kept.entry(kind).or_default();
        kept.push_back(event);
        if kept.len() > self.graph.def.policy().max_mailbox
            && let Some(dropped) = kept.pop_front()
        {
            match dropped.taken {
                true => self.saw("taken event dropped"),
                false => {
                    self.saw("mailbox overflow");
                    self.unhandled(Some(kind));
                }
            }
        }
    }

    /// Whatever is kept and can be handed out is, the oldest first.
    pub(super) fn offer_kept(&mut self) {
        for (kind, mailbox) in std::mem::take(&mut self.kept) {
            for kept in mailbox {
                match self.chosen(&kept.event, kept.held) {
                    Choice::These(waiters) => {
                        self.saw(if kept.held > 0 { "held event taken" } else { "kept event taken" });
                        self.hand(&waiters, &kept.event);
                    }
                    _ => self.kept.entry(kind).or_default().push_back(kept),
                }
            }
        }
    }

    pub(super) fn satisfy(&mut self, exec: ExecKey, op: &OpId, result: String) {
        self.forget_wait(exec, op);
        self.effects.resumed.push((exec, op.clone(), result));
    }

    fn forget_wait(&mut self, exec: ExecKey, op: &OpId) {
        self.waiters.retain(|waiter| (waiter.exec, &waiter.op) != (exec, op));
        self.questions.retain(|question| match &question.asked {
            Asked::Wait { exec: by, op: asked, .. } => (*by, asked) != (exec, op),
            _ => true,
        });
    }

    pub(super) fn withdraw(&mut self, exec: ExecKey, op: &OpId) {
        self.forget_wait(exec, op);
    }

    pub(super) fn wait(&mut self, exec: ExecKey, step: usize, op: &Op) {
        let Op::Wait { id, kind, filter, shared, announce, deadline, .. } = op else { return };
        match self.waiters.iter_mut().find(|waiter| waiter.exec == exec && waiter.op == *id) {
            Some(waiter) => waiter.armed = true,
            None => {
                if let Some((_, announced)) = announce {
                    self.effects.published.push(*announced);
                    let asked = Asked::Wait { id: *announced, exec, op: id.clone() };
                    self.questions.push(Question { id: None, step, asked });
                }
                self.waits_begun += 1;
                self.waiters.push(Waiter {
                    number: self.waits_begun,
                    exec,
                    step,
                    op: id.clone(),
                    kind: *kind,
                    filter: filter.clone(),
                    shared: *shared,
                    after: if announce.is_some() { self.arrivals } else { 0 },
                    armed: true,
                    deadline: *deadline,
                });
            }
        }
    }

    /// The engine tells by the tick's time; deadlines of one moment come in the order of their waits.
    pub(super) fn timers(&mut self, now: u64) {
        let due = |waiter: &Waiter| waiter.deadline.is_some_and(|deadline| deadline <= now);
        while let Some(waiter) = self.waiters.iter().find(|waiter| due(waiter)).cloned() {
            self.saw("deadline");
            self.satisfy(waiter.exec, &waiter.op, "timed out".to_owned());
        }
        for live in self.lives.iter_mut().filter(|live| live.due.is_some_and(|due| due <= now)) {
            live.due = None;
        }
    }

    pub(super) fn senders_gone(&mut self) {
        let waits = |live: &super::Live| self.waiters.iter().any(|waiter| Some(waiter.exec) == live.key);
        let timers = self.waiters.iter().any(|waiter| waiter.deadline.is_some());
        let stays = |live: &super::Live| live.asked || (live.due.is_none() && waits(live) && live.children == 0);
        if timers || !self.lives.iter().all(stays) {
            return;
        }
        let asked = !self.questions.is_empty();
        self.ended = Some(if self.waiters.is_empty() && !asked { Ending::Stuck } else { Ending::NobodyCanSend });
    }
}
