use std::any::{Any, TypeId};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use stepcast_core::state_cell::State;
use stepcast_core::store::CellMap;

use super::lock;
use crate::stream::{Frames, StreamLog, Times};

/// What the steps of a run share: stream, store and state cells. One lock, so that a snapshot sees one moment.
#[derive(Debug)]
pub(crate) struct RunData {
    pub(crate) log: StreamLog,
    pub(crate) frames: Option<Box<Frames>>,
    pub(crate) store: Option<Box<CellMap>>,
    cells: Option<Box<Cells>>,
    pub(crate) ended: bool,
    pub(crate) times: Times,
}

#[derive(Debug, Default)]
struct Cells {
    made: Vec<(TypeId, Arc<dyn AnyCell>)>,
    /// Cells of a restored run whose type has not been asked for yet.
    stored: Vec<(String, Value)>,
}

/// A typed state cell.
pub(crate) struct Cell<S> {
    pub(crate) value: Mutex<S>,
    /// Whether it was edited since a journal last took it; set while the value is locked.
    pub(crate) changed: AtomicBool,
}

/// A cell while it is locked.
pub(crate) trait LockedCell {
    fn value(&self) -> Result<Value, serde_json::Error>;
    /// Whether it was edited since this was last asked.
    fn take_changed(&self) -> bool;
}

struct Locked<'a, S> {
    value: &'a S,
    changed: &'a AtomicBool,
}

impl<S: State> LockedCell for Locked<'_, S> {
    fn value(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(self.value)
    }

    fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::Relaxed)
    }
}

/// A state cell whose type is known only at run time.
pub(crate) trait AnyCell: Any + Send + Sync + std::fmt::Debug {
    fn name(&self) -> &'static str;
    /// Calls `then` while the cell is locked.
    fn while_locked(&self, then: &mut dyn FnMut(&dyn LockedCell));
}

impl<S: State> AnyCell for Cell<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn while_locked(&self, then: &mut dyn FnMut(&dyn LockedCell)) {
        let value = lock(&self.value);
        then(&Locked { value: &*value, changed: &self.changed });
    }
}

impl<S> std::fmt::Debug for Cell<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cell")
    }
}

impl RunData {
    pub(crate) fn new(bound: usize) -> Self {
        let (log, times) = (StreamLog::new(bound), Times::default());
        RunData { log, frames: None, store: None, cells: None, ended: false, times }
    }

    /// The cells that the run's steps have asked for.
    pub(crate) fn cells(&self) -> Vec<Arc<dyn AnyCell>> {
        self.cells.iter().flat_map(|cells| &cells.made).map(|(_, cell)| Arc::clone(cell)).collect()
    }

    /// Names and values of restored cells that no step has asked for yet.
    pub(crate) fn stored_cells(&self) -> impl Iterator<Item = (String, Value)> {
        self.cells.iter().flat_map(|cells| cells.stored.iter().cloned())
    }

    /// Forgets every cell: what comes next is another reading of the run.
    pub(crate) fn forget_cells(&mut self) {
        (self.store, self.cells) = (None, None);
    }

    pub(crate) fn set_stored_cells(&mut self, stored: impl Iterator<Item = (String, Value)>) {
        let stored: Vec<_> = stored.collect();
        if !stored.is_empty() || self.cells.is_some() {
            self.cells.get_or_insert_default().stored = stored;
        }
    }

    /// The cell of a state type, if a step has asked for it or a snapshot brought it.
    pub(crate) fn cell_if_any<S: State>(&mut self) -> Option<Arc<Cell<S>>> {
        let cells = self.cells.as_deref()?;
        let is_there = cells.made.iter().any(|(known, _)| *known == TypeId::of::<S>())
            || cells.stored.iter().any(|(name, _)| name == S::NAME);
        if is_there { self.cell().ok() } else { None }
    }

    /// The cell of a state type; begun with its default, or with what a snapshot brought.
    pub(crate) fn cell<S: State>(&mut self) -> Result<Arc<Cell<S>>, serde_json::Error> {
        let wanted = TypeId::of::<S>();
        let cells = self.cells.get_or_insert_default();
        if let Some((_, cell)) = cells.made.iter().find(|(known, _)| *known == wanted) {
            let cell: Arc<dyn Any + Send + Sync> = Arc::clone(cell) as _;
            if let Ok(cell) = cell.downcast::<Cell<S>>() {
                return Ok(cell);
            }
        }
        let stored = cells.stored.iter().position(|(name, _)| name == S::NAME);
        let value = match stored {
            Some(at) => serde_json::from_value(cells.stored[at].1.clone())?,
            None => S::default(),
        };
        if let Some(at) = stored {
            cells.stored.swap_remove(at);
        }
        let cell = Arc::new(Cell { value: Mutex::new(value), changed: AtomicBool::new(false) });
        cells.made.push((wanted, Arc::clone(&cell) as _));
        Ok(cell)
    }
}
