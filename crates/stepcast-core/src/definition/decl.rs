use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    CatchSpec, EventMeta, EventSet, Invocation, OnFailure, OutSpec, ParamSpec, RetryPolicy, StepCall, StepSpec,
};

/// A step as a definition is built from: the run-time twin of [`StepSpec`], which closures and data can make too.
#[derive(Clone)]
pub struct StepDecl {
    /// The step's name.
    pub name: Cow<'static, str>,
    /// Its parameters, in order.
    pub params: Vec<ParamSpec>,
    /// What it returns.
    pub out: OutSpec,
    /// Further events that it returns, one of them at a time: types that exist only at run time.
    pub gives: Vec<&'static EventMeta>,
    /// Events it may send with a plain `Context`.
    pub emits: EventSet,
    /// Events it may wait for.
    pub waits: EventSet,
    /// Events it only writes to the stream.
    pub streams: EventSet,
    /// Whose failures it takes.
    pub catch: Option<CatchDecl>,
    /// For a catch step: it takes failures after `on_failure` has decided and the run goes on, instead of before. A step
    /// that a person lets the run skip comes to it as well.
    pub catch_last: bool,
    /// Concurrent executions in one run.
    pub workers: Option<u32>,
    /// Longest running time of one attempt.
    pub timeout: Option<Duration>,
    /// What its final failure does; `None` takes the workflow's.
    pub on_failure: Option<OnFailure>,
    /// Its retry policy.
    pub retry: Option<Arc<RetryPolicy>>,
    /// Whether events it gives may go without a taker.
    pub allow_unconsumed: bool,
    /// Whether it may be part of a loop without an exit.
    pub allow_endless: bool,
    /// First line of its documentation.
    pub doc: Cow<'static, str>,
    /// Its body.
    pub body: StepBody,
}

/// Whose failures a `catch` step takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatchDecl {
    /// The steps; `None` for every step that no other catch step names.
    pub steps: Option<Vec<String>>,
    /// How often one lineage may be recovered by it.
    pub max_recoveries: u32,
}

/// What makes one attempt of a step.
#[derive(Clone)]
pub enum StepBody {
    /// Made by `#[step]`.
    Function(fn(StepCall<'_>) -> Invocation),
    /// Made from a closure or from data.
    Closure(Arc<dyn Fn(StepCall<'_>) -> Invocation + Send + Sync>),
}

impl StepBody {
    /// Begins an attempt.
    pub fn invoke(&self, call: StepCall<'_>) -> Invocation {
        match self {
            StepBody::Function(body) => body(call),
            StepBody::Closure(body) => body(call),
        }
    }
}

impl fmt::Debug for StepBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StepBody")
    }
}

impl fmt::Debug for StepDecl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepDecl")
            .field("name", &self.name)
            .field("params", &self.params)
            .field("out", &self.out)
            .finish_non_exhaustive()
    }
}

impl From<&StepSpec> for StepDecl {
    fn from(spec: &StepSpec) -> Self {
        let catch = match spec.catch {
            CatchSpec::None => None,
            CatchSpec::All { max_recoveries } => Some(CatchDecl { steps: None, max_recoveries }),
            CatchSpec::Steps { names, max_recoveries } => {
                Some(CatchDecl { steps: Some(names.iter().map(|name| (*name).to_owned()).collect()), max_recoveries })
            }
        };
        StepDecl {
            name: Cow::Borrowed(spec.name),
            params: spec.params.to_vec(),
            out: spec.out,
            gives: Vec::new(),
            emits: spec.emits,
            waits: spec.waits,
            streams: spec.streams,
            catch,
            catch_last: false,
            workers: spec.workers,
            timeout: spec.timeout,
            on_failure: spec.on_failure,
            retry: spec.retry.map(|make| Arc::new(make())),
            allow_unconsumed: spec.allow_unconsumed,
            allow_endless: spec.allow_endless,
            doc: Cow::Borrowed(spec.doc),
            body: StepBody::Function(spec.invoke),
        }
    }
}
