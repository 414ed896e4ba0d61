//! What a journal tells of the calls of its run, without its definition.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::{Checkpoint, LabelDelta, Recorded, Row};
use crate::engine::{OpKind, Time};
use crate::{CallReason, Usage};

/// A call whose result a journal has. Those that failed or were refused left nothing there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoredCall {
    /// The call's label.
    pub label: String,
    /// Its place among those of that label in its execution, from 0.
    pub ordinal: u32,
    /// Serial number of the execution.
    pub execution: u64,
    /// The step, where a row tells of it.
    pub step: Option<String>,
    /// Why it ran, or where its result is from.
    pub reason: CallReason,
    /// What the cross-run cache knows it by, if it has a key.
    pub key: Option<String>,
    /// What it used up, if it says so.
    pub usage: Option<Usage>,
    /// When its result came into the journal; unknown of one that only the checkpoint has.
    pub at: Option<Time>,
}

/// The calls of a run, oldest first: those that the checkpoint still has on record because their execution was under
/// way, then those of the rows. What an execution did that was over before the checkpoint is not there any more.
///
/// # Errors
/// When a row is not one.
pub fn stored_calls<R: AsRef<[u8]>>(
    checkpoint: Option<&Checkpoint>,
    rows: impl IntoIterator<Item = R>,
) -> Result<Vec<StoredCall>, JournalError> {
    let mut calls = Vec::new();
    for (serial, log) in checkpoint.iter().flat_map(|checkpoint| &checkpoint.kept.logs.0) {
        for label in log.labels.iter().filter(|label| label.kind == OpKind::Call) {
            let results = (0..).zip(&label.results).filter_map(|(at, result)| Some((at, result.as_ref()?)));
            calls.extend(
                results.filter_map(|(ordinal, result)| StoredCall::of(&label.label, ordinal, *serial, None, result)),
            );
        }
    }
    let base = checkpoint.map_or(0, Checkpoint::row);
    let mut last = base;
    let mut steps: BTreeMap<u64, String> = BTreeMap::new();
    for row in rows {
        let row = Row::decode(row.as_ref(), last)?;
        last = row.number();
        if last <= base {
            continue;
        }
        let Some((serial, step)) = row.execution().map(|(serial, step)| (serial, step.to_owned())) else { continue };
        for LabelDelta { kind, label, results, .. } in &row.ops {
            if *kind != OpKind::Call {
                continue;
            }
            for (ordinal, result) in results {
                let call = StoredCall::of(label, *ordinal, serial, Some(Time(row.at)), result);
                calls.extend(call.map(|call| StoredCall { step: Some(step.clone()), ..call }));
            }
        }
        steps.insert(serial, step);
    }
    for call in calls.iter_mut().filter(|call| call.step.is_none()) {
        call.step = steps.get(&call.execution).cloned();
    }
    Ok(calls)
}

impl StoredCall {
    fn of(label: &str, ordinal: u32, execution: u64, at: Option<Time>, result: &Recorded) -> Option<Self> {
        let (reason, key, usage) = match result {
            Recorded::Call { about, .. } => (about.reason, about.key.clone(), about.usage),
            Recorded::Json(_) => (CallReason::NotRecorded, None, None),
            _ => return None,
        };
        Some(StoredCall { label: label.to_owned(), ordinal, execution, step: None, reason, key, usage, at })
    }
}
