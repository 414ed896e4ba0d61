//! One run in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::backend::*;

pub(super) struct MemoryRun {
    /// Its place in the list.
    pub(super) key: u64,
    pub(super) new: NewRun,
    pub(super) status: RunStatus,
    pub(super) failures: u32,
    pub(super) result: Option<String>,
    pub(super) error: Option<String>,
    pub(super) created: Time,
    pub(super) changed: Time,
    pub(super) due: Option<Time>,
    pub(super) holder: Option<u64>,
    pub(super) fence: u64,
    /// A write under the present lease failed.
    pub(super) stopped: bool,
    pub(super) snapshot: Option<SnapshotRow>,
    pub(super) rows: VecDeque<JournalRow>,
    pub(super) events: Vec<StreamRow>,
    pub(super) inputs: BTreeMap<u64, MemoryInput>,
    /// Letters with their ids against doubles.
    pub(super) mail: VecDeque<(Option<String>, Mail)>,
    /// Ids of letters taken, the oldest first.
    pub(super) seen: VecDeque<String>,
}

#[derive(Clone)]
pub(super) struct MemoryInput {
    pub(super) key: u64,
    pub(super) asked: NewInput,
    pub(super) opened: Time,
    pub(super) status: InputStatus,
}

impl MemoryRun {
    pub(super) fn new(key: u64, new: NewRun, holder: u64, at: Time) -> Self {
        MemoryRun {
            key,
            new,
            status: RunStatus::Running,
            failures: 0,
            result: None,
            error: None,
            created: at,
            changed: at,
            due: None,
            holder: Some(holder),
            fence: FIRST_FENCE,
            stopped: false,
            snapshot: None,
            rows: VecDeque::new(),
            events: Vec::new(),
            inputs: BTreeMap::new(),
            mail: VecDeque::new(),
            seen: VecDeque::new(),
        }
    }

    pub(super) fn covered(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.covers)
    }

    pub(super) fn last_row(&self) -> u64 {
        self.rows.back().map_or(self.covered(), |row| row.n)
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.events.last().map_or(0, |event| event.seq)
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.seen.iter().any(|seen| seen == id) || self.mail.iter().any(|(letter, _)| letter.as_deref() == Some(id))
    }

    pub(super) fn take(&mut self, letter: u64) {
        let Some(at) = self.mail.iter().position(|(_, mail)| mail.id == letter) else { return };
        if let Some((Some(id), _)) = self.mail.remove(at) {
            self.seen.push_back(id);
            if self.seen.len() > REMEMBERED_IDS {
                self.seen.pop_front();
            }
        }
    }

    pub(super) fn set_status(&mut self, change: StatusChange, at: Time) {
        self.failures = change.failures();
        let (status, result, error) = change.parts();
        (self.status, self.result, self.error, self.changed) = (status, result, error, at);
        if status.is_end() {
            for input in self.inputs.values_mut().filter(|input| input.status == InputStatus::Pending) {
                input.status = InputStatus::Withdrawn { at };
            }
            self.mail.clear();
            self.seen.clear();
            self.due = None;
            self.holder = None;
        }
    }

    pub(super) fn record(&self, id: &Arc<str>, me: u64) -> RunRecord {
        RunRecord {
            run: id.clone(),
            workflow: self.new.workflow.clone(),
            definition: self.new.definition.as_ref().map(|definition| Arc::clone(&definition.hash)),
            parent: self.new.parent.clone(),
            status: self.status,
            failures: self.failures,
            result: self.result.clone(),
            error: self.error.clone(),
            created: self.created,
            changed: self.changed,
            due: self.due,
            holder: match self.holder {
                None => Holder::Nobody,
                Some(holder) if holder == me => Holder::Me,
                Some(_) => Holder::Other,
            },
            fence: self.fence,
            cursor: RunCursor(self.key),
        }
    }

    pub(super) fn load(&self, id: &str, me: u64) -> StoredRun {
        StoredRun {
            record: self.record(&id.into(), me),
            description: self.new.description.clone(),
            start: self.new.start.clone(),
            snapshot: self.snapshot.clone(),
            rows: self.rows.iter().cloned().collect(),
            last_seq: self.last_seq(),
        }
    }
}

impl StatusChange {
    /// Executions that were given up, of a run that has ended with a stop event.
    pub fn failures(&self) -> u32 {
        match self {
            StatusChange::Completed { failures, .. } => *failures,
            _ => 0,
        }
    }

    /// The status, the result and the error that it stands for.
    pub fn parts(self) -> (RunStatus, Option<String>, Option<String>) {
        match self {
            StatusChange::Running => (RunStatus::Running, None, None),
            StatusChange::Waiting => (RunStatus::Waiting, None, None),
            StatusChange::Completed { result, failures: 0 } => (RunStatus::Completed, Some(result), None),
            StatusChange::Completed { result, .. } => (RunStatus::CompletedWithFailures, Some(result), None),
            StatusChange::Failed { error } => (RunStatus::Failed, None, Some(error)),
            StatusChange::Cancelled { error } => (RunStatus::Cancelled, None, Some(error)),
            StatusChange::TimedOut { error } => (RunStatus::TimedOut, None, Some(error)),
        }
    }
}
