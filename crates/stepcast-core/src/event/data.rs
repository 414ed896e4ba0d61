//! Event types that exist only at run time: those of workflows that are data.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::{ErasedEvent, EventMeta, Payload, Role};
use crate::json;

/// Descriptions of event types live as long as the process; more than so many different ones are not made.
const MOST: usize = 262_144;

/// An event of a type that exists only at run time: a description, and any JSON value.
///
/// ```
/// use stepcast_core::{DataEvent, Role};
///
/// let approved = DataEvent::meta("approved", Role::Plain).unwrap();
/// let payload = DataEvent::new(approved, 7.into()).into_payload();
/// assert_eq!(payload.meta().tag, "approved");
/// assert_eq!(DataEvent::value_of(&payload), Some(&7.into()));
/// ```
#[derive(Clone, Debug)]
pub struct DataEvent {
    meta: &'static EventMeta,
    value: Value,
}

impl DataEvent {
    /// The description of the event type with this tag and role. The same description is given for the same tag and role.
    /// It is kept for the life of the process, so that there is a bound: `None` once there are 262,144 different ones.
    pub fn meta(tag: &str, role: Role) -> Option<&'static EventMeta> {
        static KNOWN: Mutex<Option<HashMap<(String, Role), &'static EventMeta>>> = Mutex::new(None);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        let key = (tag.to_owned(), role);
        if let Some(meta) = known.get(&key) {
            return Some(meta);
        }
        if known.len() >= MOST {
            return None;
        }
        let meta: &'static EventMeta = Box::leak(Box::new(EventMeta::data(tag.to_owned().leak(), role)));
        known.insert(key, meta);
        Some(meta)
    }

    /// An event of the type that `meta` describes.
    pub fn new(meta: &'static EventMeta, value: Value) -> Self {
        DataEvent { meta, value }
    }

    /// The event on its way through a run.
    pub fn into_payload(self) -> Payload {
        Payload::from_box(Box::new(self))
    }

    /// The value of such an event; `None` for an event of a Rust type.
    pub fn value_of(payload: &Payload) -> Option<&Value> {
        payload.as_erased().data()
    }

    /// An event of the type that `meta` describes whose value is `null`, on its way through a run.
    #[inline]
    pub fn bare(meta: &'static EventMeta) -> Payload {
        Payload::from_box(Box::new(Bare { meta }))
    }
}

/// A [`DataEvent`] whose value is `null`: there is one for nearly every step of a graph, so it has no room for another.
#[derive(Clone, Debug)]
struct Bare {
    meta: &'static EventMeta,
}

static NULL: Value = Value::Null;

impl ErasedEvent for Bare {
    fn meta(&self) -> &'static EventMeta {
        self.meta
    }

    fn to_value(&self) -> Result<Value, serde_json::Error> {
        Ok(Value::Null)
    }

    fn as_serialize(&self) -> &dyn erased_serde::Serialize {
        &NULL
    }

    fn write_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        out.extend_from_slice(b"null");
        Ok(())
    }

    fn clone_boxed(&self) -> Box<dyn ErasedEvent> {
        Box::new(self.clone())
    }

    fn data(&self) -> Option<&Value> {
        Some(&NULL)
    }
}

impl ErasedEvent for DataEvent {
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

    fn data(&self) -> Option<&Value> {
        Some(&self.value)
    }
}
