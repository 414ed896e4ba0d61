//! Text that comes in pieces: an event whose data has a text `delta` is one, and its `message_id` says of which message.

use serde_json::Value;
use stepcast::RunId;

/// A piece of text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delta {
    pub(super) message: String,
    pub(super) text: String,
}

/// The messages whose text is coming.
#[derive(Debug, Default)]
pub(super) struct Texts {
    open: Vec<String>,
    /// The message of pieces without a `message_id`.
    unnamed: Option<String>,
    /// Whether there was any.
    pub(super) any: bool,
}

impl Texts {
    /// The piece of text that an event is. `seq` is the event's number, or that of the one it came after.
    pub(super) fn delta(&mut self, run: &RunId, seq: u64, data: &Value) -> Option<Delta> {
        let text = data.get("delta")?.as_str()?.to_owned();
        let message = match data.get("message_id") {
            Some(Value::String(id)) if !id.is_empty() => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            _ => self.unnamed.get_or_insert_with(|| format!("{run}/text/{seq}")).clone(),
        };
        Some(Delta { message, text })
    }

    /// Whether this piece is the first of its message.
    pub(super) fn opens(&mut self, delta: &Delta) -> bool {
        let new = !self.open.contains(&delta.message);
        if new {
            self.open.push(delta.message.clone());
        }
        self.any = true;
        new
    }

    /// The messages that are open, which are not any more.
    pub(super) fn close(&mut self) -> Vec<String> {
        self.unnamed = None;
        std::mem::take(&mut self.open)
    }
}

/// What a run says with its end: the text `result` of its stop event.
pub(super) fn last_word(data: &Value) -> Option<&str> {
    data.get("result")?.as_str().filter(|text| !text.is_empty())
}

/// The message of a run's last word.
pub(super) fn last_message(run: &RunId) -> String {
    format!("{run}/result")
}
