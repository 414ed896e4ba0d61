//! What a run tells `tracing`: a span for the run and one per execution, in the run's and never nested in each other,
//! however long the chain of events is.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use stepcast::prelude::*;
use support::within;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event as TraceEvent, Metadata, Subscriber};

#[event(start)]
struct Begin {
    hops: u32,
}

#[event]
struct Hop {
    left: u32,
}

#[event(stop)]
struct Done;

#[step]
async fn begin(ev: Begin) -> Hop {
    Hop { left: ev.hops }
}

#[step]
async fn hop(hop: Hop) -> Either<Hop, Done> {
    if hop.left.is_multiple_of(3) {
        tokio::task::yield_now().await;
    }
    if hop.left == 0 { Either::Right(Done) } else { Either::Left(Hop { left: hop.left - 1 }) }
}

flow!(Hops: Begin => Done { begin, hop });

#[derive(Clone, Debug, Default)]
struct Seen {
    name: &'static str,
    parent: Option<u64>,
    is_contextual: bool,
    fields: Vec<(&'static str, String)>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.fields.push((field.name(), format!("{value:?}")));
    }
}

/// Notes the spans, and how deep they are entered.
#[derive(Default)]
struct Notes {
    last: AtomicU64,
    spans: Mutex<Vec<Seen>>,
    depth: AtomicU64,
    deepest: AtomicU64,
}

struct Listener(Arc<Notes>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("stepcast")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut seen = Seen {
            name: span.metadata().name(),
            parent: span.parent().map(Id::into_u64),
            is_contextual: span.is_contextual(),
            ..Seen::default()
        };
        span.record(&mut seen);
        self.0.spans.lock().unwrap().push(seen);
        Id::from_u64(self.0.last.fetch_add(1, SeqCst) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &TraceEvent<'_>) {}

    fn enter(&self, _: &Id) {
        self.0.deepest.fetch_max(self.0.depth.fetch_add(1, SeqCst) + 1, SeqCst);
    }

    fn exit(&self, _: &Id) {
        self.0.depth.fetch_sub(1, SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn executions_lie_in_their_run_and_never_in_each_other() {
    let notes = Arc::<Notes>::default();
    let listening = tracing::subscriber::set_default(Listener(Arc::clone(&notes)));
    let run = Hops.run_with(Begin { hops: 200 }, RunOptions::new().run_id("traced"));
    within(run).await.unwrap();
    drop(listening);

    let spans = notes.spans.lock().unwrap().clone();
    let runs: Vec<_> = (1..).zip(&spans).filter(|(_, span)| span.name == "run").map(|(id, _)| id).collect();
    assert_eq!(runs.len(), 1, "one span for the run");
    assert!(spans.iter().all(|span| !span.is_contextual), "no span lies in what happens to be around it");
    let executions: Vec<_> = spans.iter().filter(|span| span.name == "execution").collect();
    assert_eq!(executions.len(), 202);
    for execution in executions {
        assert_eq!(execution.parent, Some(runs[0]), "{execution:?}");
        let named = |name| execution.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str());
        assert_eq!(named("workflow.run_id"), Some("\"traced\""));
        assert!(matches!(named("workflow.step"), Some("\"begin\"" | "\"hop\"")), "{execution:?}");
        assert_eq!(named("workflow.attempt"), Some("1"));
    }
    assert_eq!(notes.deepest.load(SeqCst), 1, "no span is entered inside another");
}
