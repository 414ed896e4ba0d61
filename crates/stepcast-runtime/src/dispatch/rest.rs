//! A run that is put away: a small one in little room, and its dispatcher's room left to other runs.

use std::sync::Arc;
use std::time::Duration;

use stepcast_core::engine::{Resting, Time};
use stepcast_core::{BoxFuture, StepOutput};
use tokio::runtime::Handle;

use super::core::{More, RunCore};
use super::place::{Entry, Place};
use crate::exec::ExecShared;
use crate::run::RunShared;

/// A run at rest.
pub(crate) struct PutAway {
    state: Resting,
    parked: Box<[Parked]>,
    more: Option<Box<More>>,
    tokio: Option<Handle>,
}

/// An execution that waits. What else its entry says is in its shared part.
struct Parked {
    shared: Arc<ExecShared>,
    started: Time,
    // Boxed: few steps have a timeout.
    left: Option<Box<Duration>>,
    /// Absent between two attempts.
    future: Option<BoxFuture<'static, StepOutput>>,
}

impl RunCore {
    /// Packs a run that has nothing to do; a large one is given back as it is.
    pub(crate) fn put_away(mut self: Box<Self>, run: &RunShared) -> Result<Box<PutAway>, Box<RunCore>> {
        let plain = |entry: &Entry| {
            entry.shared.is_some()
                && entry.deadline.is_none()
                && matches!(entry.place, Place::Parked(_) | Place::Between)
        };
        // One that waits for its turn holds its start event, and is told later how much of it may run.
        let waits_for_turn = self.start.is_some();
        if waits_for_turn || !self.state.can_rest() || !self.entries.iter().flatten().all(|entry| plain(entry)) {
            return Err(self);
        }
        let Some(state) = self.state.rest() else { return Err(self) };
        let parked = self.entries.drain(..).flatten().filter_map(|entry| {
            let Entry { started, left, shared, place, .. } = *entry;
            let future = if let Place::Parked(future) = place { Some(future) } else { None };
            Some(Parked { shared: shared?, started, left: left.map(Box::new), future })
        });
        let parked = parked.collect();
        if let (Some(keeping), Some(journal)) = (run.keeping(), self.journal.take()) {
            keeping.put_journal(journal);
        }
        let away = PutAway { state, parked, more: self.more.take(), tokio: Handle::try_current().ok() };
        self.leave();
        Ok(Box::new(away))
    }
}

impl PutAway {
    /// Where the run goes on.
    pub(crate) fn tokio(&self) -> Option<Handle> {
        self.tokio.clone()
    }

    pub(crate) fn take_up(self, run: &RunShared) -> Box<RunCore> {
        let mut core = RunCore::with_options(run);
        core.state.take_up(self.state);
        core.more = self.more;
        for Parked { shared, started, left, future } in self.parked {
            let (key, step, attempt) = (shared.key, shared.step, shared.attempt);
            let left = left.map(|left| *left);
            let place = future.map_or(Place::Between, Place::Parked);
            core.put_entry(Entry { key, step, attempt, started, deadline: None, left, shared: Some(shared), place });
        }
        core
    }
}

impl std::fmt::Debug for PutAway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PutAway").finish_non_exhaustive()
    }
}
