//! A run as a handler.

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use stepcast::RunId;
use stepcast::backend::RunStatus;
use utoipa::ToSchema;

use super::envelope::Envelope;
use crate::access::Access;
use crate::error::RUN_ID;
use crate::runs::RunView;
use crate::wire::{self, time};

/// A run as a handler.
#[derive(Serialize, ToSchema)]
pub(crate) struct Handler {
    /// The run's id.
    #[serde(serialize_with = "wire::id")]
    #[schema(value_type = String)]
    handler_id: RunId,
    workflow_name: String,
    /// The run's id as well.
    #[serde(serialize_with = "wire::id")]
    #[schema(value_type = String)]
    run_id: RunId,
    /// Why it failed.
    error: Option<String>,
    /// The stop event of a completed run.
    #[schema(value_type = Option<Envelope>)]
    result: Option<Outcome>,
    /// Always `false`.
    result_unreadable: bool,
    /// `running`, `completed`, `failed` or `cancelled`.
    status: &'static str,
    started_at: String,
    updated_at: Option<String>,
    completed_at: Option<String>,
}

/// A stop event, or what is in it.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Event(Envelope),
    Bare(Value),
}

impl Handler {
    pub(super) fn of(run: RunView, access: Access) -> Self {
        let changed = time::text(run.changed);
        Handler {
            completed_at: run.has_ended().then(|| changed.clone()),
            handler_id: run.id.clone(),
            workflow_name: run.workflow,
            run_id: run.id,
            error: run.error.filter(|_| word(run.status) == "failed").map(|error| error.message),
            result: run.result.as_ref().map(|event| Outcome::Event(Envelope::of(event, access))),
            result_unreadable: false,
            status: word(run.status),
            started_at: time::text(run.created),
            updated_at: Some(changed),
        }
    }

    /// A run that was just started, whatever has become of it meanwhile.
    pub(super) fn begun(run: RunView) -> Self {
        let started = time::text(run.created);
        Handler {
            handler_id: run.id.clone(),
            workflow_name: run.workflow,
            run_id: run.id,
            error: None,
            result: None,
            result_unreadable: false,
            status: "running",
            started_at: started.clone(),
            updated_at: Some(started),
            completed_at: None,
        }
    }

    /// The status code that says how the run stands: 200 completed, 202 running, 500 anything else.
    pub(super) fn outcome(&self) -> StatusCode {
        match self.status {
            "completed" => StatusCode::OK,
            "running" => StatusCode::ACCEPTED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The same with the result out of its envelope.
    pub(super) fn bare(mut self) -> Self {
        self.result = self.result.map(|result| match result {
            Outcome::Event(envelope) => Outcome::Bare(envelope.into_result()),
            bare => bare,
        });
        self
    }

    /// The handler as a response, which names the run in its header too.
    pub(super) fn respond(self, status: StatusCode) -> Response {
        wire::about_run(&self.run_id, status, &self)
    }
}

/// A response about a run: its header says which.
pub(super) fn named(run: &str, mut response: Response) -> Response {
    if let Ok(id) = HeaderValue::from_str(run) {
        response.headers_mut().insert(RUN_ID, id);
    }
    response
}

/// The four words that clients know.
fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Completed | RunStatus::CompletedWithFailures => "completed",
        RunStatus::Failed | RunStatus::TimedOut => "failed",
        RunStatus::Cancelled => "cancelled",
        _ => "running",
    }
}

/// The statuses behind one of the four words; none behind any other.
pub(super) fn statuses(word: &str) -> &'static [RunStatus] {
    match word {
        "running" => &[RunStatus::Running, RunStatus::Waiting],
        "completed" => &[RunStatus::Completed, RunStatus::CompletedWithFailures],
        "failed" => &[RunStatus::Failed, RunStatus::TimedOut],
        "cancelled" => &[RunStatus::Cancelled],
        _ => &[],
    }
}
