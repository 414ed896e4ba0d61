use serde::{Deserialize, Serialize};

use super::exec::{Recovery, ScopeIx};
use super::small_map::SmallMap;
use super::{ExecKey, FailureChoice, Time};
use crate::definition::StepIx;
use crate::{ErrorInfo, Payload};

/// Questions to people that have no answer yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Inputs(pub(crate) SmallMap<u64, Input>);

/// A pending input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Input {
    pub(crate) asked: Asked,
    pub(crate) step: StepIx,
    pub(crate) created: Time,
}

/// Who asked, and what becomes of the answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Asked {
    /// A step gave an input-required event: the answer continues its lineage and keeps its batch open until then.
    Event {
        event: Payload,
        scope: ScopeIx,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recovery: Recovery,
        cause: u64,
    },
    /// A wait announced itself: the answer satisfies that wait alone. The announcement is only shown, so its type need
    /// not be one that the workflow declares.
    Wait { waiter: u64, event: crate::AnyEvent },
    /// A step failed for good under `on_failure = "pause"`.
    Failure { exec: ExecKey, error: ErrorInfo, attempts: u32 },
}

/// A pending input as the host sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingInput {
    /// Its id within the run.
    pub id: u64,
    /// The step that asked, or failed.
    pub step: String,
    /// Why it exists.
    pub reason: InputReason,
    /// The question, for an input that a step asked for.
    pub event: Option<crate::AnyEvent>,
    /// Tag of the event that answers it, where it is known.
    pub expects: Option<String>,
    /// The possible answers, for a failed step.
    pub choices: Vec<FailureChoice>,
    /// The error, for a failed step.
    pub error: Option<ErrorInfo>,
    /// When it was made.
    pub created: Time,
}

/// Why a pending input exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InputReason {
    /// A step asked.
    InputRequired,
    /// A step failed for good.
    StepFailure,
}
