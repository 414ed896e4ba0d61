//! Finds out whether a field is a whole number, a bool or a text without asking for it: an inherent constant is preferred to a
//! trait's, and it exists only for those types.

use std::marker::PhantomData;

use serde_json::Value;

use crate::json::{put_number, put_str};

/// Asks for the way from a `T` to its JSON.
#[derive(Debug)]
pub struct FlatProbe<T>(PhantomData<T>);

/// The answer for other types.
pub trait NotFlat<T> {
    /// No way.
    const VALUE: Option<fn(&T) -> Value> = None;
    /// No way.
    const PUT: Option<fn(&T, &mut Vec<u8>)> = None;
    /// No way.
    const READ: Option<fn(Value) -> Option<T>> = None;
}

impl<T> NotFlat<T> for FlatProbe<T> {}

/// What serde writes as one value, never refuses, and reads as the same again. Not every float is: JSON has no infinity.
pub trait Flat: Clone + Into<Value> {
    /// Adds it to JSON text as serde writes it.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads it as serde does; `None` where serde would refuse.
    fn read(value: Value) -> Option<Self>;
}

macro_rules! flat {
    ($as:ident: $($ty:ty)*) => {
        $(impl Flat for $ty {
            fn put(&self, out: &mut Vec<u8>) {
                put_number(out, *self);
            }

            fn read(value: Value) -> Option<Self> {
                value.$as()?.try_into().ok()
            }
        })*
    };
}

flat!(as_u64: u8 u16 u32 u64 usize);
flat!(as_i64: i8 i16 i32 i64 isize);

impl Flat for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }

    fn read(value: Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Flat for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_str(out, self);
    }

    fn read(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl<T: Flat> FlatProbe<T> {
    /// The value as serde writes it.
    pub const VALUE: Option<fn(&T) -> Value> = Some(|value| value.clone().into());
    /// The value as JSON text.
    pub const PUT: Option<fn(&T, &mut Vec<u8>)> = Some(T::put);
    /// The way back.
    pub const READ: Option<fn(Value) -> Option<T>> = Some(T::read);
}
