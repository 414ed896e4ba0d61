//! A run as it is shown.

use serde_json::Value;
use stepcast::backend::{RunRecord, RunStatus};
use stepcast::{
    AnyEvent, ErrorInfo, EventEnvelope, EventMeta, RunId, WorkflowCancelledEvent, WorkflowFailedEvent,
    WorkflowTimedOutEvent,
};

/// A run as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct RunView {
    pub(crate) id: RunId,
    /// The name that its workflow is registered under.
    pub(crate) workflow: String,
    pub(crate) parent: Option<String>,
    pub(crate) status: RunStatus,
    /// Executions that were given up on the way.
    pub(crate) failures: u32,
    /// The stop event of a completed run.
    pub(crate) result: Option<AnyEvent>,
    /// Why it ended otherwise.
    pub(crate) error: Option<RunFault>,
    /// Microseconds since the Unix epoch.
    pub(crate) created: u64,
    /// When its status last changed.
    pub(crate) changed: u64,
    /// Where a page of runs goes on after this one.
    pub(crate) cursor: u64,
}

/// Why a run ended without a stop event.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunFault {
    /// The error's own text.
    pub(crate) message: String,
    /// Name of the error's type.
    pub(crate) kind: String,
    /// What caused it, nearest first.
    pub(crate) causes: Vec<String>,
    /// The step that failed.
    pub(crate) step: Option<String>,
    pub(crate) attempts: Option<u32>,
    /// Seconds, of a run whose time was used up.
    pub(crate) timeout: Option<f64>,
}

/// Which runs to list. The default is all.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunQuery {
    /// Of one of these workflows; empty for any.
    pub(crate) workflows: Vec<String>,
    /// With one of these statuses; empty for any.
    pub(crate) statuses: Vec<RunStatus>,
    /// Children of this run.
    pub(crate) parent: Option<String>,
}

impl RunQuery {
    pub(crate) fn takes(&self, run: &RunView) -> bool {
        (self.workflows.is_empty() || self.workflows.contains(&run.workflow))
            && (self.statuses.is_empty() || self.statuses.contains(&run.status))
            && (self.parent.is_none() || self.parent == run.parent)
    }
}

impl RunView {
    pub(crate) fn has_ended(&self) -> bool {
        self.status.is_end()
    }

    /// Of what is stored. `stop` is the workflow's stop event, where that is registered.
    pub(crate) fn of_record(record: RunRecord, stop: Option<&'static EventMeta>) -> Self {
        let result = record.result.as_deref().map(|text| {
            let value: Value = serde_json::from_str(text).unwrap_or_default();
            result_event(value, stop)
        });
        let error = record.error.as_deref().map(RunFault::of_stored);
        RunView {
            id: RunId::from(record.run),
            workflow: record.workflow,
            parent: record.parent.map(|parent| parent.to_string()),
            status: record.status,
            failures: record.failures,
            result,
            error: error.map(|error| error.of_status(record.status)),
            created: record.created.0,
            changed: record.changed.0,
            cursor: record.cursor.0,
        }
    }
}

/// A stored result under its type; where that is unknown here, as the dynamic stop event.
fn result_event(value: Value, stop: Option<&'static EventMeta>) -> AnyEvent {
    if let Some(Ok(typed)) = stop.map(|meta| meta.decode_ref(&value)) {
        return AnyEvent::from_payload(stepcast::Payload::from_box(typed));
    }
    let tag = stop.map_or("StopEvent", |meta| meta.tag).to_owned();
    AnyEvent::from_envelope(EventEnvelope {
        value,
        qualified_name: stop.map(|meta| meta.qualified_name.to_owned()),
        tag,
        types: stop.and_then(|meta| meta.ancestors()).map(|name| vec![name.to_owned()]),
    })
}

impl RunFault {
    /// Of the last event of a run's stream; `None` for a stop event.
    pub(crate) fn of_terminal(event: &AnyEvent) -> Option<(RunStatus, RunFault)> {
        if let Some(failed) = event.get::<WorkflowFailedEvent>() {
            let fault = RunFault::of_info(&failed.exception);
            let step = failed.step_name.clone();
            return Some((RunStatus::Failed, RunFault { step, attempts: failed.attempts, ..fault }));
        }
        if let Some(late) = event.get::<WorkflowTimedOutEvent>() {
            let fault = RunFault { timeout: Some(late.timeout), ..RunFault::default() };
            return Some((RunStatus::TimedOut, fault.of_status(RunStatus::TimedOut)));
        }
        let cancelled = event.is::<WorkflowCancelledEvent>();
        cancelled.then(|| (RunStatus::Cancelled, RunFault::default().of_status(RunStatus::Cancelled)))
    }

    fn of_info(info: &ErrorInfo) -> Self {
        RunFault {
            message: info.exception_message.clone(),
            kind: info.exception_type.clone(),
            causes: info.causes.clone(),
            ..RunFault::default()
        }
    }

    /// Of the text in the store.
    fn of_stored(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let Ok(info) = serde_json::from_value::<ErrorInfo>(value.clone()) else {
            return RunFault { message: text.to_owned(), ..RunFault::default() };
        };
        RunFault {
            step: value.get("step").and_then(Value::as_str).map(str::to_owned),
            attempts: value.get("attempts").and_then(Value::as_u64).and_then(|attempts| u32::try_from(attempts).ok()),
            timeout: value.get("timeout").and_then(Value::as_u64).map(|micros| micros as f64 / 1e6),
            ..RunFault::of_info(&info)
        }
    }

    /// With the words of its status where it has none of its own.
    fn of_status(mut self, status: RunStatus) -> Self {
        match status {
            RunStatus::TimedOut => {
                self.kind.clear();
                let after = self.timeout.map(|after| format!(" after {after}s")).unwrap_or_default();
                self.message = format!("Workflow timed out{after}");
            }
            RunStatus::Cancelled => {
                self.kind.clear();
                "Workflow was cancelled".clone_into(&mut self.message);
            }
            _ => {}
        }
        self
    }
}
