use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::AnyEvent;
use super::builtin::builtin_event;

/// The object-safe face of an event, for `Box<dyn DynEvent>` inside users' own serializable structs.
///
/// `#[event]` implements it, with typetag's serde form `{"type": <module-qualified name>, "value": ..}`.
/// Generic event types have no such form.
#[typetag::serde(tag = "type", content = "value")]
pub trait DynEvent: Send + Sync + Debug {
    /// The same event in the form the runtime hands out.
    fn to_any_event(&self) -> AnyEvent;
}

macro_rules! dynamic_event {
    ($(#[$doc:meta])* $name:ident, $role:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct $name {
            #[serde(flatten)]
            fields: Map<String, Value>,
        }

        impl $name {
            /// The fields, by name.
            pub fn fields(&self) -> &Map<String, Value> {
                &self.fields
            }

            /// One field.
            pub fn get(&self, name: &str) -> Option<&Value> {
                self.fields.get(name)
            }

            /// The same event with one more field.
            #[must_use]
            pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
                self.fields.insert(name.into(), value.into());
                self
            }
        }

        impl From<Map<String, Value>> for $name {
            fn from(fields: Map<String, Value>) -> Self {
                $name { fields }
            }
        }

        builtin_event!($name, $role, []);
    };
}

dynamic_event!(
    /// Begins a run with JSON fields, for workflows whose input has no type of its own.
    StartEvent, Start
);
dynamic_event!(
    /// A question to a person, with JSON fields.
    InputRequiredEvent, InputRequired
);
dynamic_event!(
    /// A person's answer, with JSON fields.
    HumanResponseEvent, HumanResponse
);

/// Ends a run with a JSON result, for workflows whose output has no type of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StopEvent {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl StopEvent {
    /// A stop event with a result.
    pub fn new(result: impl Into<Value>) -> Self {
        StopEvent { result: Some(result.into()), fields: Map::new() }
    }

    /// The result, if one was given.
    pub fn result(&self) -> Option<&Value> {
        self.result.as_ref()
    }

    /// The further fields, by name.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }
}

builtin_event!(StopEvent, Stop, ["result"]);
