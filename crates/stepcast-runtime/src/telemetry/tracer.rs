//! The seam to what knows traces beyond this process.

use std::sync::OnceLock;

use stepcast_core::Usage;
use tracing::Span;

use super::TraceContext;

static TRACER: OnceLock<Box<dyn Tracer>> = OnceLock::new();

/// What gives the runtime's `tracing` spans a place in traces that go beyond the process. The crate `stepcast-otel` has
/// one for OpenTelemetry; without one the spans are what `tracing` makes of them.
///
/// It is called with spans that were just made or that go on, never while a lock of the runtime's is held, and not at all
/// where no subscriber wants the spans.
pub trait Tracer: Send + Sync + 'static {
    /// Where in a trace a span is. `None` for one that no trace has.
    fn context(&self, span: &Span) -> Option<TraceContext>;

    /// A span was made: it gets its name, its parent elsewhere and its links.
    fn begin(&self, span: &Span, start: SpanStart<'_>);

    /// A span that goes on is linked to another.
    fn link(&self, span: &Span, to: &TraceContext);

    /// What a span is about has failed. The message is what the error says of itself: it may hold data of the run.
    fn fail(&self, span: &Span, error_type: &str, message: &str);

    /// The call that a span is about has used this up.
    fn used(&self, span: &Span, usage: &Usage);

    /// A span is over, whoever still holds it.
    fn end(&self, span: &Span);
}

/// What a span begins with.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SpanStart<'a> {
    /// What the span is about.
    pub kind: SpanKind,
    /// The name of the workflow, the step, the call, or the route of the request.
    pub name: &'a str,
    /// The parent, if that is not the one that the span has in this process.
    pub parent: Option<&'a TraceContext>,
    /// What else it has to do with.
    pub links: &'a [TraceContext],
}

/// What a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpanKind {
    /// A run, from its start or from when it was woken until it ends or waits for something outside.
    Run,
    /// An attempt of a step, or what of it lies between two pauses of its run.
    Step,
    /// A call by `ctx.call` that is made, not one whose result is known.
    Call,
    /// A request that a server answers.
    Request,
}

impl<'a> SpanStart<'a> {
    /// A span without a parent elsewhere and without links.
    pub fn new(kind: SpanKind, name: &'a str) -> Self {
        SpanStart { kind, name, parent: None, links: &[] }
    }

    /// The same with a parent elsewhere.
    #[must_use]
    pub fn parent(self, parent: Option<&'a TraceContext>) -> Self {
        SpanStart { parent, ..self }
    }

    /// The same with links.
    #[must_use]
    pub fn links(self, links: &'a [TraceContext]) -> Self {
        SpanStart { links, ..self }
    }
}

/// The process has a tracer already; the first one stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The process has a tracer already, and it stays: set one once, before the first run.")]
pub struct TracerIsSet;

/// Names the tracer of this process, for all runs that begin or go on from now on.
///
/// # Errors
/// When there is one already.
pub fn set_tracer(tracer: impl Tracer) -> Result<(), TracerIsSet> {
    TRACER.set(Box::new(tracer)).map_err(|_| TracerIsSet)
}

/// The tracer of this process, if it has one.
pub fn tracer() -> Option<&'static dyn Tracer> {
    TRACER.get().map(|tracer| &**tracer)
}
