use stepcast_core::engine::Time;
use stepcast_core::{ErrorInfo, ExtractError, Injected, ParamSpec, StepCall, StepParam};

use crate::dispatch::RunnerEnv;

/// Which attempt of its execution a step body is in, and why the one before failed.
///
/// Outside a run, as in a unit test that calls the step directly, make one with [`Attempt::first`].
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    number: u32,
    first_started: Option<Time>,
    last_failure: Option<(ErrorInfo, Time)>,
}

impl Attempt {
    pub(crate) fn new(number: u32, first_started: Option<Time>, last_failure: Option<(ErrorInfo, Time)>) -> Self {
        Attempt { number, first_started, last_failure }
    }

    /// The first attempt.
    pub fn first() -> Self {
        Attempt::new(1, None, None)
    }

    /// 1 for the first attempt.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How many attempts were made before this one.
    pub fn retries(&self) -> u32 {
        self.number - 1
    }

    /// Why the attempt before failed.
    pub fn last_error(&self) -> Option<&ErrorInfo> {
        self.last_failure.as_ref().map(|(error, _)| error)
    }

    /// When the attempt before failed, in microseconds since the Unix epoch.
    pub fn last_failed_at(&self) -> Option<u64> {
        self.last_failure.as_ref().map(|(_, at)| at.0)
    }

    /// When the first attempt began, in microseconds since the Unix epoch; known from the second attempt on.
    pub fn first_started_at(&self) -> Option<u64> {
        self.first_started.map(|at| at.0)
    }
}

impl StepParam for Attempt {
    const PARAM: ParamSpec = ParamSpec::Injected(Injected::plain("attempt"));

    fn extract(call: &mut StepCall<'_>) -> Result<Self, ExtractError> {
        call.env::<RunnerEnv>().map(RunnerEnv::attempt).ok_or(ExtractError::OutsideRun { what: "Attempt" })
    }
}
