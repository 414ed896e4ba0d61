//! Spans as a collector gets them.

#![allow(dead_code)]

pub(crate) mod review;

use std::future::Future;
use std::time::Duration;

use opentelemetry::Value;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use stepcast::{AnyRun, TraceContext};
use stepcast_otel::Otel;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::prelude::*;

pub(crate) struct Traces {
    exporter: InMemorySpanExporter,
    _listening: DefaultGuard,
}

impl Traces {
    /// Takes the spans of this thread: of a runtime with one thread.
    pub(crate) fn taken() -> Self {
        Traces::with(|otel| otel)
    }

    pub(crate) fn with(change: impl FnOnce(Otel) -> Otel) -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let otel = change(Otel::on(provider));
        let listening = tracing_subscriber::registry().with(otel.layer()).set_default();
        Traces { exporter, _listening: listening }
    }

    /// The spans that have ended, in the order in which they began.
    pub(crate) fn spans(&self) -> Vec<SpanData> {
        let mut spans = self.exporter.get_finished_spans().unwrap();
        spans.sort_by_key(|span| span.start_time);
        spans
    }

    pub(crate) fn named(&self, name: &str) -> Vec<SpanData> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }

    /// The only span of this name.
    pub(crate) fn one(&self, name: &str) -> SpanData {
        let mut found = self.named(name);
        assert_eq!(found.len(), 1, "{name}: {:?}", self.names());
        found.remove(0)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.spans().into_iter().map(|span| span.name.into_owned()).collect()
    }
}

/// A place in a trace of somebody else's: `n` is in both ids.
pub(crate) fn place(n: u8) -> TraceContext {
    TraceContext::from_parts([n; 16], [n; 8], 1).unwrap()
}

/// Where a span is.
pub(crate) fn at(span: &SpanData) -> TraceContext {
    let context = &span.span_context;
    let (trace, own) = (context.trace_id().to_bytes(), context.span_id().to_bytes());
    TraceContext::from_parts(trace, own, context.trace_flags().to_u8()).unwrap()
}

/// Whether a span's parent is at this place.
pub(crate) fn is_child_of(span: &SpanData, place: &TraceContext) -> bool {
    span.span_context.trace_id().to_bytes() == place.trace_id()
        && span.parent_span_id == SpanId::from_bytes(place.span_id())
}

pub(crate) fn is_root(span: &SpanData) -> bool {
    span.parent_span_id == SpanId::INVALID
}

/// Ids of the spans that a span is linked to.
pub(crate) fn links(span: &SpanData) -> Vec<([u8; 16], [u8; 8])> {
    let mut links: Vec<_> = span
        .links
        .iter()
        .map(|link| (link.span_context.trace_id().to_bytes(), link.span_context.span_id().to_bytes()))
        .collect();
    links.sort_unstable();
    links
}

pub(crate) fn ids(places: &[TraceContext]) -> Vec<([u8; 16], [u8; 8])> {
    let mut ids: Vec<_> = places.iter().map(|place| (place.trace_id(), place.span_id())).collect();
    ids.sort_unstable();
    ids
}

pub(crate) fn text(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|known| known.key.as_str() == key).map(|known| known.value.to_string())
}

pub(crate) fn number(span: &SpanData, key: &str) -> Option<i64> {
    span.attributes.iter().find(|known| known.key.as_str() == key).and_then(|known| match &known.value {
        Value::I64(number) => Some(*number),
        _ => None,
    })
}

pub(crate) fn failed_with(span: &SpanData) -> Option<&str> {
    match &span.status {
        Status::Error { description } => Some(description),
        _ => None,
    }
}

/// Awaits something that must end.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it hangs")
}

/// Looks so often, a millisecond apart, before it counts as hanging. On a paused clock that costs no time.
const LOOKS: usize = 60_000;

async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Waits until the run asks something.
pub(crate) async fn asked(run: &AnyRun) -> stepcast::InputRecord {
    for _ in 0..LOOKS {
        if let Some(input) = run.pending_inputs().await.pop() {
            return input;
        }
        a_moment().await;
    }
    panic!("nothing is asked");
}

/// Waits until so many spans of this name have ended.
pub(crate) async fn ended(traces: &Traces, name: &str, count: usize) {
    for _ in 0..LOOKS {
        if traces.named(name).len() >= count {
            return;
        }
        a_moment().await;
    }
    panic!("{name} has not ended: {:?}", traces.names());
}
