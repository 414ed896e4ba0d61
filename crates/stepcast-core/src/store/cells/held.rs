use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use crate::ErasedEvent;
use crate::store::StorePath;

/// What a cell holds.
#[derive(Clone, Debug)]
pub(super) enum Held {
    Value(Value),
    Field(Box<Field>),
}

/// An object with one field. As an object of its own it would take 600 bytes, and a search for every look.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) value: Value,
    /// What the value was made of.
    pub(super) event: Option<Arc<dyn ErasedEvent>>,
    /// The object, for those who ask for it.
    pub(super) whole: OnceLock<Box<Value>>,
}

impl Held {
    /// The value at a path, whose key is the cell's.
    pub(super) fn at(&self, path: &StorePath) -> Option<&Value> {
        match self {
            Held::Value(value) => path.get_below(value),
            Held::Field(field) if path.depth() > 1 => path.get_in_field(field.name, &field.value),
            Held::Field(_) => Some(self.value()),
        }
    }

    /// The whole value.
    pub(super) fn value(&self) -> &Value {
        match self {
            Held::Value(value) => value,
            Held::Field(field) => field.whole.get_or_init(|| Box::new(object(field.name, field.value.clone()))),
        }
    }

    /// The whole value, to write to.
    pub(super) fn as_value(&mut self) -> &mut Value {
        if let Held::Field(field) = self {
            *self = Held::Value(object(field.name, std::mem::take(&mut field.value)));
        }
        match self {
            Held::Value(value) => value,
            // It was made one.
            Held::Field(field) => &mut field.value,
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Held::Value(value) => value,
            Held::Field(field) => object(field.name, field.value),
        }
    }
}

fn object(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}
