//! The context of a step: sending, waiting, collecting, streaming, storing, calling, starting children.

mod call;
mod child;
mod collect;
mod direct;
mod op;
mod send;
mod store;
mod stream;
mod wait;

use std::marker::PhantomData;
use std::sync::Arc;

pub use call::{CacheError, CachePolicy, Call, CallCache, CallError, Effect, ExplainError, Metered, ResultCache};
pub(crate) use call::{Ledger, set_up as set_up_calls, sha256};
pub use child::{ChildError, RunChild};
pub use collect::{CollectError, CollectEvents, CollectSet};
pub use direct::{Direct, Told};
pub use send::{Declared, EmitError, MaySend, SendSet};
pub use store::{Store, StoreEditError};
pub use wait::{WaitError, WaitForEvent, Waiting};

use stepcast_core::{ExtractError, Injected, ParamSpec, StepCall, StepParam};

use crate::dispatch::env_exec;
use crate::exec::ExecShared;
use crate::params::CancelToken;
use crate::run::RunId;
use crate::telemetry::TraceContext;

/// What a step body can do beyond its parameters and its return value.
///
/// `Context<(A, B)>` may send events `A` and `B`, and the compiler checks it. A plain `Context` may send what
/// `#[step(emits(..))]` declares; that is checked when it sends. Everything a context records is found again when the
/// execution is repeated: after a crash, a restore, or a failed attempt.
pub struct Context<S = Declared> {
    pub(crate) exec: Arc<ExecShared>,
    sends: PhantomData<fn() -> S>,
}

impl<S> Context<S> {
    /// The id of the run.
    pub fn run_id(&self) -> &RunId {
        self.exec.run.id()
    }

    /// The name of the step.
    pub fn step_name(&self) -> &str {
        self.exec.step_def().name()
    }

    /// Which attempt of the execution this is: 1 for the first.
    pub fn attempt(&self) -> u32 {
        self.exec.attempt
    }

    /// Serial number of the execution within its run.
    pub fn execution(&self) -> u64 {
        self.exec.key.serial
    }

    /// Tells when the step's work is not wanted any more.
    pub fn cancel_token(&self) -> CancelToken {
        CancelToken::from_tokio(self.exec.cancel_token())
    }

    /// The trace that the step's work belongs to, to be handed on in requests that it makes: that of the current span, if
    /// a [`Tracer`](crate::Tracer) knows it; else that of the last event or answer which reached the run in a trace, or
    /// of whoever started the run.
    pub fn trace_context(&self) -> Option<TraceContext> {
        let of_span = crate::tracer().and_then(|tracer| tracer.context(&tracing::Span::current()));
        of_span.or_else(|| self.exec.run.trace_from_outside())
    }

    /// The run's store of JSON values.
    pub fn store(&self) -> Store {
        Store::new(Arc::clone(&self.exec))
    }
}

impl<S> Clone for Context<S> {
    fn clone(&self) -> Self {
        Context { exec: Arc::clone(&self.exec), sends: PhantomData }
    }
}

impl<S> std::fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("step", &self.step_name())
            .field("execution", &self.execution())
            .finish_non_exhaustive()
    }
}

impl<S: SendSet> StepParam for Context<S> {
    const PARAM: ParamSpec = ParamSpec::Injected(Injected { kind: "context", sends: S::SET, needs: None });

    fn extract(call: &mut StepCall<'_>) -> Result<Self, ExtractError> {
        let exec = env_exec(call).ok_or(ExtractError::OutsideRun { what: "Context" })?;
        Ok(Context { exec, sends: PhantomData })
    }
}
