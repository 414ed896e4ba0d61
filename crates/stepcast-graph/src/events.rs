//! Events of graphs beside those that are made of the document.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepcast_core::{Event, EventIdent, EventMeta, Role};

macro_rules! event {
    ($name:ident, $role:ident, [$($field:literal),*]) => {
        impl Event for $name {
            const IS_SORTED: bool = true;
            const META: EventMeta = EventMeta::new::<$name>(EventIdent {
                tag: concat!("graph.", stringify!($name)),
                type_name: stringify!($name),
                qualified_name: concat!("stepcast_graph::", stringify!($name)),
                location: concat!(file!(), ":", line!()),
                role: Role::$role,
                fields: &[$($field),*],
                secret: &[],
            });
        }
    };
}

/// How a step of a graph ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepStatus {
    /// It gave its output.
    Completed,
    /// Its last attempt failed, and the run went on.
    Failed,
    /// A person let the run skip it.
    Skipped,
    /// Others of its parallel step were there first.
    Cancelled,
}

/// On the run's stream: a step of the graph is over. The views of a run are made of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepOver {
    // In the order of their names, which lets them be written as they are.
    /// Under which key of the context its output is kept.
    pub key: Arc<str>,
    /// Its output; for a failed one, the error.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub output: Value,
    /// How it ended.
    pub status: StepStatus,
    /// The step.
    pub step: Arc<str>,
}

/// Sent from outside: ends the `delay` of a step at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// The step that waits.
    pub step: String,
}

/// A parallel step has what it waited for; those of its steps that still run are over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BranchOver {
    /// The execution of the parallel step.
    pub(crate) of: u64,
}

event!(StepOver, Runtime, ["key", "output", "status", "step"]);
event!(Wake, External, ["step"]);
event!(BranchOver, Plain, ["of"]);
