//! Fields of flat events without JSON around them.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::ErasedEvent;

/// A whole number, a bool or a text: what the fields of flat events are.
///
/// ```
/// use serde_json::{Value, json};
/// use stepcast_core::FlatValue;
///
/// assert_eq!(FlatValue::of(&json!(7)), Some(FlatValue::Unsigned(7)));
/// assert_eq!(FlatValue::of(&json!(1.5)), None);
/// assert_eq!(Value::from(FlatValue::Text("seven".into())), json!("seven"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum FlatValue<'a> {
    /// A whole number that is not negative.
    Unsigned(u64),
    /// A whole number.
    Signed(i64),
    /// A bool.
    Bool(bool),
    /// A text.
    Text(Cow<'a, str>),
}

impl<'a> FlatValue<'a> {
    /// A JSON value as one of these, if it is one.
    pub fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(FlatValue::Text(Cow::Borrowed(text))),
            other => FlatValue::plain(other),
        }
    }

    /// The same of a value that is not needed any more.
    pub fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(FlatValue::Text(Cow::Owned(text))),
            other => FlatValue::plain(&other),
        }
    }

    fn plain(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(FlatValue::Bool(*value)),
            Value::Number(number) => {
                number.as_u64().map(FlatValue::Unsigned).or_else(|| number.as_i64().map(FlatValue::Signed))
            }
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<Number> {
        match self {
            FlatValue::Unsigned(number) => Some(Number::from(*number)),
            FlatValue::Signed(number) => Some(Number::from(*number)),
            FlatValue::Bool(_) | FlatValue::Text(_) => None,
        }
    }
}

impl From<FlatValue<'_>> for Value {
    fn from(value: FlatValue<'_>) -> Self {
        match value {
            FlatValue::Unsigned(number) => number.into(),
            FlatValue::Signed(number) => number.into(),
            FlatValue::Bool(value) => value.into(),
            FlatValue::Text(text) => text.into_owned().into(),
        }
    }
}

impl dyn ErasedEvent {
    /// The value of a field of a flat event, by its name: what serde would write.
    pub fn flat_field(&self, name: &str) -> Option<FlatValue<'_>> {
        self.flat_at(self.meta().fields.iter().position(|field| *field == name)?)
    }
}
