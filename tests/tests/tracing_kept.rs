//! What a run keeps of the trace that it belongs to: in rows that it writes anyway, and nothing where there is none.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use stepcast::backend::{Backend, InputFilter, MailKind, MemoryBackend};
use stepcast::prelude::*;
use stepcast::{AnyRun, RunId, Runtime, TraceContext};
use support::within;

#[event(start)]
struct Begin;

#[event]
struct Half;

#[event(input_required)]
struct Question;

#[event(human_response)]
struct Answer {
    yes: bool,
}

#[event(stop)]
struct Done {
    traceparent: Option<String>,
}

#[step]
async fn half(_ev: Begin) -> Half {
    Half
}

#[step(waits(Answer))]
async fn ask(_half: Half, ctx: Context) -> Result<Done> {
    let answer = ctx.wait_for_event::<Answer>().announce(Question).await?;
    assert!(answer.yes);
    Ok(Done { traceparent: ctx.trace_context().map(|context| context.traceparent()) })
}

flow!(Asking: Begin => Done { half, ask });

fn context(n: u8) -> TraceContext {
    TraceContext::from_parts([n; 16], [n; 8], 1).unwrap()
}

async fn asked(run: &AnyRun) {
    within(async {
        while run.pending_inputs().await.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The rows of a run up to its question.
async fn rows(options: RunOptions) -> Vec<String> {
    let store = MemoryBackend::new();
    let runtime = Runtime::on(store.beside());
    let run = runtime.run(Asking, Begin, options.run_id("run"));
    asked(&run).await;
    drop(run);
    runtime.shutdown(std::time::Duration::from_secs(1)).await;
    let rows = store.load("run").unwrap().rows;
    rows.into_iter().map(|row| String::from_utf8(row.data).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_trace_costs_no_row_and_none_costs_nothing() {
    let (without, with) = (rows(RunOptions::new()).await, rows(RunOptions::new().trace(context(1))).await);
    assert_eq!(without.len(), with.len());
    assert!(without.iter().all(|row| !row.contains("trace")), "{without:?}");
    let said: Vec<bool> = with.iter().map(|row| row.contains(&context(1).traceparent())).collect();
    assert_eq!(said.iter().position(|said| *said), Some(0), "{with:?}");
    assert_eq!(said.iter().filter(|said| **said).count(), 1, "it is written once: {with:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_brings_its_trace_to_a_run_that_is_elsewhere() {
    let store = MemoryBackend::new();
    let runtime = Runtime::on(store.beside());
    let run = runtime.run(Asking, Begin, RunOptions::new().run_id("run").trace(context(1)));
    asked(&run).await;
    drop(run);
    runtime.shutdown(std::time::Duration::from_secs(1)).await;

    // From a process that does not have the run.
    let runtime = Runtime::on(store.beside());
    let id = RunId::from("run");
    let input = runtime.list_inputs(InputFilter::default(), None, 1).await.unwrap().remove(0).asked.input;
    let answer = runtime.answer_input(&id, input, serde_json::json!({ "yes": true }), None);
    context(2).scope(answer).await.unwrap();
    let letters = store.mail("run", 0).unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].kind, MailKind::Answer { input });
    assert_eq!(letters[0].trace, Some(context(2).traceparent()));

    runtime.register(Asking).unwrap();
    let run = runtime.attach(&id).await.unwrap();
    let done = within(run.outcome()).await.unwrap();
    assert_eq!(done.get::<Done>().unwrap().traceparent, Some(context(2).traceparent()));
}

#[tokio::test(start_paused = true)]
async fn another_run_s_state_is_taken_without_its_trace() {
    let first = Asking.run_with(Begin, RunOptions::new().trace(context(1)));
    asked(&first).await;
    let second = Asking.run_with(Begin, RunOptions::new().state_from(&first));
    asked(&second).await;
    let input = second.pending_inputs().await.remove(0);
    within(second.respond(&input.id, Answer { yes: true })).await.unwrap();
    assert_eq!(within(second.result()).await.unwrap().traceparent, None);
}
