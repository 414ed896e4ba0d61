//! Which events a workflow takes from outside.

use std::sync::Arc;

use stepcast_core::{AnyEvent, Payload, Role, StepIx, Taker, WorkflowDef};

/// Why an event is not one that the workflow takes.
pub(crate) enum NotTaken {
    /// The workflow knows no such type.
    Undeclared,
    /// It is one of the workflow's own.
    Internal,
    /// Its data does not fit its type.
    Data(serde_json::Error),
}

/// The event as a typed one, if it may come from outside.
pub(crate) fn from_outside(def: &WorkflowDef, event: &AnyEvent) -> Result<Payload, NotTaken> {
    let ix = def.event_by_tag(event.tag()).ok_or(NotTaken::Undeclared)?;
    let meta = def.event(ix);
    if !may_come_from_outside(meta.role) && !def.is_waited(ix) {
        return Err(NotTaken::Internal);
    }
    match event.as_erased() {
        // A type of the same tag from elsewhere is decoded like any other data.
        Some(typed) if typed.meta().type_id() == meta.type_id() => Ok(Payload::from_arc(Arc::clone(typed))),
        _ => meta.decode(event.value()).map(Payload::from_box).map_err(NotTaken::Data),
    }
}

/// Tags of the events that the workflow takes from outside.
pub(crate) fn taken_from_outside(def: &WorkflowDef) -> Vec<String> {
    def.events().filter(|meta| may_come_from_outside(meta.role)).map(|meta| meta.tag.to_owned()).collect()
}

/// The steps that take an event of this tag by itself: those that it can be addressed to.
pub(crate) fn single_takers(def: &WorkflowDef, tag: &str) -> Vec<StepIx> {
    let taken = def.event_by_tag(tag).map_or(&[][..], |ix| def.takers(ix));
    let single = |taker: &Taker| match taker {
        Taker::Single(step) => Some(*step),
        _ => None,
    };
    taken.iter().filter_map(single).collect()
}

fn may_come_from_outside(role: Role) -> bool {
    matches!(role, Role::External | Role::HumanResponse)
}
