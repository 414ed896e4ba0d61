//! Promise 9: how many executions run at once, how many early events are kept and how long the log is, is bounded too.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use stepcast::prelude::*;
use stepcast::{BuiltWorkflow, RunPolicy, StreamStart, WorkflowBuilder};
use support::{recorded, rest, settle, unhandled, within};

#[event(start)]
struct Begin {
    count: u32,
}

#[event]
struct Item {
    n: u32,
}

#[event(external)]
struct Poke {
    n: u32,
}

#[event(stop)]
struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

fn bounded(set: impl FnOnce(&mut RunPolicy)) -> WorkflowBuilder {
    let mut policy = RunPolicy::default();
    set(&mut policy);
    WorkflowBuilder::new::<Begin, Done>("bounded").policy(policy)
}

fn built(builder: WorkflowBuilder) -> BuiltWorkflow<Begin, Done> {
    BuiltWorkflow::new(builder.build().unwrap()).unwrap()
}

/// A fan-out to steps that count how many of them run at once, and how many ever did.
fn fans(builder: WorkflowBuilder, most: &Arc<AtomicUsize>) -> WorkflowBuilder {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::clone(most));
    builder
        .step_fn("fan", async |ev: Begin| (0..ev.count).map(|n| Item { n }).collect::<Vec<_>>())
        .step_fn_with(
            "work",
            move |item: Item| {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                async move {
                    most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    now.fetch_sub(1, SeqCst);
                    Worked { n: item.n }
                }
            },
            |step| step.workers = None,
        )
        .step_fn("gather", async |all: Vec<Worked>| done(all.len()))
}

#[event]
struct Worked {
    n: u32,
}

#[tokio::test(start_paused = true)]
async fn no_more_executions_run_at_once_than_the_run_allows() {
    let most = Arc::default();
    let flow = built(fans(bounded(|policy| policy.max_running = 7), &most));
    assert_eq!(within(flow.run(Begin { count: 100 })).await.unwrap().text, "100");
    assert_eq!(most.swap(0, SeqCst), 7);
    let run = flow.run_with(Begin { count: 100 }, RunOptions::new().max_running(3));
    assert_eq!(within(run).await.unwrap().text, "100");
    assert_eq!(most.load(SeqCst), 3);
}

fn meter(builder: WorkflowBuilder) -> BuiltWorkflow<Begin, Done> {
    built(builder.step_fn_with(
        "read",
        async |ev: Begin, ctx: Context| -> Result<Done> {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            let mut got = Vec::new();
            for _ in 0..ev.count {
                got.push(ctx.wait_for_event::<Poke>().await?.n);
            }
            Ok(done(format!("{got:?}")))
        },
        |step| {
            step.waits_for::<Poke>();
        },
    ))
}

#[tokio::test(start_paused = true)]
async fn early_events_are_kept_up_to_their_bound_and_the_oldest_go_with_a_report() {
    let run = meter(bounded(|policy| policy.max_mailbox = 2)).run_with(Begin { count: 2 }, recorded());
    settle().await;
    for n in 0..5 {
        run.send_event(Poke { n }).unwrap();
    }
    assert_eq!(within(run.result()).await.unwrap().text, "[3, 4]");
    assert_eq!(unhandled(&run).await, ["Poke"; 3]);
}

#[tokio::test(start_paused = true)]
async fn the_log_keeps_so_many_events_and_a_late_reader_is_told() {
    let flow = built(bounded(|_| {}).step_fn("write", async |ev: Begin, ctx: Context| {
        (0..ev.count).for_each(|n| ctx.write_event_to_stream(Item { n }));
        done("written")
    }));
    let run = flow.run_with(Begin { count: 10 }, RunOptions::new().stream_bound(4));
    within(run.result()).await.unwrap();
    for stream in [run.stream_events(), run.stream_from(StreamStart::After(0))] {
        let items = rest(stream).await;
        assert!(matches!(items[0], StreamItem::Lagged { from: 1, to: 6 }), "{:?}", items[0]);
        let seqs: Vec<_> = items[1..].iter().filter_map(StreamItem::seq).collect();
        assert_eq!(seqs, [7, 8, 9, 10, 11]);
    }
}
