//! Finds out whether a field is a whole number, a bool or a text without asking for it: an inherent constant is preferred to a
//! trait's, and it exists only for those types.

use std::borrow::Cow;
use std::marker::PhantomData;

use super::FlatValue;
use crate::json::{put_number, put_str};

/// Asks for the way from a `T` to its value.
#[derive(Debug)]
pub struct FlatProbe<T>(PhantomData<T>);

/// The answer for other types.
pub trait NotFlat<T> {
    /// No way.
    const VALUE: Option<fn(&T) -> FlatValue<'_>> = None;
    /// No way.
    const PUT: Option<fn(&T, &mut Vec<u8>)> = None;
    /// No way.
    const READ: Option<fn(FlatValue<'_>) -> Option<T>> = None;
}

impl<T> NotFlat<T> for FlatProbe<T> {}

/// What serde writes as one value, never refuses, and reads as the same again. Not every float is: JSON has no infinity.
pub trait Flat: Sized {
    /// What serde writes.
    fn value(&self) -> FlatValue<'_>;
    /// Adds it to JSON text as serde writes it.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads it as serde does; `None` where serde would refuse.
    fn read(value: FlatValue<'_>) -> Option<Self>;
}

macro_rules! flat {
    ($kind:ident: $($ty:ty)*) => {
        $(impl Flat for $ty {
            fn value(&self) -> FlatValue<'_> {
                FlatValue::$kind(*self as _)
            }

            fn put(&self, out: &mut Vec<u8>) {
                put_number(out, *self);
            }

            fn read(value: FlatValue<'_>) -> Option<Self> {
                match value {
                    FlatValue::Unsigned(number) => number.try_into().ok(),
                    FlatValue::Signed(number) => number.try_into().ok(),
                    FlatValue::Bool(_) | FlatValue::Text(_) => None,
                }
            }
        })*
    };
}

flat!(Unsigned: u8 u16 u32 u64 usize);
flat!(Signed: i8 i16 i32 i64 isize);

impl Flat for bool {
    fn value(&self) -> FlatValue<'_> {
        FlatValue::Bool(*self)
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }

    fn read(value: FlatValue<'_>) -> Option<Self> {
        match value {
            FlatValue::Bool(value) => Some(value),
            _ => None,
        }
    }
}

impl Flat for String {
    fn value(&self) -> FlatValue<'_> {
        FlatValue::Text(Cow::Borrowed(self))
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_str(out, self);
    }

    fn read(value: FlatValue<'_>) -> Option<Self> {
        match value {
            FlatValue::Text(text) => Some(text.into_owned()),
            _ => None,
        }
    }
}

impl<T: Flat> FlatProbe<T> {
    /// The value as serde writes it.
    pub const VALUE: Option<fn(&T) -> FlatValue<'_>> = Some(T::value);
    /// The value as JSON text.
    pub const PUT: Option<fn(&T, &mut Vec<u8>)> = Some(T::put);
    /// The way back.
    pub const READ: Option<fn(FlatValue<'_>) -> Option<T>> = Some(T::read);
}
