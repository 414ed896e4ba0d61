//! Steps: their constant specification, the call of their body, and their errors.

mod error;
mod in_place;
mod run;
mod spec;

pub use error::{FanOutTooWide, Result, StepError, StepPanicked, StepTimedOut};
pub use in_place::{InPlace, SpareBox};
#[doc(hidden)]
pub use run::{ParamFault, assert_params, param_fault, run_async, run_blocking};
pub use spec::{BoxFuture, CatchSpec, Invocation, OnFailure, Step, StepOutput, StepSpec};
