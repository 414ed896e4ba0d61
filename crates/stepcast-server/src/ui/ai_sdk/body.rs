//! What `useChat` sends.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The body of the AI SDK's `DefaultChatTransport`; what is not read here is ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Chat {
    /// Names the chat; it is the id of its first run.
    pub(super) id: String,
    pub(super) messages: Vec<Message>,
    /// The start event's data, if the application has it ready.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(super) input: Option<Value>,
}

/// A `UIMessage`.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Message {
    role: String,
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    parts: Vec<Value>,
}

/// A person's word, as a part of a message says it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    Approval {
        approved: bool,
        reason: Option<String>,
    },
    Output(Value),
    /// The client says that there will be no answer.
    Failed,
}

/// What is said of one question.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) tool_call_id: String,
    pub(super) said: Said,
    /// How many answers to it were refused before.
    pub(super) refused: u32,
}

impl Chat {
    /// The text of the last message, if a person wrote it.
    pub(super) fn text(&self) -> Option<String> {
        let last = self.messages.last().filter(|message| message.role == "user")?;
        let text = |part: &Value| match part.get("type")?.as_str()? {
            "text" => part.get("text")?.as_str().map(str::to_owned),
            _ => None,
        };
        let texts: Vec<String> = last.parts.iter().filter_map(text).collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }

    /// Whether the client goes on with the assistant's message: it brings answers.
    pub(super) fn continues(&self) -> bool {
        self.messages.last().is_some_and(|last| last.role == "assistant")
    }

    /// The newest word on each question in the assistant's last message, by the question's id without what says that it
    /// was asked again.
    pub(super) fn replies(&self) -> Vec<Reply> {
        let mut all: BTreeMap<String, (u32, Option<Reply>)> = BTreeMap::new();
        let parts = self.messages.last().filter(|last| last.role == "assistant").map(|last| &last.parts);
        for part in parts.into_iter().flatten() {
            let text = |name: &str| part.get(name).and_then(Value::as_str);
            let is_tool = text("type").is_some_and(|kind| kind.starts_with("tool-") || kind == "dynamic-tool");
            let (true, Some(id), Some(state)) = (is_tool, text("toolCallId"), text("state")) else { continue };
            let entry = all.entry(question_of(id).to_owned()).or_default();
            let said = match state {
                "approval-responded" => approval(part),
                "output-available" => Some(Said::Output(part.get("output").cloned().unwrap_or_default())),
                "output-error" => Some(Said::Failed),
                _ => None,
            };
            let refused = entry.0;
            entry.1 = said.map(|said| Reply { tool_call_id: id.to_owned(), said, refused });
            entry.0 += u32::from(state == "output-error");
        }
        all.into_values().filter_map(|(_, reply)| reply).collect()
    }
}

/// The part of a tool call's id that is the same however often the question is asked.
fn question_of(id: &str) -> &str {
    id.rsplit_once('@').map_or(id, |(question, _)| question)
}

fn approval(part: &Value) -> Option<Said> {
    let approval = part.get("approval")?;
    let reason = approval.get("reason").and_then(Value::as_str).map(str::to_owned);
    Some(Said::Approval { approved: approval.get("approved")?.as_bool()?, reason })
}
