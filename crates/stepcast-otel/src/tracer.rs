//! What the runtime asks of traces, answered by OpenTelemetry.

use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState};
use stepcast::{SpanKind, SpanStart, TraceContext, Tracer, Usage, set_tracer};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// What spans show beside what they always do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) gen_ai: bool,
    pub(crate) error_messages: bool,
}

static GEN_AI: AtomicBool = AtomicBool::new(false);
static ERROR_MESSAGES: AtomicBool = AtomicBool::new(false);

/// Joins the runtime's spans to traces.
pub(crate) struct Joined;

impl Joined {
    pub(crate) fn install(shown: Shown) {
        GEN_AI.store(shown.gen_ai, Ordering::Relaxed);
        ERROR_MESSAGES.store(shown.error_messages, Ordering::Relaxed);
        // The one that is there may be this one.
        let _ = set_tracer(Joined);
    }
}

impl Tracer for Joined {
    fn context(&self, span: &Span) -> Option<TraceContext> {
        let context = span.context();
        let place = context.span().span_context().clone();
        let ids = (place.trace_id().to_bytes(), place.span_id().to_bytes());
        let known = TraceContext::from_parts(ids.0, ids.1, place.trace_flags().to_u8())?;
        Some(known.with_tracestate(&place.trace_state().header()))
    }

    fn begin(&self, span: &Span, start: SpanStart<'_>) {
        let SpanStart { kind, name, parent, links, .. } = start;
        let shown = match kind {
            SpanKind::Run => format!("invoke_workflow {name}"),
            SpanKind::Step => format!("step {name}"),
            SpanKind::Call => format!("call {name}"),
            _ => name.to_owned(),
        };
        span.record("otel.name", shown);
        if kind == SpanKind::Request {
            span.record("otel.kind", "server");
        }
        if let Some(parent) = parent {
            // It was made just now, so it can still be given a parent; one that nobody wants has none.
            let _ = span.set_parent(Context::new().with_remote_span_context(place_of(parent)));
        }
        links.iter().for_each(|link| span.add_link(place_of(link)));
        if kind == SpanKind::Run && GEN_AI.load(Ordering::Relaxed) {
            span.set_attribute("gen_ai.operation.name", "invoke_workflow");
            span.set_attribute("gen_ai.workflow.name", name.to_owned());
        }
    }

    fn link(&self, span: &Span, to: &TraceContext) {
        span.add_link(place_of(to));
    }

    fn fail(&self, span: &Span, error_type: &str, message: &str) {
        let shows = ERROR_MESSAGES.load(Ordering::Relaxed);
        span.set_status(Status::error(if shows { message.to_owned() } else { error_type.to_owned() }));
        if shows {
            span.set_attribute("exception.message", message.to_owned());
        }
    }

    fn used(&self, span: &Span, usage: &Usage) {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let own = [
            ("workflow.usage.tokens_in", usage.tokens_in),
            ("workflow.usage.tokens_out", usage.tokens_out),
            ("workflow.usage.cost_micros", usage.cost_micros),
        ];
        own.into_iter().filter(|(_, count)| *count > 0).for_each(|(key, count)| span.set_attribute(key, number(count)));
        if GEN_AI.load(Ordering::Relaxed) && usage.total_tokens() > 0 {
            span.set_attribute("gen_ai.usage.input_tokens", number(usage.tokens_in));
            span.set_attribute("gen_ai.usage.output_tokens", number(usage.tokens_out));
        }
    }

    fn end(&self, span: &Span) {
        span.context().span().end();
    }
}

/// A place elsewhere, as OpenTelemetry has it.
fn place_of(context: &TraceContext) -> SpanContext {
    // A state that OpenTelemetry cannot read is left out: what it says is an extra.
    let state = context.tracestate().and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
    SpanContext::new(
        TraceId::from_bytes(context.trace_id()),
        SpanId::from_bytes(context.span_id()),
        TraceFlags::new(context.flags()),
        true,
        state,
    )
}
