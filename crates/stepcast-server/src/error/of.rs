//! Errors of the runtime as refusals.

use axum::http::StatusCode;
use stepcast::backend::{AnswerError, InputStatus, LoadError, PurgeError, StorageError};
use stepcast::{AnswerRunError, AttachError, RespondError, RunError, RunId, RuntimeError, SendError, SendRunError};

use super::ApiError;
use crate::wire::time;

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        tracing::error!(target: "stepcast", %error, "the store failed");
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "store_failed", error.to_string())
    }
}

impl From<RuntimeError> for ApiError {
    fn from(error: RuntimeError) -> Self {
        let detail = error.to_string();
        match error {
            RuntimeError::UnknownWorkflow { known, .. } => {
                ApiError::not_found("workflow_not_found", detail).with("known", known)
            }
            RuntimeError::Retired { name } => {
                ApiError::new(StatusCode::GONE, "workflow_removed", detail).with("workflow", name)
            }
            RuntimeError::Start { .. } => ApiError::bad_request("invalid_start_event", detail),
            _ => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "start_failed", detail),
        }
    }
}

impl ApiError {
    /// A run did not begin.
    pub(crate) fn not_begun(run: &RunId, error: &RunError) -> Self {
        let detail = error.to_string();
        let refusal = match error {
            RunError::DuplicateRunId { .. } => ApiError::conflict("run_exists", detail),
            RunError::ShuttingDown => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", detail),
            RunError::Storage { .. } => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "store_failed", detail),
            _ => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "start_failed", detail),
        };
        refusal.of_run(run)
    }

    pub(crate) fn of_attach(run: &RunId, error: AttachError) -> Self {
        let detail = error.to_string();
        match error {
            AttachError::NoBackend { .. } | AttachError::Claim(stepcast::backend::ClaimError::UnknownRun { .. }) => {
                ApiError::no_run(run)
            }
            AttachError::Unregistered { .. } | AttachError::Document { .. } => {
                ApiError::conflict("workflow_not_registered", detail).of_run(run)
            }
            AttachError::Storage(error) => ApiError::from(error).of_run(run),
            AttachError::ShuttingDown => {
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", detail).of_run(run)
            }
            _ => ApiError::conflict("run_not_available", detail).of_run(run),
        }
    }

    pub(crate) fn of_load(run: &RunId, error: LoadError) -> Self {
        match error {
            LoadError::Storage(error) => ApiError::from(error).of_run(run),
            LoadError::UnknownRun { .. } => ApiError::no_run(run),
            error => ApiError::conflict("run_not_readable", error.to_string()).of_run(run),
        }
    }

    pub(crate) fn of_purge(run: &RunId, error: PurgeError) -> Self {
        match error {
            PurgeError::Storage(error) => ApiError::from(error).of_run(run),
            PurgeError::UnknownRun { .. } => ApiError::no_run(run),
            error => ApiError::conflict("run_is_held", error.to_string()).of_run(run),
        }
    }

    pub(crate) fn of_send(run: &RunId, error: SendRunError) -> Self {
        use stepcast::backend::SendError as Stored;
        let detail = error.to_string();
        let refusal = match error {
            SendRunError::NotExternal { expected, .. } => {
                ApiError::bad_request("event_not_taken", detail).with("expected", expected)
            }
            SendRunError::Step { takers, .. } => ApiError::bad_request("step_not_found", detail).with("takers", takers),
            SendRunError::Data { .. } => ApiError::bad_request("invalid_event", detail),
            SendRunError::Send(Stored::UnknownRun { .. }) => return ApiError::no_run(run),
            SendRunError::Send(Stored::Ended { .. }) => ApiError::conflict("run_ended", detail),
            SendRunError::Send(Stored::MailboxFull { .. }) => {
                ApiError::new(StatusCode::TOO_MANY_REQUESTS, "mailbox_full", detail)
            }
            SendRunError::Storage(error) | SendRunError::Send(Stored::Storage(error)) => ApiError::from(error),
            _ => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", detail),
        };
        refusal.of_run(run)
    }

    pub(crate) fn of_live_send(run: &RunId, error: &SendError) -> Self {
        let detail = error.to_string();
        let refusal = match error {
            SendError::Ended { .. } => ApiError::conflict("run_ended", detail),
            SendError::Full { .. } => ApiError::new(StatusCode::TOO_MANY_REQUESTS, "mailbox_full", detail),
            SendError::Step { takers, .. } => {
                ApiError::bad_request("step_not_found", detail).with("takers", takers.clone())
            }
            SendError::Undeclared { expected, .. } | SendError::NotExternal { expected, .. } => {
                ApiError::bad_request("event_not_taken", detail).with("expected", expected.clone())
            }
            _ => ApiError::bad_request("invalid_event", detail),
        };
        refusal.of_run(run)
    }

    /// The input has its answer, or is not asked any more; who was first is named.
    pub(crate) fn input_resolved(run: &RunId, input: u64, status: &InputStatus) -> Self {
        let what = match status {
            InputStatus::Answered { by, at, .. } => {
                let by = by.as_deref().map(|by| format!(" by `{by}`")).unwrap_or_default();
                format!("was answered{by} at {}", time::text(at.0))
            }
            InputStatus::Expired { at } => format!("expired at {}", time::text(at.0)),
            InputStatus::Withdrawn { at } => format!("was withdrawn at {}", time::text(at.0)),
            _ => "is not pending any more".to_owned(),
        };
        let detail = format!("The input {input} of the run `{run}` {what}; this answer was not used.");
        let mut refusal = ApiError::conflict("input_already_resolved", detail).of_run(run).with("input", input);
        if let InputStatus::Answered { by, at, .. } = status {
            refusal = refusal.with("by", by.clone()).with("at", time::text(at.0));
        }
        refusal
    }

    pub(crate) fn no_input(run: &RunId, input: u64) -> Self {
        ApiError::not_found("input_not_found", format!("The run `{run}` has no input {input}.")).of_run(run)
    }

    pub(crate) fn of_answer(run: &RunId, input: u64, error: AnswerRunError) -> Self {
        let detail = error.to_string();
        let misfit = |code| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail.clone());
        let refusal = match error {
            AnswerRunError::Unknown { .. } => return ApiError::no_input(run, input),
            AnswerRunError::Conflict { status, source } => {
                return match *source {
                    AnswerError::Storage(error) => ApiError::from(error).of_run(run),
                    _ => ApiError::input_resolved(run, input, &status),
                };
            }
            AnswerRunError::Choice { choices, .. } => misfit("answer_not_a_choice").with("choices", choices),
            AnswerRunError::Schema { faults, .. } => misfit("answer_does_not_fit").with("faults", faults),
            AnswerRunError::Data { source, .. } => {
                misfit("answer_does_not_fit").with("faults", vec![source.to_string()])
            }
            AnswerRunError::Storage(error) => ApiError::from(error),
            _ => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", detail),
        };
        refusal.of_run(run).with("input", input)
    }

    pub(crate) fn of_respond(run: &RunId, input: u64, error: RespondError) -> Self {
        let detail = error.to_string();
        let refusal = match error {
            RespondError::Unknown { .. } => return ApiError::no_input(run, input),
            RespondError::Conflict { .. } => ApiError::conflict("input_already_resolved", detail),
            RespondError::Ended { .. } => ApiError::conflict("run_ended", detail),
            RespondError::Filtered { .. } => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "answer_filtered", detail),
            RespondError::Schema { faults, .. } => {
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "answer_does_not_fit", detail).with("faults", faults)
            }
            RespondError::Data { source, .. } => {
                let fault = vec![source.to_string()];
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "answer_does_not_fit", detail).with("faults", fault)
            }
            _ => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "answer_does_not_fit", detail),
        };
        refusal.of_run(run).with("input", input)
    }
}
