//! What is asked of the store without any run being taken up.

use std::sync::Arc;

use stepcast_core::backend::*;
use stepcast_core::engine::Time;
use stepcast_core::{AnyEvent, BoxFuture};

use super::SendRunError;
use crate::clock;
use crate::run::{RunId, RunShared};
use crate::runtime::Runtime;

/// Asks a backend from async code; every one of its calls may block.
pub(crate) async fn ask<T: Send + 'static>(
    backend: &Arc<dyn Backend>,
    ask: impl FnOnce(&dyn Backend) -> T + Send + 'static,
) -> Option<T> {
    let backend = Arc::clone(backend);
    tokio::task::spawn_blocking(move || ask(&*backend)).await.ok()
}

impl Runtime {
    /// Stored runs, the latest created first, at most `limit`; the next page starts after [`RunRecord::cursor`] of the
    /// last. Without a backend there are none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list_runs(
        &self,
        filter: RunFilter,
        after: Option<RunCursor>,
        limit: usize,
    ) -> Result<Vec<RunRecord>, StorageError> {
        let Some(backend) = self.backend() else { return Ok(Vec::new()) };
        ask(backend, move |backend| backend.runs(&filter, after, limit)).await.unwrap_or(Err(StorageError::Closed))
    }

    /// What is stored of a run, whatever has become of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find_run(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        let Some(backend) = self.backend() else { return Ok(None) };
        let run = run.clone();
        ask(backend, move |backend| backend.run(run.as_str())).await.unwrap_or(Err(StorageError::Closed))
    }

    /// Questions to people, of all runs, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list_inputs(
        &self,
        filter: InputFilter,
        after: Option<InputCursor>,
        limit: usize,
    ) -> Result<Vec<InputRecord>, StorageError> {
        let Some(backend) = self.backend() else { return Ok(Vec::new()) };
        ask(backend, move |backend| backend.inputs(&filter, after, limit)).await.unwrap_or(Err(StorageError::Closed))
    }

    /// Stored stream events of a run after a number, at most `limit`.
    ///
    /// # Errors
    /// When there is no such run or the store cannot be read.
    pub async fn stored_events(&self, run: &RunId, after: u64, limit: usize) -> Result<Vec<StreamRow>, LoadError> {
        let Some(backend) = self.backend() else { return Ok(Vec::new()) };
        let run = run.clone();
        ask(backend, move |backend| backend.events(run.as_str(), after, limit))
            .await
            .unwrap_or(Err(LoadError::Storage(StorageError::Closed)))
    }

    /// Sends an event to a stored run, wherever it sleeps or runs. Recorded when this returns.
    ///
    /// # Errors
    /// When there is no such run, it has ended, or its workflow, if registered here, takes no such event from outside.
    pub async fn send_event(&self, run: &RunId, event: impl Into<AnyEvent>) -> Result<(), SendRunError> {
        self.send_letter(run, event.into(), None).await
    }

    /// As [`send_event`](Self::send_event), under an id of the sender's: sent again under the same id, it is delivered
    /// once. A run remembers the last 1,024 ids.
    ///
    /// # Errors
    /// As for [`send_event`](Self::send_event).
    pub async fn send_event_once(
        &self,
        run: &RunId,
        event: impl Into<AnyEvent>,
        id: impl Into<String>,
    ) -> Result<(), SendRunError> {
        self.send_letter(run, event.into(), Some(id.into())).await
    }

    async fn send_letter(&self, run: &RunId, event: AnyEvent, dedup: Option<String>) -> Result<(), SendRunError> {
        let Some(backend) = self.backend() else { return Err(SendRunError::NoBackend) };
        let record = self.find_run(run).await?;
        if let Some(def) = record.and_then(|record| self.definition(&record.workflow)) {
            super::answers::check_event(&def, &event)?;
        }
        let tag = event.tag().to_owned();
        let json =
            serde_json::to_string(&event).map_err(|source| SendRunError::Data { tag, source: Arc::new(source) })?;
        self.post(backend, run, MailKind::Event, json, dedup).await
    }

    /// Asks a stored run to end, wherever it sleeps or runs. Recorded when this returns; the run ends soon after.
    ///
    /// # Errors
    /// When there is no such run or it has ended.
    pub async fn cancel_run(&self, run: &RunId) -> Result<(), SendRunError> {
        let Some(backend) = self.backend() else { return Err(SendRunError::NoBackend) };
        self.post(backend, run, MailKind::Cancel, "null".to_owned(), None).await
    }

    /// Removes a stored run that has ended or that nobody holds, with everything of it.
    ///
    /// # Errors
    /// When there is no such run or a living process holds it.
    pub async fn purge_run(&self, run: &RunId) -> Result<(), PurgeError> {
        let Some(backend) = self.backend() else { return Err(StorageError::Closed.into()) };
        let run = run.clone();
        ask(backend, move |backend| backend.purge(run.as_str())).await.unwrap_or(Err(StorageError::Closed.into()))
    }

    /// Removes runs that ended before a moment, in microseconds since the Unix epoch, at most `limit`; says how many.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn purge_ended(&self, before: u64, limit: usize) -> Result<usize, StorageError> {
        let Some(backend) = self.backend() else { return Ok(0) };
        ask(backend, move |backend| backend.purge_ended(Time(before), limit)).await.unwrap_or(Err(StorageError::Closed))
    }

    async fn post(
        &self,
        backend: &Arc<dyn Backend>,
        run: &RunId,
        kind: MailKind,
        json: String,
        dedup: Option<String>,
    ) -> Result<(), SendRunError> {
        let letter = Letter { run: Arc::from(run.as_str()), kind, json, dedup, at: clock::now() };
        match ask(backend, move |backend| backend.send(letter)).await {
            Some(sent) => Ok(sent.map(drop)?),
            None => Err(SendRunError::ShuttingDown),
        }
    }
}

/// Stored stream events of a run after a number, a page of them; none if they cannot be read.
pub(crate) fn older_events(run: Arc<RunShared>, after: u64) -> BoxFuture<'static, Vec<(u64, AnyEvent)>> {
    const PAGE: usize = 256;
    Box::pin(async move {
        let Some(keeping) = run.keeping() else { return Vec::new() };
        let (id, def) = (run.id().clone(), Arc::clone(&run.program.def));
        let read = ask(&keeping.backend, move |backend| {
            let rows = backend.events(id.as_str(), after, PAGE)?;
            let typed = rows.into_iter().filter_map(|row| {
                let event: AnyEvent = serde_json::from_str(&row.json).ok()?;
                Some((row.seq, event.with_type_of(&def)))
            });
            Ok::<_, LoadError>(typed.collect::<Vec<_>>())
        });
        match read.await {
            Some(Ok(events)) => events,
            Some(Err(error)) => {
                tracing::warn!(target: "stepcast", run = %run.id(), %error, "the run's stream cannot be read back");
                Vec::new()
            }
            None => Vec::new(),
        }
    })
}
