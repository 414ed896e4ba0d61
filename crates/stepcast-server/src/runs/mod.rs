//! What the server asks of a runtime, whether a backend keeps its runs or not.

mod follow;
mod input;
mod live;
mod live_run;
mod order;
mod start;
mod stored;
mod view;

use serde_json::Value;
use std::sync::{Arc, Mutex};
use stepcast::{AnyEvent, AnyRun, EventMeta, RunId, Runtime, StreamStart, WorkflowDef};

pub(crate) use follow::Follow;
pub(crate) use input::{InputQuery, InputState, InputView};
use live::LiveRuns;
pub(crate) use start::{HeldStart, StartData};
use stored::StoredRuns;
pub(crate) use view::{RunFault, RunQuery, RunView};

use crate::error::ApiError;
use crate::ops::Metrics;
use crate::options::ServerOptions;

/// Every run that can be seen. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    runtime: Runtime,
    kept: Kept,
    metrics: Arc<Metrics>,
    max_runs: Option<usize>,
    /// Held while a run is started where they are counted, so that no two take the last place.
    starting: Arc<Mutex<()>>,
}

#[derive(Clone, Debug)]
enum Kept {
    /// By the server, for a while after their end.
    Live(LiveRuns),
    /// By the runtime's backend.
    Stored(StoredRuns),
}

/// An event of a run's log.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) seq: u64,
    /// When it was written, in microseconds since the Unix epoch, where that is known.
    pub(crate) at: Option<u64>,
    pub(crate) event: AnyEvent,
}

/// What a run was started with.
#[derive(Clone, Debug)]
pub(crate) struct RunDefinition {
    pub(crate) workflow: String,
    /// The document that its workflow was made of, if it is one of data.
    pub(crate) document: Option<Value>,
    /// The workflow's structural description.
    pub(crate) description: Value,
}

impl Runs {
    pub(crate) fn of(runtime: Runtime, options: &ServerOptions, metrics: Arc<Metrics>) -> Self {
        let kept = match runtime.backend() {
            Some(_) => Kept::Stored(StoredRuns::of(runtime.clone())),
            None => Kept::Live(LiveRuns::of(runtime.clone(), options.keep_ended)),
        };
        Runs { runtime, kept, metrics, max_runs: options.max_runs, starting: Arc::default() }
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The definition of a workflow.
    pub(crate) fn definition(&self, workflow: &str) -> Result<Arc<WorkflowDef>, ApiError> {
        self.runtime.definition(workflow).ok_or_else(|| {
            let known = self.runtime.workflows();
            let detail = format!("There is no workflow `{workflow}`; there are: {}.", known.join(", "));
            ApiError::not_found("workflow_not_found", detail).with("known", known)
        })
    }

    /// What is known of a run.
    pub(crate) async fn find(&self, run: &RunId) -> Result<RunView, ApiError> {
        match &self.kept {
            Kept::Live(live) => live.find(run),
            Kept::Stored(stored) => stored.find(run).await,
        }
    }

    /// Runs, the newest first, at most `limit`; the next page starts after the last one's cursor.
    pub(crate) async fn list(
        &self,
        query: &RunQuery,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<RunView>, ApiError> {
        match &self.kept {
            Kept::Live(live) => Ok(live.list(query, after, limit)),
            Kept::Stored(stored) => stored.list(query, after, limit).await,
        }
    }

    /// Ids of a run's children, at most `limit`; without `ended` only those that are alive.
    pub(crate) async fn children(&self, run: &RunId, ended: bool, limit: usize) -> Result<Vec<RunId>, ApiError> {
        match &self.kept {
            Kept::Live(live) => Ok(live.children(run, ended, limit)),
            Kept::Stored(stored) => {
                let query = RunQuery { parent: Some(run.to_string()), ..RunQuery::default() };
                let children = stored.list(&query, None, limit).await?.into_iter();
                Ok(children.filter(|child| ended || !child.has_ended()).map(|child| child.id).collect())
            }
        }
    }

    /// The newest run that `is` takes, of those whose id is `name`, or `name`, a colon and more, where runs live in memory
    /// alone; `None` where a backend keeps them.
    pub(crate) fn newest_in_memory(&self, name: &str, is: impl Fn(&RunId) -> bool) -> Option<Option<RunId>> {
        match &self.kept {
            Kept::Live(live) => Some(live.newest(name, is)),
            Kept::Stored(_) => None,
        }
    }

    /// Logged events of a run after a number, at most `limit`.
    pub(crate) async fn events(&self, run: &RunId, after: u64, limit: usize) -> Result<Vec<Logged>, ApiError> {
        match &self.kept {
            Kept::Live(live) => live.events(run, after, limit).await,
            Kept::Stored(stored) => stored.events(run, after, limit).await,
        }
    }

    /// The events of a run as they come. `internal` asks for the runtime's own frames too.
    pub(crate) async fn follow(&self, run: &RunId, start: StreamStart, internal: bool) -> Result<Follow, ApiError> {
        let follow = match &self.kept {
            Kept::Live(live) => Follow::run(&live.handle(run)?, start, internal),
            Kept::Stored(stored) => stored.follow(run, start, internal).await?,
        };
        Ok(follow.counted(self.metrics.open_stream()))
    }

    /// All of a run that was just started, with the runtime's own frames: a stored run that has ended meanwhile has none.
    pub(crate) fn follow_new(&self, run: &AnyRun) -> Follow {
        Follow::run(run, StreamStart::Beginning, true).counted(self.metrics.open_stream())
    }

    /// Questions to people, the oldest first, at most `limit`; the next page starts after the last one's cursor.
    pub(crate) async fn inputs(
        &self,
        query: &InputQuery,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<InputView>, ApiError> {
        match &self.kept {
            Kept::Live(live) => live.inputs(query, after, limit).await,
            Kept::Stored(stored) => stored.inputs(query, after, limit).await,
        }
    }

    /// Answers a question; the first answer wins. Gives the question with its answer, which is recorded.
    pub(crate) async fn answer(
        &self,
        run: &RunId,
        input: u64,
        answer: Value,
        by: Option<String>,
    ) -> Result<InputView, ApiError> {
        match &self.kept {
            Kept::Live(live) => live.answer(run, input, answer, by).await,
            Kept::Stored(stored) => stored.answer(run, input, answer, by).await,
        }
    }

    /// Sends an event to a run, or to one of its steps; it is recorded when this returns.
    pub(crate) async fn send(&self, run: &RunId, event: AnyEvent, step: Option<&str>) -> Result<(), ApiError> {
        self.send_once(run, event, step, None).await
    }

    /// As [`send`](Self::send), under an id of the sender's: sent again under the same id, it is delivered once. What is
    /// sent to one step takes no id.
    pub(crate) async fn send_once(
        &self,
        run: &RunId,
        event: AnyEvent,
        step: Option<&str>,
        id: Option<String>,
    ) -> Result<(), ApiError> {
        match &self.kept {
            Kept::Live(live) => live.send(run, event, step, id),
            Kept::Stored(stored) => stored.send(run, event, step, id).await,
        }
    }

    /// The workflow of a run and the data of its start event; null where that is not known.
    pub(crate) async fn start_of(&self, run: &RunId) -> Result<(String, Value), ApiError> {
        match &self.kept {
            Kept::Live(live) => live.start_of(run),
            Kept::Stored(stored) => stored.start_of(run).await,
        }
    }

    /// What a run was started with, whatever its name stands for by now.
    pub(crate) async fn definition_of(&self, run: &RunId) -> Result<RunDefinition, ApiError> {
        match &self.kept {
            Kept::Live(live) => live.definition_of(run),
            Kept::Stored(stored) => stored.definition_of(run).await,
        }
    }

    /// Asks a run to end.
    pub(crate) async fn cancel(&self, run: &RunId) -> Result<(), ApiError> {
        match &self.kept {
            Kept::Live(live) => live.cancel(run),
            Kept::Stored(stored) => stored.cancel(run).await,
        }
    }

    /// Removes everything of a run; one that is alive is cancelled first.
    pub(crate) async fn purge(&self, run: &RunId) -> Result<(), ApiError> {
        match &self.kept {
            Kept::Live(live) => live.purge(run).await,
            Kept::Stored(stored) => stored.purge(run).await,
        }
    }

    /// A handle of a run that is alive here, or that has ended; a sleeping one is woken.
    pub(crate) async fn attach(&self, run: &RunId) -> Result<AnyRun, ApiError> {
        match &self.kept {
            Kept::Live(live) => live.handle(run),
            Kept::Stored(stored) => stored.attach(run).await,
        }
    }
}

/// The type of the events that a workflow ends with.
pub(crate) fn stop_meta(def: &WorkflowDef) -> &'static EventMeta {
    def.event(def.stop())
}
