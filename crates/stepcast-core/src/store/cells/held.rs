use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use crate::store::StorePath;
use crate::store::path::inside;
use crate::{ErasedEvent, HoldEvent};

/// What a cell holds.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// `null` while there is a field.
    value: Value,
    field: Option<Box<Field>>,
}

/// An object with one field. As an object of its own it would take 600 bytes, and a search for every look.
#[derive(Clone, Debug)]
struct Field {
    name: &'static str,
    given: Given,
    /// The object, for those who ask for it.
    whole: OnceLock<Box<Value>>,
}

/// A value for [`CellMap::set_field`](super::CellMap::set_field): JSON, or an event. The JSON of a flat event is made when
/// somebody asks for all of it.
#[derive(Clone, Debug)]
pub struct Given(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Value(Value),
    Event { holder: Arc<dyn HoldEvent>, value: OnceLock<Value> },
}

impl Given {
    /// The value of the event that `holder` holds, which [`CellMap::event`](super::CellMap::event) gives back.
    ///
    /// # Errors
    /// When the event's `Serialize` fails.
    pub fn event(holder: Arc<dyn HoldEvent>) -> Result<Self, serde_json::Error> {
        let value = OnceLock::new();
        if !holder.held().is_flat() {
            // It is known here and now whether it can be written, and how deep it nests.
            let _ = value.set(holder.held().to_value()?);
        }
        Ok(Given(Kind::Event { holder, value }))
    }

    /// The value as JSON.
    pub fn value(&self) -> &Value {
        match &self.0 {
            Kind::Value(value) => value,
            // That of a flat event can always be made.
            Kind::Event { holder, value } => value.get_or_init(|| holder.held().to_value().unwrap_or_default()),
        }
    }

    /// The value at a path that leads through a field of this name in an object that has no other.
    pub fn find(&self, name: &str, path: &StorePath) -> Option<Cow<'_, Value>> {
        let rest = path.after(name)?;
        if let (Kind::Event { holder, value }, Some(field)) = (&self.0, rest)
            && value.get().is_none()
            && !field.contains('.')
        {
            return holder.held().flat_field(field).map(Cow::Owned);
        }
        inside(self.value(), rest).map(Cow::Borrowed)
    }

    /// The value, unless it is that of a flat event and not made yet.
    pub(super) fn made(&self) -> Option<&Value> {
        match &self.0 {
            Kind::Value(value) => Some(value),
            Kind::Event { value, .. } => value.get(),
        }
    }
}

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        Given(Kind::Value(value))
    }
}

impl Held {
    pub(super) fn new(value: Value) -> Self {
        Held { value, field: None }
    }

    /// Puts an object of one field in place of what is there, in the room of the one before.
    pub(super) fn put(&mut self, name: &'static str, given: Given) {
        let new = Field { name, given, whole: OnceLock::new() };
        match &mut self.field {
            Some(field) => **field = new,
            field => *field = Some(Box::new(new)),
        }
        self.value = Value::Null;
    }

    /// The value at a path, whose key is the cell's.
    pub(super) fn at(&self, path: &StorePath) -> Option<&Value> {
        match &self.field {
            None => path.get_below(&self.value),
            Some(field) if path.depth() > 1 => inside(field.given.value(), path.after(field.name)?),
            Some(_) => Some(self.value()),
        }
    }

    /// The same, where the whole value need not be made for it.
    pub(super) fn find(&self, path: &StorePath) -> Option<Cow<'_, Value>> {
        match &self.field {
            Some(field) if path.depth() > 1 => field.given.find(field.name, path),
            _ => self.at(path).map(Cow::Borrowed),
        }
    }

    /// The event that was put with the field at this path.
    pub(super) fn event(&self, path: &StorePath) -> Option<&dyn ErasedEvent> {
        let field = self.field.as_deref().filter(|field| path.after(field.name) == Some(None))?;
        match &field.given.0 {
            Kind::Event { holder, .. } => Some(holder.held()),
            Kind::Value(_) => None,
        }
    }

    /// The whole value.
    pub(super) fn value(&self) -> &Value {
        match &self.field {
            None => &self.value,
            Some(field) => field.whole.get_or_init(|| Box::new(field.object())),
        }
    }

    /// The whole value, to write to.
    pub(super) fn as_value(&mut self) -> &mut Value {
        if let Some(field) = self.field.take() {
            self.value = field.object();
        }
        &mut self.value
    }

    pub(super) fn into_value(mut self) -> Value {
        std::mem::take(self.as_value())
    }
}

impl Field {
    fn object(&self) -> Value {
        Value::Object(Map::from_iter([(self.name.to_owned(), self.given.value().clone())]))
    }
}
