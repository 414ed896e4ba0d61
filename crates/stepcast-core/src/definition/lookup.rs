//! Read access to a definition, for the engine's hosts.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{EventIx, InputShape, RunPolicy, StepBody, StepDef, StepIx, Taker, WorkflowDef};
use crate::event::PastEvent;
use crate::{ErasedEvent, EventMeta, Need, RetryPolicy, WorkflowGraph};

impl WorkflowDef {
    /// The workflow's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The document that the workflow was made of, as JSON, if it is one of data.
    pub fn document(&self) -> Option<&Arc<str>> {
        self.document.as_ref()
    }

    /// The first line of the workflow's documentation.
    pub fn doc(&self) -> &str {
        &self.doc
    }

    /// Its graph as data; `None` for a definition that was put together at run time.
    pub fn graph(&self) -> Option<WorkflowGraph> {
        self.spec.map(WorkflowGraph::of)
    }

    /// Its bounds.
    pub fn policy(&self) -> &RunPolicy {
        &self.policy
    }

    /// Its steps, in declaration order.
    pub fn steps(&self) -> &[StepDef] {
        &self.steps
    }

    /// One step.
    pub fn step(&self, step: StepIx) -> &StepDef {
        &self.steps[step as usize]
    }

    /// A step by name.
    pub fn step_named(&self, name: &str) -> Option<StepIx> {
        self.steps.iter().position(|step| step.name == name).and_then(|ix| u32::try_from(ix).ok())
    }

    /// Descriptions of all its event types.
    pub fn events(&self) -> impl Iterator<Item = &'static EventMeta> + '_ {
        self.events.iter().map(|event| event.meta)
    }

    /// The description of one event type.
    pub fn event(&self, event: EventIx) -> &'static EventMeta {
        self.events[event as usize].meta
    }

    /// The event type with this tag hash.
    pub fn event_by_hash(&self, hash: u64) -> Option<EventIx> {
        self.by_hash.get(&hash).copied()
    }

    /// The event type with this tag.
    pub fn event_by_tag(&self, tag: &str) -> Option<EventIx> {
        self.event_by_hash(crate::hash::fnv1a(tag)).filter(|ix| self.event(*ix).tag == tag)
    }

    /// Decodes a stored event.
    pub(crate) fn decode(&self, event: EventIx, value: Value) -> Result<Box<dyn ErasedEvent>, serde_json::Error> {
        let meta = self.event(event);
        if self.past { Ok(Box::new(PastEvent { meta, value })) } else { meta.decode(value) }
    }

    /// The steps that take an event type.
    pub fn takers(&self, event: EventIx) -> &[Taker] {
        &self.events[event as usize].takers
    }

    /// A definition without steps, for runs that are refused before they begin.
    pub fn without_steps(name: impl Into<String>) -> Self {
        WorkflowDef {
            name: name.into(),
            doc: String::new(),
            document: None,
            start: 0,
            stop: 0,
            steps: Vec::new(),
            events: Vec::new(),
            by_hash: Default::default(),
            takes_from_outside: false,
            has_joins: false,
            needs: Vec::new(),
            policy: RunPolicy::default(),
            fingerprint: Default::default(),
            description: Default::default(),
            spec: None,
            past: false,
        }
    }

    /// The start event.
    pub fn start(&self) -> EventIx {
        self.start
    }

    /// The stop event.
    pub fn stop(&self) -> EventIx {
        self.stop
    }

    /// Whether some execution may wait for events of this type.
    pub fn is_waited(&self, event: EventIx) -> bool {
        self.events[event as usize].waited
    }

    /// What must be supplied to its runs, and which step asks for it.
    pub fn needs(&self) -> &[(StepIx, Need)] {
        &self.needs
    }
}

impl StepDef {
    /// The step's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its body.
    pub fn body(&self) -> &StepBody {
        &self.body
    }

    /// What it waits for before it runs.
    pub fn shape(&self) -> InputShape {
        self.shape
    }

    /// Its retry policy.
    pub fn retry(&self) -> Option<&Arc<RetryPolicy>> {
        self.retry.as_ref()
    }

    /// Longest running time of one attempt.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Concurrent executions in one run.
    pub fn workers(&self) -> Option<u32> {
        self.workers
    }

    /// Whether it may send events of this type with a context.
    pub fn may_send(&self, event: EventIx) -> bool {
        self.sends.contains(&event)
    }

    /// Event types it may send with a context.
    pub fn sends(&self) -> &[EventIx] {
        &self.sends
    }

    /// Event types it takes.
    pub fn inputs(&self) -> &[EventIx] {
        &self.inputs
    }

    /// Whether it may wait for events of this type.
    pub fn may_wait_for(&self, event: EventIx) -> bool {
        self.waits.contains(&event)
    }

    /// Event types it may wait for.
    pub fn waits(&self) -> &[EventIx] {
        &self.waits
    }
}
