//! The step runner, the memory backend, contexts, handles and streams of stepcast. Users depend on the `stepcast`
//! crate, which re-exports it.

mod built;
mod clock;
mod context;
mod dispatch;
mod durable;
mod exec;
mod named;
mod params;
mod program;
mod resources;
mod run;
mod runtime;
mod snapshot;
mod stream;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod trace;
mod view;
mod wakers;

pub use built::{AnyWorkflow, BuiltWorkflow, WrongEnds};
pub use context::{
    CacheError, CachePolicy, Call, CallCache, CallError, ChildError, CollectError, CollectEvents, CollectSet, Context,
    Declared, Direct, Effect, EmitError, ExplainError, MaySend, Metered, ResultCache, RunChild, SendSet, Store,
    StoreEditError, Told, WaitError, WaitForEvent, Waiting,
};
pub use durable::{AnswerRunError, AttachError, DefineError, Definitions, SendRunError};
pub use named::{NamedWorkflow, NamedWorkflows};
pub use params::{Attempt, CancelToken, EditStateError, Res, State};
pub use resources::*;
pub use run::{
    AnyRun, DispatchOutcome, Dispatched, Mailbox, RespondError, Run, RunError, RunId, RunOptions, RunWorkflow,
    SendError, SharedError, Stepped, StoredError,
};
pub use runtime::{HeldRun, RunCounts, RunWatch, Runtime, RuntimeError, StartWith, WorkflowCounts};
pub use snapshot::{RestoreRunError, RunSnapshot, SnapshotError, StoreSnapshot};
pub use stream::{EventKind, EventStream, StreamEvent, StreamItem, StreamReadError, StreamStart, Teller};
pub use telemetry::{
    ParseTraceContextError, SpanKind, SpanStart, TraceContext, Tracer, TracerIsSet, set_tracer, tracer,
};
pub use trace::{ChainLink, Execution};
pub use view::{InputId, InputRecord, ParseInputIdError};
