use std::process::ExitCode;

use stepcast::RunError;
use stepcast::backend::RunStatus;

/// How the command ends, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// 0: the command did what it was asked; a run completed.
    Completed,
    /// 1: the run failed or was cancelled, or the command could not do its work.
    Failed,
    /// 2: the arguments make no sense.
    Usage,
    /// 3: the run waits for a person.
    Waiting,
    /// 4: there is no such run, input, workflow or code.
    NotFound,
    /// 5: the run used up its time.
    TimedOut,
    /// 130: interrupted with Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Completed => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Waiting => 3,
            Exit::NotFound => 4,
            Exit::TimedOut => 5,
            Exit::Interrupted => 130,
        }
    }

    /// What a run's status is to a script.
    pub(crate) fn of_status(status: RunStatus) -> Exit {
        match status {
            RunStatus::Completed | RunStatus::CompletedWithFailures | RunStatus::Running => Exit::Completed,
            RunStatus::Waiting => Exit::Waiting,
            RunStatus::TimedOut => Exit::TimedOut,
            _ => Exit::Failed,
        }
    }

    /// What a run's error is to a script.
    pub(crate) fn of_error(error: &RunError) -> Exit {
        match error {
            RunError::TimedOut { .. } => Exit::TimedOut,
            _ => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
