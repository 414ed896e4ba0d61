use super::fault::{FaultKind, Finding, Place};
use super::graph::{CheckCatch, EdgeKind, NONE};
use super::work::Check;

/// Rules that look at one step, or at names alone.
impl<'a> Check<'_, '_, '_, 'a> {
    /// Starts a finding about a step.
    pub(super) const fn at(&self, kind: FaultKind, step: usize) -> Finding<'a> {
        let mut finding = Finding::new(kind, Place::Step(step));
        finding.step = self.graph.steps[step].name;
        finding
    }

    /// Names of steps, tags of events, hashes of tags: each means one thing.
    pub(super) const fn check_names(&mut self) {
        let stop = self.graph.events[self.graph.stop_written as usize];
        if stop.first != self.graph.stop_written {
            let found = Finding::new(FaultKind::TagTwice, Place::Stop).event(stop.tag).other(stop.location);
            self.findings.add(found.extra(self.graph.events[stop.first as usize].location));
        }
        if stop.collides != NONE {
            let other = self.graph.events[stop.collides as usize].tag;
            self.findings.add(Finding::new(FaultKind::HashTwice, Place::Stop).event(stop.tag).other(other));
        }
        let mut step = 0;
        while step < self.graph.steps.len() {
            if self.graph.steps[step].same_name != NONE {
                self.findings.add(self.at(FaultKind::DuplicateStep, step));
            }
            self.check_tags(step);
            step += 1;
        }
    }

    const fn check_tags(&mut self, step: usize) {
        self.work.ask();
        let mut i = self.graph.steps[step].first_edge;
        while i < self.graph.steps[step].end_edge {
            let written = self.graph.edges[i].written;
            let event = self.graph.events[written as usize];
            if (event.first != written || event.collides != NONE) && self.work.first_time(written as usize) {
                if event.first != written {
                    let first = self.graph.events[event.first as usize].location;
                    let found = self.at(FaultKind::TagTwice, step).event(event.tag).other(event.location);
                    self.findings.add(found.extra(first));
                }
                if event.collides != NONE {
                    let other = self.graph.events[event.collides as usize].tag;
                    self.findings.add(self.at(FaultKind::HashTwice, step).event(event.tag).other(other));
                }
            }
            i += 1;
        }
    }

    /// What the parameters of a step may be together.
    pub(super) const fn check_params(&mut self) {
        let mut at = 0;
        while at < self.graph.steps.len() {
            let step = self.graph.steps[at];
            if step.event_params == 0 || step.empty_params {
                self.findings.add(self.at(FaultKind::NoEventParam, at).variant(step.empty_params));
            }
            if step.collecting_params > 1 {
                self.findings.add(self.at(FaultKind::CollectTwice, at).event(self.param_event(at, true)));
            }
            if step.collecting_params > 0 && step.event_params > step.collecting_params {
                let found = self.at(FaultKind::CollectMixed, at).event(self.param_event(at, true));
                self.findings.add(found.other(self.param_event(at, false)));
            }
            if step.take_zero {
                self.findings.add(self.at(FaultKind::TakeZero, at).event(self.param_event(at, true)));
            }
            if step.is_join() {
                self.check_slots(at);
            }
            at += 1;
        }
    }

    /// Tag of the first event of a collecting parameter, or of another one.
    const fn param_event(&self, step: usize, collecting: bool) -> &'a str {
        let mut i = self.graph.steps[step].first_edge;
        while i < self.graph.steps[step].end_edge {
            let edge = self.graph.edges[i];
            if edge.kind.takes() && matches!(edge.kind, EdgeKind::Collects { .. }) == collecting {
                return self.graph.events[edge.event as usize].tag;
            }
            i += 1;
        }
        ""
    }

    /// The slots of a join are single events of different types.
    const fn check_slots(&mut self, step: usize) {
        self.work.ask();
        let mut slot = NONE;
        let mut previous = NONE;
        let mut reported = NONE;
        let mut i = self.graph.steps[step].first_edge;
        while i < self.graph.steps[step].end_edge {
            let edge = self.graph.edges[i];
            i += 1;
            if !edge.kind.takes() {
                continue;
            }
            let tag = self.graph.events[edge.event as usize].tag;
            if edge.kind.slot() != slot {
                slot = edge.kind.slot();
                if !self.work.first_time(edge.event as usize) {
                    self.findings.add(self.at(FaultKind::SlotTwice, step).event(tag));
                }
            } else if edge.event != previous && reported != slot {
                reported = slot;
                let first = self.graph.events[previous as usize].tag;
                self.findings.add(self.at(FaultKind::UnionInJoin, step).event(first).other(tag));
                self.work.stamps[edge.event as usize] = self.work.stamp;
            }
            previous = edge.event;
        }
    }

    /// Catch steps: what they take, whom they name; also finds the catch step of every step.
    pub(super) const fn check_catches(&mut self) {
        let mut wildcard = NONE;
        let mut at = 0;
        while at < self.graph.steps.len() {
            let step = self.graph.steps[at];
            let recoveries = match step.catch {
                CheckCatch::None => {
                    at += 1;
                    continue;
                }
                CheckCatch::All { max_recoveries } => {
                    if wildcard == NONE {
                        wildcard = at as u32;
                    } else {
                        let first = self.graph.steps[wildcard as usize].name;
                        self.findings.add(self.at(FaultKind::CatchAllTwice, at).other(first));
                    }
                    max_recoveries
                }
                CheckCatch::Steps { names, max_recoveries } => {
                    let mut i = 0;
                    while i < names.len() {
                        self.check_caught(at, names[i]);
                        i += 1;
                    }
                    max_recoveries
                }
            };
            if recoveries == 0 {
                self.findings.add(self.at(FaultKind::NoRecoveries, at));
            }
            if !self.takes_one_failure(at) {
                self.findings.add(self.at(FaultKind::CatchInput, at));
            }
            at += 1;
        }
        at = 0;
        while at < self.graph.steps.len() {
            if self.work.catcher[at] == NONE && !self.graph.steps[at].is_catch() {
                self.work.catcher[at] = wildcard;
            }
            at += 1;
        }
    }

    const fn check_caught(&mut self, catch: usize, name: &'a str) {
        let caught = self.graph.step_named(name);
        if caught == NONE {
            let nearest = self.nearest_step(name, catch);
            self.findings.add(self.at(FaultKind::CatchUnknown, catch).other(name).extra(nearest));
        } else if caught as usize == catch {
            self.findings.add(self.at(FaultKind::CatchSelf, catch));
        } else if self.graph.steps[caught as usize].is_catch() {
            self.findings.add(self.at(FaultKind::CatchCatch, catch).other(name));
        } else if self.work.catcher[caught as usize] == NONE {
            self.work.catcher[caught as usize] = catch as u32;
        } else if self.work.catcher[caught as usize] != catch as u32 {
            let first = self.graph.steps[self.work.catcher[caught as usize] as usize].name;
            self.findings.add(self.at(FaultKind::CaughtTwice, catch).other(name).extra(first));
        }
    }

    const fn takes_one_failure(&self, step: usize) -> bool {
        let kind = self.graph.steps[step];
        if kind.event_params != 1 || kind.collecting_params != 0 {
            return false;
        }
        let mut i = kind.first_edge;
        while i < kind.end_edge {
            let edge = self.graph.edges[i];
            if edge.kind.takes() && !self.graph.events[edge.event as usize].is_failure() {
                return false;
            }
            i += 1;
        }
        !kind.empty_params
    }
}
