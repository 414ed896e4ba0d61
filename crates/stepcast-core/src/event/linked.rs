//! Events that come from a store, given the types that are linked into this binary.

use super::{
    AnyEvent, CallEvent, Event, EventMeta, HumanResponseEvent, InputExpiredEvent, InputRequiredEvent, LogEvent,
    Payload, PhaseEvent, StartEvent, StopEvent, WorkflowCancelledEvent, WorkflowFailedEvent, WorkflowTimedOutEvent,
};
use crate::catalogue::Catalogue;
use crate::definition::WorkflowDef;

/// What may be on a stream without being declared by any workflow.
static BUILT_IN: [&EventMeta; 11] = [
    &InputExpiredEvent::META,
    &LogEvent::META,
    &PhaseEvent::META,
    &CallEvent::META,
    &StartEvent::META,
    &StopEvent::META,
    &InputRequiredEvent::META,
    &HumanResponseEvent::META,
    &WorkflowFailedEvent::META,
    &WorkflowTimedOutEvent::META,
    &WorkflowCancelledEvent::META,
];

impl AnyEvent {
    /// The event with its type: the one that `def` declares under its tag, else the one of its qualified name among those
    /// that are linked into this binary. One without a type here, or that does not fit it, stays as it is.
    #[must_use]
    pub fn with_type_of(self, def: &WorkflowDef) -> AnyEvent {
        if self.as_erased().is_some() {
            return self;
        }
        let envelope = self.to_envelope();
        let declared = def.event_by_tag(&envelope.tag).map(|ix| def.event(ix));
        let name = envelope.qualified_name.as_deref();
        let built_in = || BUILT_IN.iter().copied().find(|meta| Some(meta.qualified_name) == name);
        let linked = || Some(Catalogue::global().ok()?.event(name?)?.meta);
        match declared.or_else(built_in).or_else(linked).map(|meta| meta.decode(envelope.value)) {
            Some(Ok(event)) => AnyEvent::from_payload(Payload::from_box(event)),
            _ => self,
        }
    }
}
