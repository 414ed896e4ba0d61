//! The spans of a run: where they lie, what they say, and how those after a pause are linked to those before.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use opentelemetry::trace::Status;
use serde_json::json;
use stepcast::backend::{InputFilter, MemoryBackend};
use stepcast::prelude::*;
use stepcast::{RunId, Runtime, TraceContext, Usage};
use stepcast_sqlite::SqliteBackend;
use support::review::{Approval, Note, Review, draft};
use support::*;

#[event(start)]
struct Begin {
    n: u32,
}

#[event]
struct Half {
    n: u32,
}

#[event(stop)]
struct Done {
    traceparent: String,
}

#[derive(Debug, thiserror::Error)]
#[error("no luck with {0}")]
struct NoLuck(u32);

/// Fails in its first attempt.
#[step(retry(attempts = 2, backoff = "10ms"))]
async fn first(ev: Begin, attempt: Attempt) -> Result<Half> {
    if attempt.number() == 1 {
        Err(NoLuck(ev.n))?;
    }
    Ok(Half { n: ev.n })
}

#[step]
async fn second(half: Half, ctx: Context) -> Result<Done> {
    let (a, b) = tokio::join!(async { ctx.call("plain", || async move { Ok::<_, NoLuck>(half.n) }).await }, async {
        let call = ctx.call("metered", || async move {
            tokio::task::yield_now().await;
            Ok::<_, NoLuck>(half.n)
        });
        call.usage(|_| Usage::new(7, 3)).await
    });
    let _ = (a?, b?);
    let refused = ctx.call("refused", || async { Err::<u32, _>(NoLuck(3)) }).await;
    assert!(refused.is_err());
    Ok(Done { traceparent: ctx.trace_context().expect("a step is in a trace").traceparent() })
}

flow!(Steps: Begin => Done { first, second });

#[tokio::test(start_paused = true)]
async fn steps_and_calls_lie_in_the_run_and_the_run_in_the_trace_that_started_it() {
    let traces = Traces::taken();
    let options = RunOptions::new().run_id("run").trace(place(7));
    let done = within(Steps.run_with(Begin { n: 5 }, options)).await.unwrap();

    let run = traces.one("invoke_workflow Steps");
    assert!(is_child_of(&run, &place(7)), "{run:?}");
    assert_eq!(links(&run), []);
    assert_eq!(text(&run, "workflow.name").as_deref(), Some("Steps"));
    assert_eq!(text(&run, "workflow.run_id").as_deref(), Some("run"));
    assert_eq!(text(&run, "workflow.outcome").as_deref(), Some("completed"));
    assert_eq!(run.status, Status::Unset);

    let firsts = traces.named("step first");
    let told: Vec<_> =
        firsts.iter().map(|step| (number(step, "workflow.attempt"), text(step, "workflow.outcome"))).collect();
    assert_eq!(told, [(Some(1), Some("retried".to_owned())), (Some(2), Some("completed".to_owned()))]);
    let second = traces.one("step second");
    for step in firsts.iter().chain([&second]) {
        assert!(is_child_of(step, &at(&run)), "{step:?}");
        assert_eq!(text(step, "workflow.run_id").as_deref(), Some("run"));
    }
    // Of an error its type, not its message: that may hold anything.
    assert!(text(&firsts[0], "error.type").unwrap().ends_with("NoLuck"), "{:?}", firsts[0]);
    assert!(failed_with(&firsts[0]).unwrap().ends_with("NoLuck"), "{:?}", firsts[0]);
    assert_eq!(done.traceparent, at(&second).traceparent());

    for (name, outcome) in [("call plain", "completed"), ("call metered", "completed"), ("call refused", "failed")] {
        let call = traces.one(name);
        assert!(is_child_of(&call, &at(&second)), "{call:?}");
        assert_eq!(text(&call, "workflow.outcome").as_deref(), Some(outcome));
    }
    assert_eq!(number(&traces.one("call metered"), "workflow.usage.tokens_in"), Some(7));
    assert_eq!(traces.spans().len(), 7, "{:?}", traces.names());
}

/// What is right of the spans of a run that was started in trace 1, paused, and answered in trace 2.
fn check_paused(traces: &Traces) {
    let stretches = traces.named("invoke_workflow Review");
    let [first, second] = &stretches[..] else { panic!("{:?}", traces.names()) };
    assert!(is_child_of(first, &place(1)), "{first:?}");
    assert_eq!(text(first, "workflow.outcome").as_deref(), Some("waiting"));
    assert!(is_child_of(second, &place(2)), "{second:?}");
    assert_eq!(links(second), ids(&[place(1), at(first)]));
    assert_eq!(text(second, "workflow.outcome").as_deref(), Some("completed"));
    let steps = traces.named("step review");
    let [before, after] = &steps[..] else { panic!("{:?}", traces.names()) };
    assert!(is_child_of(before, &at(first)), "{before:?}");
    assert_eq!(text(before, "workflow.outcome").as_deref(), Some("waiting"));
    assert!(is_child_of(after, &at(second)), "{after:?}");
    assert_eq!(text(after, "workflow.outcome").as_deref(), Some("completed"));
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_the_spans_and_what_follows_is_linked_to_them() {
    let traces = Traces::taken();
    let run = Review.run_with(draft(), RunOptions::new().trace(place(1)));
    let input = asked(&run).await;
    ended(&traces, "invoke_workflow Review", 1).await;
    assert_eq!(traces.names(), ["invoke_workflow Review", "step review"], "no span is open while nothing goes on");
    tokio::time::sleep(Duration::from_secs(3 * 24 * 3600)).await;

    within(place(2).scope(run.respond(&input.id, Approval { yes: true }))).await.unwrap();
    assert!(within(run.result()).await.unwrap().yes);
    ended(&traces, "invoke_workflow Review", 2).await;
    check_paused(&traces);
    let steps = traces.named("step review");
    assert_eq!(links(&steps[1]), ids(&[at(&steps[0])]), "the same attempt goes on");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_takes_its_trace_along() {
    let traces = Traces::taken();
    let run = Review.run_with(draft(), RunOptions::new().trace(place(1)));
    asked(&run).await;
    ended(&traces, "invoke_workflow Review", 1).await;
    let snapshot = within(run.snapshot()).await.unwrap();
    run.cancel();
    assert!(within(run.result()).await.is_err());
    let again = Review.restore(snapshot).unwrap();
    let input = asked(&again).await;
    within(place(2).scope(again.respond(&input.id, Approval { yes: true }))).await.unwrap();
    within(again.result()).await.unwrap();
    let stretches = traces.named("invoke_workflow Review");
    // The first, its cancellation, the restored one up to its wait, and what followed the answer.
    let [first, cancelled, restored, answered] = &stretches[..] else { panic!("{:?}", traces.names()) };
    assert_eq!(text(cancelled, "workflow.outcome").as_deref(), Some("cancelled"));
    assert!(is_root(restored), "{restored:?}");
    assert_eq!(links(restored), ids(&[place(1), at(first)]));
    assert!(is_child_of(answered, &place(2)), "{answered:?}");
    assert_eq!(links(answered), ids(&[place(1), at(restored)]));
}

#[test]
fn a_run_in_a_file_is_linked_across_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let traces = Traces::taken();
    let process = |body: std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(within(body));
    };
    let (file, id) = (path.clone(), RunId::from("kept"));
    process(Box::pin(async move {
        let runtime = Runtime::on(SqliteBackend::open(file).unwrap());
        let options = RunOptions::new().run_id("kept").trace(place(1).with_tracestate("vendor=x"));
        let run = runtime.run(Review, draft(), options);
        asked(&run).await;
        drop(run);
        runtime.shutdown(Duration::from_secs(5)).await;
    }));
    assert_eq!(traces.names(), ["invoke_workflow Review", "step review"]);

    // Answered by a process that knows nothing of the workflow, and no more of the trace than the request said.
    let (file, run) = (path.clone(), id.clone());
    process(Box::pin(async move {
        let runtime = Runtime::on(SqliteBackend::open(file).unwrap());
        let input = runtime.list_inputs(InputFilter::default(), None, 1).await.unwrap().remove(0).asked.input;
        let answer = runtime.answer_input(&run, input, json!({ "yes": true }), None);
        place(2).scope(answer).await.unwrap();
        runtime.shutdown(Duration::from_secs(5)).await;
    }));
    assert_eq!(traces.spans().len(), 2, "{:?}", traces.names());

    process(Box::pin(async move {
        let runtime = Runtime::on(SqliteBackend::open(path).unwrap());
        runtime.register(Review).unwrap();
        let run = runtime.attach(&id).await.unwrap();
        run.outcome().await.unwrap();
        drop(run);
        runtime.shutdown(Duration::from_secs(5)).await;
    }));
    check_paused(&traces);
    let second = &traces.named("invoke_workflow Review")[1];
    let start = second.links.iter().find(|link| at_place(link) == place(1).trace_id()).unwrap();
    assert_eq!(start.span_context.trace_state().header(), "vendor=x");
}

fn at_place(link: &opentelemetry::trace::Link) -> [u8; 16] {
    link.span_context.trace_id().to_bytes()
}

#[test]
fn an_event_for_a_stored_run_brings_its_trace() {
    let traces = Traces::taken();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tokio.block_on(within(async {
        let runtime = Runtime::on(MemoryBackend::new());
        let run = runtime.run(Review, draft(), RunOptions::new().run_id("kept"));
        asked(&run).await;
        ended(&traces, "invoke_workflow Review", 1).await;
        let note = Note { text: "well".into() };
        place(3).scope(runtime.send_event(run.run_id(), note)).await.unwrap();
        ended(&traces, "invoke_workflow Review", 2).await;
        runtime.shutdown(Duration::from_secs(5)).await;
    }));
    let stretches = traces.named("invoke_workflow Review");
    assert!(is_root(&stretches[0]), "{stretches:?}");
    assert!(is_child_of(&stretches[1], &place(3)), "{stretches:?}");
    assert_eq!(links(&stretches[1]), ids(&[at(&stretches[0])]));
    assert!(is_child_of(&traces.one("step take"), &at(&stretches[1])));
}

#[event(start)]
struct Poll {
    every: u64,
    times: u32,
}

#[event]
struct Again {
    every: u64,
    left: u32,
}

#[event(stop)]
struct Polled;

#[step]
async fn begin_polling(ev: Poll) -> Again {
    Again { every: ev.every, left: ev.times }
}

#[step(waits(Note))]
async fn poll(ev: Again, ctx: Context) -> Result<Either<Again, Polled>> {
    let wait = ctx.wait_for_event::<Note>().timeout(Duration::from_secs(ev.every));
    let _ = wait.await;
    Ok(if ev.left == 0 { Either::Right(Polled) } else { Either::Left(Again { every: ev.every, left: ev.left - 1 }) })
}

flow!(Polling: Poll => Polled { begin_polling, poll });

#[tokio::test(start_paused = true)]
async fn short_timers_do_not_end_a_stretch_and_no_stretch_is_held_open_by_them_for_long() {
    let traces = Traces::taken();
    within(Polling.run(Poll { every: 1, times: 3 })).await.unwrap();
    assert_eq!(traces.named("invoke_workflow Polling").len(), 1);

    let traces = Traces::taken();
    let run = Polling.run(Poll { every: 25, times: 9 });
    tokio::time::timeout(Duration::from_secs(3600), run).await.unwrap().unwrap();
    let stretches = traces.named("invoke_workflow Polling");
    // 250 seconds: each lasts for two waits, and ends when the third would go past its first minute.
    assert_eq!(stretches.len(), 4, "{:?}", traces.names());
    for pair in stretches.windows(2) {
        assert!(is_root(&pair[1]), "nothing outside woke it: {:?}", pair[1]);
        assert!(links(&pair[1]).contains(&ids(&[at(&pair[0])])[0]), "{pair:?}");
    }
}

#[event(start)]
struct Outer;

#[event(stop)]
struct Over;

#[step]
async fn call_in(_ev: Outer, ctx: Context) -> Result<Over> {
    ctx.run_child(Steps, Begin { n: 1 }).await?;
    ctx.run_child(Review, draft()).await?;
    Ok(Over)
}

flow!(Parent: Outer => Over { call_in });

#[tokio::test(start_paused = true)]
async fn children_lie_in_the_step_that_runs_them_and_wake_their_parent() {
    let traces = Traces::taken();
    let run = Parent.run_with(Outer, RunOptions::new().trace(place(1)));
    let input = asked(&run).await;
    ended(&traces, "invoke_workflow Parent", 1).await;
    let parent = traces.one("invoke_workflow Parent");
    let calling = traces.one("step call_in");
    let child = traces.one("invoke_workflow Steps");
    assert!(is_child_of(&parent, &place(1)), "{parent:?}");
    assert!(is_child_of(&child, &at(&calling)), "{child:?}");
    let waiting = traces.one("invoke_workflow Review");
    assert!(is_child_of(&waiting, &at(&calling)), "{waiting:?}");

    within(place(2).scope(run.respond(&input.id, Approval { yes: true }))).await.unwrap();
    within(run.result()).await.unwrap();
    ended(&traces, "invoke_workflow Parent", 2).await;
    let answered = &traces.named("invoke_workflow Review")[1];
    assert!(is_child_of(answered, &place(2)), "{answered:?}");
    let woken = &traces.named("invoke_workflow Parent")[1];
    assert!(is_child_of(woken, &at(answered)), "what wakes it is its child's end: {woken:?}");
    assert_eq!(links(woken), ids(&[place(1), at(&parent)]));
}

#[event(start)]
struct Crunch;

#[event]
struct Crunched;

#[step(blocking)]
fn crunch(_ev: Crunch) -> Crunched {
    tracing::info_span!("inside").in_scope(|| Crunched)
}

#[step(timeout = "1s", retry(attempts = 1))]
async fn hang(_ev: Crunched) -> Polled {
    std::future::pending().await
}

flow!(Crunching: Crunch => Polled { crunch, hang });

#[tokio::test]
async fn blocking_steps_have_spans_and_what_times_out_has_failed() {
    let traces = Traces::taken();
    // The pool's threads have no subscriber of their own.
    within(Crunching.run(Crunch)).await.unwrap_err();
    let run = traces.one("invoke_workflow Crunching");
    let crunch = traces.one("step crunch");
    assert_eq!(text(&crunch, "workflow.outcome").as_deref(), Some("completed"));
    let hang = traces.one("step hang");
    assert_eq!(text(&hang, "workflow.outcome").as_deref(), Some("failed"));
    assert!(failed_with(&hang).is_some(), "{hang:?}");
    for step in [crunch, hang] {
        assert!(is_child_of(&step, &at(&run)), "{step:?}");
    }
    assert_eq!(text(&run, "workflow.outcome").as_deref(), Some("failed"));
    assert!(failed_with(&run).is_some(), "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn without_spans_the_trace_is_handed_on_as_it_came() {
    // No subscriber: the step still knows the trace that it belongs to.
    let options = RunOptions::new().trace(place(9));
    let done = within(Steps.run_with(Begin { n: 1 }, options)).await.unwrap();
    assert_eq!(done.traceparent, place(9).traceparent());
    let done = within(place(8).scope(async { Steps.run(Begin { n: 1 }).await })).await.unwrap();
    assert_eq!(done.traceparent, place(8).traceparent());
    assert_eq!(TraceContext::current(), None);
}
