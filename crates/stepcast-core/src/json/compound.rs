//! Lists and maps.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Error;

use super::key::Key;
use super::{put, put_str, theirs};

/// What is open.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    List,
    ListInVariant,
    Map,
    MapInVariant,
    /// A struct by which `serde_json` hands a value of its own to itself.
    Theirs(&'static str),
}

/// A list or map that is being written.
pub(crate) struct Compound<'a> {
    out: &'a mut Vec<u8>,
    kind: Kind,
    is_first: bool,
}

impl<'a> Compound<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, kind: Kind) -> Self {
        Compound { out, kind, is_first: true }
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.separate();
        put(self.out, value)
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        if let Kind::Theirs(name) = self.kind {
            return theirs(self.out, &Field { name, key, value });
        }
        self.separate();
        put_str(self.out, key);
        self.out.push(b':');
        put(self.out, value)
    }

    fn close(self) {
        self.out.extend_from_slice(match self.kind {
            Kind::List => b"]",
            Kind::ListInVariant => b"]}",
            Kind::Map => b"}",
            Kind::MapInVariant => b"}}",
            Kind::Theirs(_) => b"",
        });
    }
}

/// A struct of one field, as it came.
struct Field<'a, T: ?Sized> {
    name: &'static str,
    key: &'static str,
    value: &'a T,
}

impl<T: Serialize + ?Sized> Serialize for Field<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut whole = serializer.serialize_struct(self.name, 1)?;
        whole.serialize_field(self.key, self.value)?;
        whole.end()
    }
}

/// A map of one key without a value.
struct Entry<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Serialize for Entry<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, &())?;
        map.end()
    }
}

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.separate();
        let before = self.out.len();
        if key.serialize(Key(self.out)).is_err() {
            // Which others there may be, and how they are written, is `serde_json`'s to say: `{"key":null}`.
            self.out.truncate(before);
            theirs(self.out, &Entry(key))?;
            self.out.remove(before);
            self.out.truncate(self.out.len() - ":null}".len());
        }
        self.out.push(b':');
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        put(self.out, value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

macro_rules! lists {
    ($($trait:ident::$method:ident)*) => {
        $(impl $trait for Compound<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        })*
    };
}

lists! {
    SerializeSeq::serialize_element
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
    SerializeTupleVariant::serialize_field
}

macro_rules! structs {
    ($($trait:ident)*) => {
        $(impl $trait for Compound<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
                self.field(key, value)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        })*
    };
}

structs! { SerializeStruct SerializeStructVariant }
