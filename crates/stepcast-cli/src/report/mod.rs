//! A run on one page: in HTML, in Markdown, and as data.

mod axis;
mod chart;
mod facts;
mod html;
mod markdown;

use serde_json::{Value, json};
use stepcast::Usage;
use stepcast::backend::InputStatus;

pub(crate) use self::facts::verdict;
pub(crate) use self::html::html;
pub(crate) use self::markdown::markdown;
use crate::commands::explain::call_json;
use crate::commands::inputs::input_json;
use crate::commands::logs::row_json;
use crate::commands::runs::record_json;
use crate::timeline::{Story, overlay};

/// So many rows of each kind are shown; a page with more is no page.
const MOST_ROWS: usize = 500;
/// So many characters of a value.
const MOST_TEXT: usize = 4_000;

/// A run as data.
pub(crate) fn as_json(story: &Story) -> Value {
    let attempts: Vec<Value> = story
        .spans
        .iter()
        .map(|span| {
            json!({
                "step": span.step, "execution": span.execution, "attempt": span.attempt, "end": span.word(),
                "began_at": span.began.0, "ended_at": span.ended().0, "busy_micros": span.busy(),
                "outputs": span.outputs, "error": span.error(),
                "waits": span.waits.iter().map(|wait| json!({
                    "event": wait.event, "from": wait.from.0, "to": wait.to.0, "open": wait.open,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "run": record_json(&story.record),
        "verdict": verdict(story),
        "start": story.start,
        "gaps": story.gaps(),
        "attempts": attempts,
        "events": story.events.iter().map(row_json).collect::<Vec<_>>(),
        "inputs": story.inputs.iter().map(input_json).collect::<Vec<_>>(),
        "calls": story.calls.iter().map(call_json).collect::<Vec<_>>(),
        "children": story.children.iter().map(record_json).collect::<Vec<_>>(),
        "usage": usage(story),
        "overlay": overlay(story),
    })
}

/// What the calls used up that the journal still has.
fn usage(story: &Story) -> Usage {
    story.calls.iter().filter_map(|call| call.usage).sum()
}

/// What became of an input, in a word.
fn became(status: &InputStatus) -> &'static str {
    match status {
        InputStatus::Pending => "pending",
        InputStatus::Answered { .. } => "answered",
        InputStatus::Withdrawn { .. } => "withdrawn",
        InputStatus::Expired { .. } => "expired",
        _ => "closed",
    }
}

/// A value, cut where it is too long to be read.
fn value_text(value: &Value, pretty: bool) -> String {
    let text = match pretty {
        true => serde_json::to_string_pretty(value).unwrap_or_default(),
        false => value.to_string(),
    };
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{} … ({} characters in all)", &text[..end], text.chars().count()),
        None => text,
    }
}

/// Makes of a sentence what `plain` makes of its words and `name` of what stands between backticks.
fn named(text: &str, plain: impl Fn(&str) -> String, name: impl Fn(&str) -> String) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // One backtick alone is no pair.
    if parts.len().is_multiple_of(2) {
        return plain(text);
    }
    let made = parts.iter().enumerate().map(|(at, part)| if at % 2 == 0 { plain(part) } else { name(part) });
    made.collect()
}
