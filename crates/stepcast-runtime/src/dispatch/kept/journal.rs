use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use stepcast_core::backend::{Batch, JournalRow, Letter, Mail, NewRun, SnapshotRow};
use stepcast_core::engine::{Command, ExecKey, RunState, Time};
use stepcast_core::journal::{WriteRowError, write_takeover};
use stepcast_core::{AnyEvent, WorkflowDef};
use tokio::sync::oneshot;

use super::inputs::pending;
use crate::dispatch::place::LocalDone;
use crate::run::RunEnd;

/// The room of a row at first, in bytes: most need less.
pub(super) const ROW: usize = 512;

/// A run's place in its journal, and what its next batch brings.
pub(crate) struct Journal {
    pub(super) run: Arc<str>,
    /// By what the backend knows the run, once that is known.
    pub(super) key: u64,
    pub(super) fence: u64,
    /// The run that waits for this one's end.
    pub(super) parent: Option<Arc<str>>,
    /// The last row made.
    pub(super) row: u64,
    /// The last stream event made.
    pub(super) seq: u64,
    pub(super) batch: Box<Batch>,
    /// One that is written, for the room of the next one.
    pub(super) next: Option<Box<Batch>>,
    /// Rows that are written, for the room of the next ones.
    pub(super) spent: Vec<JournalRow>,
    /// What is done once the next batch is durable.
    pub(super) held: Vec<Held>,
    /// What is done once the batch under way is durable.
    pub(super) flight: Option<Vec<Held>>,
    /// Attempts that came to an end while a batch was under way.
    pub(super) finished: VecDeque<LocalDone>,
    /// Executions that begin in this slice.
    pub(super) starting: Vec<ExecKey>,
    pub(super) changes: Changes,
    /// Records that did not get into the row they belonged to.
    pub(super) left: Vec<super::capture::New>,
    /// Whether this process has written a row.
    pub(super) began: bool,
    /// What the batch with its first row brings too: it stands for rows that were written under another definition.
    pub(super) first: Option<Box<SnapshotRow>>,
    /// Whether the store says that the run waits.
    pub(super) waits: bool,
    /// The deadline that the store knows.
    pub(super) due: Option<Time>,
    /// The last letter that was looked at.
    pub(super) last_letter: u64,
    /// Answers whose wait has to come about again first.
    pub(super) early: Vec<Mail>,
    /// Letters that were found when the run was loaded.
    pub(super) found: Vec<Mail>,
    /// Bytes of rows since the last checkpoint.
    pub(super) since: usize,
    /// The run leaves memory at its next rest.
    pub(super) leave: bool,
    /// The state is being read anew.
    pub(super) reloading: bool,
}

/// What is done once a batch is durable.
#[derive(Debug)]
pub(crate) enum Held {
    Command(Command),
    /// With the time that its row has.
    Publish(AnyEvent, Time),
    Finish(Box<RunEnd>),
    /// Somebody waits for what is in the batch.
    Reply(oneshot::Sender<()>),
}

/// Cells that changed since the last row, with their values.
#[derive(Default)]
pub(super) struct Changes {
    /// Without a value, the cell was removed.
    pub(super) store: BTreeMap<String, Option<Value>>,
    pub(super) states: BTreeMap<String, Value>,
    /// Something came onto the stream that no tick put there.
    pub(super) stream: bool,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.store.is_empty() && self.states.is_empty() && !self.stream
    }
}

/// Where a stored run goes on.
pub(crate) struct Place {
    pub(crate) fence: u64,
    pub(crate) parent: Option<Arc<str>>,
    pub(crate) row: u64,
    pub(crate) seq: u64,
    pub(crate) waits: bool,
    pub(crate) due: Option<Time>,
    pub(crate) letters: Vec<Mail>,
    /// Bytes of rows since the last checkpoint.
    pub(crate) since: usize,
    /// Stands for rows that were written under another definition.
    pub(crate) snapshot: Option<Box<SnapshotRow>>,
}

impl Journal {
    /// The journal of a new run.
    pub(crate) fn create(run: Arc<str>, new: Box<NewRun>) -> Box<Self> {
        let mut journal = Journal::in_room(run);
        journal.began = true;
        journal.parent.clone_from(&new.parent);
        journal.batch.created = Some(new);
        journal
    }

    /// The journal of a run that is new to the store, but not to itself: it goes on from this checkpoint, which covers no
    /// row.
    pub(crate) fn restored(
        run: Arc<str>,
        new: Box<NewRun>,
        checkpoint: Vec<u8>,
        def: &WorkflowDef,
        state: &RunState,
    ) -> Box<Self> {
        let mut journal = Journal::create(run, new);
        journal.began = false;
        journal.batch.snapshot = Some(Box::new(SnapshotRow { covers: 0, data: checkpoint }));
        journal.batch.inputs = pending(def, state);
        journal
    }

    /// The journal of a run that was loaded.
    pub(crate) fn go_on(run: Arc<str>, place: Place) -> Self {
        let mut journal = Journal::at(run, place.fence, place.row, place.seq);
        (journal.waits, journal.due, journal.since) = (place.waits, place.due, place.since);
        (journal.found, journal.parent, journal.first) = (place.letters, place.parent, place.snapshot);
        journal
    }

    pub(super) fn at(run: Arc<str>, fence: u64, row: u64, seq: u64) -> Self {
        Journal {
            batch: Box::new(Batch::of(Arc::clone(&run), fence, Time(0))),
            next: None,
            run,
            key: 0,
            spent: Vec::new(),
            fence,
            parent: None,
            row,
            seq,
            held: Vec::new(),
            flight: None,
            finished: VecDeque::new(),
            starting: Vec::new(),
            changes: Changes::default(),
            left: Vec::new(),
            began: false,
            first: None,
            waits: false,
            due: None,
            last_letter: 0,
            early: Vec::new(),
            found: Vec::new(),
            since: 0,
            leave: false,
            reloading: false,
        }
    }

    /// Whether a batch is under way.
    pub(crate) fn is_writing(&self) -> bool {
        self.flight.is_some() || self.reloading
    }

    /// Room for a row's bytes.
    pub(super) fn room(&mut self) -> Vec<u8> {
        let mut room = self.spent.pop().map_or_else(|| Vec::with_capacity(ROW), |row| row.data);
        room.clear();
        room
    }

    fn push_row(&mut self, data: Vec<u8>) {
        self.row += 1;
        self.since += data.len();
        if self.batch.rows.capacity() == 0 && self.spent.is_empty() {
            std::mem::swap(&mut self.batch.rows, &mut self.spent);
        }
        self.batch.rows.push(JournalRow { n: self.row, data });
    }

    /// Adds the row with which a process takes a run over, before its first other one.
    pub(super) fn begin_rows(&mut self, def: &WorkflowDef, state: &RunState, at: Time) -> Result<(), WriteRowError> {
        if !self.began {
            let mut row = Vec::new();
            write_takeover(&mut row, def, state, self.row + 1, at)?;
            if let Some(first) = self.first.take() {
                self.batch.snapshot.get_or_insert(first);
            }
            self.push_row(row);
            self.began = true;
        }
        Ok(())
    }

    /// The number of the next row that is not the one of a takeover.
    pub(super) fn next_row(&self) -> u64 {
        self.row + 1 + u64::from(!self.began)
    }

    /// Adds a row that brings all changes so far.
    pub(super) fn push_changes(&mut self, row: Vec<u8>) {
        self.push_row(row);
        if !self.changes.is_empty() {
            self.changes = Changes::default();
        }
    }

    /// Wakes the parent with the next batch, wherever it sleeps: this run has ended.
    pub(super) fn wake_parent(&mut self, at: Time) {
        let Some(parent) = &self.parent else { return };
        self.batch.letters.push(Letter::ended(Arc::clone(parent), &self.run, at));
    }

    /// Brings the last stream event, which asks something, to the parent with the next batch.
    pub(super) fn ask_above(&mut self, at: Time) {
        let (Some(parent), Some(row)) = (&self.parent, self.batch.events.last()) else { return };
        self.batch.letters.push(Letter { json: row.json.clone(), ..Letter::wake(Arc::clone(parent), at) });
    }

    /// Gives the lease back, whatever else was to come.
    pub(crate) fn releasing(&self, at: Time) -> Box<Batch> {
        Box::new(Batch::releasing(Arc::clone(&self.run), self.fence, at))
    }

    /// The next batch, which is empty afterwards.
    pub(super) fn take_batch(&mut self, at: Time) -> Box<Batch> {
        let next = self.next.take();
        let next = next.unwrap_or_else(|| Box::new(Batch::of(Arc::clone(&self.run), self.fence, at)));
        let mut batch = std::mem::replace(&mut self.batch, next);
        (batch.key, batch.at) = (self.key, at);
        batch
    }

    /// Whether nothing is on its way into a batch.
    pub(super) fn is_idle(&self) -> bool {
        !self.has_batch() && self.held.is_empty() && self.left.is_empty() && self.changes.is_empty()
    }

    /// Whether the next batch brings anything.
    pub(super) fn has_batch(&self) -> bool {
        let batch = &self.batch;
        !(batch.rows.is_empty() && batch.events.is_empty() && batch.only_appends())
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("row", &self.row).field("seq", &self.seq).finish_non_exhaustive()
    }
}
