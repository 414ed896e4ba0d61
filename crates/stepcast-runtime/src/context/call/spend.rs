//! What the calls of a run have used up, and what those under way may use up of its budget.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stepcast_core::state_cell::State;
use stepcast_core::{Budget, Usage};

use super::cache::CachePolicy;
use crate::run::{RunId, RunOptions, RunShared, lock};

/// A state cell of the run like any other, so that snapshots and journals carry it. It changes under one lock with the
/// record of the call that used something up, so a call is never recorded without its usage, nor counted twice.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ledger {
    /// How much the run may use up.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Budget>,
    /// What the cache is for its calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<CachePolicy>,
    /// What the run and its children have used up.
    total: Usage,
    /// What of it is that of children under way. A child's sum is set, not added to: one that is restored tells it again.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    children: BTreeMap<String, Usage>,
    /// What calls under way may use up. They are made again after a restore, so it is not kept.
    #[serde(skip)]
    reserved: Usage,
}

impl State for Ledger {
    const NAME: &'static str = "stepcast.calls";
}

impl Ledger {
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

/// Looks at a run's sum while it is locked, and changes it where `change` says so. The cell is looked for each time: a
/// run that is read anew has others.
fn with<R>(run: &RunShared, change: impl FnOnce(&mut Ledger) -> (R, Changed)) -> Result<R, serde_json::Error> {
    let cell = run.data().cell::<Ledger>()?;
    let mut ledger = lock(&cell.value);
    let (result, changed) = change(&mut ledger);
    if changed == Changed::ForGood {
        run.changed(&cell);
    }
    Ok(result)
}

/// Whether a journal has to know.
#[derive(PartialEq, Eq)]
enum Changed {
    ForGood,
    /// Only what is reserved.
    ForNow,
}

/// Gives a run what its options say of its calls, before its first step or when it is taken up again: kept with the run,
/// as it may be taken up without them.
pub(crate) fn set_up(run: &RunShared, options: &RunOptions) {
    let (budget, policy) = (options.budget, options.call_policy);
    if budget.is_none() && policy.is_none() {
        return;
    }
    // What cannot be read is the error of the first call that asks.
    let _ = with(run, |ledger| {
        (ledger.limit, ledger.policy) = (budget.or(ledger.limit), policy.or(ledger.policy));
        ((), Changed::ForGood)
    });
}

/// What the cache is for the run's calls, if it was told.
pub(super) fn policy(run: &RunShared) -> Option<CachePolicy> {
    let cell = run.data().cell_if_any::<Ledger>()?;
    lock(&cell.value).policy
}

/// What the run and its children have used up, and what is left of its own budget.
pub(super) fn of(run: &RunShared) -> (Usage, Option<Budget>) {
    match run.data().cell_if_any::<Ledger>() {
        Some(cell) => {
            let ledger = lock(&cell.value);
            (ledger.total, ledger.left())
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
pub(crate) fn tell_parent(parent: &Arc<RunShared>, child: &RunShared) {
    let total = of(child).0;
    if total.is_zero() {
        return;
    }
    let _ = with(parent, |ledger| {
        let known = ledger.children.get(child.id().as_str()).copied().unwrap_or_default();
        let now = known.max(total);
        ledger.total += now.saturating_sub(known);
        ledger.children.insert(child.id().to_string(), now);
        ((), Changed::ForGood)
    });
    parent.nudge();
}

/// A child has ended, and its end is on record: its sum need not be kept apart any more.
pub(crate) fn child_ended(parent: &Arc<RunShared>, child: &str) {
    let is_there = parent.data().cell_if_any::<Ledger>().is_some();
    if is_there {
        let _ = with(parent, |ledger| match ledger.children.remove(child) {
            Some(_) => ((), Changed::ForGood),
            None => ((), Changed::ForNow),
        });
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
    held: Vec<Arc<RunShared>>,
    asked: Usage,
}

impl Reservation {
    /// Room for the estimate. A call without one is refused only where nothing is left.
    pub(super) fn of(run: &Arc<RunShared>, estimate: Option<Usage>) -> Result<Self, Refusal> {
        let asked = estimate.unwrap_or_default();
        let mut reservation = Reservation { held: Vec::new(), asked };
        let mut next = Some(Arc::clone(run));
        while let Some(run) = next {
            let refused = with(&run, |ledger| {
                let is_too_little = |left: &Budget| estimate.map_or(left.is_used_up(), |asked| !left.covers(asked));
                let refused = ledger.left().filter(is_too_little);
                if refused.is_none() {
                    ledger.reserved += asked;
                }
                (refused, Changed::ForNow)
            });
            if let Some(left) = refused.map_err(Refusal::Unreadable)? {
                return Err(Refusal::Exhausted { run: run.id().clone(), left });
            }
            next = run.parent();
            reservation.held.push(run);
        }
        Ok(reservation)
    }

    /// Puts what was really used up in the place of what was asked. `record` is called under the lock of the run's
    /// sum, so that nobody sees one without the other.
    pub(super) fn settle(mut self, used: Usage, record: impl FnOnce()) {
        let mut below: Option<(Arc<RunShared>, Usage)> = None;
        let mut record = Some(record);
        for run in std::mem::take(&mut self.held) {
            let total = with(&run, |ledger| {
                ledger.reserved = ledger.reserved.saturating_sub(self.asked);
                match &below {
                    Some((child, total)) => ledger.hear_of(child, *total, used),
                    None => ledger.total += used,
                }
                if let Some(record) = record.take() {
                    record();
                }
                (ledger.total, Changed::ForGood)
            });
            // The run's own journal has word of it by the record.
            if below.is_some() {
                run.nudge();
            }
            below = total.ok().map(|total| (run, total));
        }
        // Only where the sum could be read when the call began, and cannot any more.
        if let Some(record) = record.take() {
            record();
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        for run in &self.held {
            let _ = with(run, |ledger| (ledger.reserved = ledger.reserved.saturating_sub(self.asked), Changed::ForNow));
        }
    }
}
