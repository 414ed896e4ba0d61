//! Routing in the model: every event to every step with a parameter for it.

use super::waits::Choice;
use super::{Asked, Ending, Ev, Kept, Model, Question, Source};
use crate::{ASK, END, Input, Kind, POOL};

impl Model<'_> {
    pub(super) fn deliver(&mut self, kind: Kind, id: u64, source: &Source) {
        if crate::number(&self.graph.def, kind) == u32::MAX {
            return;
        }
        self.arrivals += 1;
        let event = Ev { kind: Some(kind), id, arrival: self.arrivals };
        if kind == END {
            self.ended = Some(Ending::Completed { stop: id, failures: self.failures });
            return;
        }
        if kind == ASK {
            self.effects.published.push(id);
            let asked = Asked::Event { id, scope: source.scope, recovery: source.recovery.clone() };
            self.questions.push(Question { id: None, step: source.step, asked });
        }
        let (choice, begun) = (self.chosen(&event, u64::MAX), self.waits_begun);
        let waited_by = match &choice {
            Choice::These(waiters) => self.hand(waiters, &event),
            _ => Vec::new(),
        };
        let mut taken = false;
        for step in 0..self.graph.nodes.len() {
            match &self.graph.nodes[step].input {
                Input::Any(kinds) if kinds.contains(&kind) => {
                    taken = true;
                    // An execution of this step has it in its wait.
                    match waited_by.contains(&step) {
                        true => self.saw("wait instead of an execution"),
                        false => self.begin(step, vec![event.clone()], source.scope, source.recovery.clone()),
                    }
                }
                Input::Join(kinds) => {
                    if let Some(slot) = kinds.iter().position(|known| *known == kind) {
                        taken = true;
                        match waited_by.contains(&step) {
                            true => self.saw("wait instead of a slot"),
                            false => self.fill(step, slot, event.clone(), source),
                        }
                    }
                }
                Input::Collect(kinds) | Input::Take(kinds, _) if kinds.contains(&kind) => {
                    taken |= self.collect(step, event.clone(), source);
                }
                _ => {}
            }
        }
        match choice {
            Choice::These(_) => {}
            Choice::Hold => {
                self.saw("event held");
                self.keep(kind, Kept { event, held: begun, taken });
            }
            Choice::Nobody if self.may_be_awaited(kind) => self.keep(kind, Kept { event, held: 0, taken }),
            Choice::Nobody if taken || kind == ASK => {}
            Choice::Nobody => self.unhandled(Some(kind)),
        }
    }

    fn fill(&mut self, step: usize, slot: usize, event: Ev, source: &Source) {
        let Input::Join(kinds) = &self.graph.nodes[step].input else { return };
        let key = (step, source.scope);
        let slots = self.joins.entry(key).or_insert_with(|| vec![Default::default(); kinds.len()]);
        slots[slot].push_back((event, source.recovery.clone()));
        if slots.iter().any(|slot| slot.is_empty()) {
            return;
        }
        let mut recovery = super::Recovery::new();
        let mut events = Vec::new();
        *self.seen.entry("join").or_default() += 1;
        for (event, its) in slots.iter_mut().filter_map(|slot| slot.pop_front()) {
            Self::merge(&mut recovery, &its);
            events.push(event);
        }
        if slots.iter().all(|slot| slot.is_empty()) {
            self.joins.remove(&key);
        }
        self.begin(step, events, source.scope, recovery);
    }

    pub(super) fn unhandled(&mut self, kind: Option<Kind>) {
        self.saw("unhandled");
        let tag = kind.map_or("StepFailedEvent", |kind| POOL[kind].meta.tag);
        self.effects.unhandled.push(tag.to_owned());
    }
}
