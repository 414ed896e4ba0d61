use super::fault::FaultKind;
use super::graph::{EdgeKind, NONE};
use super::work::{Check, TAKEN};
use crate::Role;

/// Loops that nothing leaves.
impl<'a> Check<'_, '_, '_, 'a> {
    /// Reports every step that runs, leads to no exit, and is on a loop or between two such loops.
    pub(super) const fn check_loops(&mut self) {
        self.mark_exits();
        while let Some(step) = self.work.dequeue() {
            self.mark_givers(step);
        }
        self.count_inward();
        self.peel();
        let mut step = 0;
        while step < self.graph.steps.len() {
            if self.is_endless(step) && self.work.step_degree[step] > 0 {
                let stop = self.graph.events[self.graph.stop as usize].tag;
                self.findings.add(self.at(FaultKind::EndlessLoop, step).event(self.loops_on(step)).other(stop));
            }
            step += 1;
        }
    }

    const fn mark_exits(&mut self) {
        let mut step = 0;
        while step < self.graph.steps.len() {
            if self.is_exit(step) {
                self.work.leaves[step] = true;
                self.work.enqueue(step);
            }
            step += 1;
        }
    }

    /// Whether a run can come to rest or to its end at this step.
    const fn is_exit(&self, at: usize) -> bool {
        let step = self.graph.steps[at];
        if step.allow_endless || step.may_be_silent || step.may_open_only && self.opens_without_collector(at) {
            return true;
        }
        let mut leads_on = false;
        let mut i = step.first_edge;
        while i < step.end_edge {
            let edge = self.graph.edges[i];
            let role = self.graph.events[edge.event as usize].role;
            if edge.kind.gives() {
                if edge.event == self.graph.stop || matches!(role, Role::Stop | Role::InputRequired) {
                    return true;
                }
                leads_on |= self.work.uses[edge.event as usize] & TAKEN != 0;
            } else if matches!(edge.kind, EdgeKind::Waits) && matches!(role, Role::HumanResponse | Role::External) {
                return true;
            }
            i += 1;
        }
        !leads_on
    }

    /// Whether an empty batch of the step would be the end of it.
    const fn opens_without_collector(&self, step: usize) -> bool {
        let mut opener = self.graph.steps[step].first_opener;
        while opener < self.graph.steps[step].end_opener {
            let mut collected = false;
            let mut collector = self.work.first_collector;
            while collector != NONE && !collected {
                collected = self.work.is_reached(collector as usize, opener);
                collector = self.work.next_collector[collector as usize];
            }
            if !collected {
                return true;
            }
            opener += 1;
        }
        false
    }

    /// The step leads out, so whatever gives an event it takes does.
    const fn mark_givers(&mut self, step: usize) {
        let mut i = self.graph.steps[step].first_edge;
        while i < self.graph.steps[step].end_edge {
            let edge = self.graph.edges[i];
            // Once is enough for an event; its degree is free until loops are counted.
            if edge.kind.takes() && self.work.event_degree[edge.event as usize] == 0 {
                self.work.event_degree[edge.event as usize] = 1;
                let mut giving = self.work.first_giver[edge.event as usize];
                while giving != NONE {
                    let giver = self.graph.edges[giving as usize].step as usize;
                    if !self.work.leaves[giver] {
                        self.work.leaves[giver] = true;
                        self.work.enqueue(giver);
                    }
                    giving = self.work.next_edge[giving as usize];
                }
            }
            i += 1;
        }
    }

    const fn is_endless(&self, step: usize) -> bool {
        !self.work.leaves[step] && self.work.runs(step)
    }

    /// Counts, among the steps that lead nowhere, the edges into each event and each step.
    const fn count_inward(&mut self) {
        let mut event = 0;
        while event < self.graph.events.len() {
            self.work.event_degree[event] = 0;
            event += 1;
        }
        let mut i = 0;
        while i < self.graph.edges.len() {
            let edge = self.graph.edges[i];
            if edge.kind.gives() && self.is_endless(edge.step as usize) {
                self.work.event_degree[edge.event as usize] += 1;
            }
            i += 1;
        }
        i = 0;
        while i < self.graph.edges.len() {
            let edge = self.graph.edges[i];
            if edge.kind.takes() && self.work.event_degree[edge.event as usize] > 0 {
                self.work.step_degree[edge.step as usize] += 1;
            }
            i += 1;
        }
    }

    /// Removes the steps that no loop leads to, and what only they give.
    const fn peel(&mut self) {
        let mut step = 0;
        while step < self.graph.steps.len() {
            if self.is_endless(step) && self.work.step_degree[step] == 0 {
                self.work.enqueue(step);
            }
            step += 1;
        }
        while let Some(step) = self.work.dequeue() {
            let mut i = self.graph.steps[step].first_edge;
            while i < self.graph.steps[step].end_edge {
                let edge = self.graph.edges[i];
                if edge.kind.gives() {
                    self.work.event_degree[edge.event as usize] -= 1;
                    if self.work.event_degree[edge.event as usize] == 0 {
                        self.release_takers(edge.event as usize);
                    }
                }
                i += 1;
            }
        }
    }

    const fn release_takers(&mut self, event: usize) {
        let mut taking = self.work.first_taker[event];
        while taking != NONE {
            let taker = self.graph.edges[taking as usize].step as usize;
            self.work.step_degree[taker] -= 1;
            if self.work.step_degree[taker] == 0 && self.is_endless(taker) {
                self.work.enqueue(taker);
            }
            taking = self.work.next_edge[taking as usize];
        }
    }

    /// Tag of the event by which the loop comes back to the step.
    const fn loops_on(&self, step: usize) -> &'a str {
        let mut i = self.graph.steps[step].first_edge;
        while i < self.graph.steps[step].end_edge {
            let edge = self.graph.edges[i];
            if edge.kind.takes() && self.work.event_degree[edge.event as usize] > 0 {
                return self.graph.events[edge.event as usize].tag;
            }
            i += 1;
        }
        ""
    }
}
