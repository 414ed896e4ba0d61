//! Which run is meant.

use stepcast::backend::{Backend, RunFilter, RunRecord};

use crate::error::CliError;
use crate::text::short;

/// How many runs are read at once.
const PAGE: usize = 1000;

/// The run of this id; the newest for `latest`; the only one whose id begins or ends so.
pub(crate) fn run(store: &dyn Backend, text: &str) -> Result<RunRecord, CliError> {
    if text == "latest" {
        return latest(store)?.ok_or_else(|| CliError::new("SC0030", "There are no runs in this store yet."));
    }
    if let Some(found) = store.run(text)? {
        return Ok(found);
    }
    let mut found = Vec::new();
    // One character is no name, and would find anything.
    if text.chars().count() >= 2 {
        each(store, &RunFilter::default(), |record| {
            if record.run.starts_with(text) || record.run.ends_with(text) {
                found.push(record);
            }
            found.len() < 10
        })?;
    }
    // A child is meant only where its parent is not.
    let runs = found.iter().filter(|record| !found.iter().any(|other| record.parent.as_ref() == Some(&other.run)));
    let mut runs: Vec<RunRecord> = runs.cloned().collect();
    match (runs.pop(), runs.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            runs.push(last);
            let ids: Vec<&str> = runs.iter().map(|record| short(&record.run)).collect();
            Err(CliError::new("SC0032", format!("Several runs have an id like `{text}`: {}.", ids.join(", "))))
        }
        (None, _) => Err(CliError::new("SC0030", format!("There is no run `{text}` in this store."))),
    }
}

/// The run that was started last; children do not count.
pub(crate) fn latest(store: &dyn Backend) -> Result<Option<RunRecord>, CliError> {
    let mut found = None;
    each(store, &RunFilter::default(), |record| {
        if record.parent.is_none() {
            found = Some(record);
        }
        found.is_none()
    })?;
    Ok(found)
}

/// Calls `look` with runs, the latest first, for as long as it says so.
pub(crate) fn each(
    store: &dyn Backend,
    filter: &RunFilter,
    mut look: impl FnMut(RunRecord) -> bool,
) -> Result<(), CliError> {
    let mut after = None;
    loop {
        let page = store.runs(filter, after, PAGE)?;
        let full = page.len() == PAGE;
        for record in page {
            after = Some(record.cursor);
            if !look(record) {
                return Ok(());
            }
        }
        if !full {
            return Ok(());
        }
    }
}
