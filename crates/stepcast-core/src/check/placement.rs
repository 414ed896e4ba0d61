use super::fault::FaultKind;
use super::graph::NONE;
use super::work::Check;

/// Rules about levels: collectors, joins, steps that never run.
impl<'a> Check<'_, '_, '_, 'a> {
    pub(super) const fn check_levels(&mut self) {
        let mut at = 0;
        while at < self.graph.steps.len() {
            let step = self.graph.steps[at];
            if step.is_collector() {
                self.check_collector(at);
            } else if step.is_join() && !self.work.runs(at) {
                self.check_join(at);
            }
            if !self.work.runs(at) && !self.findings.explained[at] {
                let event = self.missing(at);
                let found = self.at(FaultKind::NeverRuns, at).variant(step.is_catch());
                self.findings.add(if event == NONE {
                    found
                } else {
                    found.event(self.graph.events[event as usize].tag).other(self.giver_of(event as usize))
                });
            }
            at += 1;
        }
    }

    const fn check_collector(&mut self, step: usize) {
        self.work.ask();
        let mut i = self.graph.steps[step].first_edge;
        while i < self.graph.steps[step].end_edge {
            let edge = self.graph.edges[i];
            let event = edge.event as usize;
            if edge.kind.takes()
                && self.work.first_time(event)
                && self.work.occurs(event)
                && !self.work.occurs_in_batch(event)
            {
                let found = self.at(FaultKind::NoBatch, step).event(self.graph.events[event].tag);
                self.findings.add(found.other(self.giver_of(event)));
            }
            i += 1;
        }
    }

    /// Of a join that never runs: the slot at which no level is left for all slots.
    const fn check_join(&mut self, step: usize) {
        if self.missing(step) != NONE {
            return;
        }
        let (first, end) = (self.graph.steps[step].first_edge, self.graph.steps[step].end_edge);
        let mut one = "";
        let mut i = first;
        while i < end {
            let edge = self.graph.edges[i];
            if edge.kind.takes() {
                let tag = self.graph.events[edge.event as usize].tag;
                if one.is_empty() {
                    one = tag;
                } else if !self.overlap(step, edge.kind.slot()) {
                    self.findings.add(self.at(FaultKind::NeverMeet, step).event(one).other(tag));
                    return;
                }
            }
            i += 1;
        }
    }

    /// Whether the slots of a join up to `last` share a level.
    const fn overlap(&self, step: usize, last: u32) -> bool {
        let words = self.work.words;
        let mut word = 0;
        while word < words {
            let mut all = !0;
            let mut filled = !0;
            let mut slot = NONE;
            let mut i = self.graph.steps[step].first_edge;
            while i < self.graph.steps[step].end_edge {
                let edge = self.graph.edges[i];
                if edge.kind.takes() && edge.kind.slot() <= last {
                    if edge.kind.slot() != slot {
                        all &= filled;
                        filled = 0;
                        slot = edge.kind.slot();
                    }
                    filled |= self.work.event_levels[edge.event as usize * words + word];
                }
                i += 1;
            }
            if all & filled != 0 {
                return true;
            }
            word += 1;
        }
        false
    }

    /// The first event a step takes that never occurs; for a join only one that leaves its slot empty.
    const fn missing(&self, step: usize) -> u32 {
        let mut missing = NONE;
        let mut slot = NONE;
        let mut i = self.graph.steps[step].first_edge;
        while i < self.graph.steps[step].end_edge {
            let edge = self.graph.edges[i];
            if edge.kind.takes() {
                if edge.kind.slot() != slot && missing != NONE {
                    return missing;
                }
                if self.work.occurs(edge.event as usize) {
                    missing = NONE;
                } else if edge.kind.slot() != slot {
                    missing = edge.event;
                }
                slot = edge.kind.slot();
            }
            i += 1;
        }
        missing
    }
}
