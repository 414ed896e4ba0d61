//! Kept runs that rest for long while somebody holds a handle of them: they have left memory but for what a handle shows,
//! and are read anew where something calls.

use std::sync::Arc;

use stepcast_core::backend::{Batch, Done};
use tokio::runtime::Handle;

use super::read_anew;
use crate::clock;
use crate::dispatch::{First, RunCore, RunTask};
use crate::run::{RunShared, Task, lock};

/// Starts the dispatcher of a run that is away. It finds nothing of the run but that it is being read.
pub(crate) fn come_back(run: &Arc<RunShared>, tokio: &Handle) {
    let core = RunCore::to_be_read(run);
    tokio.spawn(read_anew(Arc::clone(run)));
    tokio.spawn(RunTask::new(Arc::clone(run), First::Core(core)));
}

impl RunShared {
    /// Whether the run is away. If nobody holds it any more, that is the last of it here: its lease is given back.
    pub(crate) fn stays_away(self: &Arc<Self>) -> bool {
        let mut inbox = lock(&self.inbox);
        if !matches!(inbox.task, Task::Away(_)) {
            return false;
        }
        let Some(gone) = self.link().and_then(|link| link.forget_idle(self)) else { return true };
        inbox.task = Task::Ended;
        drop(inbox);
        if let Some(journal) = self.keeping().and_then(|keeping| keeping.take_journal(self.id())) {
            self.write_last(journal.releasing(clock::now()));
        }
        drop(gone);
        true
    }

    /// Writes a batch that gives the lease back, and holds the run until that is done.
    pub(crate) fn write_last(self: &Arc<Self>, batch: Batch) {
        let Some(keeping) = self.keeping() else { return };
        let run = Arc::clone(self);
        keeping.backend().write(
            batch,
            Done::new(move |result| {
                if let Err(error) = result {
                    tracing::warn!(target: "stepcast", run = %run.id(), %error, "a resting run could not be released");
                }
            }),
        );
    }
}
