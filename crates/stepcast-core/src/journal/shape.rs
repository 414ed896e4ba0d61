//! A definition as data: all of it that decides where the rows of a journal lead.

use serde::{Deserialize, Serialize};

use crate::definition::{EventIx, InputShape, RunPolicy, StepDef, StepIx, WorkflowDef};
use crate::{OnFailure, Role};

/// The structural description of a definition. Steps and events are numbered by their places here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    pub(super) name: String,
    pub(super) start: EventIx,
    pub(super) stop: EventIx,
    pub(super) events: Vec<(String, Role)>,
    pub(super) steps: Vec<StepShape>,
    pub(super) bounds: Bounds,
}

/// What a step takes, waits for and opens, and what becomes of its failures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StepShape {
    pub(super) name: String,
    pub(super) shape: InputShape,
    pub(super) takes: Vec<EventIx>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) waits: Vec<EventIx>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) opens: Vec<(u64, Vec<StepIx>)>,
    pub(super) on_failure: OnFailure,
    /// How often it recovers a lineage, if it is a catch step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) catches: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) catch_last: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) caught_by: Option<StepIx>,
}

/// The bounds that decide what becomes of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bounds {
    pub(super) queued: usize,
    pub(super) mailbox: usize,
    pub(super) collect: usize,
    pub(super) records: usize,
}

/// The structural description of a definition as a text: what a store keeps of it with each run.
pub fn describe(def: &WorkflowDef) -> String {
    described(def).to_owned()
}

/// As [`describe`], without a copy.
pub fn described(def: &WorkflowDef) -> &str {
    def.description.get_or_init(|| serde_json::to_string(&Shape::of(def)).unwrap_or_default())
}

impl Shape {
    /// The description of a definition.
    pub fn of(def: &WorkflowDef) -> Self {
        let policy = &def.policy;
        Shape {
            name: def.name.clone(),
            start: def.start,
            stop: def.stop,
            events: def.events.iter().map(|event| (event.meta.tag.to_owned(), event.meta.role)).collect(),
            steps: def.steps.iter().map(StepShape::of).collect(),
            bounds: Bounds {
                queued: policy.max_queued,
                mailbox: policy.max_mailbox,
                collect: policy.max_collect,
                records: policy.max_records,
            },
        }
    }

    /// Whether an event of this tag may be sent to a run from outside: one that is declared for it, or that a step waits
    /// for.
    pub fn takes_from_outside(&self, tag: &str) -> bool {
        let Some(ix) = self.events.iter().position(|(known, _)| known == tag) else { return false };
        let waited = || self.steps.iter().flat_map(|step| &step.waits).any(|wait| *wait as usize == ix);
        is_for_outside(self.events[ix].1) || waited()
    }

    /// Tags of the events that are declared to come from outside.
    pub fn taken_from_outside(&self) -> Vec<String> {
        let declared = self.events.iter().filter(|(_, role)| is_for_outside(*role));
        declared.map(|(tag, _)| tag.clone()).collect()
    }
}

fn is_for_outside(role: Role) -> bool {
    matches!(role, Role::External | Role::HumanResponse)
}

impl StepShape {
    fn of(step: &StepDef) -> Self {
        StepShape {
            name: step.name.clone(),
            shape: step.shape,
            takes: step.inputs.clone(),
            waits: step.waits.clone(),
            opens: step.openers.iter().map(|opener| (opener.kind, opener.collectors.clone())).collect(),
            on_failure: step.on_failure,
            catches: step.catch.as_ref().map(|catch| catch.max_recoveries),
            catch_last: step.catch_last,
            caught_by: step.caught_by,
        }
    }
}

impl Bounds {
    pub(super) fn policy(&self) -> RunPolicy {
        let policy = RunPolicy::new().max_queued(self.queued).max_mailbox(self.mailbox);
        policy.max_collect(self.collect).max_records(self.records)
    }
}
