//! Events as clients send them.
//!
//! Every form that the LlamaIndex server takes: `{"type", "value"}`, the older `{"type", "data"}`,
//! `{"qualified_name", "value"}`, each of them also as a text of JSON, and for a start event its bare fields.

use std::borrow::Cow;

use serde_json::{Map, Value};
use stepcast::{ErasedEvent, EventMeta, Payload, Role, WorkflowDef};

use crate::error::ApiError;
use crate::runs::StartData;

/// An event's type and data.
pub(super) struct Given {
    pub(super) meta: &'static EventMeta,
    pub(super) value: Value,
}

/// A start event: in an envelope, or its fields alone.
pub(super) fn start_event(def: &WorkflowDef, given: Value) -> Result<StartData, ApiError> {
    let refused = |detail: String| {
        ApiError::bad_request("invalid_start_event", format!("Validation error for 'start_event': {detail}"))
    };
    let start = def.event(def.start());
    let decoded = |data| {
        let (data, event) = checked(start, data).map_err(refused)?;
        Ok(StartData { data, event: Some(Payload::from_box(event)) })
    };
    let fields = object(given).map_err(refused)?;
    if !is_envelope(&fields, start) {
        return decoded(Value::Object(fields));
    }
    let all: Vec<_> = def.events().collect();
    let event = enveloped(fields, &all).map_err(refused)?;
    if event.meta.tag != start.tag {
        let detail = format!("Start event must be an instance of <class '{}'>", outer_name(start));
        return Err(ApiError::bad_request("invalid_start_event", detail));
    }
    decoded(event.value)
}

/// An event that is sent to a run. Without a definition its type and data are taken as they are.
pub(super) fn sent_event(def: Option<&WorkflowDef>, given: Value) -> Result<(String, Value), ApiError> {
    let refused = |detail: String| ApiError::bad_request("invalid_event", detail);
    let fields = object(given).map_err(refused)?;
    let Some(def) = def else {
        let tag = text(&fields, "type").map(str::to_owned);
        let tag = tag.ok_or_else(|| refused(no_type()))?;
        return Ok((tag, data(fields)));
    };
    let event = enveloped(fields, &taken(def)).map_err(refused)?;
    let (value, _) = checked(event.meta, event.value).map_err(refused)?;
    Ok((event.meta.tag.to_owned(), value))
}

/// The events that may come from outside.
fn taken(def: &WorkflowDef) -> Vec<&'static EventMeta> {
    let outside = |meta: &&'static EventMeta| {
        matches!(meta.role, Role::External | Role::HumanResponse)
            || def.event_by_tag(meta.tag).is_some_and(|ix| def.is_waited(ix))
    };
    def.events().filter(outside).collect()
}

fn object(given: Value) -> Result<Map<String, Value>, String> {
    let given = match given {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    };
    match given {
        Value::Object(fields) => Ok(fields),
        _ => Err("Failed to deserialize event. Must be a json object, or stringified json object".to_owned()),
    }
}

/// Whether the fields are an envelope and not the start event's own.
fn is_envelope(fields: &Map<String, Value>, start: &EventMeta) -> bool {
    let tag = text(fields, "type");
    let named = tag.is_some() || text(fields, "qualified_name").is_some();
    named && (fields.contains_key("value") || fields.contains_key("data") && tag == Some(start.tag))
}

fn enveloped(fields: Map<String, Value>, known: &[&'static EventMeta]) -> Result<Given, String> {
    let named = text(&fields, "type");
    let by_tag = named.and_then(|tag| known.iter().find(|meta| meta.tag == tag));
    let qualified = text(&fields, "qualified_name");
    let by_name =
        || qualified.and_then(|name| known.iter().find(|meta| meta.qualified_name == name || outer_name(meta) == name));
    if let Some(meta) = by_tag.copied().or_else(|| by_name().copied()) {
        return Ok(Given { meta, value: data(fields) });
    }
    let tags: Vec<&str> = known.iter().map(|meta| meta.tag).collect();
    Err(match (named, qualified) {
        (Some(tag), _) if tags.is_empty() => format!("Invalid event type: {tag}. No event types are registered."),
        (Some(tag), _) => format!("Invalid event type: {tag}. Expected one of {}", tags.join(", ")),
        (None, Some(name)) => {
            format!("Event type {name} is not declared by this workflow. It takes: {}.", tags.join(", "))
        }
        (None, None) => no_type(),
    })
}

/// The name that LlamaIndex clients know an event type by: their own for the types that both have.
pub(super) fn outer_name(meta: &EventMeta) -> Cow<'static, str> {
    match meta.qualified_name.strip_prefix("stepcast::") {
        // The end of nearly every run.
        Some(own) if own == meta.type_name && own == "StopEvent" => "workflows.events.StopEvent".into(),
        Some(own) if own == meta.type_name => format!("workflows.events.{own}").into(),
        _ => meta.qualified_name.into(),
    }
}

fn no_type() -> String {
    "Invalid client data. Must have a type or a qualified name".to_owned()
}

/// The event's data and the event, if the data fits its type.
fn checked(meta: &EventMeta, value: Value) -> Result<(Value, Box<dyn ErasedEvent>), String> {
    let value = flat(meta, value);
    match meta.decode_ref(&value) {
        Ok(event) => Ok((value, event)),
        Err(error) => Err(format!("Failed to deserialize event: {}: {error}", meta.tag)),
    }
}

/// The Python client keeps fields that its event class does not declare under `_data`.
fn flat(meta: &EventMeta, mut value: Value) -> Value {
    let Some(fields) = value.as_object_mut().filter(|_| !meta.fields.contains(&"_data")) else { return value };
    match fields.remove("_data") {
        Some(Value::Object(more)) => {
            for (name, field) in more {
                fields.entry(name).or_insert(field);
            }
        }
        Some(other) => drop(fields.insert("_data".to_owned(), other)),
        None => {}
    }
    value
}

/// The event's data; none is an event without fields.
fn data(mut fields: Map<String, Value>) -> Value {
    let value = fields.remove("value").or_else(|| fields.remove("data")).unwrap_or_default();
    if value.is_null() { Value::Object(Map::new()) } else { value }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}
