use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::StepError;
use crate::{EventSet, ExtractError, OutSpec, Outputs, ParamSpec, Payload, RetryPolicy, StepCall};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What an attempt of a step ends with.
pub type StepOutput = Result<Outputs, StepError>;

/// The body of one attempt, ready to be driven.
pub enum Invocation {
    /// An async step.
    Future(BoxFuture<'static, StepOutput>),
    /// An async step that was polled once, as its call asked, and has ended with one event.
    Gave(Payload),
    /// An async step that was polled once, as its call asked, and has ended otherwise.
    Ended(StepOutput),
    /// An async step that was polled once, as its call asked, and goes on.
    Begun(BoxFuture<'static, StepOutput>),
    /// A `blocking` step, for the blocking pool.
    Blocking(Box<dyn FnOnce() -> StepOutput + Send>),
    /// A parameter could not be taken out of the call.
    Refused(ExtractError),
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Invocation::Future(_) => "Future",
            Invocation::Gave(_) => "Gave",
            Invocation::Ended(_) => "Ended",
            Invocation::Begun(_) => "Begun",
            Invocation::Blocking(_) => "Blocking",
            Invocation::Refused(_) => "Refused",
        })
    }
}

/// What happens when a step's last attempt has failed and no `catch` step took it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnFailure {
    /// The run fails.
    #[default]
    Fail,
    /// The run goes on and ends `completed_with_failures`.
    Continue,
    /// A person is asked: retry, skip, continue or fail.
    Pause,
}

/// Which steps' final failures a step takes.
#[derive(Clone, Copy, Debug)]
pub enum CatchSpec {
    /// It is an ordinary step.
    None,
    /// Those of every step that no other catch step names.
    All {
        /// How often one lineage may be recovered by it.
        max_recoveries: u32,
    },
    /// Those of the named steps.
    Steps {
        /// The steps.
        names: &'static [&'static str],
        /// How often one lineage may be recovered by it.
        max_recoveries: u32,
    },
}

/// Everything `#[step]` knows about a step, as a constant: the compiler's graph check and `build()` read the same one.
#[derive(Clone, Copy)]
pub struct StepSpec {
    /// The step's name.
    pub name: &'static str,
    /// Its parameters, in order.
    pub params: &'static [ParamSpec],
    /// What it returns.
    pub out: OutSpec,
    /// Events it may send with a plain `Context`.
    pub emits: EventSet,
    /// Events it may wait for.
    pub waits: EventSet,
    /// Events it only writes to the stream.
    pub streams: EventSet,
    /// Whose failures it takes.
    pub catch: CatchSpec,
    /// Concurrent executions in one run; `None` is unlimited up to the run's bound.
    pub workers: Option<u32>,
    /// Longest running time of one attempt.
    pub timeout: Option<Duration>,
    /// What its final failure does; `None` takes the workflow's.
    pub on_failure: Option<OnFailure>,
    /// Its retry policy.
    pub retry: Option<fn() -> RetryPolicy>,
    /// Whether its body is a plain `fn` for the blocking pool.
    pub blocking: bool,
    /// Whether events it gives may go without a taker.
    pub allow_unconsumed: bool,
    /// Whether it may be part of a loop without an exit.
    pub allow_endless: bool,
    /// First line of its documentation.
    pub doc: &'static str,
    /// Its body.
    pub invoke: fn(StepCall<'_>) -> Invocation,
}

impl StepSpec {
    /// A step with this name, body and signature and every other setting at its default.
    pub const fn new(
        name: &'static str,
        params: &'static [ParamSpec],
        out: OutSpec,
        invoke: fn(StepCall<'_>) -> Invocation,
    ) -> Self {
        StepSpec {
            name,
            params,
            out,
            emits: EventSet::None,
            waits: EventSet::None,
            streams: EventSet::None,
            catch: CatchSpec::None,
            workers: None,
            timeout: None,
            on_failure: None,
            retry: None,
            blocking: false,
            allow_unconsumed: false,
            allow_endless: false,
            doc: "",
            invoke,
        }
    }
}

impl fmt::Debug for StepSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepSpec")
            .field("name", &self.name)
            .field("params", &self.params)
            .field("out", &self.out)
            .finish_non_exhaustive()
    }
}

/// The hidden type that `#[step]` adds beside a free function, under the function's name.
pub trait Step {
    /// The step's name, apart from the rest so that two steps may name each other.
    const NAME: &'static str;
    /// The step's specification.
    const SPEC: StepSpec;
}
