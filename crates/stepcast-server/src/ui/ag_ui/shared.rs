//! The state that client and server share.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use stepcast::RunId;

use super::STATE;

/// Where our own member says which members of the state are the run's: the next segment begins with nothing else of them.
pub(super) const UI: &str = "ui";

/// The state as the client has it, and what of it is the run's.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Value,
    shown: Map<String, Value>,
}

/// What a client is told of a changed state.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    Snapshot(Value),
    Delta(json_patch::Patch),
}

impl Shared {
    /// The state that a client brings along. Members that an earlier segment of this run showed are still the run's.
    pub(super) fn of(state: Value, run: &RunId) -> Self {
        let names = names(&state, run).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let shown = names
            .filter(|name| *name != STATE)
            .filter_map(|name| Some((name.to_owned(), state.get(name)?.clone())))
            .collect();
        Shared { state, shown }
    }

    /// Takes over what the run shows now, and gives what the client has to hear of it.
    pub(super) fn show(&mut self, run: &RunId, mut shown: Map<String, Value>) -> Option<Told> {
        // That member of the client's state is the server's.
        shown.remove(STATE);
        if shown == self.shown {
            return None;
        }
        let known = self.state.is_object();
        let mut next = self.state.as_object().cloned().unwrap_or_default();
        next.retain(|name, _| shown.contains_key(name) || !self.shown.contains_key(name));
        next.extend(shown.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut ours = match next.remove(STATE).filter(|ours| is_of(ours, run)) {
            Some(Value::Object(ours)) => ours,
            _ => Map::from_iter([("run_id".to_owned(), run.as_str().into())]),
        };
        let names: BTreeSet<&String> = shown.keys().collect();
        ours.insert(UI.to_owned(), json!(names));
        next.insert(STATE.to_owned(), ours.into());
        let next = Value::from(next);
        let before = std::mem::replace(&mut self.state, next.clone());
        self.shown = shown;
        if !known {
            return Some(Told::Snapshot(next));
        }
        let delta = json_patch::diff(&before, &next);
        (!delta.is_empty()).then_some(Told::Delta(delta))
    }
}

/// Which members of a client's state are this run's, as our own member says it.
pub(super) fn names<'a>(state: &'a Value, run: &RunId) -> Option<&'a Value> {
    state.get(STATE).filter(|ours| is_of(ours, run))?.get(UI)
}

fn is_of(ours: &Value, run: &RunId) -> bool {
    ours.get("run_id").and_then(Value::as_str) == Some(run.as_str())
}
