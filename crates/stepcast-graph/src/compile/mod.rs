//! From a plan to a definition: every step of the document is a step of the dispatcher, every edge an event type.

mod body;
mod failed;
mod first;
mod gather;
mod leave;
mod node;
mod quick;
mod race;
mod scope;
mod source;
mod used;
mod work;

use std::collections::HashMap;
use std::sync::Arc;

use stepcast_core::{
    CatchDecl, DataEvent, Event, EventInput, EventMeta, EventSet, FieldName, HumanResponseEvent, OnFailure, OutSpec,
    ParamSpec, Role, StartEvent, StepBody, StepDecl, StepFailedEvent, StopEvent, StorePath, WorkflowBuilder,
    WorkflowDef,
};

use self::node::{ChildOf, Exit, Node, Nodes, Out};
use self::source::Source;
use crate::document::{Failure, Route, Wanted};
use crate::events::{BranchOver, Wake};
use crate::graph::GraphError;
use crate::plan::{Plan, Step, When, Work};
use crate::template::JsonTemplate;

/// The step before several first ones. Names of documents have no brackets.
const START: &str = "(start)";
/// The step after several last ones.
const END: &str = "(end)";
/// The step that the failures of others lead to.
const FAILED: &str = "(failed)";

/// The name under which a version of a graph is registered, and its runs are stored.
pub(crate) fn versioned(id: &str, version: u64) -> String {
    format!("{id}@{version}")
}

/// The second half of a parallel step.
fn join_name(id: &str) -> String {
    format!("{id} (join)")
}

/// The step of the document behind the name of a dispatcher's step.
pub(crate) fn document_name(step: &str) -> &str {
    step.strip_suffix(" (join)").unwrap_or(step)
}

pub(crate) fn compile(plan: Plan, document: String) -> Result<WorkflowDef, GraphError> {
    let plan = Arc::new(plan);
    let tags = Tags { plan: &plan };
    let nodes: Vec<Node> = (0..plan.steps.len()).map(|at| tags.node(at)).collect::<Result<_, _>>()?;
    let by_id = plan.steps.iter().enumerate().map(|(at, step)| (step.id.clone(), at)).collect();
    let nodes = Arc::new(Nodes { plan: Arc::clone(&plan), nodes, by_id });
    let name = versioned(&plan.id, plan.version);
    let mut builder = WorkflowBuilder::new::<StartEvent, StopEvent>(name).document(document);
    if !plan.start.iter().all(|at| matches!(plan.steps[*at].work, Work::Start)) {
        let gives = plan.start.iter().map(|at| tags.entry_of(*at)).collect::<Result<Vec<_>, _>>()?;
        let mut decl = decl(START, vec![StartEvent::PARAM_SET], body::start_of(gives.clone()));
        decl.gives = gives;
        builder = builder.step_decl(decl);
    }
    for at in 0..plan.steps.len() {
        builder = builder.step_decl(tags.step(at, &nodes)?);
        if tags.is_container(at) {
            builder = builder.step_decl(tags.gather(at, &nodes)?);
        }
    }
    let last = tags.last();
    if plan.route == Route::All && last.len() > 1 {
        let params = last.iter().map(|at| tags.meta(&format!("{}>{END}", plan.steps[*at].id)).map(one));
        let mut end = decl(END, params.collect::<Result<_, _>>()?, body::end_of(Arc::clone(&nodes)));
        end.gives = vec![STOP];
        builder = builder.step_decl(end);
    }
    if plan.steps.iter().any(|step| step.on_failure != Failure::Fail) {
        builder = builder.step_decl(tags.failed(&nodes)?);
    }
    builder.build().map_err(GraphError::Definition)
}

const STOP: &EventMeta = &StopEvent::META;

trait ParamSet {
    const PARAM_SET: ParamSpec;
}

impl<E: EventInput> ParamSet for E {
    const PARAM_SET: ParamSpec = ParamSpec::Event(E::SET);
}

fn one(meta: &'static EventMeta) -> ParamSpec {
    ParamSpec::Event(EventSet::One(meta))
}

fn decl(name: impl Into<String>, params: Vec<ParamSpec>, body: StepBody) -> StepDecl {
    let name: String = name.into();
    StepDecl::new(name, params, OutSpec::None, body)
}

/// Names of the event types that a plan comes to.
struct Tags<'p> {
    plan: &'p Plan,
}

impl Tags<'_> {
    fn meta(&self, tag: &str) -> Result<&'static EventMeta, GraphError> {
        DataEvent::meta(tag, Role::Plain).ok_or(GraphError::TooManyNames)
    }

    fn id(&self, at: usize) -> &str {
        &self.plan.steps[at].id
    }

    fn entry_of(&self, at: usize) -> Result<&'static EventMeta, GraphError> {
        self.meta(&format!(">{}", self.id(at)))
    }

    /// Whether a step waits for several others.
    fn waits(&self, at: usize) -> bool {
        let counts = matches!(self.plan.steps[at].work, Work::First(_));
        self.plan.route == Route::All && self.plan.steps[at].before.len() > 1 && !counts
    }

    fn edge(&self, from: usize, to: usize) -> Result<&'static EventMeta, GraphError> {
        if self.waits(to) { self.meta(&format!("{}>{}", self.id(from), self.id(to))) } else { self.entry_of(to) }
    }

    fn is_container(&self, at: usize) -> bool {
        !self.plan.steps[at].children.is_empty()
    }

    fn gathered(&self, at: usize) -> Result<&'static EventMeta, GraphError> {
        self.meta(&format!("<{}", self.id(at)))
    }

    /// The steps after which nothing comes.
    fn last(&self) -> Vec<usize> {
        let is_last = |step: &Step| step.ways.is_empty() && step.parent.is_none();
        (0..self.plan.steps.len()).filter(|at| is_last(&self.plan.steps[*at])).collect()
    }

    fn node(&self, at: usize) -> Result<Node, GraphError> {
        let step = &self.plan.steps[at];
        let exit = match (step.ways.is_empty(), step.parent, self.plan.route) {
            (_, Some(_), _) | (false, ..) => None,
            (true, None, Route::All) if self.last().len() > 1 => {
                Some(Exit::Event(self.meta(&format!("{}>{END}", step.id))?))
            }
            (true, None, _) => Some(Exit::Stop),
        };
        let mut outs: Vec<Out> = Vec::with_capacity(step.ways.len());
        let mut groups: HashMap<usize, usize> = HashMap::new();
        for way in &step.ways {
            // Where all are taken, edges between the same two steps are one event.
            match groups.get(&way.to).filter(|_| self.plan.route == Route::All) {
                Some(known) => {
                    outs[*known].whens.push(way.when.clone());
                    outs[*known].own = None;
                }
                None => {
                    groups.insert(way.to, outs.len());
                    let counted = matches!(self.plan.steps[way.to].work, Work::First(_));
                    let own = match &way.when {
                        When::Holds(condition) => condition.field_of(&step.key).map(FieldName::new),
                        _ => None,
                    };
                    outs.push(Out { meta: self.edge(at, way.to)?, whens: vec![way.when.clone()], own, counted });
                }
            }
        }
        let child_of = match step.parent {
            None => None,
            Some(parent) => {
                let Work::Parallel { join } = self.plan.steps[parent].work else {
                    return Err(GraphError::TooManyNames);
                };
                let key = self.plan.steps[parent].key.clone();
                Some(ChildOf { meta: self.gathered(parent)?, key, races: join != Wanted::All })
            }
        };
        let children: Vec<_> = step.children.iter().map(|child| self.entry_of(*child)).collect::<Result<_, _>>()?;
        let cell = StorePath::new(step.key.as_str()).map_err(|source| GraphError::Key { source })?;
        let takes = match &step.work {
            Work::Use { spec, .. } => used::takes(spec),
            _ => Vec::new(),
        };
        let fields = match &step.work {
            Work::Template { template: JsonTemplate::Object(fields) } => {
                fields.iter().map(|(name, _)| name.clone()).collect()
            }
            _ => Arc::default(),
        };
        let is_quick = child_of.is_none() && exit.is_none() && quick::can_be(&step.work) && children.is_empty();
        Ok(Node {
            at,
            id: step.id.as_str().into(),
            key: step.key.as_str().into(),
            cell,
            all: self.plan.route == Route::All,
            by_default: leave::by_default(&outs),
            source: Source::of(&step.work, &takes),
            takes,
            fields,
            is_quick,
            outs,
            exit,
            child_of,
            children,
        })
    }

    /// What a step gives when it is over.
    fn leads_to(&self, node: &Node) -> Vec<&'static EventMeta> {
        let mut gives: Vec<_> = node.outs.iter().map(|out| out.meta).collect();
        gives.extend(node.child_of.as_ref().map(|child| child.meta));
        gives.extend(node.exit.as_ref().map(|exit| match exit {
            Exit::Stop => STOP,
            Exit::Event(meta) => *meta,
        }));
        gives
    }

    fn step(&self, at: usize, nodes: &Arc<Nodes>) -> Result<StepDecl, GraphError> {
        let (step, node) = (&self.plan.steps[at], &nodes.nodes[at]);
        let mut params = match &step.work {
            Work::Start => vec![StartEvent::PARAM_SET],
            _ if self.waits(at) => {
                step.before.iter().map(|from| self.edge(*from, at).map(one)).collect::<Result<_, _>>()?
            }
            _ => vec![one(self.entry_of(at)?)],
        };
        if let Work::Use { spec, .. } = &step.work {
            params.extend(spec.params.iter().filter(|param| !param.takes_events()).copied());
        }
        let mut decl = decl(step.id.clone(), params, body::step(Arc::clone(nodes), at));
        decl.gives = node.children.clone();
        // A parallel step that is skipped leads on by itself; else its second half does.
        if node.children.is_empty() || self.plan.route == Route::All && node.child_of.is_none() {
            decl.gives.extend(self.leads_to(node));
        }
        decl.timeout = step.timeout;
        decl.on_failure = Some(OnFailure::from(step.on_failure));
        decl.retry = step.retry.as_ref().and_then(|retry| retry.policy()).map(Arc::new);
        let races = node.child_of.as_ref().is_some_and(|child| child.races);
        decl.waits = match (&step.work, races) {
            (Work::Use { spec, .. }, races) => used::waits(spec, races),
            (Work::Human(_) | Work::Run(_), false) => HumanResponseEvent::SET,
            (Work::Human(_) | Work::Run(_), true) => {
                const { EventSet::Both(&HumanResponseEvent::SET, &BranchOver::SET) }
            }
            (Work::Delay { .. }, false) => Wake::SET,
            (Work::Delay { .. }, true) => const { EventSet::Both(&Wake::SET, &BranchOver::SET) },
            (Work::Child { .. } | Work::Transform { .. }, true) => BranchOver::SET,
            _ => EventSet::None,
        };
        if let Work::Use { spec, .. } = &step.work {
            decl.timeout = decl.timeout.or(spec.timeout);
            decl.workers = spec.workers;
        }
        Ok(decl)
    }

    fn gather(&self, at: usize, nodes: &Arc<Nodes>) -> Result<StepDecl, GraphError> {
        let step = &self.plan.steps[at];
        let mut decl = decl(join_name(&step.id), vec![one(self.gathered(at)?)], gather::body(Arc::clone(nodes), at));
        decl.gives = self.leads_to(&nodes.nodes[at]);
        let races = matches!(step.work, Work::Parallel { join } if join != Wanted::All);
        let waited = step.children.iter().any(|child| body::can_lose(&self.plan.steps[*child].work));
        if races && waited {
            decl.gives.push(const { &BranchOver::META });
        }
        decl.on_failure = Some(OnFailure::from(step.on_failure));
        Ok(decl)
    }

    fn failed(&self, nodes: &Arc<Nodes>) -> Result<StepDecl, GraphError> {
        let mut decl = decl(FAILED, vec![StepFailedEvent::PARAM_SET], failed::body(Arc::clone(nodes)));
        let going_on = nodes.nodes.iter().filter(|node| self.plan.steps[node.at].on_failure != Failure::Fail);
        let mut gives: Vec<&'static EventMeta> = going_on.flat_map(|node| self.leads_to(node)).collect();
        // A graph that takes the first edge may end where none is for what failed.
        if self.plan.route == Route::First {
            gives.push(STOP);
        }
        let mut seen = std::collections::HashSet::new();
        gives.retain(|meta| seen.insert(meta.hash));
        decl.gives = gives;
        decl.catch = Some(CatchDecl { steps: None, max_recoveries: u32::MAX });
        decl.catch_last = true;
        Ok(decl)
    }
}
