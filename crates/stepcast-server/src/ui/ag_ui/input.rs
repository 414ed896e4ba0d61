//! What a client of AG-UI sends.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::ui::answer::Word;

/// A `RunAgentInput` of AG-UI 1.0; what is not read here is ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunAgentInput {
    /// Names the conversation; it is the id of its first run.
    pub(super) thread_id: String,
    /// Names this segment of it.
    pub(super) run_id: String,
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(super) state: Value,
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub(super) messages: Vec<Value>,
    /// `input`: the start event's data. `attach`: never start a run.
    #[serde(default)]
    #[schema(value_type = Object)]
    forwarded_props: Value,
    /// Answers to the questions that the last segment ended with.
    #[serde(default)]
    pub(super) resume: Option<Vec<Resume>>,
}

/// An answer to a question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resume {
    pub(super) interrupt_id: String,
    status: Status,
    #[serde(default)]
    #[schema(value_type = Object)]
    payload: Value,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Resolved,
    Cancelled,
}

impl Resume {
    pub(super) fn word(self) -> (String, Word) {
        let word = match self.status {
            Status::Resolved => Word::Answer(self.payload),
            Status::Cancelled => Word::Declined,
        };
        (self.interrupt_id, word)
    }
}

impl RunAgentInput {
    /// The start event's data, if the client has it ready.
    pub(super) fn start(&self) -> Option<&Value> {
        self.forwarded_props.get("input").filter(|input| !input.is_null())
    }

    /// Whether the client wants to see what there is, and start nothing.
    pub(super) fn only_attach(&self) -> bool {
        self.forwarded_props.get("attach") == Some(&Value::Bool(true))
    }

    pub(super) fn fields(&self) -> Option<&Map<String, Value>> {
        self.state.as_object()
    }

    /// The text of the last message, if a person wrote it.
    pub(super) fn text(&self) -> Option<String> {
        let last = self.messages.last().filter(|message| message.get("role") == Some(&Value::from("user")))?;
        match last.get("content")? {
            Value::String(text) => Some(text.clone()),
            Value::Array(parts) => {
                let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
                (!texts.is_empty()).then(|| texts.join("\n"))
            }
            _ => None,
        }
    }
}
