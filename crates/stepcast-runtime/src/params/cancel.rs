use stepcast_core::{ExtractError, Injected, ParamSpec, StepCall, StepParam};
use tokio_util::sync::CancellationToken;

use crate::dispatch::env_exec;

/// Tells a step body that its work is not wanted any more: the run has ended, or its attempt was dropped.
///
/// An async step is dropped at its next await anyway, after a grace; long loops and `blocking` steps ask here.
#[derive(Clone, Debug)]
pub struct CancelToken(CancellationToken);

impl CancelToken {
    /// A token of its own, for calling a step directly.
    pub fn new() -> Self {
        CancelToken(CancellationToken::new())
    }

    /// Whether the work is not wanted any more.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Ends when the work is not wanted any more.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }

    pub(crate) fn from_tokio(token: CancellationToken) -> Self {
        CancelToken(token)
    }

    /// The token in tokio-util's form, for libraries that take one.
    pub fn as_tokio(&self) -> &CancellationToken {
        &self.0
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        CancelToken::new()
    }
}

impl StepParam for CancelToken {
    const PARAM: ParamSpec = ParamSpec::Injected(Injected::plain("cancel_token"));

    fn extract(call: &mut StepCall<'_>) -> Result<Self, ExtractError> {
        let exec = env_exec(call).ok_or(ExtractError::OutsideRun { what: "CancelToken" })?;
        Ok(CancelToken(exec.cancel_token()))
    }
}
