use std::sync::{Arc, Mutex, Weak};

use stepcast_core::WorkflowDef;
use stepcast_core::backend::Backend;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::counts::Tally;
use super::{Inner, Runtime};
use crate::run::{RunEnd, RunId, lock};

/// Ties a run to its runtime.
pub(crate) struct RuntimeLink {
    runtime: Weak<Inner>,
    // Boxed: few workflows have one.
    limit: Option<Box<Limit>>,
    tally: Arc<Tally>,
}

/// A bound of concurrent runs, and the run's place among them.
struct Limit {
    places: Arc<Semaphore>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl RuntimeLink {
    pub(super) fn new(runtime: &Arc<Inner>, limit: Option<Arc<Semaphore>>, tally: Arc<Tally>) -> Self {
        let limit = limit.map(|places| Box::new(Limit { places, permit: Mutex::new(None) }));
        RuntimeLink { runtime: Arc::downgrade(runtime), limit, tally }
    }

    pub(crate) fn inner(&self) -> Option<Arc<Inner>> {
        self.runtime.upgrade()
    }

    pub(crate) fn runtime(&self) -> Option<Runtime> {
        self.inner().map(Runtime::of)
    }

    /// Whether a stored run of the workflow can go on here by itself.
    pub(crate) fn knows(&self, def: &WorkflowDef) -> bool {
        def.document().is_some() || self.inner().is_some_and(|inner| inner.workflows.contains_key(def.name()))
    }

    /// Whether the workflow's concurrent runs are bounded.
    pub(crate) fn is_bounded(&self) -> bool {
        self.limit.is_some()
    }

    /// Waits for a place among the workflow's concurrent runs.
    pub(crate) async fn admit(&self) {
        if let Some(limit) = &self.limit
            && let Ok(permit) = Arc::clone(&limit.places).acquire_owned().await
        {
            *lock(&limit.permit) = Some(permit);
        }
    }

    /// Gives the place back.
    pub(crate) fn release(&self) {
        drop(self.limit.as_deref().and_then(|limit| lock(&limit.permit).take()));
    }

    /// What keeps the runs of the runtime.
    pub(crate) fn backend(&self) -> Option<Arc<dyn Backend>> {
        self.runtime.upgrade()?.host.as_ref().map(|host| Arc::clone(host.backend()))
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
