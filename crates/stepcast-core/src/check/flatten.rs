use super::graph::{CheckCatch, CheckEvent, EdgeKind, NONE};
use super::table::{Needs, Tables};
use crate::{CatchSpec, EventMeta, EventSet, OutSpec, ParamSpec, StepSpec, WorkflowSpec};

/// May give nothing at all.
pub(super) const SILENT: u8 = 1;
/// May give nothing but batches, and these may be empty.
pub(super) const OPENS_ONLY: u8 = 2;

impl CheckEvent<'_> {
    /// The entry of an event type that the compiler knows.
    pub(super) const fn of(meta: &'static EventMeta) -> CheckEvent<'static> {
        let mut event = CheckEvent::EMPTY;
        event.tag = meta.tag;
        event.hash = meta.hash;
        event.origin = meta.origin;
        event.location = meta.location;
        event.role = meta.role;
        event
    }
}

/// How much room the tables of `spec` need, without its start and stop event.
pub(super) const fn needs(spec: &WorkflowSpec) -> Needs {
    let mut needs = Needs { edges: 0, openers: 0 };
    let mut i = 0;
    while i < spec.steps.len() {
        let step = &spec.steps[i];
        let mut k = 0;
        while k < step.params.len() {
            match &step.params[k] {
                ParamSpec::Event(set) | ParamSpec::Collect(set) | ParamSpec::Take(set, _) => needs.edges += size(set),
                ParamSpec::Injected(injected) => needs.edges += size(&injected.sends),
            }
            k += 1;
        }
        needs.edges += size(&step.emits) + size(&step.waits) + size(&step.streams);
        count_out(&step.out, &mut needs);
        i += 1;
    }
    needs
}

const fn size(set: &EventSet) -> usize {
    match set {
        EventSet::None => 0,
        EventSet::One(_) => 1,
        EventSet::Both(a, b) => size(a) + size(b),
    }
}

const fn count_out(out: &OutSpec, needs: &mut Needs) {
    match out {
        OutSpec::None => {}
        OutSpec::One(_) => needs.edges += 1,
        OutSpec::All(a, b) | OutSpec::Either(a, b) => {
            count_out(a, needs);
            count_out(b, needs);
        }
        OutSpec::Optional(inner) => count_out(inner, needs),
        OutSpec::Batch(inner) => {
            needs.openers += 1;
            count_out(inner, needs);
        }
    }
}

impl Tables<'_, 'static> {
    /// Fills the tables from a workflow's constant; gives the indices of its start and its stop event.
    pub(super) const fn workflow(&mut self, spec: &'static WorkflowSpec) -> (u32, u32) {
        let start = self.event(CheckEvent::of(spec.start));
        let stop = self.event(CheckEvent::of(spec.stop));
        let mut i = 0;
        while i < spec.steps.len() {
            self.step(&spec.steps[i]);
            i += 1;
        }
        (start, stop)
    }

    const fn step(&mut self, spec: &'static StepSpec) {
        let catch = match spec.catch {
            CatchSpec::None => CheckCatch::None,
            CatchSpec::All { max_recoveries } => CheckCatch::All { max_recoveries },
            CatchSpec::Steps { names, max_recoveries } => CheckCatch::Steps { names, max_recoveries },
        };
        let at = self.begin_step(spec.name, catch);
        self.steps[at].allow_unconsumed = spec.allow_unconsumed;
        self.steps[at].allow_endless = spec.allow_endless;
        let mut k = 0;
        while k < spec.params.len() {
            self.param(&spec.params[k]);
            k += 1;
        }
        let silence = self.out(&spec.out, NONE);
        self.steps[at].may_be_silent = silence & SILENT != 0;
        self.steps[at].may_open_only = silence & OPENS_ONLY != 0;
        k = 0;
        while k < spec.params.len() {
            if let ParamSpec::Injected(injected) = &spec.params[k] {
                self.set(&injected.sends, EdgeKind::Sends);
            }
            k += 1;
        }
        self.set(&spec.emits, EdgeKind::Sends);
        self.set(&spec.waits, EdgeKind::Waits);
        self.set(&spec.streams, EdgeKind::Streams);
        self.end_step();
    }

    const fn param(&mut self, param: &'static ParamSpec) {
        let edges = self.len.edges;
        match param {
            ParamSpec::Event(set) => {
                let slot = self.event_param(false);
                self.set(set, EdgeKind::Takes { slot });
            }
            ParamSpec::Collect(set) => {
                let slot = self.event_param(true);
                self.set(set, EdgeKind::Collects { slot });
            }
            ParamSpec::Take(set, count) => {
                let slot = self.event_param(true);
                self.set(set, EdgeKind::Collects { slot });
                if *count == 0 {
                    self.steps[self.len.steps - 1].take_zero = true;
                }
            }
            ParamSpec::Injected(_) => return,
        }
        if self.len.edges == edges {
            self.steps[self.len.steps - 1].empty_params = true;
        }
    }

    const fn set(&mut self, set: &'static EventSet, kind: EdgeKind) {
        match set {
            EventSet::None => {}
            EventSet::One(meta) => self.edge(CheckEvent::of(meta), kind),
            EventSet::Both(a, b) => {
                self.set(a, kind);
                self.set(b, kind);
            }
        }
    }

    /// Notes what a return type gives inside `opener`; gives how little that may be.
    const fn out(&mut self, out: &'static OutSpec, opener: u32) -> u8 {
        match out {
            OutSpec::None => SILENT | OPENS_ONLY,
            OutSpec::One(meta) => {
                self.edge(CheckEvent::of(meta), EdgeKind::Gives { opener });
                0
            }
            OutSpec::All(a, b) => self.out(a, opener) & self.out(b, opener),
            OutSpec::Either(a, b) => self.out(a, opener) | self.out(b, opener),
            OutSpec::Optional(inner) => {
                self.out(inner, opener);
                SILENT | OPENS_ONLY
            }
            OutSpec::Batch(inner) => {
                let opener = self.opener(opener, inner.kind());
                self.out(inner, opener);
                OPENS_ONLY
            }
        }
    }
}
