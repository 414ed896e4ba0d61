//! What is asked of the store without any run being taken up.

use std::sync::Arc;

use serde::Deserialize;
use stepcast_core::backend::*;
use stepcast_core::engine::Time;
use stepcast_core::journal::Shape;
use stepcast_core::{AnyEvent, BoxFuture, EventEnvelope, WorkflowDef};

use super::SendRunError;
use super::answers::check_event;
use crate::clock;
use crate::run::{RunId, RunShared, single_takers};
use crate::runtime::Runtime;
use crate::stream::StreamReadError;
use crate::telemetry::TraceContext;

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

    /// The number of a stored run's last stream event; 0 if it has none, or nothing is stored.
    ///
    /// # Errors
    /// When there is no such run or the store cannot be read.
    pub async fn stored_last_seq(&self, run: &RunId) -> Result<u64, LoadError> {
        let Some(backend) = self.backend() else { return Ok(0) };
        let run = run.clone();
        ask(backend, move |backend| backend.last_seq(run.as_str()))
            .await
            .unwrap_or(Err(LoadError::Storage(StorageError::Closed)))
    }

    /// Sends an event to a stored run, wherever it sleeps or runs. Recorded when this returns.
    ///
    /// # Errors
    /// When there is no such run, it has ended, or its workflow takes no such event from outside. Where the workflow is
    /// registered, the event's data is checked too.
    pub async fn send_event(&self, run: &RunId, event: impl Into<AnyEvent>) -> Result<(), SendRunError> {
        self.send_letter(run, event.into(), None, None).await
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
        self.send_letter(run, event.into(), None, Some(id.into())).await
    }

    /// As [`send_event`](Self::send_event), to one step only.
    ///
    /// # Errors
    /// As for [`send_event`](Self::send_event), and when its workflow, if registered here, has no such step that takes
    /// the event by itself.
    pub async fn send_event_to(&self, run: &RunId, step: &str, event: impl Into<AnyEvent>) -> Result<(), SendRunError> {
        self.send_letter(run, event.into(), Some(step), None).await
    }

    async fn send_letter(
        &self,
        run: &RunId,
        event: AnyEvent,
        step: Option<&str>,
        dedup: Option<String>,
    ) -> Result<(), SendRunError> {
        let Some(backend) = self.backend() else { return Err(SendRunError::NoBackend) };
        if let Some(record) = self.find_run(run).await?.filter(|record| !record.status.is_end()) {
            match (self.definition(&record.workflow), step) {
                (Some(def), None) => check_event(&def, &event)?,
                (Some(def), Some(step)) => {
                    check_event(&def, &event)?;
                    check_step(&def, step, &event)?;
                }
                (None, _) => self.check_described(backend, run, &record.workflow, &event).await?,
            }
        }
        let tag = event.tag().to_owned();
        let mut letter =
            serde_json::to_value(&event).map_err(|source| SendRunError::Data { tag, source: Arc::new(source) })?;
        if let (Some(step), Some(fields)) = (step, letter.as_object_mut()) {
            fields.insert("step".to_owned(), step.into());
        }
        if let (Some(context), Some(fields)) = (TraceContext::current(), letter.as_object_mut()) {
            fields.insert("trace".to_owned(), context.to_text().into());
        }
        self.post(backend, run, MailKind::Event, letter.to_string(), dedup).await
    }

    /// Whether a run of a workflow that is not registered here takes this event, by the description in the store.
    async fn check_described(
        &self,
        backend: &Arc<dyn Backend>,
        run: &RunId,
        workflow: &str,
        event: &AnyEvent,
    ) -> Result<(), SendRunError> {
        let id = run.clone();
        let stored = ask(backend, move |backend| backend.load(id.as_str())).await;
        let shape: Option<Shape> = match stored {
            None => return Err(SendRunError::ShuttingDown),
            Some(Err(LoadError::Storage(error))) => return Err(error.into()),
            // Damage is told by whoever goes on with the run.
            Some(stored) => stored.ok().and_then(|stored| serde_json::from_str(&stored.description).ok()),
        };
        match shape {
            Some(shape) if !shape.takes_from_outside(event.tag()) => Err(SendRunError::NotExternal {
                workflow: workflow.to_owned(),
                event: event.tag().to_owned(),
                expected: shape.taken_from_outside(),
            }),
            _ => Ok(()),
        }
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

/// An event on its way to a stored run.
#[derive(Deserialize)]
pub(crate) struct EventLetter {
    #[serde(flatten)]
    pub(crate) envelope: EventEnvelope,
    /// The one step that it is for.
    #[serde(default)]
    pub(crate) step: Option<String>,
    /// Where it came from.
    #[serde(default)]
    pub(crate) trace: Option<String>,
}

/// Whether the step takes the event by itself.
fn check_step(def: &WorkflowDef, step: &str, event: &AnyEvent) -> Result<(), SendRunError> {
    let takers = single_takers(def, event.tag());
    if def.step_named(step).is_some_and(|ix| takers.contains(&ix)) {
        return Ok(());
    }
    Err(SendRunError::Step {
        workflow: def.name().to_owned(),
        step: step.to_owned(),
        event: event.tag().to_owned(),
        takers: takers.into_iter().map(|ix| def.step(ix).name().to_owned()).collect(),
    })
}

/// Stored stream events under their numbers with their times, those that cannot be read among them.
pub(crate) type Older = Result<Vec<(u64, Time, Result<AnyEvent, StreamReadError>)>, StreamReadError>;

/// Stored stream events of a run after a number, a page of them.
pub(crate) fn older_events(run: Arc<RunShared>, after: u64) -> BoxFuture<'static, Older> {
    const PAGE: usize = 256;
    Box::pin(async move {
        let Some(keeping) = run.keeping() else { return Ok(Vec::new()) };
        let (id, def) = (run.id().clone(), Arc::clone(&run.program.def));
        let read = ask(keeping.backend(), move |backend| {
            let rows = match backend.events(id.as_str(), after, PAGE) {
                // One that is missing does not take the others with it.
                Err(LoadError::EventGap { seq, .. }) if seq > after + 1 => {
                    backend.events(id.as_str(), after, (seq - after - 1) as usize)
                }
                Err(error @ LoadError::EventGap { .. }) => {
                    return Ok(vec![(after + 1, Time::default(), Err(error.into()))]);
                }
                rows => rows,
            };
            let typed = rows?.into_iter().map(|row| {
                let event: Result<AnyEvent, serde_json::Error> = serde_json::from_str(&row.json);
                let not_one = |source| StreamReadError::NotAnEvent {
                    run: id.to_string(),
                    seq: row.seq,
                    source: Arc::new(source),
                };
                (row.seq, row.at, event.map(|event| event.with_type_of(&def)).map_err(not_one))
            });
            Ok(typed.collect())
        });
        read.await.unwrap_or(Err(StreamReadError::ShuttingDown))
    })
}
