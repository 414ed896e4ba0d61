//! Which code an error of the library has.

use stepcast::backend::{
    AnswerError, ClaimError, InputStatus, LoadError, PurgeError, SendError, StorageError, WriteError,
};
use stepcast::{AnswerRunError, AttachError, CatalogueError, RespondError, RunError, RuntimeError, SendRunError};
use stepcast_client::RequestError;
use stepcast_sqlite::OpenError;

use crate::error::CliError;

/// An error whose code depends on its variant.
pub(crate) trait Coded {
    /// Its code in the catalogue.
    fn code(&self) -> &'static str;
}

/// What a variant has that was added after this version of the command.
const UNKNOWN: &str = "SC0001";

impl Coded for StorageError {
    fn code(&self) -> &'static str {
        match self {
            StorageError::Full { .. } => "SC0020",
            StorageError::Io { .. } => "SC0021",
            StorageError::ReadOnly { .. } => "SC0022",
            StorageError::Locked { .. } => "SC0023",
            StorageError::Corrupt { .. } => "SC0024",
            StorageError::Other { source } => match source.downcast_ref() {
                Some(RequestError::Transport { .. }) => "SC0110",
                Some(_) => "SC0111",
                None => "SC0025",
            },
            StorageError::Closed => "SC0026",
            _ => UNKNOWN,
        }
    }
}

impl Coded for OpenError {
    fn code(&self) -> &'static str {
        match self {
            OpenError::Storage { source, .. } => source.code(),
            OpenError::NewerVersion { .. } => "SC0011",
            OpenError::NotAStore { .. } => "SC0012",
            OpenError::NoWriteAheadLog { .. } => "SC0013",
            _ => UNKNOWN,
        }
    }
}

impl Coded for WriteError {
    fn code(&self) -> &'static str {
        match self {
            WriteError::Storage(error) => error.code(),
            WriteError::FencedOff { .. } => "SC0027",
            WriteError::Stopped { .. } => "SC0028",
            WriteError::RowGap { .. }
            | WriteError::EventGap { .. }
            | WriteError::BadSnapshot { .. }
            | WriteError::InputExists { .. }
            | WriteError::AnsweredBefore { .. } => "SC0029",
            WriteError::UnknownRun { .. } => "SC0030",
            WriteError::Ended { .. } => "SC0031",
            WriteError::RunExists { .. } => "SC0038",
            WriteError::TooLarge { .. } => "SC0064",
            _ => UNKNOWN,
        }
    }
}

impl Coded for ClaimError {
    fn code(&self) -> &'static str {
        match self {
            ClaimError::Storage(error) => error.code(),
            ClaimError::UnknownRun { .. } => "SC0030",
            ClaimError::Ended { .. } => "SC0031",
            ClaimError::Held { .. } => "SC0033",
            _ => UNKNOWN,
        }
    }
}

impl Coded for LoadError {
    fn code(&self) -> &'static str {
        match self {
            LoadError::Storage(error) => error.code(),
            LoadError::UnknownRun { .. } => "SC0030",
            LoadError::Gap { .. } => "SC0035",
            LoadError::EventGap { .. } => "SC0036",
            _ => UNKNOWN,
        }
    }
}

impl Coded for AttachError {
    fn code(&self) -> &'static str {
        match self {
            AttachError::NoBackend { .. } => "SC0080",
            AttachError::Unregistered { .. } | AttachError::Document { .. } => "SC0034",
            AttachError::Claim(error) => error.code(),
            AttachError::Load(error) => error.code(),
            AttachError::Journal { .. } => "SC0037",
            AttachError::Storage(error) => error.code(),
            AttachError::ShuttingDown => "SC0077",
            _ => UNKNOWN,
        }
    }
}

impl Coded for AnswerError {
    fn code(&self) -> &'static str {
        match self {
            AnswerError::Storage(error) => error.code(),
            AnswerError::UnknownInput { .. } => "SC0050",
            AnswerError::Conflict { status, .. } => status.code(),
            _ => UNKNOWN,
        }
    }
}

/// An input that takes no answer, by what became of it.
impl Coded for InputStatus {
    fn code(&self) -> &'static str {
        match self {
            InputStatus::Expired { .. } => "SC0054",
            InputStatus::Withdrawn { .. } => "SC0055",
            _ => "SC0053",
        }
    }
}

impl Coded for AnswerRunError {
    fn code(&self) -> &'static str {
        match self {
            AnswerRunError::NoBackend => "SC0080",
            AnswerRunError::Unknown { .. } => "SC0050",
            AnswerRunError::Conflict { status, .. } => status.code(),
            AnswerRunError::Choice { .. } => "SC0056",
            AnswerRunError::Schema { .. } => "SC0057",
            AnswerRunError::Data { .. } => "SC0058",
            AnswerRunError::Storage(error) => error.code(),
            AnswerRunError::ShuttingDown => "SC0077",
            _ => UNKNOWN,
        }
    }
}

impl Coded for RespondError {
    fn code(&self) -> &'static str {
        match self {
            RespondError::Unknown { .. } => "SC0050",
            RespondError::Conflict { .. } => "SC0053",
            RespondError::WrongAnswer { .. } => "SC0056",
            RespondError::Data { .. } => "SC0058",
            RespondError::Filtered { .. } => "SC0059",
            RespondError::Ended { .. } => "SC0031",
            RespondError::Schema { .. } => "SC0057",
            RespondError::Refused { source, .. } => source.code(),
            _ => UNKNOWN,
        }
    }
}

impl Coded for SendError {
    fn code(&self) -> &'static str {
        match self {
            SendError::Storage(error) => error.code(),
            SendError::UnknownRun { .. } => "SC0030",
            SendError::Ended { .. } => "SC0031",
            SendError::MailboxFull { .. } => "SC0060",
            _ => UNKNOWN,
        }
    }
}

impl Coded for SendRunError {
    fn code(&self) -> &'static str {
        match self {
            SendRunError::NoBackend => "SC0080",
            SendRunError::Send(error) => error.code(),
            SendRunError::NotExternal { .. } => "SC0061",
            SendRunError::Data { .. } => "SC0062",
            SendRunError::Step { .. } => "SC0063",
            SendRunError::Storage(error) => error.code(),
            SendRunError::ShuttingDown => "SC0077",
            _ => UNKNOWN,
        }
    }
}

/// Sending to a live run.
impl Coded for stepcast::SendError {
    fn code(&self) -> &'static str {
        match self {
            stepcast::SendError::Ended { .. } => "SC0031",
            stepcast::SendError::Full { .. } => "SC0060",
            stepcast::SendError::Undeclared { .. } | stepcast::SendError::NotExternal { .. } => "SC0061",
            stepcast::SendError::Data { .. } => "SC0062",
            stepcast::SendError::Step { .. } => "SC0063",
            _ => UNKNOWN,
        }
    }
}

impl Coded for PurgeError {
    fn code(&self) -> &'static str {
        match self {
            PurgeError::Storage(error) => error.code(),
            PurgeError::UnknownRun { .. } => "SC0030",
            PurgeError::Held { .. } => "SC0033",
            _ => UNKNOWN,
        }
    }
}

impl Coded for RunError {
    fn code(&self) -> &'static str {
        match self {
            RunError::Definition(_) => "SC0042",
            RunError::NoRuntime | RunError::Dropped => "SC0079",
            RunError::Resources(_) => "SC0075",
            RunError::StepFailed { .. } => "SC0070",
            RunError::TimedOut { .. } => "SC0071",
            RunError::Cancelled => "SC0072",
            RunError::Stuck { .. } => "SC0073",
            RunError::QueueFull { .. } => "SC0074",
            RunError::DuplicateRunId { .. } => "SC0038",
            RunError::Restore(_) => "SC0047",
            RunError::EndedBefore { .. } => "SC0076",
            RunError::Storage { source } => source.code(),
            RunError::NotKept { .. } => "SC0082",
            RunError::ShuttingDown => "SC0077",
            RunError::EventPanicked { .. } => "SC0078",
            _ => UNKNOWN,
        }
    }
}

impl Coded for RuntimeError {
    fn code(&self) -> &'static str {
        match self {
            RuntimeError::UnknownWorkflow { .. } => "SC0040",
            RuntimeError::Retired { .. } => "SC0124",
            RuntimeError::DuplicateWorkflow { .. } => "SC0041",
            RuntimeError::Definition(_) => "SC0042",
            RuntimeError::NotCreatable { .. } => "SC0043",
            RuntimeError::Create { .. } => "SC0044",
            RuntimeError::Start { .. } => "SC0045",
            RuntimeError::Restore(_) => "SC0047",
            _ => UNKNOWN,
        }
    }
}

impl Coded for CatalogueError {
    fn code(&self) -> &'static str {
        "SC0046"
    }
}

macro_rules! told {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for CliError {
            fn from(error: $error) -> CliError {
                CliError::new(error.code(), error.to_string())
            }
        })*
    };
}

told!(
    StorageError,
    OpenError,
    WriteError,
    ClaimError,
    LoadError,
    AttachError,
    AnswerError,
    AnswerRunError,
    RespondError,
    SendError,
    SendRunError,
    stepcast::SendError,
    PurgeError,
    RunError,
    RuntimeError,
    CatalogueError,
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::codes::find;

    fn cause() -> stepcast::backend::Cause {
        Arc::new(std::io::Error::other("it"))
    }

    /// The codes of all variants that can be made here; each is in the catalogue, and none is that of the unknown.
    fn known(all: &[&dyn Coded]) -> BTreeSet<&'static str> {
        let codes: BTreeSet<&str> = all.iter().map(|error| error.code()).collect();
        for code in &codes {
            assert!(*code != UNKNOWN && find(code).is_some(), "{code}");
        }
        codes
    }

    #[test]
    fn every_failure_of_a_store_has_a_code_of_its_own() {
        let all = [
            StorageError::Full { source: cause() },
            StorageError::Io { source: cause() },
            StorageError::ReadOnly { source: cause() },
            StorageError::Locked { source: cause() },
            StorageError::Corrupt { source: cause() },
            StorageError::Other { source: cause() },
            StorageError::Closed,
        ];
        let all: Vec<&dyn Coded> = all.iter().map(|error| error as &dyn Coded).collect();
        assert_eq!(known(&all).len(), all.len());
        let path = std::path::PathBuf::from("runs.db");
        let opened = [
            OpenError::Storage { path: path.clone(), source: StorageError::Closed },
            OpenError::NewerVersion { path: path.clone(), found: 9, known: 1 },
            OpenError::NotAStore { path: path.clone() },
            OpenError::NoWriteAheadLog { path, mode: "delete".to_owned() },
        ];
        let all: Vec<&dyn Coded> = opened.iter().map(|error| error as &dyn Coded).collect();
        assert_eq!(known(&all).len(), all.len());
    }

    #[test]
    fn every_way_a_run_ends_has_a_code_of_its_own() {
        let reason = stepcast::engine::StuckReason::NobodyCanSend { waiting: Vec::new() };
        let (step, event) = ("s".to_owned(), "E".to_owned());
        let all = [
            RunError::TimedOut { after: std::time::Duration::ZERO, active_steps: Vec::new() },
            RunError::Cancelled,
            RunError::Stuck { reason },
            RunError::QueueFull { step, event, bound: 1 },
            RunError::DuplicateRunId { id: "a".to_owned() },
            RunError::ShuttingDown,
            RunError::EventPanicked { message: String::new() },
            RunError::Dropped,
        ];
        let all: Vec<&dyn Coded> = all.iter().map(|error| error as &dyn Coded).collect();
        assert_eq!(known(&all).len(), all.len());
    }

    #[test]
    fn every_refusal_of_a_run_or_an_answer_has_a_code() {
        let (run, id) = (Arc::<str>::from("a"), stepcast::RunId::from("a"));
        let (workflow, by) = ("w".to_owned(), Some("Ada".to_owned()));
        let at = stepcast::engine::Time(0);
        known(&[
            &ClaimError::UnknownRun { run: run.clone() },
            &ClaimError::Held { run: run.clone() },
            &ClaimError::Ended { run: run.clone() },
            &LoadError::Gap { run: run.clone(), row: 1 },
            &LoadError::EventGap { run: run.clone(), seq: 1 },
            &AttachError::NoBackend { run: id.clone() },
            &AttachError::Unregistered { run: id.clone(), workflow: workflow.clone() },
            &AttachError::Document { run: id.clone(), workflow, source: Arc::new(std::fmt::Error) },
            &AttachError::ShuttingDown,
            &InputStatus::Answered { answer: String::new(), by, at },
            &InputStatus::Expired { at },
            &InputStatus::Withdrawn { at },
            &AnswerError::UnknownInput { run: run.clone(), input: 1 },
            &AnswerRunError::NoBackend,
            &AnswerRunError::Choice { run: id.clone(), input: 1, choices: Vec::new(), found: String::new() },
            &AnswerRunError::Schema { run: id, input: 1, faults: Vec::new() },
            &RespondError::Filtered { id: String::new() },
            &RespondError::Conflict { id: String::new() },
            &SendError::MailboxFull { run: run.clone(), limit: 1 },
            &SendRunError::NoBackend,
            &PurgeError::Held { run: run.clone() },
            &WriteError::FencedOff { run: run.clone(), fence: 1, current: 2 },
            &WriteError::Stopped { run: run.clone() },
            &WriteError::RowGap { run: run.clone(), expected: 1, found: 2 },
            &WriteError::RunExists { run: run.clone() },
            &WriteError::TooLarge { run, bytes: 1, limit: 1 },
        ]);
    }
}
