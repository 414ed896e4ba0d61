//! Workflows made at run time: anything that checks, and workflows without a race.

use std::sync::Arc;

use stepcast::check::{GraphCatch, GraphEvent, GraphOut, GraphParam, GraphSpec, GraphStep, analyse};
use stepcast::prelude::*;
use stepcast::{
    CatchDecl, EventSet, Invocation, OnFailure, OutSpec, Outputs, ParamSpec, RunPolicy, StepBody, StepDecl, StepParam,
    WorkflowBuilder, WorkflowDef,
};

use crate::{ASK, BEGIN, Begin, END, End, Kind, PLAIN, POKE, POOL, REPLY, Rng};

/// A workflow as its maker knows it, beside the definition that the engine has of it.
#[derive(Debug)]
pub struct Graph {
    /// Its steps, in the definition's order.
    pub nodes: Vec<Node>,
    /// Per step: what the members of each of its batches give, and the steps that collect what they lead to.
    pub openers: Vec<Vec<(u64, Vec<usize>)>>,
    /// The engine's definition.
    pub def: WorkflowDef,
}

/// A step of a [`Graph`].
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What it takes.
    pub input: Input,
    /// What it returns.
    pub out: OutSpec,
    /// What it sends through its context.
    pub emits: Vec<Kind>,
    /// What it waits for.
    pub waits: Vec<Kind>,
    /// Concurrent executions.
    pub workers: Option<u32>,
    /// Attempts before its failure is final.
    pub attempts: u32,
    /// In how many of a hundred attempts it fails.
    pub fails: usize,
    /// What its final failure does.
    pub on_failure: OnFailure,
}

/// What a [`Node`] takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// One of these.
    Any(Vec<Kind>),
    /// One of each.
    Join(Vec<Kind>),
    /// All of these that a batch leads to.
    Collect(Vec<Kind>),
    /// The first so many of these in a batch.
    Take(Vec<Kind>, usize),
    /// The failure of one of these steps, or of any step without a catch step of its own; so often per lineage.
    Failure(Option<Vec<String>>, u32),
}

impl Node {
    /// A step that never fails and does nothing beside its return value.
    pub fn new(name: impl Into<String>, input: Input, out: OutSpec) -> Self {
        let (emits, waits) = (Vec::new(), Vec::new());
        Node {
            name: name.into(),
            input,
            out,
            emits,
            waits,
            workers: None,
            attempts: 1,
            fails: 0,
            on_failure: OnFailure::Fail,
        }
    }
}

/// One event of this kind, as a return type.
pub fn one(kind: Kind) -> OutSpec {
    OutSpec::One(POOL[kind].meta)
}

/// A tree that lives as long as the tests do: the engine's trees are constants.
pub fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn set(kinds: &[Kind]) -> EventSet {
    kinds.iter().fold(EventSet::None, |set, kind| match set {
        EventSet::None => EventSet::One(POOL[*kind].meta),
        set => EventSet::Both(leak(set), leak(EventSet::One(POOL[*kind].meta))),
    })
}

fn decl(node: &Node) -> StepDecl {
    let params = match &node.input {
        Input::Any(kinds) => vec![ParamSpec::Event(set(kinds))],
        Input::Join(kinds) => kinds.iter().map(|kind| ParamSpec::Event(set(&[*kind]))).collect(),
        Input::Collect(kinds) => vec![ParamSpec::Collect(set(kinds))],
        Input::Take(kinds, count) => vec![ParamSpec::Take(set(kinds), *count)],
        Input::Failure(..) => vec![StepFailedEvent::PARAM],
    };
    // The tests play the step runner themselves.
    let body = StepBody::Closure(Arc::new(|_| Invocation::Blocking(Box::new(|| Ok(Outputs::default())))));
    let mut decl = StepDecl::new(node.name.clone(), params, node.out, body);
    decl.emits = set(&node.emits);
    decl.waits = set(&node.waits);
    decl.workers = node.workers;
    decl.on_failure = Some(node.on_failure);
    decl.allow_unconsumed = true;
    decl.allow_endless = true;
    if let Input::Failure(steps, max_recoveries) = &node.input {
        decl.catch = Some(CatchDecl { steps: steps.clone(), max_recoveries: *max_recoveries });
    }
    decl
}

fn spec(nodes: &[Node]) -> GraphSpec {
    let events = |kinds: &[Kind]| kinds.iter().map(|kind| GraphEvent::from(POOL[*kind].meta)).collect::<Vec<_>>();
    nodes.iter().fold(GraphSpec::new("random", POOL[BEGIN].meta, POOL[END].meta), |spec, node| {
        let mut step = GraphStep::new(node.name.clone());
        step.params = match &node.input {
            Input::Any(kinds) => vec![GraphParam::Event(events(kinds))],
            Input::Join(kinds) => kinds.iter().map(|kind| GraphParam::Event(events(&[*kind]))).collect(),
            Input::Collect(kinds) => vec![GraphParam::Collect(events(kinds))],
            Input::Take(kinds, count) => vec![GraphParam::Take(events(kinds), *count)],
            Input::Failure(..) => vec![GraphParam::Event(vec![GraphEvent::from(&StepFailedEvent::META)])],
        };
        step.out = GraphOut::from(&node.out);
        step.sends = events(&node.emits);
        step.waits = events(&node.waits);
        step.allow_unconsumed = true;
        step.allow_endless = true;
        if let Input::Failure(steps, max_recoveries) = &node.input {
            step.catch = match steps.clone() {
                None => GraphCatch::All { max_recoveries: *max_recoveries },
                Some(names) => {
                    let names = names.into_iter().map(Into::into).collect();
                    GraphCatch::Steps { names, max_recoveries: *max_recoveries }
                }
            };
        }
        spec.step(step)
    })
}

impl Graph {
    /// The workflow of these steps, if it checks.
    pub fn of(nodes: Vec<Node>, policy: RunPolicy) -> Option<Self> {
        let analysis = analyse(&spec(&nodes));
        if !analysis.faults().is_empty() {
            return None;
        }
        let openers = (0..nodes.len()).map(|step| {
            let mut known: Vec<(u64, Vec<usize>)> = Vec::new();
            for opener in analysis.openers_of(step) {
                if !known.iter().any(|(kind, _)| *kind == opener.kind) {
                    known.push((opener.kind, opener.collectors.clone()));
                }
            }
            known
        });
        let openers = openers.collect();
        let def = define(&nodes, policy);
        Some(Graph { nodes, openers, def })
    }

    /// The same definition, built once more.
    pub fn again(&self) -> WorkflowDef {
        define(&self.nodes, self.def.policy().clone())
    }

    /// Position of the step that takes this one's final failure.
    pub fn catcher_of(&self, step: usize) -> Option<usize> {
        let names = |node: &Node| match &node.input {
            Input::Failure(names, _) => Some(names.clone()),
            _ => None,
        };
        if names(&self.nodes[step]).is_some() {
            return None;
        }
        let named = |node: &Node| names(node).flatten().is_some_and(|names| names.contains(&self.nodes[step].name));
        let any = |node: &Node| names(node).is_some_and(|names| names.is_none());
        self.nodes.iter().position(named).or_else(|| self.nodes.iter().position(any))
    }
}

fn define(nodes: &[Node], policy: RunPolicy) -> WorkflowDef {
    let builder = WorkflowBuilder::new::<Begin, End>("random").policy(policy);
    let built = nodes.iter().fold(builder, |builder, node| builder.step_decl(decl(node))).build();
    built.expect("the analysis found no fault")
}

/// Any workflow that checks: batches in batches, joins, unions, loops, waits, people, failures.
pub fn random_graph(rng: &mut Rng) -> Graph {
    let mut policy = RunPolicy::default();
    policy.max_mailbox = 1 + rng.below(4);
    policy.max_collect = 2 + rng.below(8);
    random_graph_under(rng, &policy)
}

/// As [`random_graph`], under these bounds.
pub fn random_graph_under(rng: &mut Rng, policy: &RunPolicy) -> Graph {
    loop {
        if let Some(graph) = Graph::of(random_nodes(rng), policy.clone()) {
            return graph;
        }
    }
}

fn random_nodes(rng: &mut Rng) -> Vec<Node> {
    let count = 3 + rng.below(6);
    let mut seen = vec![BEGIN];
    let mut in_batches: Vec<Kind> = Vec::new();
    let mut nodes: Vec<Node> = Vec::new();
    for at in 0..count {
        let last = at + 1 == count;
        let input = match rng.below(20) {
            _ if at == 0 => Input::Any(vec![BEGIN]),
            0..3 if seen.len() > 2 => match several(rng, &seen[1..], 2) {
                kinds if kinds.len() == 1 => Input::Any(kinds),
                kinds => Input::Join(kinds),
            },
            3..7 if !in_batches.is_empty() => Input::Collect(several(rng, &in_batches, 1)),
            7 if !in_batches.is_empty() => Input::Take(several(rng, &in_batches, 1), 1 + rng.below(3)),
            8 => {
                let named = rng.percent(50).then(|| vec![nodes[rng.below(nodes.len())].name.clone()]);
                Input::Failure(named, 1 + rng.below(2) as u32)
            }
            _ => Input::Any(several(rng, &seen, 1)),
        };
        let mut out = tree(rng, 3);
        if last {
            out = OutSpec::Either(leak(one(END)), leak(out));
        }
        out.for_each(0, &mut |meta, depth| {
            let kind = POOL.iter().position(|entry| entry.meta.tag == meta.tag).expect("it is of the pool");
            if kind >= PLAIN {
                seen.push(kind);
                if depth > 0 {
                    in_batches.push(kind);
                }
            }
        });
        let mut node = Node::new(format!("s{at}"), input, out);
        if rng.percent(20) {
            node.emits = vec![PLAIN + rng.below(6)];
            seen.extend(&node.emits);
        }
        if rng.percent(30) {
            node.waits = vec![*rng.pick(&[POKE, POKE, REPLY, PLAIN, PLAIN + 1])];
        }
        if rng.percent(25) {
            node.workers = Some(1 + rng.below(2) as u32);
        }
        if rng.percent(30) {
            node.attempts = 1 + rng.below(3) as u32;
            node.fails = 30;
            node.on_failure = *rng.pick(&[OnFailure::Fail, OnFailure::Continue, OnFailure::Pause]);
        }
        nodes.push(node);
        if rng.percent(10) {
            seen.push(*rng.pick(&[POKE, REPLY]));
        }
    }
    nodes
}

/// A workflow whose steps wait for one type, which most of them take as well, and fail often while they do.
pub fn waiting_graph(rng: &mut Rng) -> Graph {
    let mut policy = RunPolicy::default();
    policy.max_mailbox = 1 + rng.below(4);
    let awaited = *rng.pick(&[POKE, PLAIN + 3, PLAIN + 3]);
    loop {
        let outs = OutSpec::All(leak(one(PLAIN)), leak(OutSpec::All(leak(one(PLAIN + 1)), leak(one(PLAIN + 2)))));
        let mut nodes = vec![Node::new("s0", Input::Any(vec![BEGIN]), outs)];
        for kind in PLAIN..PLAIN + 3 {
            let input = match rng.below(3) {
                0 => Input::Any(vec![kind]),
                1 => Input::Any(vec![kind, awaited]),
                _ => Input::Join(vec![kind, awaited]),
            };
            let mut node = Node::new(
                format!("s{}", nodes.len()),
                input,
                OutSpec::Optional(leak(one(*rng.pick(&[PLAIN, PLAIN + 1, PLAIN + 3, PLAIN + 3])))),
            );
            (node.waits, node.attempts, node.fails, node.on_failure) = (vec![awaited], 3, 50, OnFailure::Continue);
            nodes.push(node);
        }
        nodes.push(Node::new("s4", Input::Any(vec![PLAIN + 3]), OutSpec::Optional(leak(one(END)))));
        if let Some(graph) = Graph::of(nodes, policy.clone()) {
            return graph;
        }
    }
}

fn several(rng: &mut Rng, of: &[Kind], least: usize) -> Vec<Kind> {
    let mut chosen = Vec::new();
    for _ in 0..8 {
        let kind = *rng.pick(of);
        if !chosen.contains(&kind) {
            chosen.push(kind);
        }
        if chosen.len() >= least && rng.percent(70) {
            break;
        }
    }
    chosen
}

fn tree(rng: &mut Rng, depth: usize) -> OutSpec {
    match rng.below(if depth == 0 { 8 } else { 20 }) {
        0 => OutSpec::None,
        1 if rng.percent(40) => one(ASK),
        2 if rng.percent(20) => one(END),
        1..8 => one(PLAIN + rng.below(6)),
        8..11 => OutSpec::All(leak(tree(rng, depth - 1)), leak(tree(rng, depth - 1))),
        11..13 => OutSpec::Either(leak(tree(rng, depth - 1)), leak(tree(rng, depth - 1))),
        13..15 => OutSpec::Optional(leak(tree(rng, depth - 1))),
        _ => OutSpec::Batch(leak(tree(rng, depth - 1))),
    }
}
