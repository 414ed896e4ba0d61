//! What runs tell of themselves while they go on: `tracing` spans, joined to the traces of whoever started and woke them.

mod context;
mod notes;
mod spans;
mod tracer;

pub use context::{ParseTraceContextError, TraceContext};
pub(crate) use notes::{Kept, RunTrace};
pub(crate) use spans::{StepSpan, is_traced, over_call};
pub use tracer::{SpanKind, SpanStart, Tracer, TracerIsSet, set_tracer, tracer};
