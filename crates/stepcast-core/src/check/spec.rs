use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{CatchSpec, EventMeta, EventSet, OutSpec, ParamSpec, Role, StepSpec, WorkflowSpec, hash};

/// A workflow's graph as ordinary data, for graphs that no compiler has seen: builders, closures, JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphSpec {
    /// The workflow's name.
    pub name: Cow<'static, str>,
    /// Its start event.
    pub start: GraphEvent,
    /// Its stop event.
    pub stop: GraphEvent,
    /// Its steps, in order.
    pub steps: Vec<GraphStep>,
}

/// An event type of a [`GraphSpec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphEvent {
    /// Its tag.
    pub tag: Cow<'static, str>,
    /// What it is for.
    pub role: Role,
    /// Tells two types under one tag apart; 0 for an event known by its tag alone, which is any type of that tag.
    pub origin: u64,
    /// Where the type is written, for messages.
    pub location: Cow<'static, str>,
}

/// A step of a [`GraphSpec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphStep {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its event parameters, in order.
    pub params: Vec<GraphParam>,
    /// What it returns.
    pub out: GraphOut,
    /// Events it may send through a context.
    pub sends: Vec<GraphEvent>,
    /// Events it may wait for.
    pub waits: Vec<GraphEvent>,
    /// Events it only writes to the stream.
    pub streams: Vec<GraphEvent>,
    /// Whose failures it takes.
    pub catch: GraphCatch,
    /// Whether events it gives may go without a taker.
    pub allow_unconsumed: bool,
    /// Whether it may be part of a loop without an exit.
    pub allow_endless: bool,
}

/// An event parameter of a [`GraphStep`]; it takes any of the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphParam {
    /// One event.
    Event(Vec<GraphEvent>),
    /// Every event of a batch.
    Collect(Vec<GraphEvent>),
    /// The first so many events of a batch.
    Take(Vec<GraphEvent>, usize),
}

/// What a [`GraphStep`] returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphOut {
    /// Nothing.
    None,
    /// One event.
    One(GraphEvent),
    /// All of these.
    All(Vec<GraphOut>),
    /// One of these.
    Either(Vec<GraphOut>),
    /// This or nothing.
    Optional(Box<GraphOut>),
    /// A batch whose members each give this.
    Batch(Box<GraphOut>),
}

/// Whose failures a [`GraphStep`] takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GraphCatch {
    /// It is an ordinary step.
    #[default]
    None,
    /// Those of every step that no other catch step names.
    All {
        /// How often one lineage may be recovered by it.
        max_recoveries: u32,
    },
    /// Those of the named steps.
    Steps {
        /// The steps.
        names: Vec<Cow<'static, str>>,
        /// How often one lineage may be recovered by it.
        max_recoveries: u32,
    },
}

impl GraphSpec {
    /// A workflow without steps.
    pub fn new(name: impl Into<Cow<'static, str>>, start: impl Into<GraphEvent>, stop: impl Into<GraphEvent>) -> Self {
        GraphSpec { name: name.into(), start: start.into(), stop: stop.into(), steps: Vec::new() }
    }

    /// The same workflow with one more step.
    #[must_use]
    pub fn step(mut self, step: impl Into<GraphStep>) -> Self {
        self.steps.push(step.into());
        self
    }
}

impl GraphEvent {
    /// An event known by its tag and role alone.
    pub fn named(tag: impl Into<Cow<'static, str>>, role: Role) -> Self {
        GraphEvent { tag: tag.into(), role, origin: 0, location: Cow::Borrowed("") }
    }
}

impl GraphStep {
    /// A step that takes and gives nothing yet.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        GraphStep {
            name: name.into(),
            params: Vec::new(),
            out: GraphOut::None,
            sends: Vec::new(),
            waits: Vec::new(),
            streams: Vec::new(),
            catch: GraphCatch::None,
            allow_unconsumed: false,
            allow_endless: false,
        }
    }

    /// The same step with one more parameter, for one event of these types.
    #[must_use]
    pub fn takes<E: Into<GraphEvent>>(mut self, events: impl IntoIterator<Item = E>) -> Self {
        self.params.push(GraphParam::Event(events.into_iter().map(Into::into).collect()));
        self
    }

    /// The same step with one more parameter, for all events of these types in a batch.
    #[must_use]
    pub fn collects<E: Into<GraphEvent>>(mut self, events: impl IntoIterator<Item = E>) -> Self {
        self.params.push(GraphParam::Collect(events.into_iter().map(Into::into).collect()));
        self
    }

    /// The same step with this return value.
    #[must_use]
    pub fn gives(mut self, out: impl Into<GraphOut>) -> Self {
        self.out = out.into();
        self
    }
}

impl GraphOut {
    /// The same number as [`OutSpec::kind`] gives for the constant form.
    pub fn kind(&self) -> u64 {
        match self {
            GraphOut::None => hash::fnv1a("none"),
            GraphOut::One(event) => hash::extend(hash::fnv1a("one"), &hash::fnv1a(&event.tag).to_le_bytes()),
            GraphOut::All(parts) => fold_kinds("all", parts),
            GraphOut::Either(parts) => fold_kinds("either", parts),
            GraphOut::Optional(inner) => pair("optional", inner.kind(), 0),
            GraphOut::Batch(inner) => pair("batch", inner.kind(), 0),
        }
    }
}

fn fold_kinds(node: &str, parts: &[GraphOut]) -> u64 {
    let mut kinds = parts.iter().rev().map(GraphOut::kind);
    let last = kinds.next().unwrap_or_else(|| GraphOut::None.kind());
    kinds.fold(last, |rest, part| pair(node, part, rest))
}

fn pair(node: &str, a: u64, b: u64) -> u64 {
    hash::extend(hash::extend(hash::fnv1a(node), &a.to_le_bytes()), &b.to_le_bytes())
}

impl From<&WorkflowSpec> for GraphSpec {
    fn from(spec: &WorkflowSpec) -> Self {
        GraphSpec {
            name: Cow::Borrowed(spec.name),
            start: spec.start.into(),
            stop: spec.stop.into(),
            steps: spec.steps.iter().map(GraphStep::from).collect(),
        }
    }
}

impl From<&EventMeta> for GraphEvent {
    fn from(meta: &EventMeta) -> Self {
        GraphEvent {
            tag: Cow::Borrowed(meta.tag),
            role: meta.role,
            origin: origin_of(meta),
            location: Cow::Borrowed(meta.location),
        }
    }
}

/// What constants know of a type's origin, and its `TypeId`: the instances of a generic type are written at one place.
fn origin_of(meta: &EventMeta) -> u64 {
    let mut hasher = DefaultHasher::new();
    (meta.origin, meta.type_id()).hash(&mut hasher);
    // 0 stands for any type of the tag.
    hasher.finish().max(1)
}

impl From<&StepSpec> for GraphStep {
    fn from(spec: &StepSpec) -> Self {
        let mut step = GraphStep::new(spec.name);
        for param in spec.params {
            match param {
                ParamSpec::Event(set) => step.params.push(GraphParam::Event(events(set))),
                ParamSpec::Collect(set) => step.params.push(GraphParam::Collect(events(set))),
                ParamSpec::Take(set, count) => step.params.push(GraphParam::Take(events(set), *count)),
                ParamSpec::Injected(injected) => step.sends.extend(events(&injected.sends)),
            }
        }
        step.out = GraphOut::from(&spec.out);
        step.sends.extend(events(&spec.emits));
        step.waits = events(&spec.waits);
        step.streams = events(&spec.streams);
        step.catch = GraphCatch::from(&spec.catch);
        step.allow_unconsumed = spec.allow_unconsumed;
        step.allow_endless = spec.allow_endless;
        step
    }
}

impl From<&CatchSpec> for GraphCatch {
    fn from(spec: &CatchSpec) -> Self {
        match *spec {
            CatchSpec::None => GraphCatch::None,
            CatchSpec::All { max_recoveries } => GraphCatch::All { max_recoveries },
            CatchSpec::Steps { names, max_recoveries } => {
                GraphCatch::Steps { names: names.iter().map(|name| Cow::Borrowed(*name)).collect(), max_recoveries }
            }
        }
    }
}

impl From<&OutSpec> for GraphOut {
    fn from(spec: &OutSpec) -> Self {
        match spec {
            OutSpec::None => GraphOut::None,
            OutSpec::One(meta) => GraphOut::One((*meta).into()),
            OutSpec::All(a, b) => GraphOut::All(vec![(*a).into(), (*b).into()]),
            OutSpec::Either(a, b) => GraphOut::Either(vec![(*a).into(), (*b).into()]),
            OutSpec::Optional(inner) => GraphOut::Optional(Box::new((*inner).into())),
            OutSpec::Batch(inner) => GraphOut::Batch(Box::new((*inner).into())),
        }
    }
}

impl From<GraphEvent> for GraphOut {
    fn from(event: GraphEvent) -> Self {
        GraphOut::One(event)
    }
}

fn events(set: &EventSet) -> Vec<GraphEvent> {
    set.to_vec().into_iter().map(GraphEvent::from).collect()
}
