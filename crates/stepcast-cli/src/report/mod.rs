//! A run on one page: in HTML, in Markdown, and as data.

mod axis;
mod chart;
mod facts;
mod html;
mod markdown;

use serde_json::{Value, json};
use stepcast::backend::{InputRecord, InputStatus};

pub(crate) use self::facts::verdict;
pub(crate) use self::html::html;
pub(crate) use self::markdown::markdown;
use crate::commands::explain::call_json;
use crate::commands::runs::record_json;
use crate::text::date;
use crate::timeline::{Story, event_data, overlay};

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
    let events: Vec<Value> = story
        .events
        .iter()
        .map(|row| json!({ "seq": row.seq, "type": row.tag, "at": date(row.at), "value": event_data(row) }))
        .collect();
    json!({
        "run": record_json(&story.record),
        "verdict": verdict(story),
        "start": story.start,
        "gaps": story.gaps(),
        "attempts": attempts,
        "events": events,
        "inputs": story.inputs.iter().map(input_json).collect::<Vec<_>>(),
        "calls": story.calls.iter().map(call_json).collect::<Vec<_>>(),
        "overlay": overlay(story),
    })
}

fn input_json(input: &InputRecord) -> Value {
    let asked = &input.asked;
    let parsed = |text: &Option<String>| text.as_deref().map(crate::timeline::json);
    let (answer, by, closed) = match &input.status {
        InputStatus::Answered { answer, by, at } => (Some(crate::timeline::json(answer)), by.clone(), Some(*at)),
        InputStatus::Withdrawn { at } | InputStatus::Expired { at } => (None, None, Some(*at)),
        _ => (None, None, None),
    };
    json!({
        "input": asked.input, "step": asked.step, "reason": asked.reason, "expects": asked.expects,
        "prompt": asked.prompt, "data": parsed(&asked.data), "choices": parsed(&asked.choices),
        "status": became(&input.status), "answer": answer, "by": by,
        "opened_at": date(input.opened), "closed_at": closed.map(date),
    })
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
    if parts.len() % 2 == 0 {
        return plain(text);
    }
    let made = parts.iter().enumerate().map(|(at, part)| if at % 2 == 0 { plain(part) } else { name(part) });
    made.collect()
}
