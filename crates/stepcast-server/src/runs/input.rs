//! A question to a person as it is shown.

use serde_json::Value;
use stepcast::backend::{InputRecord, InputStatus};

/// A question to a person, with what became of it.
#[derive(Clone, Debug)]
pub(crate) struct InputView {
    /// The run that asks; of a question that a child asks, the child.
    pub(crate) run: String,
    pub(crate) workflow: String,
    /// Its number in the run.
    pub(crate) input: u64,
    pub(crate) step: String,
    /// `input_required` or `step_failure`.
    pub(crate) reason: String,
    /// Tag of the event that answers it.
    pub(crate) expects: Option<String>,
    pub(crate) prompt: Option<String>,
    /// The event that asks, in its envelope, or the error.
    pub(crate) data: Value,
    pub(crate) choices: Option<Vec<String>>,
    /// The JSON schema of an answer, where the question brings one.
    pub(crate) schema: Option<Value>,
    pub(crate) state: InputState,
    /// Microseconds since the Unix epoch.
    pub(crate) created: u64,
    pub(crate) expires: Option<u64>,
    /// Where a page of inputs goes on after this one.
    pub(crate) cursor: u64,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InputState {
    Pending,
    Answered { response: Value, by: Option<String>, at: u64 },
    Withdrawn { at: u64 },
    Expired { at: u64 },
}

/// Which questions to list. The default is all.
#[derive(Clone, Debug, Default)]
pub(crate) struct InputQuery {
    pub(crate) run: Option<String>,
    pub(crate) input: Option<u64>,
    pub(crate) workflow: Option<String>,
    /// Only those without an answer.
    pub(crate) pending: bool,
}

impl InputQuery {
    pub(crate) fn takes(&self, input: &InputView) -> bool {
        self.run.as_ref().is_none_or(|run| *run == input.run)
            && self.input.is_none_or(|number| number == input.input)
            && self.workflow.as_ref().is_none_or(|workflow| *workflow == input.workflow)
            && (!self.pending || input.state == InputState::Pending)
    }
}

impl InputState {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            InputState::Pending => "pending",
            InputState::Answered { .. } => "answered",
            InputState::Withdrawn { .. } => "withdrawn",
            InputState::Expired { .. } => "expired",
        }
    }
}

impl InputView {
    pub(crate) fn of_record(record: InputRecord) -> Self {
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        let asked = record.asked;
        let state = match record.status {
            InputStatus::Answered { answer, by, at } => {
                InputState::Answered { response: json(Some(answer)).unwrap_or_default(), by, at: at.0 }
            }
            InputStatus::Withdrawn { at } => InputState::Withdrawn { at: at.0 },
            InputStatus::Expired { at } => InputState::Expired { at: at.0 },
            _ => InputState::Pending,
        };
        InputView {
            run: record.run.to_string(),
            workflow: record.workflow,
            input: asked.input,
            step: asked.step,
            reason: asked.reason,
            expects: asked.expects,
            prompt: asked.prompt,
            data: json(asked.data).unwrap_or_default(),
            choices: json(asked.choices).and_then(|value| serde_json::from_value(value).ok()),
            schema: json(asked.schema),
            state,
            created: record.opened.0,
            expires: asked.expires.map(|at| at.0),
            cursor: record.cursor.0,
        }
    }
}
