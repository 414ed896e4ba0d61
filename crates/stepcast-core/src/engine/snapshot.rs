//! The serialized form of a run's state: the state, and the names behind its numbers.

use serde::{Deserialize, Serialize};

use super::{RunState, Time};
use crate::definition::{InputShape, WorkflowDef};

/// A run's state with the structural description of its workflow. Numbers of steps and event types inside the state
/// are places in the lists here, so none of them has a meaning outside the snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StateSnapshot {
    pub(crate) steps: Vec<StepShape>,
    pub(crate) events: Vec<String>,
    pub(crate) state: RunState,
}

/// The part of a step that a stored run depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepShape {
    pub(crate) name: String,
    pub(crate) shape: InputShape,
    /// Tags of the events it takes; by slot, for a join.
    pub(crate) takes: Vec<String>,
    /// Tags of the events it may wait for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) waits: Vec<String>,
}

impl StateSnapshot {
    /// Takes a copy of the state.
    pub fn of(def: &WorkflowDef, state: &RunState) -> Self {
        StateSnapshot {
            steps: shapes(def),
            events: def.events.iter().map(|event| event.meta.tag.to_owned()).collect(),
            state: state.clone(),
        }
    }

    pub(crate) fn last_tick(&self) -> Time {
        self.state.last_tick
    }

    /// Whether the run had ended.
    pub fn has_ended(&self) -> bool {
        self.state.has_ended()
    }
}

pub(crate) fn shapes(def: &WorkflowDef) -> Vec<StepShape> {
    let tags = |events: &[u32]| events.iter().map(|ix| def.event(*ix).tag.to_owned()).collect();
    def.steps
        .iter()
        .map(|step| StepShape {
            name: step.name.clone(),
            shape: step.shape,
            takes: tags(&step.inputs),
            waits: tags(&step.waits),
        })
        .collect()
}
