//! Promise 4, where steps take what is waited for: who has had an event in a wait does not get it twice, and what has been
//! taken is not lost when the mailbox drops it.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use stepcast::prelude::*;
use stepcast::{BuiltWorkflow, RunPolicy, WorkflowBuilder};
use support::{recorded, settle, unhandled, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event(external)]
pub struct Go {
    n: u32,
}

#[event(external)]
pub struct Other {
    n: u32,
}

#[event(external)]
pub struct Open {}

#[event]
pub struct Item {
    n: u32,
}

#[event]
pub struct Found {
    n: u32,
}

#[event(stop)]
#[derive(Debug, PartialEq)]
pub struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

/// A step of two parameters that waits for one of its own types.
mod join {
    use super::*;

    #[step]
    pub async fn begin(_ev: Begin) {}

    #[step(waits(Go))]
    pub async fn both(go: Go, other: Other, ctx: Context) -> Result<Option<Done>> {
        let again = ctx.wait_for_event::<Go>().matching(|go| go.n < 10).await?;
        let text = format!("{} {} {}", go.n, other.n, again.n);
        let before: String = ctx.store().get_or("texts", String::new()).await?;
        ctx.store().set("texts", format!("{before}{text}, ")).await?;
        Ok((go.n > 10).then(|| done(format!("{before}{text}"))))
    }

    flow!(pub Join: Begin => Done { begin, both });
}

#[tokio::test(start_paused = true)]
async fn what_a_joining_step_has_in_its_wait_does_not_also_fill_its_slot() {
    let run = join::Join.run(Begin { n: 0 });
    run.send_event(Go { n: 1 }).unwrap();
    run.send_event(Other { n: 2 }).unwrap();
    settle().await;
    run.send_event(Go { n: 3 }).unwrap();
    settle().await;
    assert_eq!(run.store_value("texts"), Some("1 2 3, ".into()));
    run.send_event(Other { n: 4 }).unwrap();
    settle().await;
    // Had the third filled the slot, the fourth would have met it.
    run.send_event(Go { n: 15 }).unwrap();
    settle().await;
    run.send_event(Go { n: 6 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("1 2 3, 15 4 6"));
}

/// Events of one type: those of a batch are collected, those from elsewhere are not.
fn some_are_collected() -> BuiltWorkflow<Begin, Done> {
    let mut policy = RunPolicy::default();
    policy.max_mailbox = 1;
    let builder = WorkflowBuilder::new::<Begin, Done>("some_are_collected").policy(policy);
    let builder = builder
        .step_fn("split", async |ev: Begin| (0..ev.n).map(|n| Item { n }).collect::<Vec<_>>())
        .step_fn("work", async |item: Item| Found { n: item.n })
        .step_fn("outside", async |go: Go| Found { n: go.n })
        .step_fn("gather", async |all: Vec<Found>, ctx: Context| -> Result<()> {
            ctx.store().set("gathered", all.len()).await?;
            Ok(())
        })
        .step_fn_with(
            "later",
            async |_open: Open, ctx: Context| -> Result<Done> { Ok(done(ctx.wait_for_event::<Found>().await?.n)) },
            |step| {
                step.waits_for::<Found>();
            },
        );
    BuiltWorkflow::new(builder.build().unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn only_what_no_step_has_had_is_reported_when_it_is_dropped() {
    let run = some_are_collected().run_with(Begin { n: 3 }, recorded());
    settle().await;
    assert_eq!(run.store_value("gathered"), Some(3.into()));
    for n in [10, 11] {
        run.send_event(Go { n }).unwrap();
        settle().await;
    }
    run.send_event(Open {}).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done(11));
    // Dropped were three that a step has had, and 10.
    assert_eq!(unhandled(&run).await, ["Found"]);
}
