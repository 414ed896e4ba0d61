use std::sync::{Arc, Mutex, Weak};

use stepcast_core::backend::Backend;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::counts::Tally;
use super::{Inner, Runtime};
use crate::run::{RunEnd, RunId, lock};

/// Ties a run to its runtime.
pub(crate) struct RuntimeLink {
    pub(super) runtime: Weak<Inner>,
    pub(super) limit: Option<Arc<Semaphore>>,
    pub(super) permit: Mutex<Option<OwnedSemaphorePermit>>,
    pub(super) tally: Arc<Tally>,
}

impl RuntimeLink {
    pub(crate) fn inner(&self) -> Option<Arc<Inner>> {
        self.runtime.upgrade()
    }

    pub(crate) fn runtime(&self) -> Option<Runtime> {
        self.inner().map(Runtime::of)
    }

    /// Whether the workflow's concurrent runs are bounded.
    pub(crate) fn is_bounded(&self) -> bool {
        self.limit.is_some()
    }

    /// Waits for a place among the workflow's concurrent runs.
    pub(crate) async fn admit(&self) {
        if let Some(limit) = &self.limit
            && let Ok(permit) = Arc::clone(limit).acquire_owned().await
        {
            *lock(&self.permit) = Some(permit);
        }
    }

    /// Gives the place back.
    pub(crate) fn release(&self) {
        drop(lock(&self.permit).take());
    }

    /// What keeps the runs of the runtime.
    pub(crate) fn backend(&self) -> Option<Arc<dyn Backend>> {
        self.runtime.upgrade()?.host.as_ref().map(|host| Arc::clone(&host.backend))
    }

    pub(crate) fn ended(&self, id: &RunId, end: Option<&RunEnd>) {
        self.release();
        if let Some(end) = end {
            self.tally.ended(end);
        }
        if let Some(runtime) = self.runtime.upgrade() {
            // Its id may belong to another run by now.
            let gone = runtime.runs.remove_if(id, |_, run| run.is_done());
            runtime.drained.notify_waiters();
            drop(gone);
        }
    }
}

impl std::fmt::Debug for RuntimeLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuntimeLink").finish_non_exhaustive()
    }
}
