//! Events in their envelopes.

use serde_json::Value;
use stepcast::{AnyEvent, EventEnvelope, EventMeta, WorkflowDef};

use crate::access::Access;
use crate::runs::InputView;

/// What a secret field shows to those who may not see it.
const COVER: &str = EventMeta::COVER;

/// The fields of a question that people read, the first that there is.
pub(crate) const PROMPTS: [&str; 4] = ["prompt", "prefix", "question", "message"];

/// The wire form of an event, as far as the reader may see it. Of an event whose type is not known here nobody can say what
/// is secret: its data is covered as a whole.
pub(crate) fn envelope(event: &AnyEvent, access: Access) -> EventEnvelope {
    let mut envelope = event.to_envelope();
    if !access.sees_secrets() {
        envelope.value = shown(envelope.value, event.meta());
    }
    envelope
}

/// The data of an event, as far as the reader may see it.
pub(crate) fn data(event: &AnyEvent, access: Access) -> Value {
    let data = event.value();
    if access.sees_secrets() { data } else { shown(data, event.meta()) }
}

fn shown(data: Value, meta: Option<&EventMeta>) -> Value {
    match meta {
        Some(meta) => covered(data, Some(meta)),
        None => COVER.into(),
    }
}

/// What a question shows, as far as the reader may see it: the tag of the event that asks, and its data or the error.
pub(crate) fn question(input: &InputView, def: Option<&WorkflowDef>, access: Access) -> (Option<String>, Value) {
    match serde_json::from_value::<EventEnvelope>(input.data.clone()) {
        Ok(asking) => {
            let event = AnyEvent::from_envelope(asking);
            let event = def.map_or_else(|| event.clone(), |def| event.clone().with_type_of(def));
            let EventEnvelope { tag, value, .. } = envelope(&event, access);
            (Some(tag), value)
        }
        // An error, or what an older version has stored.
        Err(_) if access.sees_secrets() || is_failure(input) => (None, input.data.clone()),
        Err(_) => (None, COVER.into()),
    }
}

/// What a person reads of a question, from the data that the reader may see.
pub(crate) fn prompt(input: &InputView, data: &Value, access: Access) -> Option<String> {
    if access.sees_secrets() || is_failure(input) {
        return input.prompt.clone();
    }
    input.prompt.as_ref()?;
    let shown = PROMPTS.iter().find_map(|name| data.get(name)?.as_str());
    Some(shown.unwrap_or(COVER).to_owned())
}

/// An answer to a question, as far as the reader may see it.
pub(crate) fn answer(input: &InputView, given: Value, def: Option<&WorkflowDef>, access: Access) -> Value {
    if access.sees_secrets() || is_failure(input) {
        return given;
    }
    let meta = def.zip(input.expects.as_deref()).and_then(|(def, tag)| Some(def.event(def.event_by_tag(tag)?)));
    match meta {
        Some(meta) => covered(given, Some(meta)),
        None => COVER.into(),
    }
}

/// Whether it asks what becomes of a step that failed.
fn is_failure(input: &InputView) -> bool {
    input.reason == "step_failure"
}

/// The data of an event with its secret fields covered.
fn covered(mut value: Value, meta: Option<&EventMeta>) -> Value {
    if let Some(meta) = meta {
        meta.cover(&mut value);
    }
    value
}
