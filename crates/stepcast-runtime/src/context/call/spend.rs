//! What a run has used up, and what calls under way may use up of its budget.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stepcast_core::state_cell::State;
use stepcast_core::{Budget, Usage};

use crate::run::{Cell, RunId, RunShared, lock};

/// A state cell of the run like any other, so that snapshots and journals carry it. It changes under one lock with the
/// record of the call that used something up, so a call is never recorded without its usage, nor counted twice.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Spent {
    /// How much the run may use up.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Budget>,
    /// What the run and its children have used up.
    total: Usage,
    /// What of it is that of children under way. A child's sum is set, not added to: one that is restored tells it again.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    children: BTreeMap<String, Usage>,
    /// What calls under way may use up. They are made again after a restore, so it is not kept.
    #[serde(skip)]
    reserved: Usage,
}

impl State for Spent {
    const NAME: &'static str = "stepcast.usage";
}

impl Spent {
    fn left(&self) -> Option<Budget> {
        self.limit.map(|limit| limit.after(self.total + self.reserved))
    }

    /// A child has used up `total` by now, `used` of it just now.
    fn hear_of(&mut self, child: &RunShared, total: Usage, used: Usage) {
        match self.children.get_mut(child.id().as_str()) {
            Some(known) => {
                let now = known.max(total);
                self.total += now.saturating_sub(*known);
                *known = now;
            }
            // It has ended, and its sum is no longer kept apart.
            None if child.has_ended() => self.total += used,
            None if total.is_zero() => {}
            None => {
                self.total += total;
                self.children.insert(child.id().to_string(), total);
            }
        }
    }
}

/// Gives a run its budget, before its first step or when it is taken up again.
pub(crate) fn set_budget(run: &RunShared, budget: Budget) {
    // What cannot be read is the error of the first call that asks.
    if let Ok(cell) = run.data().cell::<Spent>() {
        let mut spent = lock(&cell.value);
        spent.limit = Some(budget);
        run.changed(&cell);
    }
}

/// What the run and its children have used up, and what is left of its own budget.
pub(super) fn of(run: &RunShared) -> (Usage, Option<Budget>) {
    match run.data().cell_if_any::<Spent>() {
        Some(cell) => {
            let spent = lock(&cell.value);
            (spent.total, spent.left())
        }
        None => (Usage::default(), None),
    }
}

/// What is left for a call of the run: the least of its budget and those of the runs that it is a child of.
pub(super) fn left(run: &Arc<RunShared>) -> Option<Budget> {
    let least = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
    let mut left: Option<Budget> = None;
    let mut next = Some(Arc::clone(run));
    while let Some(run) = next {
        if let Some(own) = of(&run).1 {
            let known = left.get_or_insert_default();
            (known.tokens, known.cost_micros) =
                (least(known.tokens, own.tokens), least(known.cost_micros, own.cost_micros));
        }
        next = run.parent();
    }
    left
}

/// A child that was taken up again tells its parent what it had used up.
pub(crate) fn tell_parent(parent: &RunShared, child: &RunShared) {
    let total = of(child).0;
    if total.is_zero() {
        return;
    }
    let cell = parent.data().cell::<Spent>();
    if let Ok(cell) = cell {
        let mut spent = lock(&cell.value);
        let known = spent.children.get(child.id().as_str()).copied().unwrap_or_default();
        let now = known.max(total);
        spent.total += now.saturating_sub(known);
        spent.children.insert(child.id().to_string(), now);
        parent.changed(&cell);
    }
}

/// A child has ended, and its end is on record: its sum need not be kept apart any more.
pub(crate) fn child_ended(parent: &RunShared, child: &str) {
    let cell = parent.data().cell_if_any::<Spent>();
    if let Some(cell) = cell {
        let mut spent = lock(&cell.value);
        spent.children.remove(child);
        parent.changed(&cell);
    }
}

/// A call may not be made.
pub(super) enum Refusal {
    /// What is left of the budget of this run is too little.
    Exhausted { run: RunId, left: Budget },
    /// What was used up cannot be read.
    Unreadable(serde_json::Error),
}

/// Room in the budgets of a run and of those it is a child of, for one call. Given back when dropped.
pub(super) struct Reservation {
    held: Vec<(Arc<RunShared>, Arc<Cell<Spent>>)>,
    asked: Usage,
}

impl Reservation {
    /// Room for the estimate. A call without one is refused only where nothing is left.
    pub(super) fn of(run: &Arc<RunShared>, estimate: Option<Usage>) -> Result<Self, Refusal> {
        let mut reservation = Reservation { held: Vec::new(), asked: estimate.unwrap_or_default() };
        let mut next = Some(Arc::clone(run));
        while let Some(run) = next {
            let cell = run.data().cell::<Spent>().map_err(Refusal::Unreadable)?;
            let mut spent = lock(&cell.value);
            if let Some(left) = spent.left()
                && estimate.map_or(left.is_used_up(), |asked| !left.covers(asked))
            {
                return Err(Refusal::Exhausted { run: run.id().clone(), left });
            }
            spent.reserved += reservation.asked;
            drop(spent);
            next = run.parent();
            reservation.held.push((run, cell));
        }
        Ok(reservation)
    }

    /// Puts what was really used up in the place of what was asked. `record` is called under the lock of the run's
    /// sum, so that nobody sees one without the other.
    pub(super) fn settle(mut self, used: Usage, record: impl FnOnce()) {
        let mut below: Option<(Arc<RunShared>, Usage)> = None;
        let mut record = Some(record);
        for (run, cell) in std::mem::take(&mut self.held) {
            let mut spent = lock(&cell.value);
            spent.reserved = spent.reserved.saturating_sub(self.asked);
            match &below {
                Some((child, total)) => spent.hear_of(child, *total, used),
                None => spent.total += used,
            }
            run.changed(&cell);
            if let Some(record) = record.take() {
                record();
            }
            below = Some((run, spent.total));
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        for (_, cell) in &self.held {
            let mut spent = lock(&cell.value);
            spent.reserved = spent.reserved.saturating_sub(self.asked);
        }
    }
}
