//! The parts of the AI SDK's UI message stream, version 1, that are sent.

use serde::Serialize;
use serde_json::Value;

/// A part of the stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Part {
    Fixed(Fixed),
    Data(DataPart),
}

/// A part with a type of the protocol's own.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(super) enum Fixed {
    Start { message_id: String, message_metadata: Value },
    StartStep,
    FinishStep,
    Finish { finish_reason: &'static str },
    Abort { reason: String },
    Error { error_text: String },
    TextStart { id: String },
    TextDelta { id: String, delta: String },
    TextEnd { id: String },
    ToolInputAvailable { tool_call_id: String, tool_name: String, input: Value },
    ToolApprovalRequest { approval_id: String, tool_call_id: String },
    ToolOutputAvailable { tool_call_id: String, output: Value },
    ToolOutputError { tool_call_id: String, error_text: String },
    ToolOutputDenied { tool_call_id: String },
}

/// A part of the application's own: its type is `data-` and a name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct DataPart {
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// A later part of the same type and id takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    pub(super) data: Value,
    /// Shown while it passes, and not kept in the message.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) transient: bool,
}

impl From<Fixed> for Part {
    fn from(part: Fixed) -> Self {
        Part::Fixed(part)
    }
}
