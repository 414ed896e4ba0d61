use super::fault::{FaultKind, Finding, Place};
use super::graph::{EdgeKind, NONE};
use super::work::{Check, STREAMED, TAKEN, WAITED};
use crate::Role;

/// Rules about who gives an event and who takes it.
impl Check<'_, '_, '_, '_> {
    /// Start and stop events belong to one workflow; failures belong to catch steps.
    pub(super) const fn check_roles(&mut self) {
        let mut at = 0;
        while at < self.graph.steps.len() {
            self.work.ask();
            let mut i = self.graph.steps[at].first_edge;
            while i < self.graph.steps[at].end_edge {
                let edge = self.graph.edges[i];
                let used = edge.kind.takes() || edge.kind.gives();
                if used && self.work.first_time(edge.event as usize) {
                    self.check_role(at, edge.event, edge.kind);
                }
                i += 1;
            }
            at += 1;
        }
    }

    const fn check_role(&mut self, step: usize, event: u32, kind: EdgeKind) {
        let entry = self.graph.events[event as usize];
        let own_start = self.graph.events[self.graph.start as usize].tag;
        let own_stop = self.graph.events[self.graph.stop as usize].tag;
        let takes = kind.takes();
        if event == self.graph.stop || matches!(entry.role, Role::Stop) {
            if takes {
                self.findings.add(self.at(FaultKind::StopTaken, step).event(entry.tag));
            } else if event != self.graph.stop {
                self.findings.add(self.at(FaultKind::OtherStop, step).event(entry.tag).other(own_stop));
            }
        } else if matches!(entry.role, Role::Start) && event != self.graph.start {
            let found = self.at(FaultKind::OtherStart, step).event(entry.tag).other(own_start);
            self.findings.add(found.variant(takes));
        } else if takes && entry.is_failure() && !self.graph.steps[step].is_catch() {
            self.findings.add(self.at(FaultKind::FailureTaken, step).event(entry.tag));
        }
    }

    /// Every event that is taken or waited for has a source; every event that is given has a taker.
    pub(super) const fn check_routes(&mut self) {
        let mut at = 0;
        while at < self.graph.steps.len() {
            self.work.ask();
            let mut i = self.graph.steps[at].first_edge;
            while i < self.graph.steps[at].end_edge {
                let edge = self.graph.edges[i];
                if edge.kind.takes() && self.work.first_time(edge.event as usize) {
                    self.check_source(at, edge.event, FaultKind::NotGiven);
                }
                i += 1;
            }
            self.work.ask();
            i = self.graph.steps[at].first_edge;
            while i < self.graph.steps[at].end_edge {
                let edge = self.graph.edges[i];
                if matches!(edge.kind, EdgeKind::Waits) && self.work.first_time(edge.event as usize) {
                    self.check_source(at, edge.event, FaultKind::NotSent);
                }
                i += 1;
            }
            self.work.ask();
            i = self.graph.steps[at].first_edge;
            while i < self.graph.steps[at].end_edge {
                let edge = self.graph.edges[i];
                if edge.kind.gives() && self.work.first_time(edge.event as usize) {
                    self.check_target(at, edge.event);
                }
                i += 1;
            }
            at += 1;
        }
    }

    const fn check_source(&mut self, step: usize, event: u32, kind: FaultKind) {
        let entry = self.graph.events[event as usize];
        let sourced = self.work.first_giver[event as usize] != NONE
            || event == self.graph.start
            || entry.role.comes_from_outside();
        // A stop event that is taken has its own finding.
        let stop = event == self.graph.stop || matches!(entry.role, Role::Stop);
        if sourced || stop && matches!(kind, FaultKind::NotGiven) {
            return;
        }
        let nearest = self.nearest_given(event);
        let found = self.at(kind, step).event(entry.tag).extra(nearest).variant(self.work.runs(step));
        self.findings.add(found);
    }

    const fn check_target(&mut self, step: usize, event: u32) {
        let entry = self.graph.events[event as usize];
        let arrives = self.work.uses[event as usize] & (TAKEN | WAITED | STREAMED) != 0
            || event == self.graph.start
            || event == self.graph.stop
            || entry.role.needs_no_taker()
            || matches!(entry.role, Role::Start);
        if !arrives && !self.graph.steps[step].allow_unconsumed {
            self.findings.add(self.at(FaultKind::NotTaken, step).event(entry.tag));
        }
    }

    /// The run begins somewhere and can end.
    pub(super) const fn check_ends(&mut self) {
        let start = self.graph.events[self.graph.start as usize];
        if !matches!(start.role, Role::Start) {
            self.findings.add(Finding::new(FaultKind::StartNotMarked, Place::Start).event(start.tag));
        }
        if self.work.uses[self.graph.start as usize] & TAKEN == 0 {
            self.findings.add(Finding::new(FaultKind::StartNotTaken, Place::Start).event(start.tag));
        }
        let stop_at = self.graph.stop as usize;
        let stop = self.graph.events[self.graph.stop_written as usize];
        if !matches!(stop.role, Role::Stop) {
            self.findings.add(Finding::new(FaultKind::StopNotMarked, Place::Stop).event(stop.tag));
        }
        if self.work.first_giver[stop_at] == NONE {
            self.findings.add(Finding::new(FaultKind::StopNotGiven, Place::Stop).event(stop.tag));
        } else if !self.work.occurs(stop_at) {
            let found = Finding::new(FaultKind::StopUnreachable, Place::Stop).event(stop.tag);
            self.findings.add(found.other(self.giver_of(stop_at)));
        }
    }
}
