//! A row as people read it: what happened and when, by name, without the definition that a fold needs.
//!
//! A view only: what a run is made of again is the business of [`fold`](super::fold).

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::error::JournalError;
use super::log::LabelDelta;
use super::read::{AnswerRow, Kind, Mark, Op, Out, Row, TagValue, Token};
use crate::ErrorInfo;
use crate::engine::{FailureChoice, OpId, Time};

/// A row of a journal, to be shown.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// The row's number.
    pub row: u64,
    /// When it happened.
    pub at: Time,
    /// What happened.
    pub kind: EntryKind,
    /// Operations of the row's execution that are new with this row.
    pub ops: Vec<LabelDelta>,
    /// Cells of the store and states that have another value from here on.
    pub changed: Vec<String>,
}

/// What a row of a journal says.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EntryKind {
    /// The run began.
    Started(Given),
    /// Another process went on with the run, or it came back to memory.
    TakenOver,
    /// An event came from outside; none if nobody took it.
    Arrived(Option<Given>),
    /// An attempt ended.
    Attempt(Attempt),
    /// An execution reached a commit point.
    Commit(CommitPoint),
    /// An execution did something that could not wait for its report.
    Noted(Option<Place>),
    /// An input was answered.
    Answered {
        /// The input's number.
        input: u64,
        /// The answer.
        answer: Answered,
    },
    /// What was due was done.
    Timers,
    /// The run was asked to end.
    Cancel,
    /// Something else that only the fold needs.
    Other,
}

/// An event with its data.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Given {
    /// Its tag.
    pub event: String,
    /// Its fields.
    pub data: Value,
}

/// An execution of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Place {
    /// Its serial number.
    pub execution: u64,
    /// The step.
    pub step: String,
    /// 1 for the first attempt; 0 where a row does not say.
    pub attempt: u32,
}

/// An attempt that is over.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Attempt {
    /// Whose attempt it was.
    pub of: Place,
    /// When it began.
    pub began: Time,
    /// The events it gave.
    pub outputs: Vec<Given>,
    /// Why it failed, if it did.
    pub error: Option<ErrorInfo>,
    /// After how long it is repeated, if it is.
    pub retry_after: Option<Duration>,
}

/// A commit point of an execution.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CommitPoint {
    /// Whose it was.
    pub of: Place,
    /// The events that were delivered with it.
    pub outputs: Vec<Given>,
    /// What it was for.
    pub op: CommitOp,
}

/// What a commit point is for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CommitOp {
    /// `ctx.send_now`, or one that found no room.
    Sent(OpId),
    /// `ctx.wait_for_event` began.
    Wait {
        /// The wait.
        id: OpId,
        /// Tag of the awaited event.
        event: String,
        /// Tag of the announcement, if it makes one.
        announced: Option<String>,
        /// When it gives up.
        deadline: Option<Time>,
    },
    /// A wait was given up.
    Withdrawn(OpId),
    /// `ctx.collect_events` was given an event.
    Collect {
        /// The operation.
        id: OpId,
        /// The buffer.
        buffer: String,
        /// Tag of the event.
        event: String,
    },
    /// `ctx.run_child` began.
    ChildBegan(OpId),
    /// The child of a `ctx.run_child` ended.
    ChildEnded(OpId),
}

/// What answered an input.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answered {
    /// A choice about a failed step.
    Choice(FailureChoice),
    /// An event.
    Event(Given),
}

impl Entry {
    /// Reads a row; `after` is the number of the row before it, for the error.
    ///
    /// # Errors
    /// As for [`Row::decode`].
    pub fn decode(bytes: &[u8], after: u64) -> Result<Entry, JournalError> {
        Row::decode(bytes, after).map(Entry::from)
    }

    /// The execution that it is about, if it is about one.
    pub fn place(&self) -> Option<&Place> {
        match &self.kind {
            EntryKind::Attempt(attempt) => Some(&attempt.of),
            EntryKind::Commit(commit) => Some(&commit.of),
            EntryKind::Noted(place) => place.as_ref(),
            _ => None,
        }
    }

    /// The events that were delivered with it.
    pub fn given(&self) -> &[Given] {
        match &self.kind {
            EntryKind::Started(given) | EntryKind::Arrived(Some(given)) => std::slice::from_ref(given),
            EntryKind::Answered { answer: Answered::Event(given), .. } => std::slice::from_ref(given),
            EntryKind::Attempt(attempt) => &attempt.outputs,
            EntryKind::Commit(commit) => &commit.outputs,
            _ => &[],
        }
    }
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        let at = Time(row.at);
        let mut changed: Vec<String> = row.set.store.into_keys().chain(row.set.gone).collect();
        changed.extend(row.set.states.into_keys());
        Entry { row: row.number, at, kind: kind(row.kind, at), ops: row.ops, changed }
    }
}

fn kind(kind: Kind, at: Time) -> EntryKind {
    match kind {
        Kind::Start { event, .. } => EntryKind::Started(event.into()),
        Kind::TakenOver { .. } => EntryKind::TakenOver,
        Kind::External { event, .. } => EntryKind::Arrived(event.map(Given::from)),
        Kind::Report { exec, attempt, step, took, out, failed, .. } => {
            let (error, retry_after) = failed.map_or((None, None), |(error, after)| (Some(error), after));
            // A clock that went back gives a start after the end; it is shown as no time at all.
            let began = Time(at.0.wrapping_sub(took).min(at.0));
            let of = Place { execution: exec, step, attempt };
            EntryKind::Attempt(Attempt { of, began, outputs: outputs(out), error, retry_after })
        }
        Kind::Commit { exec, attempt, step, out, op, .. } => {
            let of = Place { execution: exec, step, attempt };
            EntryKind::Commit(CommitPoint { of, outputs: outputs(out), op: operation(op) })
        }
        Kind::Between { exec, step, .. } => {
            EntryKind::Noted(exec.zip(step).map(|(execution, step)| Place { execution, step, attempt: 0 }))
        }
        Kind::Answer { input, answer, .. } => {
            let answer = match answer {
                AnswerRow::Choice(choice) => Answered::Choice(choice),
                AnswerRow::Event(event, ..) => Answered::Event(event.into()),
            };
            EntryKind::Answered { input, answer }
        }
        Kind::Timers => EntryKind::Timers,
        Kind::Cancel => EntryKind::Cancel,
        _ => EntryKind::Other,
    }
}

fn outputs(out: Option<Out>) -> Vec<Given> {
    let tokens = match out {
        None => return Vec::new(),
        Some(Out::Plain((tokens,)) | Out::Matched(tokens, _)) => tokens,
    };
    let given = tokens.into_iter().filter_map(|token| match token {
        Token::Event(event) => Some(event.into()),
        Token::Open(_) | Token::Mark(Mark::Member | Mark::Close) => None,
    });
    given.collect()
}

fn operation(op: Op) -> CommitOp {
    match op {
        Op::Deliver(id) | Op::Refuse(id) => CommitOp::Sent(id),
        Op::Withdraw(id) => CommitOp::Withdrawn(id),
        Op::Child(id) => CommitOp::ChildBegan(id),
        Op::ChildDone(id) => CommitOp::ChildEnded(id),
        Op::Wait { id, event, announce, deadline, .. } => {
            let announced = announce.map(|event| event.tag().to_owned());
            CommitOp::Wait { id, event, announced, deadline: deadline.map(Time) }
        }
        Op::Collect { id, buffer, event, .. } => CommitOp::Collect { id, buffer, event: event.0 },
    }
}

impl From<TagValue> for Given {
    fn from(TagValue(event, data): TagValue) -> Self {
        Given { event, data }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn entry(row: Value) -> Value {
        serde_json::to_value(Entry::decode(row.to_string().as_bytes(), 0).unwrap()).unwrap()
    }

    fn row(n: u64, kind: Value) -> Value {
        json!({ "v": 1, "n": n, "at": 1_000, "do": kind })
    }

    #[test]
    fn an_attempt_names_its_outputs_and_its_time() {
        let out = json!([[["Joke", { "text": "a" }], 0, "member", ["Joke", { "text": "b" }], "close"]]);
        let read = entry(row(2, json!({ "report": { "exec": 1, "step": "write", "took": 400, "out": out } })));
        assert_eq!(
            read["kind"]["attempt"],
            json!({
                "of": { "execution": 1, "step": "write", "attempt": 1 },
                "began": 600,
                "outputs": [
                    { "event": "Joke", "data": { "text": "a" } },
                    { "event": "Joke", "data": { "text": "b" } },
                ],
                "error": null,
                "retry_after": null,
            })
        );
    }

    #[test]
    fn a_clock_that_went_back_gives_no_time_before_the_first() {
        let took = 0_u64.wrapping_sub(5);
        let read = entry(row(2, json!({ "report": { "exec": 1, "step": "write", "took": took } })));
        assert_eq!(read["kind"]["attempt"]["began"], 1_000);
    }

    #[test]
    fn a_failure_keeps_its_causes_and_its_delay() {
        let error = json!({ "exception_type": "E", "exception_message": "no", "causes": ["why"] });
        let failed = json!([error, { "secs": 1, "nanos": 0 }]);
        let kind = json!({ "report": { "exec": 1, "attempt": 2, "step": "write", "took": 1, "failed": failed } });
        let read = entry(row(3, kind));
        assert_eq!(read["kind"]["attempt"]["error"], error);
        assert_eq!(read["kind"]["attempt"]["retry_after"], json!({ "secs": 1, "nanos": 0 }));
        assert_eq!(read["kind"]["attempt"]["of"]["attempt"], 2);
    }

    #[test]
    fn waits_and_calls_are_read() {
        let op = json!({ "wait": { "id": { "kind": "wait", "label": "Reply", "ordinal": 0 }, "event": "Reply" } });
        let mut wait = row(4, json!({ "commit": { "exec": 1, "step": "ask", "seq": 1, "op": op } }));
        wait["ops"] = json!([{ "k": "call", "l": "pay", "n": 1, "r": [[0, { "json": 3 }]] }]);
        wait["set"] = json!({ "store": { "a": 1 }, "gone": ["b"], "states": { "S": {} } });
        let read = entry(wait);
        assert_eq!(read["kind"]["commit"]["op"]["wait"]["event"], "Reply");
        assert_eq!(read["ops"][0]["l"], "pay");
        assert_eq!(read["changed"], json!(["a", "b", "S"]));
    }

    #[test]
    fn rows_without_an_execution_are_read() {
        for (kind, expected) in [
            (json!({ "start": { "event": ["Topic", { "a": 1 }], "def": 7 } }), "started"),
            (json!({ "answer": { "input": 3, "answer": { "choice": "retry" } } }), "answered"),
            (json!({ "external": { "event": ["Poke", {}] } }), "arrived"),
        ] {
            let read = entry(row(1, kind));
            assert!(read["kind"].get(expected).is_some(), "{read}");
        }
        for (kind, expected) in [(json!("cancel"), "cancel"), (json!("timers"), "timers"), (json!("time"), "other")] {
            assert_eq!(entry(row(1, kind))["kind"], expected);
        }
    }
}
