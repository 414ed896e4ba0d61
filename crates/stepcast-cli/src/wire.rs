//! Events and errors as they are stored and streamed, for people and for scripts.

use serde_json::{Map, Value};
use stepcast::{Catalogue, EventMeta};

/// The data of an event, whether it came in its envelope or bare.
pub(crate) fn data(value: Value) -> Value {
    match value {
        Value::Object(mut fields) if is_envelope(&fields) => fields.remove("value").unwrap_or_default(),
        other => other,
    }
}

fn is_envelope(fields: &Map<String, Value>) -> bool {
    let known = ["type", "value", "qualified_name", "types"];
    fields.contains_key("value")
        && fields.contains_key("type")
        && fields.keys().all(|key| known.contains(&key.as_str()))
}

/// The data of an event that is stored as text; what is wrong with it, if it is no JSON.
pub(crate) fn stored(text: &str) -> Value {
    serde_json::from_str(text).map_or_else(|error| Value::from(format!("(not JSON: {error})")), data)
}

/// The data of an event that is stored as text; a text that is no JSON as it is.
pub(crate) fn stored_or_text(text: &str) -> Value {
    serde_json::from_str(text).map_or_else(|_| Value::from(text), data)
}

/// The description of an event type that is linked into this binary, if only one has this tag.
pub(crate) fn meta(tag: &str) -> Option<&'static EventMeta> {
    let mut found = Catalogue::global().into_iter().flat_map(Catalogue::events).filter(|event| event.meta.tag == tag);
    match (found.next(), found.next()) {
        (Some(only), None) => Some(only.meta),
        _ => None,
    }
}

/// The start and the stop event of a workflow that is linked into this binary.
pub(crate) fn ends(workflow: &str) -> Option<(&'static EventMeta, &'static EventMeta)> {
    let linked = Catalogue::global().ok()?.workflow(workflow)?;
    Some((linked.spec.start, linked.spec.stop))
}

/// The data with its secret fields covered.
pub(crate) fn covered(mut value: Value, meta: Option<&EventMeta>) -> Value {
    if let Some(meta) = meta {
        meta.cover(&mut value);
    }
    value
}

/// An event in a line: a text written for people as it is, anything else as JSON.
pub(crate) fn line(tag: &str, value: Value) -> String {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    match tag {
        "LogEvent" => format!("{}: {}", text("step").unwrap_or_default(), text("message").unwrap_or_default()),
        "PhaseEvent" => format!("{}: {}", text("step").unwrap_or_default(), text("name").unwrap_or_default()),
        "WorkflowFailedEvent" => failure(&value),
        "WorkflowTimedOutEvent" => failure(&value),
        _ => match covered(value, meta(tag)) {
            Value::Null => String::new(),
            Value::Object(fields) if fields.is_empty() => String::new(),
            value => value.to_string(),
        },
    }
}

/// Why a run ended or a step failed, in a sentence: from a terminal event, an error's texts, or a plain text.
pub(crate) fn failure(value: &Value) -> String {
    let value = data(value.clone());
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let error = ["exception", "error", "failure"].iter().find_map(|name| value.get(*name)).unwrap_or(&value);
    let said = text(error, "exception_message").or_else(|| text(error, "message"));
    let said = said.or_else(|| error.as_str().map(str::to_owned));
    let step = text(&value, "step_name").or_else(|| text(&value, "step"));
    let attempts = match value.get("attempts").and_then(Value::as_u64) {
        Some(attempts) if attempts > 1 => format!(" after {attempts} attempts"),
        _ => String::new(),
    };
    match (step, said) {
        (Some(step), Some(said)) => format!("`{step}` failed{attempts}: {said}"),
        (None, Some(said)) => said,
        _ => match (value.get("timeout").and_then(Value::as_f64), value.get("active_steps")) {
            (Some(after), active) => timed_out(after, active),
            _ if value.is_null() || value.as_object().is_some_and(Map::is_empty) => String::new(),
            _ => value.to_string(),
        },
    }
}

fn timed_out(after: f64, active: Option<&Value>) -> String {
    let active = active.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let active: Vec<String> = active.map(|step| format!("`{step}`")).collect();
    match active.is_empty() {
        true => format!("busy for longer than {after} s"),
        false => format!("busy for longer than {after} s; still active: {}", active.join(", ")),
    }
}

/// What an input asks, in a line: its prompt, a text field of the asking event, or the error of the step that failed.
pub(crate) fn question(prompt: Option<&str>, asked: &Value) -> String {
    if let Some(prompt) = prompt {
        return prompt.to_owned();
    }
    let asked = data(asked.clone());
    let text = |name: &str| asked.get(name).and_then(Value::as_str).map(str::to_owned);
    let first = || {
        let mut texts = asked.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str());
        texts.next().map(str::to_owned)
    };
    match text("prompt").or_else(|| text("question")).or_else(|| text("message")) {
        Some(text) => text,
        None if asked.get("exception_message").is_some() || asked.get("exception").is_some() => failure(&asked),
        None => first().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_read_with_and_without_its_envelope() {
        let bare = json!({ "value": 1, "other": 2 });
        assert_eq!(data(bare.clone()), bare);
        assert_eq!(data(json!({ "type": "Tick", "value": { "left": 2 } })), json!({ "left": 2 }));
    }

    #[test]
    fn a_failure_is_a_sentence() {
        let event = json!({ "step_name": "publish", "attempts": 3, "exception": {
            "exception_type": "HttpError", "exception_message": "HTTP 503",
        } });
        assert_eq!(failure(&event), "`publish` failed after 3 attempts: HTTP 503");
        assert_eq!(failure(&json!({ "exception_message": "no" })), "no");
        assert_eq!(failure(&json!("no")), "no");
        let late = json!({ "timeout": 2.5, "active_steps": ["fetch"] });
        assert_eq!(failure(&late), "busy for longer than 2.5 s; still active: `fetch`");
    }

    #[test]
    fn a_question_is_found_where_it_is() {
        assert_eq!(question(Some("Sure?"), &Value::Null), "Sure?");
        assert_eq!(question(None, &json!({ "draft": "x", "prompt": "Publish?" })), "Publish?");
        assert_eq!(question(None, &json!({ "exception_message": "no disk" })), "no disk");
    }
}
