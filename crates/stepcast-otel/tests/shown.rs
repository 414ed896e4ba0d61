//! What spans show only where it is asked for. In a process of its own, because that is one thing for a process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use stepcast::Usage;
use stepcast::prelude::*;
use support::*;

#[event(start)]
struct Begin;

#[event(stop)]
struct Done;

#[derive(Debug, thiserror::Error)]
#[error("no luck")]
struct NoLuck;

#[step]
async fn ask(_ev: Begin, ctx: Context) -> Result<Done> {
    ctx.call("model", || async { Ok::<_, NoLuck>(1) }).usage(|_| Usage::new(7, 3).with_cost_micros(5)).await?;
    Err(NoLuck)?
}

flow!(Asking: Begin => Done { ask });

#[tokio::test(start_paused = true)]
async fn attributes_in_development_and_messages_are_shown_where_they_are_asked_for() {
    let traces = Traces::with(|otel| otel.gen_ai(true).error_messages(true));
    within(Asking.run(Begin)).await.unwrap_err();
    let run = traces.one("invoke_workflow Asking");
    assert_eq!(text(&run, "gen_ai.operation.name").as_deref(), Some("invoke_workflow"));
    assert_eq!(text(&run, "gen_ai.workflow.name").as_deref(), Some("Asking"));
    let call = traces.one("call model");
    assert_eq!(
        (number(&call, "gen_ai.usage.input_tokens"), number(&call, "gen_ai.usage.output_tokens")),
        (Some(7), Some(3))
    );
    assert_eq!(number(&call, "workflow.usage.cost_micros"), Some(5));
    let step = traces.one("step ask");
    assert_eq!((failed_with(&step), text(&step, "exception.message").as_deref()), (Some("no luck"), Some("no luck")));

    let traces = Traces::taken();
    within(Asking.run(Begin)).await.unwrap_err();
    let told = format!("{:?}", traces.spans());
    assert!(!told.contains("gen_ai") && !told.contains("no luck"), "{told}");
}
