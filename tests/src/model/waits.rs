//! Waits in the model: the first matching waiter decides, and what nobody may have is kept.

use stepcast::engine::{ExecKey, Filter, OpId};

use super::{Asked, Ending, Ev, Model, Question, Waiter};
use crate::{Kind, Op, accepts};

impl Model<'_> {
    /// Hands the event to those who get it, or keeps it. Gives the steps of those who got it.
    pub(super) fn offer(&mut self, event: &Ev) -> Vec<usize> {
        let chosen = self.chosen(event);
        if chosen.is_empty() {
            self.keep(event.clone());
        }
        if chosen.len() > 1 {
            self.saw("event shared by waits");
        }
        chosen.iter().filter_map(|(exec, op)| self.hand(*exec, op, event)).collect()
    }

    fn hand(&mut self, exec: ExecKey, op: &OpId, event: &Ev) -> Option<usize> {
        self.saw("wait satisfied");
        let step = self.position(exec).map(|at| self.lives[at].step);
        self.satisfy(exec, op, format!("event {}", event.id));
        step
    }

    fn chosen(&self, event: &Ev) -> Vec<(ExecKey, OpId)> {
        let mut chosen = Vec::new();
        for waiter in
            self.waiters.iter().filter(|waiter| Some(waiter.kind) == event.kind && event.arrival > waiter.after)
        {
            let unarmed = waiter.filter == Filter::Code && !waiter.armed;
            match (unarmed, chosen.is_empty()) {
                // Nobody may have what it might want.
                (true, true) => return Vec::new(),
                (true, false) => continue,
                (false, false) if !waiter.shared => continue,
                _ if !accepts(&waiter.filter, event.id) => continue,
                _ => chosen.push((waiter.exec, waiter.op.clone())),
            }
            if !waiter.shared {
                break;
            }
        }
        chosen
    }

    fn keep(&mut self, event: Ev) {
        let Some(kind) = event.kind else { return };
        let kept = self.kept.entry(kind).or_default();
        kept.push_back(event);
        if kept.len() > self.graph.def.policy().max_mailbox {
            kept.pop_front();
            self.saw("mailbox overflow");
            self.unhandled(Some(kind));
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
                self.waiters.push(Waiter {
                    exec,
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
        self.offer_kept(*kind);
    }

    fn offer_kept(&mut self, kind: Kind) {
        let kept = self.kept.remove(&kind).unwrap_or_default();
        for event in kept {
            let chosen = self.chosen(&event);
            if chosen.is_empty() {
                self.kept.entry(kind).or_default().push_back(event);
                continue;
            }
            self.saw("kept event taken");
            for (exec, op) in chosen {
                self.hand(exec, &op, &event);
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
