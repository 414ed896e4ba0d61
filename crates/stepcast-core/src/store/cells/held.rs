use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::fresh::FieldValue;
use super::object::{Form, ObjectAt};
use crate::store::StorePath;
use crate::store::path::inside;
use crate::store::place::same;
use crate::{ErasedEvent, Payload};

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

/// A value as a cell keeps it: JSON, an object of known fields, or an event. What is not JSON yet becomes it when somebody asks
/// for all of it.
#[derive(Clone, Debug)]
pub struct Given(pub(super) Kind);

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Value(Value),
    Field { name: &'static str, value: Value, whole: OnceLock<Box<Value>> },
    Fields { names: Arc<[String]>, values: Vec<Value>, whole: OnceLock<Box<Value>> },
    Event { event: Payload, whole: OnceLock<Box<Value>> },
}

impl Given {
    /// An object with one field.
    pub(super) fn field(name: &'static str, value: Value) -> Self {
        Given(Kind::Field { name, value, whole: OnceLock::new() })
    }

    /// An object with these fields, whose names differ.
    pub(super) fn fields(names: &Arc<[String]>, values: Vec<Value>) -> Self {
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
    pub(super) fn at(&self, name: &str, path: &StorePath) -> Option<Cow<'_, Value>> {
        match self.known(name, path)? {
            Known::There(value) => Some(Cow::Borrowed(value)),
            Known::Made(value) => value.map(Cow::Owned),
        }
    }

    /// What `look` says of it.
    pub(super) fn look_in<R>(&self, name: &str, path: &StorePath, look: impl FnOnce(&Value) -> R) -> Option<R> {
        // What is made for this need not be moved through `Known`.
        if let (Kind::Event { event, .. }, Some((field, None))) = (&self.0, field_of(name, path)?) {
            let event = event.as_erased();
            let value = Value::from(event.flat_at(path.field.of(field, event.meta().fields)?)?);
            return Some(look(&value));
        }
        match self.known(name, path)? {
            Known::There(value) => Some(look(value)),
            Known::Made(value) => value.as_ref().map(look),
        }
    }

    #[inline]
    fn known(&self, name: &str, path: &StorePath) -> Option<Known<'_>> {
        let Some((field, rest)) = field_of(name, path)? else { return Some(Known::There(self.value())) };
        match &self.0 {
            Kind::Field { name, value, .. } if same(name, field) => inside(value, rest).map(Known::There),
            Kind::Field { .. } => None,
            Kind::Fields { names, values, .. } => {
                inside(values.get(path.field.of(field, names)?)?, rest).map(Known::There)
            }
            Kind::Event { event, whole } if rest.is_none() && whole.get().is_none() => {
                let event = event.as_erased();
                Some(Known::Made(event.flat_at(path.field.of(field, event.meta().fields)?).map(Value::from)))
            }
            _ => inside(self.value(), path.after(name)?).map(Known::There),
        }
    }
}

/// A value where it is, or made to be looked at.
enum Known<'a> {
    There(&'a Value),
    Made(Option<Value>),
}

/// What a path that leads through the second segment `name` says after it: nothing, or a field and what is below that. The
/// outer `None` is for a path that leads elsewhere.
#[allow(clippy::type_complexity)]
pub(super) fn field_of<'p>(name: &str, path: &'p StorePath) -> Option<Option<(&'p str, Option<&'p str>)>> {
    let Some(below) = path.after(name)? else { return Some(None) };
    Some(Some(match path.depth() {
        3 => (below, None),
        _ => below.split_once('.').map(|(field, rest)| (field, Some(rest)))?,
    }))
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
    #[inline]
    pub(super) fn put(&mut self, name: &'static str, new: impl FieldValue) {
        match &mut self.field {
            Some(field) => {
                field.name = name;
                field.whole = OnceLock::new();
                new.put_over(&mut field.given);
            }
            None => self.put_first(name, new.into_given()),
        }
    }

    #[cold]
    fn put_first(&mut self, name: &'static str, given: Given) {
        self.field = Some(Box::new(Field { name, given, whole: OnceLock::new() }));
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
            Some(field) if path.depth() > 1 => field.given.at(field.name, path),
            _ => self.at(path).map(Cow::Borrowed),
        }
    }

    /// What `look` says of it.
    pub(super) fn look_at<R>(&self, path: &StorePath, look: impl FnOnce(&Value) -> R) -> Option<R> {
        match &self.field {
            Some(field) if path.depth() > 1 => field.given.look_in(field.name, path, look),
            _ => self.at(path).map(look),
        }
    }

    /// The object at this path, to look for fields in it.
    #[inline]
    pub(super) fn object(&self, path: &StorePath) -> Option<ObjectAt<'_>> {
        match &self.field {
            Some(field) if path.after(field.name) == Some(None) => Some(ObjectAt(Form::Put(&field.given.0))),
            Some(_) => None,
            None => path.get_below(&self.value).map(|value| ObjectAt(Form::Json(value))),
        }
    }

    /// The event that was put with the field at this path.
    #[inline]
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
