//! From a checkpoint and the rows after it to the run as its host had it.

use std::collections::HashMap;
use std::time::Duration;

use super::base::{Checkpoint, Kept, fingerprint};
use super::error::JournalError;
use super::read::{Kind, Row};
use super::{Recorded, VERSION};
use crate::AnyEvent;
use crate::definition::WorkflowDef;
use crate::engine::{Command, Commands, ExecKey, NextLanes, OpId, Outcome, RunState, Tick, TickKind, Time, reduce};

/// Folds a journal: its checkpoint, if it has one, and all rows after it, in order. Rows that the checkpoint holds
/// already are passed over.
///
/// # Errors
/// [`JournalError`] if the rows are not the journal of one run of this definition.
pub fn fold<R: AsRef<[u8]>>(
    def: &WorkflowDef,
    checkpoint: Option<Checkpoint>,
    rows: impl IntoIterator<Item = R>,
) -> Result<Folded, JournalError> {
    let mut fold = Fold::new(def, checkpoint)?;
    for row in rows {
        fold.add(row.as_ref())?;
    }
    Ok(fold.finish())
}

/// A run as it was at a row of its journal.
#[derive(Debug)]
#[non_exhaustive]
pub struct Folded {
    /// Its state, as the process had it that wrote the last row; [`take_over`](Self::take_over) makes one that goes on.
    pub state: RunState,
    /// Records, store, typed state and place in the stream.
    pub kept: Kept,
    /// The last row; 0 if there is none.
    pub row: u64,
    /// How it ended, if it has.
    pub outcome: Option<Outcome>,
}

impl Folded {
    /// The run in the process at hand: what was under way is queued again, oldest first, waits with a predicate are
    /// unarmed, what was sent but not delivered is forgotten, and the time since the last row does not count. The first
    /// row that this process writes has to be that of [`write_takeover`](super::write_takeover).
    #[must_use]
    pub fn take_over(mut self, def: &WorkflowDef) -> Self {
        self.state.taken_over(def);
        self.kept.logs.0.values_mut().for_each(|log| log.rewind(false));
        self
    }
}

/// A fold under way, for hosts that read rows one by one.
#[derive(Debug)]
pub struct Fold<'a> {
    pub(super) def: &'a WorkflowDef,
    pub(super) state: RunState,
    pub(super) kept: Kept,
    pub(super) row: u64,
    /// The last row of the checkpoint.
    base: u64,
    /// There was a checkpoint, or the row of the start.
    begun: bool,
    /// The definition that the rows up to here were written under.
    written_under: u64,
    here: u64,
    out: Commands,
    /// Places of executions by serial number, as far as they are known.
    lanes: HashMap<u64, u32>,
    outcome: Option<Outcome>,
}

impl<'a> Fold<'a> {
    /// Begins with a checkpoint, or with nothing.
    ///
    /// # Errors
    /// When the checkpoint is of another format or does not fit the definition.
    pub fn new(def: &'a WorkflowDef, checkpoint: Option<Checkpoint>) -> Result<Self, JournalError> {
        let here = fingerprint(def);
        let mut fold = Fold {
            def,
            state: RunState::new(None),
            kept: Kept::default(),
            row: 0,
            base: 0,
            begun: false,
            written_under: here,
            here,
            out: Commands::new(false),
            lanes: HashMap::new(),
            outcome: None,
        };
        let Some(checkpoint) = checkpoint else { return Ok(fold) };
        if checkpoint.version != VERSION {
            return Err(JournalError::Version { found: checkpoint.version });
        }
        let (row, written_under) = (checkpoint.row, checkpoint.def);
        (fold.state, fold.kept) = checkpoint.resolve(def, Vec::new())?;
        (fold.row, fold.base, fold.written_under, fold.begun) = (row, row, written_under, true);
        Ok(fold)
    }

    /// Adds the next row.
    ///
    /// # Errors
    /// When it is not one, or does not follow from what is there; the fold is of no use then.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        let row = Row::decode(bytes, self.row)?;
        let number = row.number;
        if number <= self.base {
            return if self.row == self.base { Ok(()) } else { Err(JournalError::Repeated { row: number }) };
        }
        if number <= self.row {
            return Err(JournalError::Repeated { row: number });
        }
        if number != self.row + 1 {
            return Err(JournalError::Gap { expected: self.row + 1, found: number });
        }
        self.begins(&row)?;
        (self.row, self.begun) = (number, true);
        self.apply(row)
    }

    /// The run at the last row added.
    pub fn finish(self) -> Folded {
        Folded { state: self.state, kept: self.kept, row: self.row, outcome: self.outcome }
    }

    /// Whether the row is one that the definition at hand may read, at this place.
    fn begins(&mut self, row: &Row) -> Result<(), JournalError> {
        let number = row.number;
        let changed = |row| Err(JournalError::Changed { workflow: self.def.name.clone(), row });
        match (&row.kind, self.begun) {
            (Kind::Start { def, .. }, false) if *def != self.here => changed(number),
            (Kind::Start { .. }, false) => Ok(()),
            (_, false) => Err(JournalError::NoStart { row: number }),
            (Kind::Start { .. }, _) => Err(self.odd("a run starts once")),
            // Each process writes only under its own definition, so one that changes writes a checkpoint first.
            (Kind::TakenOver { def, .. }, _) if *def != self.here => changed(number),
            _ if self.written_under != self.here => changed(self.row),
            _ if self.outcome.is_some() => Err(self.odd("the run had ended")),
            _ => Ok(()),
        }
    }

    pub(super) fn odd(&self, what: &'static str) -> JournalError {
        JournalError::Inconsistent { row: self.row, what }
    }

    fn apply(&mut self, row: Row) -> Result<(), JournalError> {
        let Row { at, busy, queued, seq, kind, ops, set, .. } = row;
        let at = Time(at);
        self.kept.seq = seq.map_or(self.kept.seq, |seq| seq.max(self.kept.seq));
        for key in &set.gone {
            self.kept.store.remove(key);
        }
        self.kept.store.extend(set.store);
        self.kept.states.extend(set.states);
        match kind {
            Kind::TakenOver { timeout, .. } => {
                if let Some(timeout) = timeout {
                    self.state.set_timeout(Duration::from_micros(timeout));
                }
                self.state.taken_over(self.def);
                self.kept.logs.0.values_mut().for_each(|log| log.rewind(false));
                Ok(())
            }
            kind => {
                if let Kind::Start { timeout, .. } = kind {
                    self.state = RunState::new(timeout.map(Duration::from_micros));
                }
                let exec = self.execution(&kind)?;
                if let Some(exec) = exec {
                    self.add_ops(exec.serial, ops)?;
                }
                let Some(step) = self.resolve(kind, exec, at)? else { return Ok(()) };
                self.state.set_clock(busy, at);
                self.tick(step, exec, at, queued.unwrap_or(0));
                Ok(())
            }
        }
    }

    fn add_ops(&mut self, serial: u64, ops: Vec<super::LabelDelta>) -> Result<(), JournalError> {
        if ops.is_empty() {
            return Ok(());
        }
        let (row, bound) = (self.row, self.bound());
        let log = self.kept.logs.0.entry(serial).or_default();
        for mut delta in ops {
            for payload in delta.results.iter_mut().flat_map(|(_, result)| result.payloads_mut()) {
                self.def.resolve_stored(payload).map_err(|source| JournalError::Event { row, source })?;
            }
            if !log.add(delta, bound) {
                return Err(JournalError::Inconsistent { row, what: "an operation has a place that no record has" });
            }
        }
        Ok(())
    }

    fn bound(&self) -> usize {
        self.def.policy.max_records.saturating_add(1).max(65_536)
    }

    /// Applies a tick as a host does that never gives out a slot.
    fn tick(&mut self, step: Step, exec: Option<ExecKey>, at: Time, queued: usize) {
        let before = self.state.last_serial();
        let lanes = self.state.next_lanes(exec.map(|exec| exec.lane));
        let ours = self.state.queued();
        // What the host had queued decides whether the run's queue was full.
        let kind = step.tick;
        let gives_back = matches!(&kind, TickKind::Report(report) if self.state.holds_place(report.exec));
        let base = queued.saturating_add(usize::from(gives_back));
        self.state.set_queued(base);
        if step.nobody_left {
            self.state.park_all();
        }
        let success = matches!(&kind, TickKind::Report(report) if report.outcome.is_ok());
        let commits = matches!(&kind, TickKind::Commit(_));
        let failed = matches!(&kind, TickKind::Report(_)) && !success;
        if commits && let Some(log) = exec.and_then(|exec| self.kept.logs.0.get_mut(&exec.serial)) {
            log.commit();
        }
        if failed && let Some(log) = exec.and_then(|exec| self.kept.logs.0.get_mut(&exec.serial)) {
            log.rewind(true);
        }
        reduce(self.def, &mut self.state, Tick { at, kind }, &mut self.out);
        if step.nobody_left && !self.state.has_ended() {
            self.state.requeue(self.def);
        } else if !self.state.has_ended() {
            let now = self.state.queued();
            self.state.set_queued((ours + now).saturating_sub(base));
        }
        if let Some((key, (op, event))) = exec.zip(step.announced) {
            self.state.announced(key, &op, event);
        }
        self.follow(exec, success);
        self.find_new(before, &lanes);
    }

    /// What the host does with the reducer's commands, as far as it lasts.
    fn follow(&mut self, exec: Option<ExecKey>, success: bool) {
        let bound = self.bound();
        if let Some(exec) = exec.filter(|_| success) {
            self.kept.logs.0.remove(&exec.serial);
        }
        for command in self.out.drain() {
            match command {
                Command::Publish(_) => self.kept.seq += 1,
                Command::Resume { exec, op, result } => {
                    if let Some(result) = Recorded::of(&result) {
                        let log = self.kept.logs.0.entry(exec.serial).or_default();
                        log.record((op.kind, &op.label), op.ordinal, result, bound);
                    }
                }
                Command::Abort { exec } | Command::Forget { exec } => {
                    self.kept.logs.0.remove(&exec.serial);
                }
                Command::Finish(outcome) => {
                    // The terminal event is the last of the stream.
                    self.kept.seq += 1;
                    self.kept.logs.0.clear();
                    self.outcome = Some(outcome);
                }
                // What the host found then is in the next row, so that a fold needs no filters.
                Command::Frame(_) | Command::OfferKept { .. } | Command::Input { .. } => {}
            }
        }
    }

    /// Notes where new executions are: they lie where places were free, or at the end.
    fn find_new(&mut self, before: u64, lanes: &NextLanes) {
        if self.state.last_serial() > before {
            let found = self.state.younger_than(before, lanes);
            self.lanes.extend(found.map(|key| (key.serial, key.lane)));
        }
    }

    /// The execution with a serial number; `None` if it is over.
    pub(super) fn key(&mut self, serial: u64) -> Option<ExecKey> {
        let known = |lanes: &HashMap<u64, u32>| lanes.get(&serial).map(|lane| ExecKey { lane: *lane, serial });
        let there = |key: &ExecKey| self.state.exec(*key).is_some();
        if let Some(key) = known(&self.lanes) {
            let found = Some(key).filter(there);
            if found.is_none() {
                self.lanes.remove(&serial);
            }
            return found;
        }
        // Not where new ones usually are: all are looked at once.
        self.lanes = self.state.exec_keys().map(|key| (key.serial, key.lane)).collect();
        known(&self.lanes)
    }
}

/// A row as a tick.
pub(super) struct Step {
    pub(super) tick: TickKind,
    /// The host had found that nothing was left to do.
    pub(super) nobody_left: bool,
    /// The wait that the tick begins, and its announcement, if its type is not one of the definition's.
    pub(super) announced: Option<(OpId, AnyEvent)>,
}
