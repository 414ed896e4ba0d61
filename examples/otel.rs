//! Spans of a run, as an OpenTelemetry collector gets them. With a collector it is `Otel::otlp("editor", "http://localhost:4318")`.
//!
//! The run waits for a person, so it has two spans; the second is linked to the first, however long the pause was.

use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};
use stepcast::TraceContext;
use stepcast::prelude::*;
use stepcast_otel::Otel;

#[event(start)]
struct Draft {
    text: String,
}

#[event(input_required)]
struct Question {
    prompt: String,
}

#[event(human_response)]
struct Reply {
    yes: bool,
}

#[event(stop)]
struct Published {
    words: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("the line is busy")]
struct Busy;

/// Fails in its first attempt, then asks.
#[step(waits(Reply), retry(attempts = 2, backoff = "1ms"))]
async fn edit(draft: Draft, ctx: Context, attempt: Attempt) -> Result<Published> {
    if attempt.number() == 1 {
        Err(Busy)?;
    }
    let reply = ctx.wait_for_event::<Reply>().announce(Question { prompt: draft.text.clone() }).await?;
    let words = ctx.call("count", || async { Ok::<_, Busy>(draft.text.split(' ').count()) }).await?;
    Ok(Published { words: if reply.yes { words } else { 0 } })
}

flow!(Editor: Draft => Published { edit });

fn attribute(span: &SpanData, key: &str) -> String {
    let found = span.attributes.iter().find(|known| known.key.as_str() == key);
    found.map(|known| known.value.to_string()).unwrap_or_default()
}

/// The spans under one, and those under them.
fn print(spans: &[SpanData], parent: &SpanData, depth: usize) {
    let outcome = attribute(parent, "workflow.outcome");
    println!("{:depth$}{}: {outcome}, {} links", "", parent.name, parent.links.len());
    for child in spans.iter().filter(|span| span.parent_span_id == parent.span_context.span_id()) {
        print(spans, child, depth + 2);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let collected = InMemorySpanExporter::default();
    let otel = Otel::exporting("editor", collected.clone());
    otel.install()?;

    // As two requests say it, in their header `traceparent`.
    let asking: TraceContext = "00-11111111111111111111111111111111-1111111111111111-01".parse()?;
    let answering: TraceContext = "00-22222222222222222222222222222222-2222222222222222-01".parse()?;

    let run = Editor.run_with(Draft { text: "Hello, world".into() }, RunOptions::new().trace(asking));
    let mut events = run.stream_events();
    while events.next().await.is_some_and(|item| item.get::<Question>().is_none()) {}
    for input in run.pending_inputs().await {
        answering.clone().scope(run.respond(&input.id, Reply { yes: true })).await?;
    }
    println!("published {} words", run.result().await?.words);
    tokio::task::yield_now().await;

    otel.flush()?;
    let mut spans = collected.get_finished_spans()?;
    spans.sort_by_key(|span| span.start_time);
    for run in spans.iter().filter(|span| span.name == "invoke_workflow Editor") {
        println!("\ntrace {}", run.span_context.trace_id());
        print(&spans, run, 2);
    }
    otel.shutdown()?;
    Ok(())
}
