use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Event, EventMeta};

/// An event whose type is known only at run time. Implemented for every [`Event`].
pub trait ErasedEvent: Any + Send + Sync + fmt::Debug {
    /// The description of the event's type.
    fn meta(&self) -> &'static EventMeta;
    /// The event's value as JSON.
    ///
    /// # Errors
    /// When the type's `Serialize` fails.
    fn to_value(&self) -> Result<Value, serde_json::Error>;
    /// A copy in a new box.
    fn clone_boxed(&self) -> Box<dyn ErasedEvent>;
}

impl<E: Event> ErasedEvent for E {
    fn meta(&self) -> &'static EventMeta {
        const { &E::META }
    }

    fn to_value(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(self)
    }

    fn clone_boxed(&self) -> Box<dyn ErasedEvent> {
        Box::new(self.clone())
    }
}

/// An event on its way through a run: owned where one step takes it, shared where several do.
#[derive(Debug)]
pub enum Payload {
    /// The only copy.
    One(Box<dyn ErasedEvent>),
    /// A copy that others read too.
    Many(Arc<dyn ErasedEvent>),
}

impl Payload {
    /// Boxes an event.
    pub fn new<E: Event>(event: E) -> Self {
        Payload::One(Box::new(event))
    }

    /// The event behind the box.
    pub fn as_erased(&self) -> &dyn ErasedEvent {
        match self {
            Payload::One(event) => &**event,
            Payload::Many(event) => &**event,
        }
    }

    /// The description of the event's type.
    pub fn meta(&self) -> &'static EventMeta {
        self.as_erased().meta()
    }

    /// The event, if it is an `E`.
    pub fn downcast_ref<E: Event>(&self) -> Option<&E> {
        let any: &dyn Any = self.as_erased();
        any.downcast_ref()
    }

    /// The shared form, without keeping another handle.
    pub fn into_arc(self) -> Arc<dyn ErasedEvent> {
        match self {
            Payload::One(event) => Arc::from(event),
            Payload::Many(event) => event,
        }
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
        StoredEvent::deserialize(deserializer).map(|stored| Payload::One(Box::new(stored)))
    }
}

impl Clone for Payload {
    fn clone(&self) -> Self {
        match self {
            Payload::One(event) => Payload::One(event.clone_boxed()),
            Payload::Many(event) => Payload::Many(Arc::clone(event)),
        }
    }
}
