mod room;
mod told;

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::Arc;
use std::task::{Poll, Waker};

use stepcast_core::engine::{OpId, OpKind, OpResult};
use stepcast_core::journal::LabelLog;
use stepcast_core::{Outputs, Payload};

use self::room::Room;
use super::{ExecLog, Recorded};

/// So many labels are looked through one by one.
const MANY_LABELS: usize = 16;

/// A wait's filter that is code.
pub(crate) type Predicate = Box<dyn Fn(&Payload) -> bool + Send>;

/// What an execution has done through its context, by kind and label.
///
/// An operation is found again by its ordinal among those of its kind and label, so concurrent operations with
/// different labels need no order.
#[derive(Default)]
pub(crate) struct OpLog {
    labels: Vec<Label>,
    // Boxed: few executions have it.
    more: Option<Box<More>>,
    /// Sent, but not delivered before the next commit point.
    // Boxed: most executions send nothing through their context.
    outbox: Option<Box<Outputs>>,
    pending: Vec<Pending>,
    results: usize,
}

struct Label {
    kind: OpKind,
    label: Arc<str>,
    /// Operations of this attempt so far.
    cursor: u32,
    /// Operations done, in this attempt or an earlier one.
    done: u32,
    /// Operations done up to the last commit point.
    committed: u32,
    // Boxed: an execution that waits has none yet, and may wait for long.
    #[allow(clippy::box_collection)]
    results: Option<Box<Vec<Option<Recorded>>>>,
}

/// What few records need.
#[derive(Default)]
struct More {
    /// Places of the labels, once there are too many to look through.
    // Boxed: nearly all have few labels.
    index: Option<Box<Index>>,
    /// Of each label, how many of its operations and of its results a journal has; the results before that one are all
    /// there.
    told: Vec<(u32, u32)>,
    /// Whether a journal is going to look.
    touched: bool,
    /// Wakes the attempt itself, while it is not parked.
    body: Option<Waker>,
}

/// Places of labels by their hash; one whose hash is taken has the next free number after it.
#[derive(Default)]
struct Index {
    hasher: RandomState,
    places: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
}

/// Hands on what is a hash already.
#[derive(Default)]
struct Hashed(u64);

/// An operation whose result has not come yet.
struct Pending {
    id: OpId,
    answer: Answer,
    // Boxed once more: few waits have one.
    predicate: Option<Box<Predicate>>,
    /// Nobody polls for it any more, but whether that is final is not known yet.
    dropped: bool,
    /// Its result came, and woke nobody.
    unheard: bool,
    room: Room,
}

enum Answer {
    /// It has not come; the waker of who polls for it.
    Open(Option<Waker>),
    Come(OpResult),
}

impl Pending {
    fn has_result(&self) -> bool {
        matches!(self.answer, Answer::Come(_))
    }
}

impl OpLog {
    /// The next operation of this kind and label: its ordinal.
    pub(crate) fn next(&mut self, kind: OpKind, label: &str) -> u32 {
        let label = self.label(kind, label);
        label.cursor += 1;
        label.cursor - 1
    }

    /// The id of an operation that has its ordinal.
    pub(crate) fn id(&mut self, kind: OpKind, label: &str, ordinal: u32) -> OpId {
        OpId { kind, label: Arc::clone(&self.label(kind, label).label), ordinal }
    }

    /// What is sent and not delivered yet.
    pub(crate) fn outbox(&mut self) -> &mut Outputs {
        self.outbox.get_or_insert_default()
    }

    pub(crate) fn take_outbox(&mut self) -> Outputs {
        self.outbox.take().map_or_else(Outputs::default, |outbox| *outbox)
    }

    /// Counts an operation that leaves no result. `false` if an earlier attempt did it already.
    pub(crate) fn count(&mut self, kind: OpKind, label: &str) -> bool {
        let label = self.label(kind, label);
        label.cursor += 1;
        let new = label.cursor > label.done;
        if new {
            label.done = label.cursor;
        }
        new
    }

    /// Does and counts an operation whose result needs no record; an `Err` is not counted. `None` if an earlier
    /// attempt did it already.
    pub(crate) fn count_if<R, E>(
        &mut self,
        kind: OpKind,
        label: &str,
        act: impl FnOnce() -> Result<R, E>,
    ) -> Option<Result<R, E>> {
        let label = self.label(kind, label);
        if label.cursor < label.done {
            label.cursor += 1;
            return None;
        }
        let result = act();
        if result.is_ok() {
            label.cursor += 1;
            label.done = label.cursor;
        }
        Some(result)
    }

    /// A counted operation was not done after all.
    pub(crate) fn uncount(&mut self, kind: OpKind, label: &str) {
        if let Some(at) = self.find(kind, label) {
            self.labels[at].cursor -= 1;
            self.labels[at].done -= 1;
        }
    }

    /// What is recorded of an operation.
    pub(crate) fn recorded(&self, kind: OpKind, label: &str, ordinal: u32) -> Option<&Recorded> {
        self.labels[self.find(kind, label)?].results.as_ref()?.get(ordinal as usize)?.as_ref()
    }

    /// Whether this child was begun, and has not come to its end as far as this is told.
    pub(crate) fn awaits_child(&self, child: &str) -> bool {
        let children = self.labels.iter().filter(|label| label.kind == OpKind::Child);
        let records = children.flat_map(|label| label.results.iter().flat_map(|all| all.iter()).flatten());
        records.into_iter().any(|record| matches!(record, Recorded::Child { run_id, end: None } if run_id == child))
    }

    /// Whether an operation without a result was done by an earlier attempt.
    pub(crate) fn was_done(&self, kind: OpKind, label: &str, ordinal: u32) -> bool {
        self.find(kind, label).is_some_and(|at| ordinal < self.labels[at].done)
    }

    /// The operation was not done after all, so the next one has its ordinal.
    pub(crate) fn step_back(&mut self, kind: OpKind, label: &str) {
        if let Some(at) = self.find(kind, label) {
            self.labels[at].cursor -= 1;
        }
    }

    /// Whether no further result can be recorded.
    pub(crate) fn is_full(&self, bound: usize) -> bool {
        self.results >= bound
    }

    /// Records an operation. `false` if the record is full.
    pub(crate) fn record(&mut self, kind: OpKind, label: &str, ordinal: u32, result: Recorded, bound: usize) -> bool {
        if self.results >= bound && !matches!(result, Recorded::Done) {
            return false;
        }
        let at = ordinal as usize;
        let known = self.label(kind, label);
        known.done = known.done.max(ordinal + 1);
        if !matches!(result, Recorded::Done) {
            let results = known.results.get_or_insert_default();
            if results.len() <= at {
                results.resize_with(at + 1, || None);
            }
            let new = results[at].replace(result).is_none();
            self.results += usize::from(new);
            if !new {
                self.tell_again(kind, label, ordinal);
            }
        }
        true
    }

    /// Everything done so far is behind a commit point.
    pub(crate) fn commit(&mut self) -> Outputs {
        for label in &mut self.labels {
            label.committed = label.done;
        }
        self.take_outbox()
    }

    /// Begins the next attempt. After a failure, what was done behind the last commit point and can be done anew, is.
    pub(crate) fn rewind(&mut self, failed: bool) {
        for label in &mut self.labels {
            label.cursor = 0;
            let undone =
                matches!(label.kind, OpKind::Send) || (failed && matches!(label.kind, OpKind::Stream | OpKind::Edit));
            if undone {
                label.done = label.committed;
                if let Some(results) = &mut label.results {
                    let dropped = results.split_off((label.committed as usize).min(results.len()));
                    self.results -= dropped.iter().flatten().count();
                }
            }
        }
        if let Some(more) = &mut self.more {
            more.body = None;
            for (label, (done, results)) in self.labels.iter().zip(&mut more.told) {
                *done = label.done.min(*done);
                *results = (label.results.as_ref().map_or(0, |all| all.len()) as u32).min(*results);
            }
        }
        self.outbox = None;
        self.pending.clear();
    }

    /// Whether nothing is on record that a next attempt would need.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Registers an operation whose result will come.
    pub(crate) fn expect(&mut self, id: OpId) {
        if self.pending.is_empty() {
            self.pending.reserve_exact(1);
        }
        self.pending.push(Pending {
            id,
            answer: Answer::Open(None),
            predicate: None,
            dropped: false,
            unheard: false,
            room: Room::Free,
        });
    }

    /// Gives a wait its predicate.
    pub(crate) fn arm(&mut self, id: &OpId, predicate: Predicate) {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.id == *id) {
            pending.predicate = Some(Box::new(predicate));
        }
    }

    /// An operation's result, once; otherwise keeps the waker.
    pub(crate) fn poll(&mut self, id: &OpId, waker: Option<&Waker>) -> Poll<OpResult> {
        let Some(at) = self.pending.iter().position(|pending| pending.id == *id) else { return Poll::Pending };
        if let Answer::Open(kept) = &mut self.pending[at].answer {
            *kept = waker.cloned();
            return Poll::Pending;
        }
        match self.pending.swap_remove(at).answer {
            Answer::Come(result) => Poll::Ready(result),
            Answer::Open(_) => Poll::Pending,
        }
    }

    /// Operations that were polled in place have kept no waker: from here on they wake this one, at once where a result
    /// came meanwhile.
    pub(crate) fn wake_by(&mut self, waker: &Waker) {
        for pending in &mut self.pending {
            match &mut pending.answer {
                Answer::Open(kept @ None) => *kept = Some(waker.clone()),
                Answer::Come(_) if std::mem::take(&mut pending.unheard) => waker.wake_by_ref(),
                Answer::Open(Some(_)) | Answer::Come(_) => {}
            }
        }
    }

    /// Whether something may go on for long before its result comes.
    pub(crate) fn is_waiting(&self) -> bool {
        self.pending.iter().any(Pending::may_be_long)
    }

    /// Whether somebody polls for an operation whose result has not come.
    pub(crate) fn is_open(&self, id: &OpId) -> bool {
        self.pending.iter().any(|pending| pending.id == *id && !pending.has_result())
    }

    /// Whether a result is there that nobody has asked for yet.
    pub(crate) fn has_result(&self) -> bool {
        self.pending.iter().any(Pending::has_result)
    }

    /// Hands a result over. Gives the waker of who polls for it.
    pub(crate) fn resolve(&mut self, id: &OpId, result: OpResult) -> Option<Waker> {
        let pending = self.pending.iter_mut().find(|pending| pending.id == *id)?;
        let before = std::mem::replace(&mut pending.answer, Answer::Come(result));
        let waker = if let Answer::Open(waker) = before { waker } else { None };
        pending.unheard = waker.is_none();
        waker
    }

    /// Nobody polls for this operation any more.
    pub(crate) fn abandon(&mut self, id: &OpId) -> bool {
        let before = self.pending.len();
        self.pending.retain(|pending| pending.id != *id || pending.has_result());
        before != self.pending.len()
    }

    /// As `abandon`, but final only if `take_dropped` is asked.
    pub(crate) fn abandon_later(&mut self, id: &OpId) {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.id == *id) {
            pending.dropped = true;
        }
    }

    /// The operations that were abandoned later than this was last asked.
    pub(crate) fn take_dropped(&mut self) -> Vec<OpId> {
        let mut ids = Vec::new();
        self.pending.retain(|pending| {
            let gone = pending.dropped && !pending.has_result();
            if gone {
                ids.push(pending.id.clone());
            }
            !gone
        });
        ids
    }

    /// Applies a wait's predicate.
    pub(crate) fn accepts(&self, id: &OpId, event: &Payload) -> Option<bool> {
        let pending = self.pending.iter().find(|pending| pending.id == *id)?;
        pending.predicate.as_ref().map(|predicate| predicate(event))
    }

    /// Wakers of everything that waits, for the run's end.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        let open = self.pending.iter_mut().filter_map(|pending| match &mut pending.answer {
            Answer::Open(waker) => waker.take(),
            Answer::Come(_) => None,
        });
        open.collect()
    }

    pub(crate) fn snapshot(&self) -> ExecLog {
        let labels = self.labels.iter().map(|label| LabelLog {
            kind: label.kind,
            label: label.label.to_string(),
            // What is in the outbox is not in the snapshot, so it counts as not sent.
            done: if label.kind == OpKind::Send { label.committed } else { label.done },
            committed: label.committed,
            results: label.results.as_deref().cloned().unwrap_or_default(),
        });
        ExecLog { labels: labels.collect() }
    }

    /// The log that a snapshot holds; `None` if its counts do not fit together.
    pub(crate) fn restore(snapshot: ExecLog) -> Option<Self> {
        let mut log = OpLog::default();
        for LabelLog { kind, label, done, committed, results } in snapshot.labels {
            if committed > done || results.len() > done as usize || done > u32::MAX / 2 {
                return None;
            }
            log.results += results.iter().flatten().count();
            let results = (!results.is_empty()).then(|| Box::new(results));
            log.add(Label { kind, label: label.into(), cursor: 0, done, committed, results });
        }
        Some(log)
    }

    fn label(&mut self, kind: OpKind, label: &str) -> &mut Label {
        let at = match self.find(kind, label) {
            Some(at) => at,
            None => self.add(Label { kind, label: label.into(), cursor: 0, done: 0, committed: 0, results: None }),
        };
        &mut self.labels[at]
    }

    fn find(&self, kind: OpKind, label: &str) -> Option<usize> {
        match self.index() {
            None => self.labels.iter().position(|known| known.kind == kind && *known.label == *label),
            Some(index) => index.find(&self.labels, kind, label).ok(),
        }
    }

    fn add(&mut self, label: Label) -> usize {
        let at = self.labels.len();
        if at == 0 {
            // Most executions use one label; the default growth would reserve four.
            self.labels.reserve_exact(1);
        }
        self.labels.push(label);
        if at == MANY_LABELS && self.index().is_none() {
            self.more.get_or_insert_default().index = Some(Box::default());
            (0..at).for_each(|at| self.enter(at));
        }
        self.enter(at);
        at
    }

    fn index(&self) -> Option<&Index> {
        self.more.as_deref()?.index.as_deref()
    }

    /// Adds a label to the index, if there is one.
    fn enter(&mut self, at: usize) {
        let Some(index) = self.more.as_mut().and_then(|more| more.index.as_deref_mut()) else { return };
        let label = &self.labels[at];
        if let Err(free) = index.find(&self.labels, label.kind, &label.label) {
            index.places.insert(free, at as u32);
        }
    }
}

impl Index {
    /// The place of a label, or the number under which it would be entered.
    fn find(&self, labels: &[Label], kind: OpKind, label: &str) -> Result<usize, u64> {
        let mut number = self.hasher.hash_one((kind, label));
        loop {
            let Some(at) = self.places.get(&number) else { return Err(number) };
            let known = &labels[*at as usize];
            if known.kind == kind && *known.label == *label {
                return Ok(*at as usize);
            }
            number = number.wrapping_add(1);
        }
    }
}

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl std::fmt::Debug for OpLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpLog")
            .field("labels", &self.labels.len())
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}
