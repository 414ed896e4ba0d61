//! Events: the typed trait, its constant description, and the erased forms the engine moves around.

mod any;
mod builtin;
mod call;
mod data;
mod dynamic;
mod erased;
mod flat;
#[doc(hidden)]
pub mod flat_probe;
mod late;
mod lifecycle;
mod linked;
mod meta;
#[doc(hidden)]
pub mod schema_probe;

pub use any::{AnyEvent, DecodeEventError, EventEnvelope};
pub use call::{CallEvent, CallReason, CallStatus};
pub use data::DataEvent;
pub use dynamic::{DynEvent, HumanResponseEvent, InputRequiredEvent, StartEvent, StopEvent};
pub(crate) use erased::PastEvent;
pub use erased::{ErasedEvent, Payload};
pub use flat::FlatValue;
pub use late::{LateEvent, MakeEvent};
pub use lifecycle::{
    ErrorInfo, InputExpiredEvent, LogEvent, LogLevel, PhaseEvent, StepFailedEvent, StepState, StepStateChanged,
    UnhandledEvent, WorkflowCancelledEvent, WorkflowFailedEvent, WorkflowIdleEvent, WorkflowTimedOutEvent,
};
pub use meta::{EventIdent, EventMeta, Role};

use serde::{Serialize, de::DeserializeOwned};

/// A typed event: what steps take, give, stream and wait for.
///
/// Implemented by `#[event]`; write it by hand only for types a macro cannot see.
/// An event is plain data: it must be cloneable, serializable and sendable, because a run can be
/// streamed, stored, moved to another process and resumed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "put `#[event]` above the type: `#[event] struct {Self} {{ .. }}`"
)]
pub trait Event: Clone + std::fmt::Debug + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// Name, tag, role and decoder of this event type.
    const META: EventMeta;

    /// A JSON Schema of the event's value, if the type has one; otherwise the schema is made from the fields' names.
    fn schema() -> Option<serde_json::Value> {
        None
    }

    /// Whether the event is an object of whole numbers, bools and texts alone, which can always be written, and is the same
    /// when it is read again.
    const IS_FLAT: bool = false;

    /// Whether its JSON has the names of fields in order at every depth, as a `Value` has them: it is then written to the
    /// stream without one.
    const IS_SORTED: bool = false;

    /// The value of a field of a flat event, by its place among the fields that [`META`](Self::META) names: what serde
    /// would write.
    fn flat_at(&self, _place: usize) -> Option<FlatValue<'_>> {
        None
    }

    /// A flat event of its fields' values, asked for by their places. `None` where serde would refuse one of them, and where
    /// it is to read them.
    fn from_fields<'v>(_field: &mut dyn FnMut(usize) -> Option<FlatValue<'v>>) -> Option<Self> {
        None
    }

    /// Adds a flat event as the JSON text that serde would write. `false`, and nothing is added, where serde is to write it.
    fn put_flat(&self, _out: &mut Vec<u8>) -> bool {
        false
    }
}
