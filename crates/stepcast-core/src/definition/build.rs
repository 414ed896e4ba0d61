//! From declarations to a definition: event types get dense numbers, routes are resolved, the graph is checked.

use std::sync::Arc;

use super::{
    DefinitionError, EventDef, EventIx, InputShape, OpenerDef, RunPolicy, StepDecl, StepDef, StepIx, Taker, WorkflowDef,
};
use crate::check::{self, Analysis, GraphCatch, GraphEvent, GraphOut, GraphParam, GraphSpec, GraphStep};
use crate::guard::guarded;
use crate::hash::ByHash;
use crate::{Event, EventMeta, EventSet, OnFailure, ParamSpec, Role, StepFailedEvent, Workflow, WorkflowSpec};

/// What a definition is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) start: &'static EventMeta,
    pub(crate) stop: &'static EventMeta,
    pub(crate) steps: Vec<StepDecl>,
    pub(crate) on_failure: OnFailure,
    pub(crate) policy: RunPolicy,
    pub(crate) document: Option<Arc<str>>,
}

impl From<&WorkflowSpec> for Parts {
    fn from(spec: &WorkflowSpec) -> Self {
        Parts {
            name: spec.name.to_owned(),
            doc: spec.doc.to_owned(),
            start: spec.start,
            stop: spec.stop,
            steps: spec.steps.iter().map(StepDecl::from).collect(),
            on_failure: spec.on_failure,
            policy: (spec.policy)(),
            document: None,
        }
    }
}

/// Event types by number, in order of first mention.
#[derive(Default)]
struct Interner {
    events: Vec<EventDef>,
    by_hash: ByHash<EventIx>,
}

impl Interner {
    fn intern(&mut self, meta: &'static EventMeta) -> EventIx {
        *self.by_hash.entry(meta.hash).or_insert_with(|| {
            self.events.push(EventDef { meta, takers: Vec::new(), waited: false });
            (self.events.len() - 1) as EventIx
        })
    }

    fn set(&mut self, set: &EventSet) -> Vec<EventIx> {
        let mut all = Vec::new();
        set.for_each(&mut |meta| all.push(self.intern(meta)));
        all
    }
}

impl WorkflowDef {
    /// The definition of a workflow type.
    ///
    /// # Errors
    /// Every fault of its graph. For a workflow that is not generic the compiler has found them before.
    pub fn of<W: Workflow>() -> Result<Self, DefinitionError> {
        let spec = const { &W::SPEC };
        // Retry policies are made here, by expressions of the user's.
        let parts = guarded(|| Parts::from(spec))
            .map_err(|message| DefinitionError::Panicked { workflow: spec.name.to_owned(), message })?;
        Ok(WorkflowDef { spec: Some(spec), ..build(parts)? })
    }
}

/// Checks a workflow and resolves its routes.
pub(crate) fn build(parts: Parts) -> Result<WorkflowDef, DefinitionError> {
    let analysis = check::analyse(&graph_of(&parts));
    if !analysis.faults().is_empty() {
        return Err(DefinitionError::Faults { workflow: parts.name, faults: analysis.into_faults() });
    }
    Ok(resolve(parts, &analysis))
}

fn resolve(parts: Parts, analysis: &Analysis) -> WorkflowDef {
    let mut interner = Interner::default();
    let start = interner.intern(parts.start);
    let stop = interner.intern(parts.stop);
    let mut needs = Vec::new();
    let mut steps: Vec<StepDef> = Vec::with_capacity(parts.steps.len());
    for decl in &parts.steps {
        let step = steps.len() as StepIx;
        for param in &decl.params {
            if let ParamSpec::Injected(injected) = param {
                needs.extend(injected.needs.filter(|_| injected.kind == "resource").map(|need| (step, need)));
            }
        }
        steps.push(resolve_step(&mut interner, decl, parts.on_failure));
    }
    assign_catchers(&mut steps);
    resolve_openers(&mut steps, analysis);
    let Parts { name, doc, policy, document, .. } = parts;
    WorkflowDef { doc, needs, document, ..WorkflowDef::of_steps(name, (start, stop), interner, steps, policy) }
}

impl WorkflowDef {
    /// A definition whose events and steps have their numbers.
    fn of_steps(
        name: String,
        (start, stop): (EventIx, EventIx),
        events: Interner,
        steps: Vec<StepDef>,
        policy: RunPolicy,
    ) -> Self {
        let Interner { mut events, by_hash } = events;
        for (ix, step) in steps.iter().enumerate() {
            route(&mut events, ix as StepIx, step);
        }
        let takes_from_outside = events
            .iter()
            .any(|event| matches!(event.meta.role, Role::External | Role::HumanResponse) && !event.takers.is_empty());
        let has_joins = steps.iter().any(|step| matches!(step.shape, InputShape::Join { .. }));
        WorkflowDef {
            name,
            doc: String::new(),
            start,
            stop,
            steps,
            events,
            by_hash,
            takes_from_outside,
            has_joins,
            needs: Vec::new(),
            policy,
            fingerprint: Default::default(),
            description: Default::default(),
            document: None,
            spec: None,
            past: false,
        }
    }

    /// A definition as it was described: one that routes as that did, and runs nothing. Every number in the steps is one of
    /// an event or a step. `None` if an event is there twice.
    pub(crate) fn of_past(
        name: String,
        (start, stop): (EventIx, EventIx),
        events: impl IntoIterator<Item = &'static EventMeta>,
        steps: Vec<StepDef>,
        policy: RunPolicy,
    ) -> Option<Self> {
        let mut interner = Interner::default();
        for (ix, meta) in (0..).zip(events) {
            if interner.intern(meta) != ix {
                return None;
            }
        }
        for ix in steps.iter().flat_map(|step| &step.waits) {
            interner.events[*ix as usize].waited = true;
        }
        Some(WorkflowDef { past: true, ..WorkflowDef::of_steps(name, (start, stop), interner, steps, policy) })
    }
}

/// How many of the events that exist only at run time are listed with the step that gives them.
const MOST_LISTED: usize = 8;

fn resolve_step(interner: &mut Interner, decl: &StepDecl, on_failure: OnFailure) -> StepDef {
    let mut inputs = Vec::new();
    let mut slots = 0;
    let mut shape = InputShape::Single;
    let mut sends = interner.set(&decl.emits);
    for param in &decl.params {
        match param {
            ParamSpec::Event(set) => {
                slots += 1;
                inputs.extend(interner.set(set));
            }
            ParamSpec::Collect(set) => {
                shape = InputShape::Collect;
                inputs.extend(interner.set(set));
            }
            ParamSpec::Take(set, count) => {
                shape = InputShape::Take { count: u32::try_from(*count).unwrap_or(u32::MAX) };
                inputs.extend(interner.set(set));
            }
            ParamSpec::Injected(injected) => sends.extend(interner.set(&injected.sends)),
        }
    }
    if slots > 1 {
        shape = InputShape::Join { slots };
    }
    let mut outs: Vec<(u64, EventIx)> = Vec::new();
    decl.out.for_each(0, &mut |meta, _| outs.push((meta.hash, interner.intern(meta))));
    outs.extend(sends.iter().map(|ix| (interner.events[*ix as usize].meta.hash, *ix)));
    // Where there are many, the definition's own table finds them faster than a list.
    let gives: Vec<_> = decl.gives.iter().map(|meta| (meta.hash, interner.intern(meta))).collect();
    outs.extend(gives.into_iter().take(MOST_LISTED));
    outs.dedup();
    let waits = interner.set(&decl.waits);
    for ix in &waits {
        interner.events[*ix as usize].waited = true;
    }
    interner.set(&decl.streams);
    if decl.catch.is_some() {
        interner.intern(const { &StepFailedEvent::META });
    }
    StepDef {
        name: decl.name.clone().into_owned(),
        shape,
        inputs,
        outs,
        sends,
        waits,
        openers: Vec::new(),
        workers: decl.workers,
        timeout: decl.timeout,
        on_failure: decl.on_failure.unwrap_or(on_failure),
        retry: decl.retry.clone(),
        catch: decl.catch.clone(),
        catch_last: decl.catch_last,
        caught_by: None,
        body: decl.body.clone(),
    }
}

fn route(events: &mut [EventDef], ix: StepIx, step: &StepDef) {
    // A catch step is called by the engine, not by routing.
    if step.catch.is_some() {
        return;
    }
    for (slot, event) in step.inputs.iter().enumerate() {
        let taker = match step.shape {
            InputShape::Single => Taker::Single(ix),
            InputShape::Join { .. } => Taker::Join(ix, slot as u32),
            InputShape::Collect | InputShape::Take { .. } => Taker::Collect(ix),
        };
        let takers = &mut events[*event as usize].takers;
        if !takers.contains(&taker) {
            takers.push(taker);
        }
    }
}

/// A step that names others catches those; one that names none catches the rest, but no catch step.
fn assign_catchers(steps: &mut [StepDef]) {
    let catchers: Vec<(StepIx, Option<Vec<String>>)> = steps
        .iter()
        .enumerate()
        .filter_map(|(ix, step)| step.catch.as_ref().map(|catch| (ix as StepIx, catch.steps.clone())))
        .collect();
    for step in steps.iter_mut().filter(|step| step.catch.is_none()) {
        let named = catchers.iter().find(|(_, names)| names.as_ref().is_some_and(|names| names.contains(&step.name)));
        let wildcard = catchers.iter().find(|(_, names)| names.is_none());
        step.caught_by = named.or(wildcard).map(|(ix, _)| *ix);
    }
}

/// For every batch a step opens: the collecting steps its members reach, as the check found them.
fn resolve_openers(steps: &mut [StepDef], analysis: &Analysis) {
    for (ix, step) in steps.iter_mut().enumerate() {
        for opener in analysis.openers_of(ix) {
            if !step.openers.iter().any(|known| known.kind == opener.kind) {
                let collectors = opener.collectors.iter().map(|step| *step as StepIx).collect();
                step.openers.push(OpenerDef { kind: opener.kind, collectors });
            }
        }
    }
}

fn graph_of(parts: &Parts) -> GraphSpec {
    let steps = parts.steps.iter().map(graph_step);
    steps.fold(GraphSpec::new(parts.name.clone(), parts.start, parts.stop), GraphSpec::step)
}

fn graph_step(decl: &StepDecl) -> GraphStep {
    let events = |set: &EventSet| set.to_vec().into_iter().map(GraphEvent::from).collect::<Vec<_>>();
    let mut step = GraphStep::new(decl.name.clone());
    for param in &decl.params {
        match param {
            ParamSpec::Event(set) => step.params.push(GraphParam::Event(events(set))),
            ParamSpec::Collect(set) => step.params.push(GraphParam::Collect(events(set))),
            ParamSpec::Take(set, count) => step.params.push(GraphParam::Take(events(set), *count)),
            ParamSpec::Injected(injected) => step.sends.extend(events(&injected.sends)),
        }
    }
    step.out = GraphOut::from(&decl.out);
    if !decl.gives.is_empty() {
        let gives = decl.gives.iter().map(|meta| GraphOut::One((*meta).into()));
        let returned = Some(std::mem::replace(&mut step.out, GraphOut::None)).filter(|out| *out != GraphOut::None);
        step.out = GraphOut::Either(returned.into_iter().chain(gives).collect());
    }
    step.sends.extend(events(&decl.emits));
    step.waits = events(&decl.waits);
    step.streams = events(&decl.streams);
    if let Some(catch) = &decl.catch {
        let max_recoveries = catch.max_recoveries;
        step.catch = match &catch.steps {
            None => GraphCatch::All { max_recoveries },
            Some(names) => GraphCatch::Steps { names: names.iter().cloned().map(Into::into).collect(), max_recoveries },
        };
    }
    step.allow_unconsumed = decl.allow_unconsumed;
    step.allow_endless = decl.allow_endless;
    step
}
