//! Executions that are under way. A start is in no row, so what has only begun is found by folding the journal, which
//! takes the definition.

use std::collections::BTreeMap;

use stepcast::WorkflowDef;
use stepcast::backend::StoredRun;
use stepcast::journal::{Checkpoint, Fold};

/// An execution without an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alive {
    pub(crate) step: String,
    pub(crate) attempt: u32,
}

/// The executions by serial number. `None` where the journal does not fit the definition: it is not shown then.
pub(super) fn alive(def: &WorkflowDef, run: &StoredRun) -> Option<BTreeMap<u64, Alive>> {
    if run.record.status.is_end() {
        return Some(BTreeMap::new());
    }
    let checkpoint = match &run.snapshot {
        Some(snapshot) => Some(Checkpoint::decode(&snapshot.data, snapshot.covers).ok()?),
        None => None,
    };
    let mut fold = Fold::new(def, checkpoint).ok()?;
    run.rows.iter().try_for_each(|row| fold.add(&row.data)).ok()?;
    let state = fold.finish().state;
    let found = state.exec_keys().filter_map(|key| {
        let view = state.exec(key)?;
        Some((key.serial, Alive { step: def.step(view.step).name().to_owned(), attempt: view.attempt }))
    });
    Some(found.collect())
}
