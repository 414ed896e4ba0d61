use super::graph::{EdgeKind, NONE};
use super::work::Check;
use crate::Role;

impl Check<'_, '_, '_, '_> {
    /// Finds the levels of every event and step, until nothing grows.
    pub(super) const fn propagate(&mut self) {
        let mut event = 0;
        while event < self.graph.events.len() {
            let entry = &self.graph.events[event];
            // Failures reach catch steps at the level of the step that failed.
            let outside = entry.role.comes_from_outside() && !entry.is_failure();
            if outside || event == self.graph.start as usize {
                self.work.event_levels[event * self.work.words] |= 1;
                self.notify(event);
            }
            event += 1;
        }
        self.seed_idle_catches();
        while !self.work.is_exhausted()
            && let Some(step) = self.work.dequeue()
        {
            self.follow(step);
        }
    }

    /// A catch step that covers nothing is no fault, and neither is what it gives.
    const fn seed_idle_catches(&mut self) {
        // `leaves` is free until loops are looked at.
        let mut step = 0;
        while step < self.graph.steps.len() {
            let catcher = self.work.catcher[step];
            if catcher != NONE {
                self.work.leaves[catcher as usize] = true;
            }
            step += 1;
        }
        step = 0;
        while step < self.graph.steps.len() {
            if self.graph.steps[step].is_catch() && !self.work.leaves[step] {
                self.work.step_levels[step * self.work.words] |= 1;
                self.work.enqueue(step);
            }
            self.work.leaves[step] = false;
            step += 1;
        }
    }

    /// Carries a step's levels on to the events it gives and to what runs because of it.
    const fn follow(&mut self, step: usize) {
        let (first, end) = (self.graph.steps[step].first_edge, self.graph.steps[step].end_edge);
        let turns = self.work.words as u64 + 2;
        let mut i = first;
        while i < end {
            let edge = self.graph.edges[i];
            let event = edge.event as usize;
            self.work.spent += turns;
            match edge.kind {
                EdgeKind::Gives { opener } if opener != NONE => self.raise_to(event, opener as usize + 1),
                EdgeKind::Gives { .. } | EdgeKind::Sends => self.raise_from_step(event, step),
                // The answer continues the lineage of the execution that waits for it.
                EdgeKind::Waits if matches!(self.graph.events[event].role, Role::HumanResponse) => {
                    self.raise_from_step(event, step);
                }
                _ => {}
            }
            i += 1;
        }
        let catcher = self.work.catcher[step];
        if catcher != NONE {
            self.run_at_levels_of(catcher as usize, step);
        }
        if self.graph.steps[step].first_opener < self.graph.steps[step].end_opener {
            self.follow_collectors(step);
        }
    }

    /// Steps that collect what the members of this step's batches lead to run at this step's levels.
    const fn follow_collectors(&mut self, step: usize) {
        let (first, end) = (self.graph.steps[step].first_opener, self.graph.steps[step].end_opener);
        let mut collector = self.work.first_collector;
        while collector != NONE {
            let mut opener = first;
            self.work.spent += 2 * (end - first) as u64 + 1;
            while opener < end {
                if self.graph.openers[opener].parent == NONE && self.work.is_reached(collector as usize, opener) {
                    self.run_at_levels_of(collector as usize, step);
                }
                opener += 1;
            }
            collector = self.work.next_collector[collector as usize];
        }
    }

    /// The event occurs wherever `step` runs.
    const fn raise_from_step(&mut self, event: usize, step: usize) {
        let words = self.work.words;
        let mut grown = false;
        let mut i = 0;
        while i < words {
            let levels = self.work.step_levels[step * words + i];
            grown |= levels & !self.work.event_levels[event * words + i] != 0;
            self.work.event_levels[event * words + i] |= levels;
            i += 1;
        }
        if grown {
            self.notify(event);
        }
    }

    /// The event occurs at one more level.
    const fn raise_to(&mut self, event: usize, level: usize) {
        let at = event * self.work.words + level / 64;
        let bit = 1 << (level % 64);
        if self.work.event_levels[at] & bit == 0 {
            self.work.event_levels[at] |= bit;
            self.notify(event);
        }
    }

    /// Tells everything that takes the event that its levels grew.
    const fn notify(&mut self, event: usize) {
        let mut edge = self.work.first_taker[event];
        while edge != NONE {
            self.take(self.graph.edges[edge as usize].step as usize, event);
            edge = self.work.next_edge[edge as usize];
        }
        if matches!(self.graph.events[event].role, Role::InputRequired) {
            self.answer(event);
        }
    }

    /// A question was asked at these levels: every answer may come at them.
    const fn answer(&mut self, question: usize) {
        let words = self.work.words;
        let mut grown = false;
        let mut i = 0;
        while i < words {
            let levels = self.work.event_levels[question * words + i];
            grown |= levels & !self.work.asked[i] != 0;
            self.work.asked[i] |= levels;
            i += 1;
        }
        if !grown {
            return;
        }
        let mut event = 0;
        while event < self.graph.events.len() {
            if matches!(self.graph.events[event].role, Role::HumanResponse) {
                i = 0;
                while i < words {
                    self.work.event_levels[event * words + i] |= self.work.asked[i];
                    i += 1;
                }
                self.notify(event);
            }
            event += 1;
        }
    }

    /// Finds the levels a step runs at now that those of an event it takes grew.
    const fn take(&mut self, step: usize, event: usize) {
        let kind = &self.graph.steps[step];
        self.work.spent += self.work.words as u64 + 5;
        if kind.is_collector() {
            self.collect(step, event);
        } else if kind.is_join() {
            // A slot that no event fits is never filled.
            if !kind.empty_params {
                self.join(step);
            }
        } else {
            let words = self.work.words;
            let mut i = 0;
            while i < words {
                let levels = self.work.event_levels[event * words + i];
                if levels & !self.work.step_levels[step * words + i] != 0 {
                    self.add_levels(step, i, levels);
                }
                i += 1;
            }
        }
    }

    /// A collector runs outside the batch whose members reach it.
    const fn collect(&mut self, step: usize, event: usize) {
        let words = self.work.words;
        let mut i = 0;
        while i < words {
            let at = step * words + i;
            let mut new = self.work.event_levels[event * words + i] & !self.work.reached[at];
            if i == 0 {
                new &= !1;
            }
            self.work.reached[at] |= new;
            while new != 0 {
                let opener = self.graph.openers[i * 64 + new.trailing_zeros() as usize - 1];
                new &= new - 1;
                if opener.parent == NONE {
                    self.run_at_levels_of(step, opener.step as usize);
                } else {
                    let level = opener.parent as usize + 1;
                    self.add_levels(step, level / 64, 1 << (level % 64));
                }
            }
            i += 1;
        }
    }

    /// A join runs where all of its slots can be filled.
    const fn join(&mut self, step: usize) {
        let words = self.work.words;
        let (first, end) = (self.graph.steps[step].first_edge, self.graph.steps[step].end_edge);
        self.work.spent += 3 * (words * (end - first)) as u64;
        let mut word = 0;
        while word < words {
            let mut all = !0;
            let mut slot = 0;
            let mut filled = 0;
            let mut i = first;
            while i < end {
                let edge = self.graph.edges[i];
                if edge.kind.takes() {
                    if edge.kind.slot() != slot {
                        all &= filled;
                        filled = 0;
                        slot = edge.kind.slot();
                    }
                    filled |= self.work.event_levels[edge.event as usize * words + word];
                }
                i += 1;
            }
            self.add_levels(step, word, all & filled);
            word += 1;
        }
    }

    /// The step runs wherever `other` does.
    const fn run_at_levels_of(&mut self, step: usize, other: usize) {
        let words = self.work.words;
        self.work.spent += words as u64 + 1;
        let mut i = 0;
        while i < words {
            let levels = self.work.step_levels[other * words + i];
            if levels & !self.work.step_levels[step * words + i] != 0 {
                self.add_levels(step, i, levels);
            }
            i += 1;
        }
    }

    const fn add_levels(&mut self, step: usize, word: usize, levels: u64) {
        let at = step * self.work.words + word;
        if levels & !self.work.step_levels[at] != 0 {
            self.work.step_levels[at] |= levels;
            self.work.enqueue(step);
        }
    }
}
