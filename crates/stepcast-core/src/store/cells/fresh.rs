//! What a step gives, as it comes: the forms that [`CellMap::set_field`](super::CellMap::set_field) puts where another of
//! the same form was without moving anything large.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::held::{Given, Kind, field_of};
use super::{MAX_CELL_DEPTH, nests_deeper};
use crate::store::path::inside;
use crate::store::place::same;
use crate::store::{FieldName, StorePath};
use crate::{FlatValue, Payload, json};

/// A value for [`CellMap::set_field`](super::CellMap::set_field).
pub trait FieldValue: Sized {
    /// Whether a cell can hold it: with the object around it, it nests at most 100 levels.
    fn fits(&self) -> bool;

    /// The value at a path that leads through a field of this name in an object that has no other.
    fn find(&self, name: &str, path: &StorePath) -> Option<Cow<'_, Value>>;

    /// What `look` says of a field of it that is at hand; `None` where it has to be looked for as [`find`](Self::find) does.
    fn look_at<R>(&self, _name: &FieldName, _look: impl FnOnce(&Value) -> R) -> Option<R> {
        None
    }

    /// The same for a field that is no JSON yet.
    fn flat_field(&self, _name: &FieldName) -> Option<FlatValue<'_>> {
        None
    }

    /// Adds the JSON text of what the value is made of: of an object of one known field, that field's value alone, and of
    /// one of several, a list of their values.
    ///
    /// # Errors
    /// When an event's `Serialize` fails. There may be a part of the text then.
    fn write_bare(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error>;

    /// The same in the form in which all others are kept.
    fn into_given(self) -> Given;

    /// Puts it in place of another.
    fn put_over(self, old: &mut Given) {
        *old = self.into_given();
    }
}

/// A flat event, which [`CellMap::event`](super::CellMap::event) gives back.
#[derive(Debug)]
pub struct FlatEvent(Payload);

/// An object with one field.
#[derive(Debug)]
pub struct OneField {
    name: &'static str,
    value: Value,
}

/// An object of several known fields, whose names differ.
#[derive(Debug)]
pub struct Fields<'a> {
    names: &'a Arc<[String]>,
    values: Vec<Value>,
}

impl FlatEvent {
    /// The event, if it is flat.
    ///
    /// # Errors
    /// Gives it back if it is not.
    #[inline]
    pub fn new(event: Payload) -> Result<Self, Payload> {
        if event.as_erased().is_flat() { Ok(FlatEvent(event)) } else { Err(event) }
    }

    /// The event.
    pub fn into_payload(self) -> Payload {
        self.0
    }
}

impl OneField {
    /// An object with this field.
    pub fn new(name: &'static str, value: Value) -> Self {
        OneField { name, value }
    }

    /// Gives the field another value.
    pub fn set(&mut self, value: Value) {
        self.value = value;
    }
}

impl<'a> Fields<'a> {
    /// An object with these fields, each of which has a name.
    pub fn new(names: &'a Arc<[String]>, values: Vec<Value>) -> Self {
        Fields { names, values }
    }
}

impl FieldValue for FlatEvent {
    fn fits(&self) -> bool {
        true
    }

    fn find(&self, name: &str, path: &StorePath) -> Option<Cow<'_, Value>> {
        match field_of(name, path)? {
            Some((field, None)) => {
                let event = self.0.as_erased();
                let value = event.flat_at(path.field.of(field, event.meta().fields)?)?;
                Some(Cow::Owned(value.into()))
            }
            // There is nothing below the fields of a flat event.
            Some((_, Some(_))) => None,
            None => Some(Cow::Owned(self.0.as_erased().to_value().unwrap_or_default())),
        }
    }

    #[inline]
    fn flat_field(&self, name: &FieldName) -> Option<FlatValue<'_>> {
        let event = self.0.as_erased();
        event.flat_at(name.place_in(event.meta().fields)?)
    }

    fn write_bare(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        self.0.as_erased().write_json(out)
    }

    fn into_given(self) -> Given {
        Given(Kind::Event { event: self.0, whole: OnceLock::new() })
    }

    #[inline]
    fn put_over(self, old: &mut Given) {
        match &mut old.0 {
            Kind::Event { event, whole } => (*event, *whole) = (self.0, OnceLock::new()),
            _ => *old = self.into_given(),
        }
    }
}

impl FieldValue for OneField {
    fn fits(&self) -> bool {
        !nests_deeper(&self.value, MAX_CELL_DEPTH - 2)
    }

    fn find(&self, name: &str, path: &StorePath) -> Option<Cow<'_, Value>> {
        match field_of(name, path)? {
            Some((field, rest)) if same(field, self.name) => inside(&self.value, rest).map(Cow::Borrowed),
            Some(_) => None,
            None => Some(Cow::Owned(Value::Object([(self.name.to_owned(), self.value.clone())].into_iter().collect()))),
        }
    }

    fn look_at<R>(&self, name: &FieldName, look: impl FnOnce(&Value) -> R) -> Option<R> {
        same(name.as_str(), self.name).then(|| look(&self.value))
    }

    fn write_bare(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        json::put(out, &self.value)
    }

    fn into_given(self) -> Given {
        Given::field(self.name, self.value)
    }

    fn put_over(self, old: &mut Given) {
        match &mut old.0 {
            Kind::Field { name, value, whole } => {
                (*name, *value, *whole) = (self.name, self.value, OnceLock::new());
            }
            _ => *old = self.into_given(),
        }
    }
}

impl FieldValue for Fields<'_> {
    fn fits(&self) -> bool {
        !self.values.iter().any(|value| nests_deeper(value, MAX_CELL_DEPTH - 2))
    }

    fn find(&self, name: &str, path: &StorePath) -> Option<Cow<'_, Value>> {
        match field_of(name, path)? {
            Some((field, rest)) => inside(self.values.get(path.field.of(field, self.names)?)?, rest).map(Cow::Borrowed),
            None => {
                let fields = self.names.iter().cloned().zip(self.values.iter().cloned());
                Some(Cow::Owned(Value::Object(fields.collect())))
            }
        }
    }

    fn look_at<R>(&self, name: &FieldName, look: impl FnOnce(&Value) -> R) -> Option<R> {
        self.values.get(name.place_in(self.names)?).map(look)
    }

    fn write_bare(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        json::put(out, &self.values)
    }

    fn into_given(self) -> Given {
        Given::fields(self.names, self.values)
    }

    fn put_over(self, old: &mut Given) {
        match &mut old.0 {
            // A step has the same names each time.
            Kind::Fields { names, values, whole } if Arc::ptr_eq(names, self.names) => {
                (*values, *whole) = (self.values, OnceLock::new());
            }
            _ => *old = self.into_given(),
        }
    }
}

impl FieldValue for Given {
    fn fits(&self) -> bool {
        let levels = MAX_CELL_DEPTH - 1;
        match &self.0 {
            Kind::Value(value) => !nests_deeper(value, levels),
            Kind::Field { value, .. } => !nests_deeper(value, levels - 1),
            Kind::Fields { values, .. } => !values.iter().any(|value| nests_deeper(value, levels - 1)),
            Kind::Event { .. } => true,
        }
    }

    fn find(&self, name: &str, path: &StorePath) -> Option<Cow<'_, Value>> {
        self.at(name, path)
    }

    fn write_bare(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match &self.0 {
            Kind::Value(value) | Kind::Field { value, .. } => json::put(out, value),
            Kind::Fields { values, .. } => json::put(out, values),
            Kind::Event { event, .. } => event.as_erased().write_json(out),
        }
    }

    fn into_given(self) -> Given {
        self
    }
}
