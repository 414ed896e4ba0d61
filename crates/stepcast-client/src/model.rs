//! What a server says of runs and of their questions.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use stepcast_core::AnyEvent;
use stepcast_core::backend::RunStatus;

/// What a server knows of a run.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct RunInfo {
    /// The run.
    pub run_id: String,
    /// Its workflow.
    pub workflow: String,
    /// The run that it is a child of.
    #[serde(default)]
    pub parent: Option<String>,
    /// What it has become.
    #[serde(deserialize_with = "status")]
    pub status: RunStatus,
    /// Executions that were given up on the way.
    #[serde(default)]
    pub failures: u32,
    /// The stop event of a completed run.
    #[serde(default)]
    pub result: Option<AnyEvent>,
    /// Why it ended otherwise.
    #[serde(default)]
    pub error: Option<Fault>,
    /// When it was started, as RFC 3339.
    pub created_at: String,
    /// When its status last changed.
    pub updated_at: String,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<String>,
}

/// What a run was started with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct RunDefinition {
    /// Its workflow; of a graph the version, as `id@version`.
    pub workflow: String,
    /// The document of its graph, with those of the graphs that it runs as `$graphs`; `None` of a compiled workflow.
    pub document: Option<Value>,
    /// The workflow's structural description: its steps and what they take, its events, its bounds.
    pub description: Value,
}

/// Why a run ended without a stop event.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct Fault {
    /// The error's own text.
    #[serde(default)]
    pub message: String,
    /// Name of the error's type.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// What caused it, nearest first.
    #[serde(default)]
    pub causes: Vec<String>,
    /// The step that failed.
    #[serde(default)]
    pub step: Option<String>,
    /// Attempts made.
    #[serde(default)]
    pub attempts: Option<u32>,
}

/// A question that a run asks of a person.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct InputInfo {
    /// The run that asks.
    pub run_id: String,
    /// Its workflow.
    pub workflow: String,
    /// Its number in the run.
    pub input: u64,
    /// The step that asks, or failed.
    pub step: String,
    /// `input_required` or `step_failure`.
    pub reason: String,
    /// Tag of the event that answers it.
    #[serde(default)]
    pub expects: Option<String>,
    /// What the person reads.
    #[serde(default)]
    pub prompt: Option<String>,
    /// The event that asks, in its envelope, or the error.
    #[serde(default)]
    pub data: Value,
    /// The possible answers.
    #[serde(default)]
    pub choices: Option<Vec<String>>,
    /// The JSON schema of an answer.
    #[serde(default)]
    pub schema: Option<Value>,
    /// What became of it.
    pub status: InputStatus,
    /// The answer.
    #[serde(default)]
    pub response: Option<Value>,
    /// Who answered.
    #[serde(default)]
    pub by: Option<String>,
    /// When it was asked, as RFC 3339.
    pub created_at: String,
    /// When it was answered, expired or withdrawn.
    #[serde(default)]
    pub resolved_at: Option<String>,
    /// When it is given up.
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InputStatus {
    /// It has no answer yet.
    Pending,
    /// It was answered.
    Answered,
    /// The run no longer asks.
    Withdrawn,
    /// Nobody answered in time.
    Expired,
}

/// Some of a list, and where it goes on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page<T> {
    /// What was found.
    pub items: Vec<T>,
    /// What to ask for the next page with; `None` after the last one.
    pub next_cursor: Option<String>,
}

/// Which runs to list. The default is all, the newest first.
#[derive(Clone, Debug, Default)]
pub struct RunQuery {
    /// With one of these statuses; empty for any.
    pub statuses: Vec<RunStatus>,
    /// Of one of these workflows; empty for any.
    pub workflows: Vec<String>,
    /// Children of this run.
    pub parent: Option<String>,
    /// At most so many, 1 to 1,000; the server's default is 100.
    pub limit: Option<usize>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Which questions to list. The default is all pending ones, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct InputQuery {
    /// Of this run.
    pub run: Option<String>,
    /// Of this workflow.
    pub workflow: Option<String>,
    /// Those too that have an answer, expired or were withdrawn.
    pub all: bool,
    /// At most so many, 1 to 1,000; the server's default is 100.
    pub limit: Option<usize>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

impl RunInfo {
    /// Whether it stays as it is.
    pub fn has_ended(&self) -> bool {
        self.status.is_end()
    }
}

impl RunQuery {
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs: Vec<_> = self.statuses.iter().map(|status| ("status", status.name().to_owned())).collect();
        pairs.extend(self.workflows.iter().map(|workflow| ("workflow", workflow.clone())));
        pairs.extend(self.parent.clone().map(|parent| ("parent", parent)));
        pairs.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        pairs.extend(self.cursor.clone().map(|cursor| ("cursor", cursor)));
        pairs
    }
}

impl InputQuery {
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![("status", if self.all { "all" } else { "pending" }.to_owned())];
        pairs.extend(self.workflow.clone().map(|workflow| ("workflow", workflow)));
        pairs.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        pairs.extend(self.cursor.clone().map(|cursor| ("cursor", cursor)));
        pairs
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RunStatus, D::Error> {
    let text = String::deserialize(deserializer)?;
    RunStatus::named(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no status of a run")))
}
