//! The calls of a run: every result of a `ctx.call` that its journal still has.

use serde_json::Value;
use stepcast::engine::{OpKind, Time};
use stepcast::journal::{Entry, Recorded};

/// A recorded `ctx.call`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CallRow {
    pub(crate) at: Time,
    /// The row that recorded it.
    pub(crate) row: u64,
    pub(crate) step: String,
    pub(crate) execution: u64,
    pub(crate) label: String,
    /// 0 for the first of its label in its execution.
    pub(crate) ordinal: u32,
    pub(crate) decision: Decision,
    pub(crate) result: Value,
}

/// How a call came by its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// In a word: `miss`, `hit`, `bypass`.
    pub(crate) word: String,
    pub(crate) why: String,
}

/// The calls, in the order in which they were recorded. A result that an execution only read again is in no row: the
/// record of it is the one of the attempt that made the call.
pub(super) fn calls(entries: &[Entry]) -> Vec<CallRow> {
    let mut all: Vec<CallRow> = Vec::new();
    for entry in entries {
        let Some(place) = entry.place() else { continue };
        for delta in entry.ops.iter().filter(|delta| delta.kind == OpKind::Call) {
            for (ordinal, recorded) in &delta.results {
                let Recorded::Json(result) = recorded else { continue };
                let before = all.iter().any(|call| {
                    (call.execution, call.ordinal) == (place.execution, *ordinal) && call.label == delta.label
                });
                all.push(CallRow {
                    at: entry.at,
                    row: entry.row,
                    step: place.step.clone(),
                    execution: place.execution,
                    label: delta.label.clone(),
                    ordinal: *ordinal,
                    decision: decision(before),
                    result: result.clone(),
                });
            }
        }
    }
    all
}

/// What the record says of how the call was decided. A record holds only the result so far, so it follows from the
/// place: the first record of a call was made because there was none, and a further one replaces it.
fn decision(before: bool) -> Decision {
    let (word, why) = match before {
        false => ("miss", "no result was recorded yet, so it was made"),
        true => ("bypass", "it was made again although a result was recorded"),
    };
    Decision { word: word.to_owned(), why: why.to_owned() }
}
