use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::late::{LateEvent, MakeEvent};
use super::{ErasedEvent, Event, EventMeta, Payload};
use crate::guard::serde_code;
use crate::json::put_str;

/// An event of a type known only at run time, as the runtime hands it out.
///
/// Cloning shares the event. Serialized, it is an [`EventEnvelope`]; deserialized, it is kept as it came and
/// written back unchanged until [`decode`](AnyEvent::decode) gives it a type.
///
/// ```
/// use stepcast_core::{AnyEvent, StopEvent};
///
/// let any = AnyEvent::new(StopEvent::new("done"));
/// assert_eq!(any.type_name(), "StopEvent");
/// assert_eq!(any.get::<StopEvent>().unwrap().result(), Some(&"done".into()));
/// let text = serde_json::to_string(&any).unwrap();
/// let back: AnyEvent = serde_json::from_str(&text).unwrap();
/// assert_eq!(serde_json::to_string(&back).unwrap(), text);
/// ```
#[derive(Clone)]
pub struct AnyEvent(Inner);

#[derive(Clone)]
enum Inner {
    Typed(Arc<dyn ErasedEvent>),
    Raw(Arc<EventEnvelope>),
}

/// The wire form of an event, as LlamaIndex Workflows has it: `{"value", "qualified_name", "type", "types"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventEnvelope {
    /// The event's fields.
    pub value: Value,
    /// Module path and type name, where known.
    #[serde(default)]
    pub qualified_name: Option<String>,
    /// The event's tag.
    #[serde(rename = "type")]
    pub tag: String,
    /// Names of the event's ancestors, where it has any.
    #[serde(default)]
    pub types: Option<Vec<String>>,
}

/// An event could not be given the type asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeEventError {
    /// The event is of another type.
    #[error("The event is a `{found}`, not a `{expected}`; ask for the type it has, or match on its tag first.")]
    WrongType {
        /// Tag of the event at hand.
        found: String,
        /// Tag asked for.
        expected: &'static str,
    },
    /// The data does not fit the type.
    #[error("The data of event `{tag}` does not fit its type: {source}. Send every field with the type it declares.")]
    Data {
        /// Tag of the event.
        tag: String,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
}

impl AnyEvent {
    /// Erases a typed event.
    pub fn new<E: Event>(event: E) -> Self {
        AnyEvent(Inner::Typed(Arc::new(event)))
    }

    /// An event that is known only by its wire form.
    pub fn from_envelope(envelope: EventEnvelope) -> Self {
        AnyEvent(Inner::Raw(Arc::new(envelope)))
    }

    /// Wraps an event that is already erased.
    pub fn from_payload(payload: Payload) -> Self {
        AnyEvent(Inner::Typed(payload.into_arc()))
    }

    /// An event that is made when somebody looks at it.
    pub fn late(event: Arc<LateEvent<impl MakeEvent>>) -> Self {
        AnyEvent(Inner::Typed(event))
    }

    /// The event's tag: its stable name on the wire and in journals.
    pub fn tag(&self) -> &str {
        match &self.0 {
            Inner::Typed(event) => event.meta().tag,
            Inner::Raw(raw) => &raw.tag,
        }
    }

    /// The Rust type's name; the tag for an event that has no type here.
    pub fn type_name(&self) -> &str {
        self.meta().map_or_else(|| self.tag(), |meta| meta.type_name)
    }

    /// The description of the event's type, unless only the wire form is known.
    pub fn meta(&self) -> Option<&'static EventMeta> {
        match &self.0 {
            Inner::Typed(event) => Some(event.meta()),
            Inner::Raw(_) => None,
        }
    }

    /// Whether the event is an `E`.
    pub fn is<E: Event>(&self) -> bool {
        self.get::<E>().is_some()
    }

    /// The event, if it is an `E`.
    pub fn get<E: Event>(&self) -> Option<&E> {
        match &self.0 {
            Inner::Typed(event) => {
                let any: &dyn std::any::Any = &**event;
                any.downcast_ref().or_else(|| event.made()?.downcast_ref())
            }
            Inner::Raw(_) => None,
        }
    }

    /// The event as an `E`: a copy of the typed one, or decoded from the wire form.
    ///
    /// # Errors
    /// [`DecodeEventError`] when the event has another tag or its data does not fit `E`.
    pub fn decode<E: Event>(&self) -> Result<E, DecodeEventError> {
        if let Some(event) = self.get::<E>() {
            return Ok(event.clone());
        }
        match &self.0 {
            Inner::Raw(raw) if raw.tag == E::META.tag => serde_code(|| serde_json::from_value(raw.value.clone()))
                .map_err(|source| DecodeEventError::Data { tag: raw.tag.clone(), source }),
            _ => Err(DecodeEventError::WrongType { found: self.tag().to_owned(), expected: E::META.tag }),
        }
    }

    /// The event's fields as JSON. A typed event that cannot be serialized gives `null`.
    pub fn value(&self) -> Value {
        match &self.0 {
            Inner::Typed(event) => event.to_value().unwrap_or(Value::Null),
            Inner::Raw(raw) => raw.value.clone(),
        }
    }

    /// The wire form.
    pub fn to_envelope(&self) -> EventEnvelope {
        match &self.0 {
            Inner::Typed(event) => envelope_of(event.meta(), self.value()),
            Inner::Raw(raw) => (**raw).clone(),
        }
    }

    /// The event's fields, and the whole wire form, as JSON text. A typed event that cannot be serialized has `null` for
    /// its fields.
    ///
    /// ```
    /// # use stepcast_core::{AnyEvent, StopEvent};
    /// let any = AnyEvent::new(StopEvent::new("done"));
    /// let (fields, envelope) = any.to_json();
    /// assert_eq!(fields, any.value().to_string());
    /// assert_eq!(serde_json::from_str::<AnyEvent>(&envelope).unwrap().to_envelope(), any.to_envelope());
    /// ```
    pub fn to_json(&self) -> (String, String) {
        let fields = self.sorted_json().unwrap_or_else(|| self.value().to_string());
        let meta = match &self.0 {
            Inner::Typed(event) => event.meta(),
            Inner::Raw(raw) => {
                let envelope = serde_json::to_string(&**raw).unwrap_or_else(|_| "null".to_owned());
                return (fields, envelope);
            }
        };
        let mut text = Vec::with_capacity(fields.len() + 160);
        text.extend_from_slice(b"{\"value\":");
        text.extend_from_slice(fields.as_bytes());
        text.extend_from_slice(b",\"qualified_name\":");
        put_str(&mut text, meta.qualified_name);
        text.extend_from_slice(b",\"type\":");
        put_str(&mut text, meta.tag);
        text.extend_from_slice(b",\"types\":");
        match meta.ancestors() {
            None => text.extend_from_slice(b"null"),
            Some(name) => {
                text.push(b'[');
                put_str(&mut text, name);
                text.push(b']');
            }
        }
        text.push(b'}');
        // All that is in it was text before.
        (fields, String::from_utf8(text).unwrap_or_default())
    }

    /// The fields as JSON text, if that has them in the order in which a `Value` has them too.
    fn sorted_json(&self) -> Option<String> {
        let event = self.as_erased().filter(|event| event.is_sorted())?;
        let mut text = Vec::with_capacity(128);
        serde_code(|| event.write_json(&mut text)).ok()?;
        String::from_utf8(text).ok()
    }

    /// The erased event, unless only the wire form is known.
    pub fn as_erased(&self) -> Option<&Arc<dyn ErasedEvent>> {
        match &self.0 {
            Inner::Typed(event) => Some(event),
            Inner::Raw(_) => None,
        }
    }
}

fn envelope_of(meta: &EventMeta, value: Value) -> EventEnvelope {
    EventEnvelope {
        value,
        qualified_name: Some(meta.qualified_name.to_owned()),
        tag: meta.tag.to_owned(),
        types: meta.ancestors().map(|name| vec![name.to_owned()]),
    }
}

impl<E: Event> From<E> for AnyEvent {
    fn from(event: E) -> Self {
        AnyEvent::new(event)
    }
}

impl fmt::Debug for AnyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Typed(event) => fmt::Debug::fmt(&**event, f),
            Inner::Raw(raw) => f.debug_struct(&raw.tag).field("value", &raw.value).finish(),
        }
    }
}

impl Serialize for AnyEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Inner::Typed(event) => {
                let value = event.to_value().map_err(serde::ser::Error::custom)?;
                envelope_of(event.meta(), value).serialize(serializer)
            }
            Inner::Raw(raw) => raw.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AnyEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        EventEnvelope::deserialize(deserializer).map(AnyEvent::from_envelope)
    }
}
