//! The calls of a run: every `ctx.call` whose result is in its journal. One that failed or was refused, and a result
//! that an execution only read again, left nothing there.

use std::collections::HashMap;

use serde_json::Value;
use stepcast::Usage;
use stepcast::backend::StoredRun;
use stepcast::engine::{OpKind, Time};
use stepcast::journal::{Checkpoint, Entry, JournalError, Recorded, StoredCall, stored_calls};

use crate::wire;

/// A recorded `ctx.call`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CallRow {
    /// When it was recorded; unknown of one that only the snapshot has.
    pub(crate) at: Option<Time>,
    pub(crate) step: Option<String>,
    pub(crate) execution: u64,
    pub(crate) label: String,
    /// 0 for the first of its label in its execution.
    pub(crate) ordinal: u32,
    /// How it came by its result, in a word: `miss`, `cached`, `bypass`.
    pub(crate) decision: String,
    pub(crate) why: &'static str,
    /// What the cache of all runs knows it by.
    pub(crate) key: Option<String>,
    pub(crate) usage: Option<Usage>,
    /// Only rows have it.
    pub(crate) result: Option<Value>,
}

/// The calls, in the order in which they were recorded.
pub(super) fn calls(run: &StoredRun, entries: &[Entry]) -> Result<Vec<CallRow>, JournalError> {
    let checkpoint = match &run.snapshot {
        Some(snapshot) => Some(Checkpoint::decode(&snapshot.data, snapshot.covers)?),
        None => None,
    };
    // Rows after one that cannot be read are not looked at.
    let rows = run.rows.iter().take(entries.len()).map(|row| &row.data);
    let mut results = results(entries);
    let found = stored_calls(checkpoint.as_ref(), rows)?;
    Ok(found.into_iter().map(|call| row(call, &mut results)).collect())
}

type Results = HashMap<(u64, String, u32, Option<Time>), Value>;

fn results(entries: &[Entry]) -> Results {
    let mut all = HashMap::new();
    for entry in entries {
        let Some(place) = entry.place() else { continue };
        for delta in entry.ops.iter().filter(|delta| delta.kind == OpKind::Call) {
            for (ordinal, recorded) in &delta.results {
                let (Recorded::Json(value) | Recorded::Call { value, .. }) = recorded else { continue };
                all.insert((place.execution, delta.label.clone(), *ordinal, Some(entry.at)), value.clone());
            }
        }
    }
    all
}

fn row(call: StoredCall, results: &mut Results) -> CallRow {
    let StoredCall { label, ordinal, execution, step, reason, key, usage, at, .. } = call;
    let result = results.remove(&(execution, label.clone(), ordinal, at));
    let word = serde_json::to_value(reason.status()).ok();
    let decision = word.as_ref().and_then(Value::as_str).unwrap_or("recorded").to_owned();
    let result = result.map(wire::data);
    CallRow { at, step, execution, label, ordinal, decision, why: reason.sentence(), key, usage, result }
}
