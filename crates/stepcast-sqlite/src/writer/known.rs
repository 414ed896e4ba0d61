//! What is known of the runs that this instance holds.

use std::cell::Cell;
use std::hash::BuildHasherDefault;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::HashMap;

use super::tail::KeyHasher;
use crate::journal::End;

/// So many notes stay that are not needed.
const SPARE: usize = 64;

/// Where it is noted what is known of a run.
pub(super) type Note = Rc<Cell<Held>>;

/// What is known of a run that this instance holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) key: i64,
    pub(super) fence: u64,
    /// Found when the journal is first written.
    pub(super) end: Option<End>,
    /// Found when an event is first written.
    pub(super) last_seq: Option<u64>,
    /// Since when it need not be asked again whether the lease still holds.
    pub(super) epoch: u64,
    /// Whether it is known that the run has no inputs and no letters: it was created in this epoch, and got none.
    pub(super) plain: bool,
    /// Whether it is known that the run has no deadline: only its holder gives it one.
    pub(super) undue: bool,
}

/// Notes of runs, by their ids and by the store's own keys.
#[derive(Default)]
pub(super) struct Known {
    by_id: HashMap<Arc<str>, Note>,
    by_key: std::collections::HashMap<i64, Note, BuildHasherDefault<KeyHasher>>,
    /// Notes of runs that have ended, for others.
    spare: Vec<Note>,
}

impl Known {
    pub(super) fn get(&self, run: &str) -> Option<&Note> {
        self.by_id.get(run)
    }

    pub(super) fn at(&self, key: i64) -> Option<&Note> {
        self.by_key.get(&key)
    }

    pub(super) fn contains(&self, run: &str) -> bool {
        self.by_id.contains_key(run)
    }

    /// Notes what is known of a run from now on.
    pub(super) fn set(&mut self, run: &Arc<str>, held: Held) {
        if let Some(note) = self.by_id.get(run) {
            let old = note.replace(held).key;
            if old == held.key {
                return;
            }
            let note = self.by_key.remove(&old).unwrap_or_else(|| Rc::clone(note));
            self.by_key.insert(held.key, note);
            return;
        }
        let note = self.spare.pop().unwrap_or_else(|| Rc::new(Cell::new(held)));
        note.set(held);
        self.by_key.insert(held.key, Rc::clone(&note));
        self.by_id.insert(Arc::clone(run), note);
    }

    pub(super) fn remove(&mut self, run: &str) {
        let Some(note) = self.by_id.remove(run) else { return };
        self.by_key.remove(&note.get().key);
        if self.spare.len() < SPARE {
            self.spare.push(note);
        }
    }

    pub(super) fn clear(&mut self) {
        self.by_id.clear();
        self.by_key.clear();
    }
}
