//! Finds out whether a type has a JSON Schema without asking for one: an inherent function is preferred to a trait's,
//! and it exists only where the type implements `JsonSchema`.

use std::marker::PhantomData;

use serde_json::Value;

/// Asks for the schema of a `T`.
#[derive(Debug)]
pub struct SchemaProbe<T>(PhantomData<T>);

/// The answer for types without a schema.
pub trait NoSchema {
    /// No schema.
    fn schema() -> Option<Value> {
        None
    }
}

impl<T> NoSchema for SchemaProbe<T> {}

#[cfg(feature = "schemars")]
impl<T: schemars::JsonSchema> SchemaProbe<T> {
    /// The type's own schema.
    pub fn schema() -> Option<Value> {
        Some(schemars::schema_for!(T).to_value())
    }
}
