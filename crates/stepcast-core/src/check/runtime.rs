use super::fault::{Fault, Findings};
use super::flatten::{OPENS_ONLY, SILENT};
use super::graph::{CheckCatch, CheckEdge, CheckEvent, CheckOpener, CheckStep, EdgeKind, NONE};
use super::spec::{GraphCatch, GraphEvent, GraphOut, GraphParam, GraphSpec, GraphStep};
use super::table::{Lengths, Needs, Tables};
use super::work::{Check, HINTS, Work};
use crate::hash;

/// Checks a graph at run time and reports every fault: those of the workflow first, then those of its steps in order.
pub fn check(graph: &GraphSpec) -> Vec<Fault> {
    analyse(graph).faults
}

/// What the check knows about a graph.
#[derive(Clone, Debug)]
pub struct Analysis {
    faults: Vec<Fault>,
    openers: Vec<Opener>,
    first_openers: Vec<usize>,
}

/// A `Vec` in a step's return value: it opens a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opener {
    /// Position of the step.
    pub step: usize,
    /// Position among the `Vec`s of its return value, outer before inner.
    pub position: usize,
    /// The opener around it in the same return value, as an index into [`Analysis::openers`].
    pub parent: Option<usize>,
    /// What its members can give; see [`OutSpec::kind`](crate::OutSpec::kind).
    pub kind: u64,
    /// Positions of the steps that collect what its members lead to.
    pub collectors: Vec<usize>,
}

impl Analysis {
    /// Every fault: those of the workflow first, then those of its steps in order.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The faults alone.
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    /// Every `Vec` in the return values of the steps, by step and position.
    pub fn openers(&self) -> &[Opener] {
        &self.openers
    }

    /// The `Vec`s in the return value of one step.
    pub fn openers_of(&self, step: usize) -> &[Opener] {
        match self.first_openers.get(step..step + 2) {
            Some(&[first, end]) => &self.openers[first..end],
            _ => &[],
        }
    }

    /// The opener of a step for members of this [kind](crate::OutSpec::kind), as an index into [`openers`](Self::openers).
    pub fn opener_of_kind(&self, step: usize, kind: u64) -> Option<usize> {
        let at = self.openers_of(step).iter().position(|opener| opener.kind == kind)?;
        Some(self.first_openers[step] + at)
    }

    /// Positions of the steps that run when a batch of this opener closes: those that its members reach without
    /// passing another collector of the batch.
    pub fn collectors_of(&self, opener: usize) -> &[usize] {
        self.openers.get(opener).map_or(&[], |opener| &opener.collectors)
    }
}

/// Checks a graph and says what the engine must know of its batches.
pub fn analyse(graph: &GraphSpec) -> Analysis {
    let caught: Vec<Vec<&str>> = graph.steps.iter().map(|step| caught_by(&step.catch)).collect();
    let needs = needs(graph);
    let events = needs.edges + 2;
    let mut tables = Tables {
        steps: &mut vec![CheckStep::EMPTY; graph.steps.len()],
        edges: &mut vec![CheckEdge::EMPTY; needs.edges],
        events: &mut vec![CheckEvent::EMPTY; events],
        openers: &mut vec![CheckOpener::EMPTY; needs.openers],
        event_slots: &mut vec![NONE; 2 * events],
        name_slots: &mut vec![NONE; 2 * graph.steps.len() + 1],
        len: Lengths::ZERO,
    };
    let start = tables.event(entry(&graph.start));
    let stop = tables.event(entry(&graph.stop));
    for (step, caught) in graph.steps.iter().zip(&caught) {
        tables.graph_step(step, caught);
    }
    examine(graph, &tables, start, stop)
}

fn examine(graph: &GraphSpec, tables: &Tables<'_, '_>, start: u32, stop: u32) -> Analysis {
    let flat = tables.graph(start, stop);
    let (steps, edges, events) = (flat.steps.len(), flat.edges.len(), flat.events.len());
    let words = flat.openers.len() / 64 + 1;
    let mut room = 4 * (steps + 2);
    loop {
        let mut list = vec![None; room];
        let mut reached = vec![0; steps * words];
        let mut check = Check {
            graph: flat,
            work: Work {
                words,
                step_levels: &mut vec![0; steps * words],
                event_levels: &mut vec![0; events * words],
                reached: &mut reached,
                asked: &mut vec![0; words],
                queue: &mut vec![NONE; steps],
                queued: &mut vec![false; steps],
                head: 0,
                waiting: 0,
                first_taker: &mut vec![NONE; events],
                first_giver: &mut vec![NONE; events],
                next_edge: &mut vec![NONE; edges],
                uses: &mut vec![0; events],
                stamps: &mut vec![0; events],
                stamp: 0,
                first_collector: NONE,
                next_collector: &mut vec![NONE; steps],
                catcher: &mut vec![NONE; steps],
                leaves: &mut vec![false; steps],
                step_degree: &mut vec![0; steps],
                event_degree: &mut vec![0; events],
                spent: 0,
                limit: u64::MAX,
                hints: HINTS,
            },
            findings: Findings {
                list: &mut list,
                first_per_place: false,
                count: 0,
                explained: &mut vec![false; steps],
            },
        };
        check.run();
        let count = check.findings.count;
        if count > room {
            room = count;
            continue;
        }
        let openers = (0..flat.openers.len()).map(|at| opener(&check, at)).collect();
        let first_openers = flat.steps.iter().map(|step| step.first_opener).chain([flat.openers.len()]).collect();
        list.truncate(count);
        let mut found: Vec<_> = list.into_iter().flatten().collect();
        found.sort_by_key(|finding| finding.place.index());
        let faults = found.iter().map(|finding| Fault::of(finding, &graph.name)).collect();
        return Analysis { faults, openers, first_openers };
    }
}

fn opener(check: &Check<'_, '_, '_, '_>, at: usize) -> Opener {
    let graph = &check.graph;
    let opener = graph.openers[at];
    let step = opener.step as usize;
    Opener {
        step,
        position: at - graph.steps[step].first_opener,
        parent: (opener.parent != NONE).then_some(opener.parent as usize),
        kind: opener.kind,
        collectors: (0..graph.steps.len()).filter(|&step| check.work.is_reached(step, at)).collect(),
    }
}

fn caught_by(catch: &GraphCatch) -> Vec<&str> {
    match catch {
        GraphCatch::Steps { names, .. } => names.iter().map(AsRef::as_ref).collect(),
        GraphCatch::None | GraphCatch::All { .. } => Vec::new(),
    }
}

fn entry(event: &GraphEvent) -> CheckEvent<'_> {
    CheckEvent {
        tag: &event.tag,
        hash: hash::fnv1a(&event.tag),
        origin: event.origin,
        location: &event.location,
        role: event.role,
        ..CheckEvent::EMPTY
    }
}

fn needs(graph: &GraphSpec) -> Needs {
    let mut needs = Needs { edges: 0, openers: 0 };
    for step in &graph.steps {
        needs.edges += step.params.iter().map(|param| param.events().len()).sum::<usize>();
        needs.edges += step.sends.len() + step.waits.len() + step.streams.len();
        count_out(&step.out, &mut needs);
    }
    needs
}

fn count_out(out: &GraphOut, needs: &mut Needs) {
    match out {
        GraphOut::None => {}
        GraphOut::One(_) => needs.edges += 1,
        GraphOut::All(parts) | GraphOut::Either(parts) => parts.iter().for_each(|part| count_out(part, needs)),
        GraphOut::Optional(inner) => count_out(inner, needs),
        GraphOut::Batch(inner) => {
            needs.openers += 1;
            count_out(inner, needs);
        }
    }
}

impl GraphParam {
    /// The event types it takes.
    pub fn events(&self) -> &[GraphEvent] {
        match self {
            GraphParam::Event(events) | GraphParam::Collect(events) | GraphParam::Take(events, _) => events,
        }
    }
}

impl<'a> Tables<'_, 'a> {
    fn graph_step(&mut self, step: &'a GraphStep, names: &'a [&'a str]) {
        let catch = match step.catch {
            GraphCatch::None => CheckCatch::None,
            GraphCatch::All { max_recoveries } => CheckCatch::All { max_recoveries },
            GraphCatch::Steps { max_recoveries, .. } => CheckCatch::Steps { names, max_recoveries },
        };
        let at = self.begin_step(&step.name, catch);
        self.steps[at].allow_unconsumed = step.allow_unconsumed;
        self.steps[at].allow_endless = step.allow_endless;
        for param in &step.params {
            let collecting = !matches!(param, GraphParam::Event(_));
            let slot = self.event_param(collecting);
            let kind = if collecting { EdgeKind::Collects { slot } } else { EdgeKind::Takes { slot } };
            self.edges_of(param.events(), kind);
            self.steps[at].empty_params |= param.events().is_empty();
            self.steps[at].take_zero |= matches!(param, GraphParam::Take(_, 0));
        }
        let silence = self.graph_out(&step.out, NONE);
        self.steps[at].may_be_silent = silence & SILENT != 0;
        self.steps[at].may_open_only = silence & OPENS_ONLY != 0;
        self.edges_of(&step.sends, EdgeKind::Sends);
        self.edges_of(&step.waits, EdgeKind::Waits);
        self.edges_of(&step.streams, EdgeKind::Streams);
        self.end_step();
    }

    fn edges_of(&mut self, events: &'a [GraphEvent], kind: EdgeKind) {
        for event in events {
            self.edge(entry(event), kind);
        }
    }

    fn graph_out(&mut self, out: &'a GraphOut, opener: u32) -> u8 {
        match out {
            GraphOut::None => SILENT | OPENS_ONLY,
            GraphOut::One(event) => {
                self.edge(entry(event), EdgeKind::Gives { opener });
                0
            }
            GraphOut::All(parts) => {
                parts.iter().fold(SILENT | OPENS_ONLY, |silence, part| silence & self.graph_out(part, opener))
            }
            GraphOut::Either(parts) if parts.is_empty() => SILENT | OPENS_ONLY,
            GraphOut::Either(parts) => parts.iter().fold(0, |silence, part| silence | self.graph_out(part, opener)),
            GraphOut::Optional(inner) => {
                self.graph_out(inner, opener);
                SILENT | OPENS_ONLY
            }
            GraphOut::Batch(inner) => {
                let opener = self.opener(opener, inner.kind());
                self.graph_out(inner, opener);
                OPENS_ONLY
            }
        }
    }
}
