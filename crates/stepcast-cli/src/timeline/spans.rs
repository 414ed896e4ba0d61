//! Attempts as stretches of time, with the waits within them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use stepcast::backend::{InputRecord, InputStatus, RunRecord};
use stepcast::engine::Time;
use stepcast::journal::{CommitOp, CommitPoint, Entry, EntryKind};
use stepcast::{ErrorInfo, StepOverlay};

/// An attempt of an execution of a step.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) step: String,
    /// Serial number of the execution in its run.
    pub(crate) execution: u64,
    pub(crate) attempt: u32,
    pub(crate) began: Time,
    pub(crate) end: End,
    /// Tags of what it gave, as often as it gave them.
    pub(crate) outputs: Vec<String>,
    pub(crate) waits: Vec<Wait>,
    /// Spans of one lane do not overlap; a step has as many lanes as it had attempts at a time.
    pub(crate) lane: usize,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// It gave what it gave.
    Done(Time),
    /// It failed; it is repeated after so long, or not at all.
    Failed { at: Time, error: ErrorInfo, again: bool },
    /// Nothing tells of its end, and the last that is known of it is of this time: it is under way, or its run ended
    /// before.
    Open { seen: Time, cut: bool },
}

/// A stretch in which an attempt waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// Tag of the event that it waited for.
    pub(crate) event: String,
    pub(crate) from: Time,
    pub(crate) to: Time,
    /// It still does.
    pub(crate) open: bool,
    /// The input that a person is asked with, if one is.
    pub(crate) input: Option<u64>,
}

impl Span {
    pub(crate) fn ended(&self) -> Time {
        match &self.end {
            End::Done(at) | End::Failed { at, .. } | End::Open { seen: at, .. } => *at,
        }
    }

    pub(crate) fn error(&self) -> Option<&ErrorInfo> {
        match &self.end {
            End::Failed { error, .. } => Some(error),
            _ => None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.end, End::Open { .. })
    }

    /// How it ended, in a word.
    pub(crate) fn word(&self) -> &'static str {
        match &self.end {
            End::Done(_) => "done",
            End::Failed { again: true, .. } => "failed, repeated",
            End::Failed { again: false, .. } => "failed",
            End::Open { cut: true, .. } => "cut off",
            End::Open { .. } if self.waits.iter().any(|wait| wait.open) => "waiting",
            End::Open { .. } => "under way",
        }
    }

    /// Microseconds in which it did not wait.
    pub(crate) fn busy(&self) -> u64 {
        let waited: u64 = self.waits.iter().map(|wait| wait.to.0.saturating_sub(wait.from.0)).sum();
        self.ended().0.saturating_sub(self.began.0).saturating_sub(waited)
    }

    /// Adds the attempt to what a step did.
    pub(super) fn add_to(&self, step: &mut StepOverlay) {
        match &self.end {
            End::Done(_) => step.runs += 1,
            End::Failed { again, .. } => {
                step.failures += 1;
                step.runs += u64::from(!again);
            }
            End::Open { cut: true, .. } => step.runs += 1,
            End::Open { .. } if self.waits.iter().any(|wait| wait.open) => step.waiting += 1,
            End::Open { .. } => step.running += 1,
        }
        step.total_micros += self.busy();
    }
}

/// What the rows say of an attempt before its report comes.
struct Begun {
    began: Time,
    outputs: Vec<String>,
    waits: Vec<Wait>,
}

pub(super) fn spans(entries: &[Entry], inputs: &[InputRecord], run: &RunRecord) -> Vec<Span> {
    let (mut all, mut begun) = (Vec::new(), BTreeMap::<(u64, u32), (String, Begun)>::new());
    let mut waiting = Waiting::default();
    let mut last = run.changed;
    for entry in entries {
        last = last.max(entry.at);
        waiting.release(&mut begun, entry);
        match &entry.kind {
            EntryKind::Commit(commit) => {
                let key = (commit.of.execution, commit.of.attempt);
                let (_, known) = begun.entry(key).or_insert_with(|| {
                    (commit.of.step.clone(), Begun { began: entry.at, outputs: Vec::new(), waits: Vec::new() })
                });
                close(known, entry.at);
                known.outputs.extend(commit.outputs.iter().map(|given| given.event.clone()));
                let wait = wait(commit, entry.at, inputs);
                if let Some(wait) = wait.as_ref().filter(|wait| wait.open) {
                    waiting.add(key, wait);
                }
                known.waits.extend(wait);
            }
            EntryKind::Attempt(attempt) => {
                let known = begun.remove(&(attempt.of.execution, attempt.of.attempt)).map(|(_, known)| known);
                let mut known = known.unwrap_or(Begun { began: attempt.began, outputs: Vec::new(), waits: Vec::new() });
                close(&mut known, entry.at);
                known.outputs.extend(attempt.outputs.iter().map(|given| given.event.clone()));
                let end = match &attempt.error {
                    None => End::Done(entry.at),
                    Some(error) => {
                        End::Failed { at: entry.at, error: error.clone(), again: attempt.retry_after.is_some() }
                    }
                };
                // An attempt that another process took up again has begun before.
                let began = known.began.min(attempt.began);
                all.push(span(&attempt.of.step, (attempt.of.execution, attempt.of.attempt), began, end, known));
            }
            _ => {}
        }
    }
    let ended = run.status.is_end();
    for (key, (step, mut known)) in begun {
        for wait in known.waits.iter_mut().filter(|wait| wait.open) {
            (wait.to, wait.open) = (wait.to.max(last), !ended);
        }
        all.push(span(&step, key, known.began, End::Open { seen: last, cut: ended }, known));
    }
    all.sort_by_key(|span| (span.began, span.execution, span.attempt));
    lanes(&mut all);
    all
}

fn span(step: &str, (execution, attempt): (u64, u32), began: Time, end: End, known: Begun) -> Span {
    let Begun { outputs, waits, .. } = known;
    Span { step: step.to_owned(), execution, attempt, began, end, outputs, waits, lane: 0 }
}

/// A wait ends where the execution goes on, at the latest.
fn close(known: &mut Begun, at: Time) {
    for wait in known.waits.iter_mut().filter(|wait| wait.open) {
        (wait.to, wait.open) = (at, false);
    }
}

/// Attempts by what they wait for, the oldest first. Some have gone on since.
#[derive(Default)]
struct Waiting {
    events: HashMap<String, VecDeque<(u64, u32)>>,
    inputs: HashMap<u64, (u64, u32)>,
}

impl Waiting {
    fn add(&mut self, key: (u64, u32), wait: &Wait) {
        match wait.input {
            Some(input) => _ = self.inputs.insert(input, key),
            None => self.events.entry(wait.event.clone()).or_default().push_back(key),
        }
    }

    /// A wait that asks a person ends with the row of the answer: it is then that the run has it, which may be long
    /// after it was given. Another one ends with an event of its type; who among several got that is in no row, so the
    /// first is taken for it.
    fn release(&mut self, begun: &mut BTreeMap<(u64, u32), (String, Begun)>, entry: &Entry) {
        if let EntryKind::Answered { input, .. } = &entry.kind
            && let Some(key) = self.inputs.remove(input)
            && end(begun, key, entry.at, |wait| wait.input == Some(*input))
        {
            return;
        }
        for given in entry.given() {
            let Some(keys) = self.events.get_mut(&given.event) else { continue };
            while let Some(key) = keys.pop_front() {
                if end(begun, key, entry.at, |wait| wait.input.is_none() && wait.event == given.event) {
                    break;
                }
            }
        }
    }
}

/// Ends the last open wait of an attempt that is meant, if there is one.
fn end(
    begun: &mut BTreeMap<(u64, u32), (String, Begun)>,
    key: (u64, u32),
    at: Time,
    meant: impl Fn(&Wait) -> bool,
) -> bool {
    let mut waits = begun.get_mut(&key).into_iter().flat_map(|(_, known)| known.waits.iter_mut()).rev();
    let found = waits.find(|wait| wait.open && meant(wait));
    found.map(|wait| (wait.to, wait.open) = (at, false)).is_some()
}

fn wait(commit: &CommitPoint, at: Time, inputs: &[InputRecord]) -> Option<Wait> {
    let CommitOp::Wait { event, announced, .. } = &commit.op else { return None };
    let asked = inputs.iter().filter(|_| announced.is_some());
    let asked = asked.filter(|input| input.opened == at).find(|input| input.asked.step == commit.of.step);
    let ended = asked.and_then(|input| match input.status {
        InputStatus::Withdrawn { at } | InputStatus::Expired { at } => Some(at),
        _ => None,
    });
    let input = asked.map(|input| input.asked.input);
    Some(Wait { event: event.clone(), from: at, to: ended.unwrap_or(at), open: ended.is_none(), input })
}

/// Gives every span the first lane of its step that is free.
fn lanes(spans: &mut [Span]) {
    let mut free: BTreeMap<String, Vec<Time>> = BTreeMap::new();
    for span in spans {
        let lanes = free.entry(span.step.clone()).or_default();
        span.lane = lanes.iter().position(|until| *until <= span.began).unwrap_or(lanes.len());
        match lanes.get_mut(span.lane) {
            Some(until) => *until = span.ended(),
            None => lanes.push(span.ended()),
        }
    }
}
