//! Workflows without a race: one stop event, no `Take`, no dynamic collection, one event per join slot and batch level.

use stepcast::{OnFailure, OutSpec, RunPolicy};

use crate::{BEGIN, END, Graph, Input, Kind, Node, PLAIN, POOL, Rng, leak, one};

/// A workflow put together of pieces that each take one event and give one: steps, sequences, fan-outs that are
/// collected, forks that are joined, branches that meet, loops, failures that are caught.
pub fn race_free_graph(rng: &mut Rng) -> Graph {
    loop {
        let mut maker = Maker { rng: &mut *rng, nodes: Vec::new(), next: PLAIN, may_die: false };
        let last = maker.piece(BEGIN, 4);
        maker.step(Input::Any(vec![last]), one(END));
        let nodes = maker.nodes;
        if let Some(graph) = Graph::of(nodes, RunPolicy::default()) {
            return graph;
        }
    }
}

struct Maker<'r> {
    rng: &'r mut Rng,
    nodes: Vec<Node>,
    next: Kind,
    /// Inside a batch, where a member may lead to nothing.
    may_die: bool,
}

impl Maker<'_> {
    fn fresh(&mut self) -> Kind {
        self.next += 1;
        self.next - 1
    }

    fn step(&mut self, input: Input, out: OutSpec) {
        let mut node = Node::new(format!("s{}", self.nodes.len()), input, out);
        if self.rng.percent(25) {
            node.workers = Some(1 + self.rng.below(3) as u32);
        }
        if self.rng.percent(30) {
            node.attempts = 2 + self.rng.below(3) as u32;
            node.fails = 30;
        }
        // Which of two failures ends a run first is a race.
        node.on_failure = OnFailure::Continue;
        self.nodes.push(node);
    }

    /// Steps from this kind to the one that is returned.
    fn piece(&mut self, from: Kind, depth: usize) -> Kind {
        if self.next + 6 > POOL.len() {
            return from;
        }
        match self.rng.below(if depth == 0 { 4 } else { 20 }) {
            0..3 => {
                let to = self.fresh();
                let mut out = one(to);
                if self.may_die && self.rng.percent(40) {
                    out = OutSpec::Optional(leak(out));
                }
                self.step(Input::Any(vec![from]), out);
                to
            }
            3 => self.caught(from),
            4..8 => {
                let middle = self.piece(from, depth - 1);
                self.piece(middle, depth - 1)
            }
            8..12 => self.fan(from, depth),
            12..15 => self.fork(from, depth),
            15..18 => self.branch(from, depth),
            _ => {
                let (again, to) = (self.fresh(), self.fresh());
                self.step(Input::Any(vec![from]), one(again));
                self.step(Input::Any(vec![again]), OutSpec::Either(leak(one(again)), leak(one(to))));
                to
            }
        }
    }

    /// A step whose failure, if it is final, another one makes good.
    fn caught(&mut self, from: Kind) -> Kind {
        let to = self.fresh();
        self.step(Input::Any(vec![from]), one(to));
        let failing = self.nodes.last_mut().expect("it was added");
        (failing.attempts, failing.fails) = (2, 60);
        let name = failing.name.clone();
        self.step(Input::Failure(Some(vec![name]), 3), one(to));
        let catcher = self.nodes.last_mut().expect("it was added");
        (catcher.attempts, catcher.fails) = (1, 0);
        to
    }

    fn fan(&mut self, from: Kind, depth: usize) -> Kind {
        let member = self.fresh();
        self.step(Input::Any(vec![from]), OutSpec::Batch(leak(one(member))));
        let outside = std::mem::replace(&mut self.may_die, true);
        let result = self.piece(member, depth - 1);
        self.may_die = outside;
        let to = self.fresh();
        self.step(Input::Collect(vec![result]), one(to));
        to
    }

    fn fork(&mut self, from: Kind, depth: usize) -> Kind {
        let (a, b) = (self.fresh(), self.fresh());
        self.step(Input::Any(vec![from]), OutSpec::All(leak(one(a)), leak(one(b))));
        let (a, b) = (self.piece(a, depth - 1), self.piece(b, depth - 1));
        let to = self.fresh();
        self.step(Input::Join(vec![a, b]), one(to));
        to
    }

    fn branch(&mut self, from: Kind, depth: usize) -> Kind {
        let (a, b) = (self.fresh(), self.fresh());
        self.step(Input::Any(vec![from]), OutSpec::Either(leak(one(a)), leak(one(b))));
        let (a, b) = (self.piece(a, depth - 1), self.piece(b, depth - 1));
        let to = self.fresh();
        self.step(Input::Any(vec![a, b]), one(to));
        to
    }
}
