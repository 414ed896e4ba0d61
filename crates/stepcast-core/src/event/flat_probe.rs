//! Finds out whether a field is a whole number, a bool or a text without asking for it: an inherent constant is preferred to a
//! trait's, and it exists only for those types.

use std::marker::PhantomData;

use serde_json::Value;

/// Asks for the way from a `T` to its JSON.
#[derive(Debug)]
pub struct FlatProbe<T>(PhantomData<T>);

/// The answer for other types.
pub trait NotFlat<T> {
    /// No way.
    const VALUE: Option<fn(&T) -> Value> = None;
}

impl<T> NotFlat<T> for FlatProbe<T> {}

/// What serde writes as one value, never refuses, and reads as the same again. Not every float is: JSON has no infinity.
pub trait Flat: Clone + Into<Value> {}

macro_rules! flat {
    ($($ty:ty)*) => { $(impl Flat for $ty {})* };
}

flat!(bool u8 u16 u32 u64 usize i8 i16 i32 i64 isize String);

impl<T: Flat> FlatProbe<T> {
    /// The value as serde writes it.
    pub const VALUE: Option<fn(&T) -> Value> = Some(|value| value.clone().into());
}
