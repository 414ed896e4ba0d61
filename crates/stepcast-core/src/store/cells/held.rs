use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::{MAX_CELL_DEPTH, nests_deeper};
use crate::store::StorePath;
use crate::store::path::inside;
use crate::{ErasedEvent, Payload, json};

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

/// A value for [`CellMap::set_field`](super::CellMap::set_field): JSON, an object of known fields, or an event. What is not
/// JSON yet becomes it when somebody asks for all of it.
#[derive(Clone, Debug)]
pub struct Given(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Value(Value),
    Field { name: &'static str, value: Value, whole: OnceLock<Box<Value>> },
    Fields { names: Arc<[String]>, values: Vec<Value>, whole: OnceLock<Box<Value>> },
    Event { event: Payload, whole: OnceLock<Box<Value>> },
}

impl Given {
    /// The value of an event. A flat one is kept, and [`CellMap::event`](super::CellMap::event) gives it back.
    ///
    /// # Errors
    /// When the event's `Serialize` fails.
    pub fn event(event: Payload) -> Result<Self, serde_json::Error> {
        Ok(Given(match event.as_erased().is_flat() {
            true => Kind::Event { event, whole: OnceLock::new() },
            // It is known here and now whether it can be written, and how deep it nests.
            false => Kind::Value(event.as_erased().to_value()?),
        }))
    }

    /// An object with one field.
    pub fn field(name: &'static str, value: Value) -> Self {
        Given(Kind::Field { name, value, whole: OnceLock::new() })
    }

    /// An object with these fields, whose names differ.
    pub fn fields(names: &Arc<[String]>, values: Vec<Value>) -> Self {
        Given(Kind::Fields { names: Arc::clone(names), values, whole: OnceLock::new() })
    }

    /// The value as JSON.
    pub fn value(&self) -> &Value {
        match &self.0 {
            Kind::Value(value) => value,
            Kind::Field { name, value, whole } => whole.get_or_init(|| Box::new(object(name, value))),
            Kind::Fields { names, values, whole } => whole.get_or_init(|| {
                let fields = names.iter().cloned().zip(values.iter().cloned());
                Box::new(Value::Object(fields.collect()))
            }),
            // That of a flat event can always be made.
            Kind::Event { event, whole } => {
                whole.get_or_init(|| Box::new(event.as_erased().to_value().unwrap_or_default()))
            }
        }
    }

    /// The value at a path that leads through a field of this name in an object that has no other.
    pub fn find(&self, name: &str, path: &StorePath) -> Option<Cow<'_, Value>> {
        let Some(below) = path.after(name)? else { return Some(Cow::Borrowed(self.value())) };
        let (field, rest) = match path.depth() {
            3 => (below, None),
            _ => below.split_once('.').map(|(field, rest)| (field, Some(rest)))?,
        };
        match &self.0 {
            Kind::Field { name, value, .. } if *name == field => inside(value, rest).map(Cow::Borrowed),
            Kind::Field { .. } => None,
            Kind::Fields { names, values, .. } => {
                let at = names.iter().position(|name| name == field)?;
                inside(values.get(at)?, rest).map(Cow::Borrowed)
            }
            Kind::Event { event, whole } if rest.is_none() && whole.get().is_none() => {
                event.as_erased().flat_field(field).map(Cow::Owned)
            }
            _ => inside(self.value(), Some(below)).map(Cow::Borrowed),
        }
    }

    /// Adds the JSON text of what the value is made of: of an object of one known field, that field's value alone, and of
    /// one of several, a list of their values.
    ///
    /// # Errors
    /// When an event's `Serialize` fails. There may be a part of the text then.
    pub fn write_bare(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match &self.0 {
            Kind::Value(value) | Kind::Field { value, .. } => json::put(out, value),
            Kind::Fields { values, .. } => json::put(out, values),
            Kind::Event { event, .. } => event.as_erased().write_json(out),
        }
    }

    /// Whether a cell can hold it: with the object around it, it nests at most 100 levels.
    pub fn fits(&self) -> bool {
        let levels = MAX_CELL_DEPTH - 1;
        match &self.0 {
            Kind::Value(value) => !nests_deeper(value, levels),
            Kind::Field { value, .. } => !nests_deeper(value, levels - 1),
            Kind::Fields { values, .. } => !values.iter().any(|value| nests_deeper(value, levels - 1)),
            Kind::Event { .. } => true,
        }
    }
}

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        Given(Kind::Value(value))
    }
}

fn object(name: &str, value: &Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value.clone())]))
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
            Kind::Event { event, .. } => Some(event.as_erased()),
            Kind::Value(_) | Kind::Field { .. } | Kind::Fields { .. } => None,
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
        object(self.name, self.given.value())
    }
}
