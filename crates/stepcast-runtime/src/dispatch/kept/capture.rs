//! What steps do outside the dispatcher, on its way into a batch: changed cells, stream events, and what executions have
//! on record of it. All of it is taken under the locks that the steps themselves take, so that a batch holds an edit and
//! the record of the edit, or neither.

use std::sync::Arc;

use serde_json::Value;
use stepcast_core::backend::StreamRow;
use stepcast_core::engine::{ExecKey, Time};
use stepcast_core::journal::{Kept, LabelDelta, Logs};
use stepcast_core::{AnyEvent, Event, InputRequiredEvent, Role};

use super::journal::{Held, Journal};
use crate::dispatch::{Dispatch, RunCore};
use crate::exec::ExecLog;
use crate::run::{AnyCell, RunData, RunError};

/// Something new on an execution's record.
pub(super) struct New {
    pub(super) exec: ExecKey,
    pub(super) ops: Vec<LabelDelta>,
}

/// How much is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// Changed cells and stream events, for the row of a tick.
    Changes,
    /// Also the records of the executions that did it, for the end of a batch.
    Records,
    /// Also everything that a checkpoint holds beside the state.
    All,
}

/// What was taken that is not in the journal's hands.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) new: Vec<New>,
    pub(super) kept: Kept,
}

impl Dispatch {
    /// Moves cells and stream events into the next batch. The records that are given back have to go into it too.
    pub(super) fn capture(&mut self, core: &mut RunCore, take: Take) -> Result<Taken, RunError> {
        let run = Arc::clone(&self.env.run);
        let mut taken = Taken::default();
        let Some(keeping) = run.keeping() else { return Ok(taken) };
        if !keeping.has_dirt() && take != Take::All {
            return Ok(taken);
        }
        let mut data = run.data();
        let cells = data.cells();
        let mut values = Vec::new();
        let mut written = Vec::new();
        lock_cells(&cells, take == Take::All, &mut values, &mut || {
            take_store(&mut data, core);
            written = keeping.take_written();
            if take == Take::Changes {
                return;
            }
            for exec in keeping.take_touched() {
                let ops = exec.log().take_new();
                taken.new.push(New { exec: exec.key, ops });
            }
            if take == Take::All {
                taken.kept.logs = logs(core);
                taken.kept.store =
                    data.store.as_deref().map(|store| store.to_json()).and_then(object).unwrap_or_default();
                taken.kept.states = data.stored_cells().collect();
            }
        });
        drop(data);
        let Some(journal) = core.journal.as_deref_mut() else { return Ok(taken) };
        for Cell { name, changed, value } in values {
            let value = value.map_err(|source| RunError::state_not_kept(name, source))?;
            if take == Take::All {
                taken.kept.states.insert(name.to_owned(), value.clone());
            }
            if changed {
                journal.changes.states.insert(name.to_owned(), value);
            }
        }
        if !written.is_empty() {
            journal.changes.stream = true;
            written.into_iter().for_each(|event| journal.add_event(event, core.now));
        }
        taken.kept.seq = journal.seq;
        Ok(taken)
    }
}

impl Dispatch {
    /// What a new run begins with of another run's store and states goes into its first row.
    pub(super) fn take_first_state(&self, core: &mut RunCore) {
        let data = self.env.run.data();
        let Some(journal) = core.journal.as_deref_mut() else { return };
        let store = data.store.as_deref().map(|store| store.to_json()).and_then(object).unwrap_or_default();
        journal.changes.store.extend(store.into_iter().map(|(key, value)| (key, Some(value))));
        journal.changes.states.extend(data.stored_cells());
    }
}

/// A cell as it was under the locks.
struct Cell {
    name: &'static str,
    changed: bool,
    value: Result<Value, serde_json::Error>,
}

/// Calls `then` while all cells are locked, and takes the values of those that changed, or of all.
fn lock_cells(cells: &[Arc<dyn AnyCell>], all: bool, values: &mut Vec<Cell>, then: &mut dyn FnMut()) {
    match cells.split_first() {
        None => then(),
        Some((first, rest)) => first.while_locked(&mut |cell| {
            let changed = cell.take_changed();
            if changed || all {
                values.push(Cell { name: first.name(), changed, value: cell.value() });
            }
            lock_cells(rest, all, values, then);
        }),
    }
}

fn take_store(data: &mut RunData, core: &mut RunCore) {
    let (Some(store), Some(journal)) = (data.store.as_deref_mut(), core.journal.as_deref_mut()) else { return };
    if store.has_changed() {
        for (key, value) in store.changed() {
            journal.changes.store.insert(key.to_owned(), value.cloned());
        }
        store.clear_changed();
    }
}

/// The records of all executions that are alive.
fn logs(core: &RunCore) -> Logs {
    let entries = core.entries.iter().flatten();
    let live = entries.filter_map(|entry| Some((entry.key.serial, entry.shared.as_ref()?.log().snapshot())));
    let asleep = core.more.iter().flat_map(|more| &more.restored).map(|(serial, log)| (*serial, log.snapshot()));
    Logs(live.chain(asleep).filter(|(_, log): &(u64, ExecLog)| !log.is_empty()).collect())
}

fn object(value: Value) -> Option<std::collections::BTreeMap<String, Value>> {
    match value {
        Value::Object(map) => Some(map.into_iter().collect()),
        _ => None,
    }
}

/// Whether a person is to answer it.
fn asks(event: &AnyEvent) -> bool {
    match event.meta() {
        Some(meta) => meta.role == Role::InputRequired,
        None => event.to_envelope().types.iter().flatten().any(|name| name == InputRequiredEvent::META.tag),
    }
}

impl Journal {
    /// Gives an event the next number on the stream; it is seen once it is durable. Those who follow the parent see what
    /// a person is asked: a letter in the same batch brings it there, so that no crash comes between the two.
    pub(super) fn add_event(&mut self, event: AnyEvent, at: Time) {
        self.add_event_row(&event, at);
        if asks(&event) {
            self.ask_above(at);
        }
        self.held.push(Held::Publish(event, at));
    }

    /// As `add_event`, for the last event, which readers make of the run's end. Gives its fields as JSON.
    pub(super) fn add_event_row(&mut self, event: &AnyEvent, at: Time) -> String {
        self.seq += 1;
        let (fields, json) = event.to_json();
        self.batch.events.push(StreamRow { seq: self.seq, tag: event.tag().to_owned(), json, at });
        fields
    }
}
