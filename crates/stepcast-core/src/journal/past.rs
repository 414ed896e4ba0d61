//! The definition that a journal was written under, made again from its description. It routes as that did, so it folds
//! the rows that a changed one must not.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use super::shape::{Shape, StepShape};
use crate::definition::{CatchDecl, EventIx, InputShape, OpenerDef, StepBody, StepDef, WorkflowDef};
use crate::{EventMeta, Invocation, Role, StepCall, StepError};

/// Event types that are gone are kept for the life of the process; more than so many are not made.
const MOST_GONE: usize = 65_536;

impl Shape {
    /// The definition that was described. Events that the definition at hand has too are described by that. `None` if
    /// this is not the description of a definition.
    pub(super) fn definition(&self, at_hand: &WorkflowDef) -> Option<WorkflowDef> {
        if !self.is_whole() {
            return None;
        }
        let events = self.events.iter().map(|(tag, role)| meta_of(at_hand, tag, *role)).collect::<Option<Vec<_>>>()?;
        let steps = self.steps.iter().map(StepShape::definition).collect();
        WorkflowDef::of_past(self.name.clone(), (self.start, self.stop), events, steps, self.bounds.policy())
    }

    /// Tag of its stop event.
    pub(super) fn stop_tag(&self) -> Option<&str> {
        self.events.get(self.stop as usize).map(|(tag, _)| tag.as_str())
    }

    /// Whether every number is one of an event or a step, and every name is there once.
    fn is_whole(&self) -> bool {
        let event = |ix: &EventIx| (*ix as usize) < self.events.len();
        let step = |ix: &u32| (*ix as usize) < self.steps.len();
        let names: BTreeSet<&str> = self.steps.iter().map(|step| step.name.as_str()).collect();
        names.len() == self.steps.len()
            && event(&self.start)
            && event(&self.stop)
            && self.steps.iter().all(|part| {
                let slots = match part.shape {
                    InputShape::Join { slots } => part.takes.len() <= slots as usize && slots <= 1_024,
                    _ => true,
                };
                slots
                    && part.takes.iter().chain(&part.waits).all(event)
                    && part.opens.iter().flat_map(|(_, collectors)| collectors).chain(&part.caught_by).all(step)
            })
    }
}

impl StepShape {
    fn definition(&self) -> StepDef {
        let openers = self.opens.iter().map(|(kind, collectors)| (*kind, collectors.clone()));
        StepDef {
            name: self.name.clone(),
            shape: self.shape,
            inputs: self.takes.clone(),
            outs: Vec::new(),
            sends: Vec::new(),
            waits: self.waits.clone(),
            openers: openers.map(|(kind, collectors)| OpenerDef { kind, collectors }).collect(),
            workers: None,
            timeout: None,
            on_failure: self.on_failure,
            retry: None,
            catch: self.catches.map(|max_recoveries| CatchDecl { steps: None, max_recoveries }),
            catch_last: self.catch_last,
            caught_by: self.caught_by,
            body: StepBody::Function(nothing),
        }
    }
}

/// What a step does that is only described.
fn nothing(_: StepCall<'_>) -> Invocation {
    Invocation::Ended(Err(StepError::msg("This step is of a definition that is gone.")))
}

/// Descriptions of event types live as long as the process, so that of one that is gone is made once.
fn meta_of(at_hand: &WorkflowDef, tag: &str, role: Role) -> Option<&'static EventMeta> {
    static GONE: Mutex<Option<HashMap<(String, Role), &'static EventMeta>>> = Mutex::new(None);
    let same = at_hand.event_by_tag(tag).map(|ix| at_hand.event(ix)).filter(|meta| meta.role == role);
    if same.is_some() {
        return same;
    }
    let mut gone = GONE.lock().unwrap_or_else(PoisonError::into_inner);
    let gone = gone.get_or_insert_default();
    let key = (tag.to_owned(), role);
    if let Some(known) = gone.get(&key) {
        return Some(known);
    }
    if gone.len() >= MOST_GONE {
        return None;
    }
    let meta: &'static EventMeta = Box::leak(Box::new(EventMeta::past(tag.to_owned().leak(), role)));
    gone.insert(key, meta);
    Some(meta)
}
