//! How runs are started.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::Value;
use stepcast::{AnyRun, HeldRun, Payload, RunId, RunOptions, StartWith};

use super::live_run::LiveRun;
use super::{Kept, RunView, Runs};
use crate::error::ApiError;

/// The data of a start event, and the event itself where it is decoded already.
pub(crate) struct StartData {
    pub(crate) data: Value,
    pub(crate) event: Option<Payload>,
}

impl From<Value> for StartData {
    fn from(data: Value) -> Self {
        StartData { data, event: None }
    }
}

/// A run that is entered everywhere, and recorded if a backend keeps it. Dropped, it begins.
pub(crate) struct HeldStart {
    run: HeldRun,
    live: Option<Arc<LiveRun>>,
}

/// A run that has begun.
pub(crate) struct Begun {
    pub(crate) run: AnyRun,
    live: Option<Arc<LiveRun>>,
}

impl Runs {
    /// Starts a run of a workflow; it is recorded when this returns.
    pub(crate) async fn start(
        &self,
        workflow: &str,
        start: impl Into<StartData>,
        options: RunOptions,
    ) -> Result<AnyRun, ApiError> {
        Ok(self.hold(workflow, start.into(), options).await?.begin().run)
    }

    /// As [`start`](Self::start), for who decides how it begins.
    pub(crate) async fn hold(
        &self,
        workflow: &str,
        mut start: StartData,
        options: RunOptions,
    ) -> Result<HeldStart, ApiError> {
        // Known before it begins, so that even its refusal names it.
        let chosen = options.id().cloned();
        let id = chosen.clone().unwrap_or_else(RunId::random);
        let options = options.run_id(id.clone());
        let held = {
            let _counted = self.place(&id)?;
            match &self.kept {
                Kept::Live(live) => live.hold(workflow, &id, chosen.is_some(), start, options),
                Kept::Stored(_) => {
                    let held = self.runtime.hold(workflow, start.with(), options);
                    held.map(|run| (run, None)).map_err(|error| ApiError::from(error).of_run(&id))
                }
            }
        };
        let (run, live) = held?;
        if live.is_none() {
            Box::pin(settled(&run, &id)).await?;
        }
        Ok(HeldStart { run, live })
    }

    /// A place for one run more, as long as the guard is held.
    fn place(&self, id: &RunId) -> Result<Option<MutexGuard<'_, ()>>, ApiError> {
        let Some(max) = self.max_runs else { return Ok(None) };
        let guard = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.runtime.live_runs() < max {
            return Ok(Some(guard));
        }
        let detail = format!("There are {max} live runs, as many as this server takes. Try again when one has ended.");
        let refusal = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_runs", detail);
        Err(refusal.of_run(id).with("max_runs", max).retry_after(Duration::from_secs(1)))
    }

    /// What is known of a run that was begun here.
    pub(crate) async fn view(&self, begun: &Begun) -> Result<RunView, ApiError> {
        match &begun.live {
            Some(live) => Ok(live.view()),
            None => Box::pin(self.find(begun.run.run_id())).await,
        }
    }
}

/// Waits until a run that is not in memory alone is recorded, or was refused.
async fn settled(run: &AnyRun, id: &RunId) -> Result<(), ApiError> {
    // A run that the runtime refused is another one, which has ended already.
    let begun = if run.run_id() == id { run.recorded().await } else { run.outcome().await.map(drop) };
    begun.map_err(|error| ApiError::not_begun(id, &error))
}

impl StartData {
    pub(super) fn with(&mut self) -> StartWith<'_> {
        match self.event.take() {
            Some(event) => StartWith::Event(event),
            None => StartWith::Data(&self.data),
        }
    }
}

impl HeldStart {
    /// Lets the run begin in its own task.
    pub(crate) fn begin(self) -> Begun {
        Begun { run: self.run.begin(), live: self.live }
    }

    /// Lets the run begin in the request's task, whose only business it is.
    pub(crate) fn begin_here(self) -> Begun {
        Begun { run: self.run.begin_here(), live: self.live }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use axum::body::Body;
    use axum::http::Request;
    use stepcast::prelude::*;
    use stepcast::{Runtime, StartEvent, StopEvent};
    use tower::ServiceExt;

    use crate::Server;

    #[event(external)]
    struct Go {}

    #[step(waits(Go))]
    async fn wait(_: StartEvent, ctx: Context) -> Result<StopEvent> {
        ctx.wait_for_event::<Go>().await?;
        Ok(StopEvent::new("it went on"))
    }

    flow!(Waits: StartEvent => StopEvent { wait });

    #[tokio::test]
    async fn a_run_goes_on_without_the_request_that_it_began_in() {
        for path in ["/workflows/waits/run", "/workflows/waits?wait=result"] {
            let runtime = Runtime::new();
            runtime.register_as("waits", Waits, None).unwrap();
            let request =
                Request::post(path).header("content-type", "application/json").body(Body::from("{}")).unwrap();
            let asked = tokio::spawn(Server::new(runtime.clone()).router().oneshot(request));
            let waiting = async {
                loop {
                    let run = runtime.runs().first().and_then(|id| runtime.get(id));
                    match run.filter(|run| run.is_waiting()) {
                        Some(run) => return run,
                        None => tokio::task::yield_now().await,
                    }
                }
            };
            let run = tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
            asked.abort();
            assert!(asked.await.unwrap_err().is_cancelled(), "{path}");
            run.send_event(Go {}).unwrap();
            let end = tokio::time::timeout(Duration::from_secs(20), run.outcome()).await.unwrap().unwrap();
            assert_eq!(end.get::<StopEvent>().unwrap().result(), Some(&"it went on".into()), "{path}");
        }
    }
}
