//! stepcast.

pub use stepcast_core::*;
pub use stepcast_macros::{Events, State, event, flow, step, workflow};
pub use stepcast_runtime::*;

#[doc(hidden)]
pub mod __private {
    pub use stepcast_core::__private::*;
}

/// What a workflow's source needs, in one `use`.
pub mod prelude {
    pub use stepcast_core::{AnyEvent, Either, Event, Result, StepError, Take, Workflow};
    pub use stepcast_macros::{Events, State, event, flow, step, workflow};
    pub use stepcast_runtime::{
        Attempt, CancelToken, Context, Res, Run, RunOptions, RunWorkflow, State, StreamItem,
    };
}
