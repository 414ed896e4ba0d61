//! How many runs a runtime has, and has had.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use stepcast_core::backend::RunStatus;

use super::Runtime;
use crate::run::{RunEnd, RunError};

/// How many runs a runtime has, and has had since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunCounts {
    /// Runs that are in memory and have not ended, children among them. One that has just ended may still be counted for
    /// a moment; a stored run that rests and has left memory is not.
    pub live: usize,
    /// Of each registered workflow, sorted by name.
    pub workflows: Vec<WorkflowCounts>,
}

/// How many runs of a workflow began and ended in this runtime. A run that was taken up again has not begun here, and one
/// that was left in its store has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkflowCounts {
    /// The name that it is registered under.
    pub workflow: String,
    /// Runs that began.
    pub started: u64,
    /// Runs that ended, by how.
    pub ended: Vec<(RunStatus, u64)>,
}

/// The ways to end, in the order of a tally.
const ENDS: [RunStatus; 5] = [
    RunStatus::Completed,
    RunStatus::CompletedWithFailures,
    RunStatus::Failed,
    RunStatus::Cancelled,
    RunStatus::TimedOut,
];

/// What became of the runs of one workflow.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    started: AtomicU64,
    ended: [AtomicU64; ENDS.len()],
}

impl Tally {
    pub(crate) fn begun(&self) {
        self.started.fetch_add(1, Relaxed);
    }

    pub(crate) fn ended(&self, end: &RunEnd) {
        let place = match end.result() {
            Ok(_) => usize::from(end.failures > 0),
            Err(RunError::Cancelled) => 3,
            Err(RunError::TimedOut { .. }) => 4,
            // These go on elsewhere, or never were.
            Err(RunError::ShuttingDown | RunError::Storage { .. } | RunError::DuplicateRunId { .. }) => return,
            Err(_) => 2,
        };
        self.ended[place].fetch_add(1, Relaxed);
    }
}

impl Runtime {
    /// How many runs there are, and have been. Cheap enough to be asked often.
    pub fn counts(&self) -> RunCounts {
        let of = |name: &String, tally: &Tally| WorkflowCounts {
            workflow: name.clone(),
            started: tally.started.load(Relaxed),
            ended: ENDS.into_iter().zip(tally.ended.iter().map(|runs| runs.load(Relaxed))).collect(),
        };
        let mut workflows: Vec<_> =
            self.inner.workflows.iter().map(|entry| of(entry.key(), &entry.value().tally)).collect();
        workflows.sort_by(|one, other| one.workflow.cmp(&other.workflow));
        RunCounts { live: self.live_runs(), workflows }
    }

    /// [`RunCounts::live`] alone.
    pub fn live_runs(&self) -> usize {
        self.inner.runs.len()
    }
}
