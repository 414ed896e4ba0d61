//! Runs that a backend keeps.

use serde_json::Value;
use stepcast::backend::{InputCursor, InputFilter, LoadError, RunCursor, RunFilter, StorageError, StreamRow};
use stepcast::{AnyEvent, AnyRun, AttachError, Catalogue, EventEnvelope, RunId, Runtime, StreamStart, WorkflowDef};

use super::{Follow, InputQuery, InputView, Logged, RunDefinition, RunQuery, RunView, stop_meta};
use crate::error::ApiError;

/// How many runs are read at once where more than one workflow is asked for.
const PAGE: usize = 256;

/// Runs that a backend keeps.
#[derive(Clone, Debug)]
pub(super) struct StoredRuns {
    runtime: Runtime,
}

impl StoredRuns {
    pub(super) fn of(runtime: Runtime) -> Self {
        StoredRuns { runtime }
    }

    pub(super) async fn find(&self, run: &RunId) -> Result<RunView, ApiError> {
        let record = self.runtime.find_run(run).await?.ok_or_else(|| ApiError::no_run(run))?;
        Ok(self.view(record))
    }

    fn view(&self, record: stepcast::backend::RunRecord) -> RunView {
        let registered = self.runtime.definition(&record.workflow).map(|def| stop_meta(&def));
        let linked = || Some(Catalogue::global().ok()?.workflow(&record.workflow)?.spec.stop);
        let stop = registered.or_else(linked);
        RunView::of_record(record, stop)
    }

    pub(super) async fn list(
        &self,
        query: &RunQuery,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<RunView>, ApiError> {
        let filter = RunFilter {
            workflow: query.workflows.first().filter(|_| query.workflows.len() == 1).cloned(),
            parent: query.parent.as_deref().map(Into::into),
            statuses: query.statuses.clone(),
            ..RunFilter::default()
        };
        let (mut found, mut after) = (Vec::new(), after.map(RunCursor));
        while found.len() < limit {
            let page = self.runtime.list_runs(filter.clone(), after, PAGE.min(limit)).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.cursor);
            let wanted = page.into_iter().map(|record| self.view(record)).filter(|run| query.takes(run));
            found.extend(wanted.take(limit - found.len()));
        }
        Ok(found)
    }

    pub(super) async fn start_of(&self, run: &RunId) -> Result<(String, Value), ApiError> {
        let Some(backend) = self.runtime.backend().cloned() else { return Err(ApiError::no_run(run)) };
        let id = run.clone();
        let loaded = tokio::task::spawn_blocking(move || backend.load(id.as_str())).await;
        let loaded = loaded.unwrap_or(Err(LoadError::Storage(StorageError::Closed)));
        let loaded = loaded.map_err(|error| ApiError::of_load(run, error))?;
        Ok((loaded.record.workflow, serde_json::from_str(&loaded.start).unwrap_or_default()))
    }

    pub(super) async fn definition_of(&self, run: &RunId) -> Result<RunDefinition, ApiError> {
        let Some(backend) = self.runtime.backend().cloned() else { return Err(ApiError::no_run(run)) };
        let id = run.clone();
        let read = move || {
            let loaded = backend.load(id.as_str())?;
            let hash = loaded.record.definition.as_deref();
            let document = hash.map(|hash| backend.definition(hash)).transpose()?.flatten();
            let json = |text: &str| serde_json::from_str(text).unwrap_or_default();
            Ok(RunDefinition {
                workflow: loaded.record.workflow,
                document: document.as_deref().map(json),
                description: json(&loaded.description),
            })
        };
        let found = tokio::task::spawn_blocking(read).await;
        let found: Result<_, LoadError> = found.unwrap_or(Err(LoadError::Storage(StorageError::Closed)));
        found.map_err(|error| ApiError::of_load(run, error))
    }

    pub(super) async fn events(&self, run: &RunId, after: u64, limit: usize) -> Result<Vec<Logged>, ApiError> {
        let record = self.runtime.find_run(run).await?.ok_or_else(|| ApiError::no_run(run))?;
        let def = self.runtime.definition(&record.workflow);
        let rows = self.runtime.stored_events(run, after, limit).await;
        let rows = rows.map_err(|error| ApiError::of_load(run, error))?;
        let logged = |row: StreamRow| Logged { seq: row.seq, at: Some(row.at.0), event: typed(&row, def.as_deref()) };
        Ok(rows.into_iter().map(logged).collect())
    }

    pub(super) async fn follow(&self, run: &RunId, start: StreamStart, internal: bool) -> Result<Follow, ApiError> {
        let record = self.runtime.find_run(run).await?.ok_or_else(|| ApiError::no_run(run))?;
        if record.status.is_end() {
            return self.elsewhere(run, start).await;
        }
        match self.runtime.attach(run).await {
            Ok(live) => Ok(Follow::run(&live, start, internal)),
            Err(AttachError::Claim(stepcast::backend::ClaimError::UnknownRun { .. })) => Err(ApiError::no_run(run)),
            Err(AttachError::Storage(error)) => Err(ApiError::from(error).of_run(run)),
            // Whoever holds it or may go on with it, its stream is in the store.
            Err(_) => self.elsewhere(run, start).await,
        }
    }

    /// What the store has of a run's stream.
    async fn elsewhere(&self, run: &RunId, start: StreamStart) -> Result<Follow, ApiError> {
        let after = match start {
            StreamStart::Beginning => 0,
            StreamStart::After(seq) | StreamStart::Again(seq) => seq,
            _ => self.runtime.stored_last_seq(run).await.map_err(|error| ApiError::of_load(run, error))?,
        };
        Ok(Follow::elsewhere(self.runtime.clone(), run.clone(), after))
    }

    pub(super) async fn attach(&self, run: &RunId) -> Result<AnyRun, ApiError> {
        self.runtime.attach(run).await.map_err(|error| ApiError::of_attach(run, error))
    }

    pub(super) async fn inputs(
        &self,
        query: &InputQuery,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<InputView>, ApiError> {
        let filter = InputFilter {
            run: query.run.as_deref().map(Into::into),
            input: query.input,
            workflow: query.workflow.clone(),
            pending: query.pending,
        };
        let inputs = self.runtime.list_inputs(filter, after.map(InputCursor), limit).await?;
        Ok(inputs.into_iter().map(InputView::of_record).collect())
    }

    pub(super) async fn answer(
        &self,
        run: &RunId,
        input: u64,
        answer: Value,
        by: Option<String>,
    ) -> Result<InputView, ApiError> {
        let answered = self.runtime.answer_input(run, input, answer, by).await;
        answered.map_err(|error| ApiError::of_answer(run, input, error))?;
        let query = InputQuery { run: Some(run.to_string()), input: Some(input), ..InputQuery::default() };
        self.inputs(&query, None, 1).await?.pop().ok_or_else(|| ApiError::no_input(run, input))
    }

    pub(super) async fn send(
        &self,
        run: &RunId,
        event: AnyEvent,
        step: Option<&str>,
        id: Option<String>,
    ) -> Result<(), ApiError> {
        let sent = match (step, id) {
            (Some(step), _) => self.runtime.send_event_to(run, step, event).await,
            (None, Some(id)) => self.runtime.send_event_once(run, event, id).await,
            (None, None) => self.runtime.send_event(run, event).await,
        };
        sent.map_err(|error| ApiError::of_send(run, error))
    }

    pub(super) async fn cancel(&self, run: &RunId) -> Result<(), ApiError> {
        self.runtime.cancel_run(run).await.map_err(|error| ApiError::of_send(run, error))
    }

    pub(super) async fn purge(&self, run: &RunId) -> Result<(), ApiError> {
        let view = self.find(run).await?;
        if !view.has_ended() {
            let live = self.attach(run).await?;
            live.cancel();
            // Its end is recorded when it is known.
            let _ = live.outcome().await;
        }
        self.runtime.purge_run(run).await.map_err(|error| ApiError::of_purge(run, error))
    }
}

/// A stored event under the type that the workflow has for it. A text that is no envelope is shown as it is.
pub(super) fn typed(row: &StreamRow, def: Option<&WorkflowDef>) -> AnyEvent {
    let event: AnyEvent = serde_json::from_str(&row.json).unwrap_or_else(|_| {
        let value = Value::from(row.json.clone());
        AnyEvent::from_envelope(EventEnvelope { value, qualified_name: None, tag: row.tag.clone(), types: None })
    });
    match def {
        Some(def) => event.with_type_of(def),
        None => event,
    }
}
