//! What calls came to, for those who ask afterwards.

use std::sync::Arc;

use stepcast_core::backend::{LoadError, StorageError};
use stepcast_core::engine::Time;
use stepcast_core::journal::{Checkpoint, JournalError, StoredCall, stored_calls};
use stepcast_core::{Budget, CallEvent, Usage};

use super::spend;
use crate::context::Context;
use crate::run::{AnyRun, RunId};
use crate::runtime::Runtime;

/// The calls of a stored run could not be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The runtime keeps its runs in memory.
    #[error("This runtime has no backend; ask the run's handle for its calls.")]
    NoBackend,
    /// The run could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its journal is damaged.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl<S> Context<S> {
    /// What the run and its children have used up so far.
    pub fn usage(&self) -> Usage {
        spend::of(&self.exec.run).0
    }

    /// What is left for a call: the least of the run's budget and those of the runs that it is a child of, without what
    /// calls under way have reserved. `None` without a budget.
    pub fn budget_left(&self) -> Option<Budget> {
        spend::left(&self.exec.run)
    }
}

impl AnyRun {
    /// What the run and its children have used up so far, by what their calls said.
    pub fn usage(&self) -> Usage {
        spend::of(self.shared()).0
    }

    /// What is left of the run's own budget, without what calls under way have reserved. `None` without one.
    pub fn budget_left(&self) -> Option<Budget> {
        spend::of(self.shared()).1
    }

    /// Every call of the run with what it came to and why, oldest first. Made of the internal frames that are kept, so
    /// start the run with `RunOptions::record_internal`.
    pub fn calls(&self) -> Vec<CallEvent> {
        let data = self.shared().data();
        let frames = data.frames.iter().flat_map(|frames| frames.iter());
        frames.filter_map(|frame| frame.event.get::<CallEvent>().cloned()).collect()
    }
}

impl Runtime {
    /// The calls of a stored run whose results its journal still has, and how they came by them; the run need not be
    /// live, nor its workflow registered. Those that failed or were refused are in no journal.
    ///
    /// # Errors
    /// When there is no such run, or it cannot be read.
    pub async fn stored_calls(&self, run: &RunId) -> Result<Vec<StoredCall>, ExplainError> {
        let backend = Arc::clone(self.backend().ok_or(ExplainError::NoBackend)?);
        let run = run.clone();
        let list = move || {
            let stored = backend.load(run.as_str())?;
            let checkpoint = stored.snapshot.map(|snapshot| Checkpoint::decode(&snapshot.data, snapshot.covers));
            let checkpoint = checkpoint.transpose()?;
            let rows = stored.rows.iter().map(|row| &row.data);
            Ok(stored_calls(checkpoint.as_ref(), rows)?)
        };
        blocking(list).await.unwrap_or(Err(ExplainError::Load(LoadError::Storage(StorageError::Closed))))
    }

    /// Removes shared results of calls that were kept before a moment, in microseconds since the Unix epoch, at most
    /// `limit`; says how many.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn purge_call_cache(&self, before: u64, limit: usize) -> Result<usize, StorageError> {
        let Some(backend) = self.backend().map(Arc::clone) else { return Ok(0) };
        blocking(move || backend.cache_purge(Time(before), limit)).await.unwrap_or(Err(StorageError::Closed))
    }
}

/// Everything of a backend may block.
async fn blocking<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(ask).await.ok()
}
