//! What the macros' code calls, generic here so that the code they write into a user's crate stays small.

use std::future::Future;

use futures_util::FutureExt;

use super::{Invocation, StepOutput};
use crate::{IntoEvents, Outputs, ParamSpec, StepCall, StepError};

/// Boxes the body of an async step, and polls it once if the call says so.
#[doc(hidden)]
pub fn run_async<R: IntoEvents + 'static>(
    call: StepCall<'_>,
    body: impl Future<Output = R> + Send + 'static,
) -> Invocation {
    // Not an async block: that would keep room for the body twice, once captured and once awaited.
    let body = body.map(outputs_of::<R>);
    match call.in_place() {
        Some(in_place) => in_place.poll(body),
        None => Invocation::Future(Box::pin(body)),
    }
}

/// Boxes the body of a `blocking` step.
#[doc(hidden)]
pub fn run_blocking<R: IntoEvents>(body: impl FnOnce() -> R + Send + 'static) -> Invocation {
    Invocation::Blocking(Box::new(move || outputs_of(body())))
}

fn outputs_of<R: IntoEvents>(returned: R) -> StepOutput {
    let mut out = Outputs::default();
    returned.into_events(&mut out)?;
    Ok::<_, StepError>(out)
}

/// What is wrong with a step's parameters taken alone.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamFault {
    /// No parameter takes an event.
    NoEvent,
    /// A `Take<_, 0>` would never run.
    TakeZero,
}

/// The first fault of these parameters, for the assertion that `#[step]` writes.
#[doc(hidden)]
pub const fn param_fault(params: &[ParamSpec]) -> Option<ParamFault> {
    let mut takes = false;
    let mut i = 0;
    while i < params.len() {
        takes |= params[i].takes_events();
        if let ParamSpec::Take(_, 0) = params[i] {
            return Some(ParamFault::TakeZero);
        }
        i += 1;
    }
    if takes { None } else { Some(ParamFault::NoEvent) }
}

/// Stops the compiler with the text for the parameters' fault, if they have one.
#[doc(hidden)]
#[track_caller]
pub const fn assert_params(params: &[ParamSpec], no_event: &str, take_zero: &str) {
    match param_fault(params) {
        None => {}
        Some(ParamFault::NoEvent) => panic!("{}", no_event),
        Some(ParamFault::TakeZero) => panic!("{}", take_zero),
    }
}
