//! What an execution does, made of its step and its input alone, so that no order of things changes it.

use std::time::Duration;

use stepcast::OutSpec;
use stepcast::engine::{Filter, OpId, OpKind};

use crate::{ASK, Graph, Input, Kind, Out, PLAIN, POOL, REPLY, Rng, mix};

/// What an execution does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its operations, in order.
    pub ops: Vec<PlannedOp>,
    /// How many attempts fail before one succeeds.
    pub fails: u32,
    /// After how many operations a failing attempt fails.
    pub fails_after: usize,
    /// How long a retry is delayed.
    pub delay: Duration,
    /// What it returns.
    pub outs: Vec<Out>,
}

/// An operation, and what was sent before it.
#[derive(Clone, Debug)]
pub struct PlannedOp {
    /// Its id.
    pub id: OpId,
    /// What is delivered with it.
    pub sends: Vec<Out>,
    /// What it is.
    pub what: Planned,
}

/// The kinds of planned operations.
#[derive(Clone, Debug)]
pub enum Planned {
    /// Deliver at once.
    Deliver,
    /// Wait.
    Wait { kind: Kind, filter: Filter, shared: bool, announce: Option<(Kind, u64)>, timeout: Option<u64> },
    /// Collect.
    Collect { buffer: String, event: (Kind, u64), expected: Vec<Kind> },
    /// Begin a child.
    Child,
    /// The child has ended.
    ChildDone,
}

/// Whether a filter accepts an event with this number. A predicate accepts every third one.
pub fn accepts(filter: &Filter, id: u64) -> bool {
    match filter {
        Filter::Any => true,
        Filter::Field { .. } => id % 2 == 1,
        Filter::Code => id.is_multiple_of(3),
    }
}

struct Maker<'g> {
    will: Rng,
    from: u64,
    made: u64,
    width: usize,
    graph: &'g Graph,
}

/// What the execution of this step for these events does in this world. A lean one gives nothing and asks for nothing.
pub fn plan(graph: &Graph, world: u64, step: usize, input: &[(Option<Kind>, u64)], lean: bool) -> Plan {
    let from = mix([world, step as u64].into_iter().chain(input.iter().map(|(_, id)| *id)));
    let mut maker = Maker { will: Rng::new(from), from, made: 0, width: 4, graph };
    let node = &graph.nodes[step];
    let mut fails = 0;
    while fails <= node.attempts && maker.will.percent(node.fails) {
        fails += 1;
    }
    let delay = Duration::from_micros([0, 0, 700, 40_000][maker.will.below(4)]);
    if lean {
        return Plan { ops: Vec::new(), fails: 0, fails_after: 0, delay, outs: Vec::new() };
    }
    let ops = maker.ops(step, input);
    let fails_after = maker.will.below(ops.len() + 1);
    let mut outs = Vec::new();
    maker.outs(&node.out, &mut outs);
    Plan { ops, fails, fails_after, delay, outs }
}

impl Maker<'_> {
    fn id(&mut self) -> u64 {
        self.made += 1;
        mix([self.from, self.made])
    }

    fn event(&mut self, kind: Kind) -> Out {
        Out::Event(kind, self.id())
    }

    fn outs(&mut self, spec: &OutSpec, outs: &mut Vec<Out>) {
        match spec {
            OutSpec::None => {}
            OutSpec::One(meta) => {
                let kind = POOL.iter().position(|entry| entry.meta.tag == meta.tag).expect("it is of the pool");
                let event = self.event(kind);
                outs.push(event);
            }
            OutSpec::All(a, b) => {
                self.outs(a, outs);
                self.outs(b, outs);
            }
            OutSpec::Either(a, b) => {
                let chosen = if self.will.percent(50) { a } else { b };
                self.outs(chosen, outs);
            }
            OutSpec::Optional(inner) => {
                if self.will.percent(65) {
                    self.outs(inner, outs);
                }
            }
            OutSpec::Batch(inner) => {
                let members = self.will.below(self.width);
                self.width = self.width.saturating_sub(1).max(2);
                let mut all = Vec::new();
                for _ in 0..members {
                    let mut member = Vec::new();
                    self.outs(inner, &mut member);
                    all.push(member);
                }
                outs.push(Out::Batch(inner.kind(), all));
            }
        }
    }

    fn sends(&mut self, step: usize, except: Option<Kind>) -> Vec<Out> {
        let emits: Vec<Kind> =
            self.graph.nodes[step].emits.iter().copied().filter(|kind| Some(*kind) != except).collect();
        if emits.is_empty() || self.will.percent(50) {
            return Vec::new();
        }
        let kind = *self.will.pick(&emits);
        vec![self.event(kind)]
    }

    fn ops(&mut self, step: usize, input: &[(Option<Kind>, u64)]) -> Vec<PlannedOp> {
        let node = &self.graph.nodes[step];
        let mut ops: Vec<PlannedOp> = Vec::new();
        if !node.emits.is_empty() && self.will.percent(40) {
            let sends = self.sends(step, None);
            add_op(&mut ops, OpKind::SendNow, "now", sends, Planned::Deliver);
        }
        if self.will.percent(8) {
            add_op(&mut ops, OpKind::Child, "child", Vec::new(), Planned::Child);
            add_op(&mut ops, OpKind::Child, "child", Vec::new(), Planned::ChildDone);
            // One operation, which begins and ends.
            if let [.., begin, end] = &mut ops[..] {
                end.id = begin.id.clone();
            }
        }
        for _ in 0..2 {
            if let (Some(&kind), true) = (node.waits.first(), self.will.percent(45)) {
                // What is sent with a wait comes before it, so its filter has not seen it.
                let sends = self.sends(step, Some(kind));
                let path = "odd".to_owned();
                let filter = match self.will.below(4) {
                    0 => Filter::Field { path, value: true.into() },
                    1 => Filter::Code,
                    _ => Filter::Any,
                };
                let announce = (kind == REPLY || self.will.percent(20)).then(|| (ASK, self.id()));
                let timeout = self.will.percent(40).then(|| 1 + self.will.below(50_000) as u64);
                let shared = self.will.percent(40);
                add_op(
                    &mut ops,
                    OpKind::Wait,
                    POOL[kind].meta.tag,
                    sends,
                    Planned::Wait { kind, filter, shared, announce, timeout },
                );
            }
        }
        let first = input.first().and_then(|(kind, id)| Some(((*kind)?, *id)));
        if let (Some(event), true) = (first, self.will.percent(25)) {
            let mut expected = vec![event.0];
            if self.will.percent(60) {
                expected.push(event.0);
            }
            if let (Input::Any(kinds), true) = (&node.input, self.will.percent(40)) {
                expected.push(kinds[0]);
            }
            let sends = if expected.contains(&(PLAIN + 1)) { Vec::new() } else { self.sends(step, None) };
            let buffer = ["one", "two"][self.will.below(2)].to_owned();
            let label = buffer.clone();
            add_op(&mut ops, OpKind::Collect, &label, sends, Planned::Collect { buffer, event, expected });
        }
        ops
    }
}

fn add_op(ops: &mut Vec<PlannedOp>, kind: OpKind, label: &str, sends: Vec<Out>, what: Planned) {
    let same = ops.iter().filter(|op| op.id.kind == kind && &*op.id.label == label);
    let ordinal = same.count() as u32;
    ops.push(PlannedOp { id: OpId { kind, label: label.into(), ordinal }, sends, what });
}
