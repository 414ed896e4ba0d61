use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Event, EventMeta, FlatValue};
use crate::guard::serde_code;
use crate::journal::is_readable;
use crate::json;

/// An event whose type is known only at run time. Implemented for every [`Event`].
pub trait ErasedEvent: Any + Send + Sync + fmt::Debug {
    /// The description of the event's type.
    fn meta(&self) -> &'static EventMeta;
    /// The event's value as JSON.
    ///
    /// # Errors
    /// When the type's `Serialize` fails.
    fn to_value(&self) -> Result<Value, serde_json::Error>;
    /// The event for a serializer, without a copy of its value. Its code is a user's: whoever calls it expects a panic.
    fn as_serialize(&self) -> &dyn erased_serde::Serialize;
    /// Adds the event's value as JSON text. Its code is a user's: whoever calls it expects a panic.
    ///
    /// # Errors
    /// When the type's `Serialize` fails.
    fn write_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error>;
    /// A copy in a new box.
    fn clone_boxed(&self) -> Box<dyn ErasedEvent>;
    /// The event that this one stands for: of one that is made when somebody looks at it, and of the type that
    /// [`meta`](Self::meta) describes. Every other event stands for itself.
    fn made(&self) -> Option<&dyn Any> {
        None
    }
    /// The value of a [`DataEvent`](crate::DataEvent), whoever shares it.
    fn data(&self) -> Option<&Value> {
        None
    }
    /// As [`Event::IS_FLAT`].
    fn is_flat(&self) -> bool {
        false
    }
    /// As [`Event::IS_SORTED`].
    fn is_sorted(&self) -> bool {
        false
    }
    /// As [`Event::put_flat`].
    fn put_flat(&self, _out: &mut Vec<u8>) -> bool {
        false
    }
    /// As [`Event::flat_at`].
    fn flat_at(&self, _place: usize) -> Option<FlatValue<'_>> {
        None
    }
}

impl<E: Event> ErasedEvent for E {
    fn meta(&self) -> &'static EventMeta {
        const { &E::META }
    }

    fn to_value(&self) -> Result<Value, serde_json::Error> {
        serde_code(|| serde_json::to_value(self))
    }

    fn as_serialize(&self) -> &dyn erased_serde::Serialize {
        self
    }

    fn write_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        if E::IS_FLAT && Event::put_flat(self, out) { Ok(()) } else { json::put(out, self) }
    }

    fn clone_boxed(&self) -> Box<dyn ErasedEvent> {
        Box::new(self.clone())
    }

    fn is_flat(&self) -> bool {
        E::IS_FLAT
    }

    fn is_sorted(&self) -> bool {
        E::IS_SORTED || (E::IS_FLAT && E::META.fields.is_sorted())
    }

    fn put_flat(&self, out: &mut Vec<u8>) -> bool {
        Event::put_flat(self, out)
    }

    fn flat_at(&self, place: usize) -> Option<FlatValue<'_>> {
        Event::flat_at(self, place)
    }
}

/// An event on its way through a run: owned where one step takes it, shared where several do.
#[derive(Debug)]
pub struct Payload(Box<dyn ErasedEvent>);

impl Payload {
    /// Boxes an event.
    pub fn new<E: Event>(event: E) -> Self {
        Payload(Box::new(event))
    }

    /// Takes an event that is boxed already.
    pub fn from_box(event: Box<dyn ErasedEvent>) -> Self {
        Payload(event)
    }

    /// Takes an event that others hold too; clones of the payload share it.
    pub fn from_arc(event: Arc<dyn ErasedEvent>) -> Self {
        Payload(Box::new(Shared(event)))
    }

    /// The event behind the box.
    pub fn as_erased(&self) -> &dyn ErasedEvent {
        &*self.0
    }

    /// The event itself, behind the box of a shared one too.
    pub(crate) fn as_erased_event(&self) -> &dyn ErasedEvent {
        let any: &dyn Any = &*self.0;
        any.downcast_ref::<Shared>().map_or(&*self.0, |shared| &*shared.0)
    }

    /// The description of the event's type.
    pub fn meta(&self) -> &'static EventMeta {
        self.0.meta()
    }

    /// The event's value as JSON text.
    ///
    /// # Errors
    /// When the type's `Serialize` fails or panics, or gives what JSON text cannot hold.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let text = serde_code(|| {
            let mut text = Vec::with_capacity(128);
            self.0.write_json(&mut text).map(|()| text)
        });
        match text.map(String::from_utf8) {
            Ok(Ok(text)) if self.0.is_flat() || is_readable(text.as_bytes()) => Ok(text),
            // What cannot be read back as it is.
            _ => serde_json::to_string(&self.0.to_value()?),
        }
    }

    /// The event, if it is an `E`.
    pub fn downcast_ref<E: Event>(&self) -> Option<&E> {
        let any: &dyn Any = &*self.0;
        // The common case is an owned event; a shared one is a box further away.
        any.downcast_ref::<E>().or_else(|| {
            let shared: &dyn Any = &*any.downcast_ref::<Shared>()?.0;
            shared.downcast_ref()
        })
    }

    /// The same payload in the form whose clones share the event.
    #[must_use]
    pub fn into_shared(self) -> Self {
        let any: &dyn Any = &*self.0;
        if any.is::<Shared>() { self } else { Payload::from_arc(Arc::from(self.0)) }
    }

    /// A handle of the event itself.
    pub fn into_arc(self) -> Arc<dyn ErasedEvent> {
        let any: &dyn Any = &*self.0;
        match any.downcast_ref::<Shared>() {
            Some(shared) => Arc::clone(&shared.0),
            None => Arc::from(self.0),
        }
    }
}

/// A shared event as an event: its clones are handles.
#[derive(Debug)]
struct Shared(Arc<dyn ErasedEvent>);

impl ErasedEvent for Shared {
    fn meta(&self) -> &'static EventMeta {
        self.0.meta()
    }

    fn to_value(&self) -> Result<Value, serde_json::Error> {
        self.0.to_value()
    }

    fn as_serialize(&self) -> &dyn erased_serde::Serialize {
        self.0.as_serialize()
    }

    fn write_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        self.0.write_json(out)
    }

    fn put_flat(&self, out: &mut Vec<u8>) -> bool {
        self.0.put_flat(out)
    }

    fn clone_boxed(&self) -> Box<dyn ErasedEvent> {
        Box::new(Shared(Arc::clone(&self.0)))
    }

    fn data(&self) -> Option<&Value> {
        self.0.data()
    }
}

/// An event read from a snapshot whose type is not resolved yet; a restore replaces every one of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredEvent {
    #[serde(rename = "type")]
    pub(crate) tag: String,
    pub(crate) value: Value,
}

impl ErasedEvent for StoredEvent {
    fn meta(&self) -> &'static EventMeta {
        const { &<crate::StopEvent as Event>::META }
    }

    fn to_value(&self) -> Result<Value, serde_json::Error> {
        Ok(self.value.clone())
    }

    fn as_serialize(&self) -> &dyn erased_serde::Serialize {
        &self.value
    }

    fn write_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        json::put(out, &self.value)
    }

    fn clone_boxed(&self) -> Box<dyn ErasedEvent> {
        Box::new(self.clone())
    }
}

/// An event of a definition that is known by its description alone: its data as it was written.
#[derive(Clone, Debug)]
pub(crate) struct PastEvent {
    pub(crate) meta: &'static EventMeta,
    pub(crate) value: Value,
}

impl ErasedEvent for PastEvent {
    fn meta(&self) -> &'static EventMeta {
        self.meta
    }

    fn to_value(&self) -> Result<Value, serde_json::Error> {
        Ok(self.value.clone())
    }

    fn as_serialize(&self) -> &dyn erased_serde::Serialize {
        &self.value
    }

    fn write_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        json::put(out, &self.value)
    }

    fn clone_boxed(&self) -> Box<dyn ErasedEvent> {
        Box::new(self.clone())
    }
}

impl Payload {
    /// The stored form behind the payload, before its type is resolved.
    pub(crate) fn stored(&self) -> Option<&StoredEvent> {
        let any: &dyn Any = self.as_erased();
        any.downcast_ref()
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.as_erased().to_value().map_err(serde::ser::Error::custom)?;
        StoredEvent { tag: self.meta().tag.to_owned(), value }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StoredEvent::deserialize(deserializer).map(|stored| Payload(Box::new(stored)))
    }
}

impl Clone for Payload {
    fn clone(&self) -> Self {
        Payload(self.0.clone_boxed())
    }
}
