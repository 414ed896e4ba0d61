use std::any::TypeId;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ErasedEvent, Event, FlatValue};
use crate::guard::serde_code;
use crate::hash;
use crate::store::{MAX_CELL_DEPTH, nests_deeper};

/// What an event is for. It decides who may produce it and who must take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// An ordinary event: produced by a step, taken by a step.
    Plain,
    /// Begins a run. A workflow has one start type.
    Start,
    /// Ends a run. A workflow has one stop type; no step takes it.
    Stop,
    /// Asks a person. It needs no taker and is published on the run's stream.
    InputRequired,
    /// A person's answer, sent from outside. It needs no producer.
    HumanResponse,
    /// Sent from outside the run. It needs no producer.
    External,
    /// Made by the runtime (`StepFailedEvent`). It needs no producer.
    Runtime,
}

impl Role {
    /// Whether an event of this role comes from outside the steps, so that no step must produce it.
    pub const fn comes_from_outside(self) -> bool {
        matches!(self, Role::Start | Role::HumanResponse | Role::External | Role::Runtime)
    }

    /// Whether an event of this role may go without a step that takes it.
    pub const fn needs_no_taker(self) -> bool {
        matches!(self, Role::Stop | Role::InputRequired)
    }

    /// The name of the wire ancestor, as clients of LlamaIndex Workflows expect it in `types`.
    pub const fn ancestor(self) -> Option<&'static str> {
        match self {
            Role::Start => Some("StartEvent"),
            Role::Stop => Some("StopEvent"),
            Role::InputRequired => Some("InputRequiredEvent"),
            Role::HumanResponse => Some("HumanResponseEvent"),
            Role::Plain | Role::External | Role::Runtime => None,
        }
    }
}

/// The names of an event type, as `#[event]` finds them in the source.
#[derive(Clone, Copy, Debug)]
pub struct EventIdent {
    /// Stable name within a workflow, on the wire and in journals.
    pub tag: &'static str,
    /// The Rust type's name.
    pub type_name: &'static str,
    /// Module path and type name.
    pub qualified_name: &'static str,
    /// File, line and column of the type: tells two types under one tag apart.
    pub location: &'static str,
    /// What the event is for.
    pub role: Role,
    /// Field names, in order.
    pub fields: &'static [&'static str],
    /// Fields that never reach a log.
    pub secret: &'static [&'static str],
}

type Decode = fn(&mut dyn erased_serde::Deserializer<'_>) -> Result<Box<dyn ErasedEvent>, erased_serde::Error>;

type MadeOf = for<'v> fn(&mut dyn FnMut(usize) -> Option<FlatValue<'v>>) -> Option<Box<dyn ErasedEvent>>;

/// The constant description of an event type: names, role, and how to decode it.
#[derive(Clone, Copy)]
pub struct EventMeta {
    /// Stable name within a workflow, on the wire and in journals.
    pub tag: &'static str,
    /// FNV-1a hash of the tag.
    pub hash: u64,
    /// The Rust type's name.
    pub type_name: &'static str,
    /// Module path and type name.
    pub qualified_name: &'static str,
    /// Hash of where the type is written, and of its size; two types under one tag differ here, unless they are instances
    /// of one generic type that have one size.
    pub origin: u64,
    /// Where the type is written: `file:line:column`.
    pub location: &'static str,
    /// What the event is for.
    pub role: Role,
    /// Field names, in order.
    pub fields: &'static [&'static str],
    /// Fields that never reach a log.
    pub secret: &'static [&'static str],
    type_id: TypeId,
    decode: Decode,
    made_of: MadeOf,
    schema: fn() -> Option<Value>,
    /// Its events are [`DataEvent`](super::DataEvent)s.
    is_data: bool,
}

impl EventMeta {
    /// What is shown in place of a secret field.
    pub const COVER: &str = "***";

    /// Puts [`COVER`](EventMeta::COVER) over the secret fields of an event's data, those that are named in
    /// [`secret`](EventMeta::secret). What is no object has no fields.
    pub fn cover(&self, data: &mut Value) {
        let Some(fields) = data.as_object_mut() else { return };
        for name in self.secret {
            if let Some(field) = fields.get_mut(*name) {
                *field = Value::from(EventMeta::COVER);
            }
        }
    }

    /// An event of its fields' values, without JSON in between: see [`Event::from_fields`].
    pub fn made_of<'v>(&self, field: &mut dyn FnMut(usize) -> Option<FlatValue<'v>>) -> Option<Box<dyn ErasedEvent>> {
        (self.made_of)(field)
    }

    /// Describes `E` under the names in `ident`.
    pub const fn new<E: Event>(ident: EventIdent) -> Self {
        EventMeta {
            tag: ident.tag,
            hash: hash::fnv1a(ident.tag),
            type_name: ident.type_name,
            qualified_name: ident.qualified_name,
            origin: origin_of::<E>(&ident),
            location: ident.location,
            role: ident.role,
            fields: ident.fields,
            secret: ident.secret,
            type_id: TypeId::of::<E>(),
            decode: decode::<E>,
            made_of: |field| E::from_fields(field).map(|event| Box::new(event) as _),
            schema: E::schema,
            is_data: false,
        }
    }

    /// An event type that is known by its tag and role alone.
    pub(crate) const fn past(tag: &'static str, role: Role) -> Self {
        let (hash, none) = (hash::fnv1a(tag), &[] as &[&str]);
        let (type_name, qualified_name) = (tag, tag);
        let base = <super::StopEvent as Event>::META;
        EventMeta { tag, hash, type_name, qualified_name, role, fields: none, secret: none, ..base }
    }

    /// An event type that exists only at run time.
    pub(crate) fn data(tag: &'static str, role: Role) -> Self {
        let mut meta = EventMeta::past(tag, role);
        meta.origin = hash::fnv1a("stepcast::DataEvent");
        meta.type_id = TypeId::of::<super::DataEvent>();
        meta.location = "";
        meta.is_data = true;
        meta.schema = || None;
        meta
    }

    /// The Rust type described; of an event that exists only at run time, [`DataEvent`](super::DataEvent).
    pub fn type_id(&self) -> TypeId {
        self.type_id
    }

    /// Decodes an event from its JSON value. One without fields may come as `null` or as `{}`: serde writes `struct Go;` in
    /// the one way and `struct Go {}` in the other, and who sends it need not know which it is.
    ///
    /// # Errors
    /// When the value does not fit the type, or nests deeper than a JSON text that is read back may; the error is
    /// serde's.
    pub fn decode(&self, value: Value) -> Result<Box<dyn ErasedEvent>, serde_json::Error> {
        match self.data_meta() {
            None => self.decode_ref(&value),
            Some(meta) => {
                shallow(&value)?;
                Ok(Box::new(super::DataEvent::new(meta, value)))
            }
        }
    }

    /// As [`decode`](Self::decode), of a value that stays with its owner.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode).
    pub fn decode_ref(&self, value: &Value) -> Result<Box<dyn ErasedEvent>, serde_json::Error> {
        shallow(value)?;
        if let Some(meta) = self.data_meta() {
            return Ok(Box::new(super::DataEvent::new(meta, value.clone())));
        }
        serde_code(|| {
            let decode = |value: &Value| (self.decode)(&mut <dyn erased_serde::Deserializer<'_>>::erase(value));
            decode(value).or_else(|error| {
                let other = self.without_fields(value).and_then(|other| decode(&other).ok());
                other.ok_or_else(|| self.with_path(value, &error))
            })
        })
    }

    /// The other way to write an event without fields.
    #[cold]
    fn without_fields(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Null if self.fields.is_empty() => Some(Value::Object(serde_json::Map::new())),
            Value::Object(fields) if self.fields.is_empty() && fields.is_empty() => Some(Value::Null),
            _ => None,
        }
    }

    /// The lasting description of a type that exists only at run time.
    fn data_meta(&self) -> Option<&'static EventMeta> {
        if self.is_data { super::DataEvent::meta(self.tag, self.role) } else { None }
    }

    /// The error with the path of the field that does not fit; without one where the whole does not.
    #[cold]
    fn with_path(&self, value: &Value, error: &erased_serde::Error) -> serde_json::Error {
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
        let again = (self.decode)(&mut <dyn erased_serde::Deserializer<'_>>::erase(tracked)).map(drop);
        let path = track.path().to_string();
        match (path.as_str(), again) {
            ("." | "", _) | (_, Ok(())) => serde::de::Error::custom(error),
            (path, Err(error)) => serde::de::Error::custom(format_args!("`{path}`: {error}")),
        }
    }

    /// The JSON Schema of the value: the type's own if it has one, else an object with the fields' names. What has no named
    /// fields, and an event that exists only at run time, may be anything.
    pub fn schema(&self) -> Value {
        if self.is_data {
            return serde_json::json!({ "title": self.tag });
        }
        if let Some(schema) = (self.schema)() {
            return schema;
        }
        if self.fields.is_empty() {
            return serde_json::json!({ "title": self.type_name });
        }
        let properties: serde_json::Map<String, Value> =
            self.fields.iter().map(|name| ((*name).to_owned(), serde_json::json!({ "title": name }))).collect();
        serde_json::json!({ "title": self.type_name, "type": "object", "properties": properties })
    }

    /// The wire ancestors of the type; `None` for an ordinary event and for the built-in dynamic ones.
    pub fn ancestors(&self) -> Option<&'static str> {
        self.role.ancestor().filter(|ancestor| *ancestor != self.type_name)
    }
}

fn shallow(value: &Value) -> Result<(), serde_json::Error> {
    if nests_deeper(value, MAX_CELL_DEPTH) {
        let text = format!("it nests lists and objects more than {MAX_CELL_DEPTH} deep");
        return Err(serde::de::Error::custom(text));
    }
    Ok(())
}

/// A generic type is written once for all its instances. Constants cannot compare `TypeId`s, so there they are told apart
/// by their size; [`GraphEvent`](crate::check::GraphEvent) adds the `TypeId`.
const fn origin_of<E: Event>(ident: &EventIdent) -> u64 {
    let written = hash::extend(hash::fnv1a(ident.qualified_name), ident.location.as_bytes());
    hash::extend(written, &(size_of::<E>() as u64).to_le_bytes())
}

// One instantiation of the event's `Deserialize`, whatever it is read from: with many event types, these are most of what
// a workflow's crate takes to compile.
fn decode<E: Event>(
    source: &mut dyn erased_serde::Deserializer<'_>,
) -> Result<Box<dyn ErasedEvent>, erased_serde::Error> {
    erased_serde::deserialize::<E>(source).map(|event| Box::new(event) as Box<dyn ErasedEvent>)
}

impl fmt::Debug for EventMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventMeta")
            .field("tag", &self.tag)
            .field("qualified_name", &self.qualified_name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
