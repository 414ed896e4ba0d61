//! From what a store has of a run to the run under the definition at hand, which may be another one than the run began
//! under.

use super::base::{Checkpoint, fingerprint};
use super::error::JournalError;
use super::fold::{Folded, fold};
use super::read::{Kind, Row};
use super::{Shape, describe};
use crate::definition::WorkflowDef;
use crate::engine::{Difference, RestoreError};

/// A stored run under the definition at hand.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The run.
    pub folded: Folded,
    /// Where its rows were written under another definition: what has to stand for them before the first row that
    /// follows, so that the journal is read under one definition from there on.
    pub checkpoint: Option<Checkpoint>,
}

/// Folds a journal as [`fold`] does; `described` is the [description](describe) that the store keeps with the run. If the
/// definition has changed since the rows were written, they are folded by the one they were written under, and the run
/// goes on if everything it still refers to exists unchanged, as from a snapshot.
///
/// # Errors
/// As for [`fold`], and [`JournalError::Refused`] with every difference.
pub fn open<R: AsRef<[u8]>>(
    def: &WorkflowDef,
    described: &str,
    checkpoint: Option<Checkpoint>,
    rows: &[R],
) -> Result<Opened, JournalError> {
    let Some(shape) = changed(def, described, checkpoint.as_ref(), rows) else {
        let changed = checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.def != fingerprint(def));
        let folded = fold(def, checkpoint, rows)?;
        let checkpoint = changed.then(|| standing_for(def, &folded));
        return Ok(Opened { folded, checkpoint });
    };
    let Written { shape, past } = shape;
    let folded = fold(&past, checkpoint, rows)?;
    if folded.outcome.is_some() {
        return Ok(Opened { folded, checkpoint: None });
    }
    let (row, bytes) = (folded.row, serde_json::to_vec(&standing_for(&past, &folded)));
    let bytes = bytes.map_err(|source| JournalError::Undecodable { after: row, source })?;
    let stop = def.event(def.stop()).tag;
    let was = shape.stop_tag().filter(|was| *was != stop).map(str::to_owned);
    let other_stop = was.map(|was| Difference::StopChanged { was, now: stop.to_owned() });
    let (state, kept) = Checkpoint::decode(&bytes, row)?.resolve(def, other_stop.into_iter().collect()).map_err(
        |error| match error {
            RestoreError::Refused { workflow, differences } => JournalError::Refused { workflow, differences },
            error => JournalError::Checkpoint(error),
        },
    )?;
    let folded = Folded { state, kept, row, outcome: None };
    let checkpoint = Some(standing_for(def, &folded));
    Ok(Opened { folded, checkpoint })
}

fn standing_for(def: &WorkflowDef, folded: &Folded) -> Checkpoint {
    Checkpoint::of(def, folded.row, &folded.state, folded.kept.clone())
}

/// The definition that rows were written under.
struct Written {
    shape: Shape,
    past: WorkflowDef,
}

/// The definition that the rows were written under, if it is another one and its description is there.
fn changed<R: AsRef<[u8]>>(
    def: &WorkflowDef,
    described: &str,
    checkpoint: Option<&Checkpoint>,
    rows: &[R],
) -> Option<Written> {
    let (number, shape) = match checkpoint {
        Some(checkpoint) if checkpoint.def == fingerprint(def) => return None,
        Some(checkpoint) => (checkpoint.def, checkpoint.shape.as_deref().cloned()?),
        None if described == describe(def) => return None,
        None => {
            let Kind::Start { def: number, .. } = Row::decode(rows.first()?.as_ref(), 0).ok()?.kind else {
                return None;
            };
            (number, serde_json::from_str::<Shape>(described).ok()?)
        }
    };
    if number == fingerprint(def) {
        return None;
    }
    let past = shape.definition(def)?;
    (fingerprint(&past) == number).then_some(Written { shape, past })
}
