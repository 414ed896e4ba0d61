//! The snapshots of LlamaIndex Workflows, row by row: what the tests of the promises do not show already.
//! The rows are in `docs/coming-from-llamaindex.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod support;

use serde_json::{Value, json};
use stepcast::engine::RestoreError;
use stepcast::prelude::*;
use stepcast::{RestoreRunError, RunSnapshot};
use support::{after, moved, recorded, rest, settle, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event]
pub struct Item {
    n: u32,
}

#[event]
pub struct Found {
    text: String,
}

#[event(external)]
pub struct Reply {
    response: String,
}

#[event(external)]
pub struct Go {}

#[event(input_required)]
pub struct Ask {
    n: u32,
}

#[event(human_response)]
pub struct Answer {
    text: String,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

fn reply(response: &str) -> Reply {
    Reply { response: response.into() }
}

/// Waits for one reply in two ways.
mod requiring {
    use super::*;

    #[step(waits(Reply))]
    pub async fn work(_ev: Begin, ctx: Context) -> Result<Done> {
        Ok(done(ctx.wait_for_event::<Reply>().await?.response))
    }

    flow!(pub Requiring: Begin => Done { work });
}

/// Writes to its stream before and after a wait.
mod writing {
    use super::*;

    #[step(waits(Reply))]
    pub async fn work(ev: Begin, ctx: Context) -> Result<Done> {
        (0..ev.n).for_each(|n| ctx.write_event_to_stream(Item { n }));
        let reply = ctx.wait_for_event::<Reply>().await?;
        ctx.write_event_to_stream(Item { n: ev.n });
        Ok(done(reply.response))
    }

    flow!(pub Writing: Begin => Done { work });
}

#[tokio::test(start_paused = true)]
async fn the_stream_s_numbers_go_on_after_a_restore() {
    let run = writing::Writing.run(Begin { n: 2 });
    settle().await;
    let run = moved(writing::Writing, &run).await;
    run.send_event(reply("x")).unwrap();
    within(run.result()).await.unwrap();
    let items = rest(run.stream_events()).await;
    let found: Vec<_> = items.iter().filter_map(|item| Some((item.seq()?, item.event()?.tag()))).collect();
    assert_eq!(found, [(3, "Item"), (4, "Done")], "what was written before is not written again");
}

/// Comes to its wait after a while.
mod early {
    use super::*;

    #[step(waits(Reply))]
    pub async fn work(ev: Begin, ctx: Context) -> Result<Done> {
        after(u64::from(ev.n)).await;
        let first = ctx.wait_for_event::<Reply>().await?;
        let second = ctx.wait_for_event::<Reply>().await?;
        Ok(done(format!("{} {}", first.response, second.response)))
    }

    flow!(pub Early: Begin => Done { work });
}

/// Parallel branches that each ask a person.
mod branches {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    #[step(waits(Answer))]
    pub async fn ask(item: Item, ctx: Context) -> Result<Found> {
        let answer = ctx.wait_for_event::<Answer>().announce(Ask { n: item.n }).await?;
        Ok(Found { text: format!("{}={}", item.n, answer.text) })
    }

    #[step]
    pub async fn gather(all: Vec<Found>) -> Done {
        done(all.into_iter().map(|found| found.text).collect::<Vec<_>>().join(" "))
    }

    flow!(pub Branches: Begin => Done { split, ask, gather });
}

#[tokio::test(start_paused = true)]
async fn parallel_questions_have_their_own_answers() {
    let mut run = branches::Branches.run(Begin { n: 3 });
    // Stored again and again: before each answer, from the run that was itself taken up.
    for round in 0..3 {
        settle().await;
        run = moved(branches::Branches, &run).await;
        settle().await;
        let inputs = within(run.pending_inputs()).await;
        assert_eq!(inputs.len(), 3 - round, "every branch asks once");
        // The youngest question first.
        let last = inputs.last().unwrap();
        let n = last.input.event.as_ref().unwrap().decode::<Ask>().unwrap().n;
        within(run.respond(&last.id, Answer { text: format!("a{n}") })).await.unwrap();
    }
    assert_eq!(within(run.result()).await.unwrap(), done("0=a0 1=a1 2=a2"));
}

/// One of everything that a snapshot holds.
mod everything {
    use super::*;

    #[event]
    pub struct Left {
        pub n: u32,
    }

    #[event]
    pub struct Right {
        pub n: u32,
    }

    #[event]
    pub struct Single {
        pub n: u32,
    }

    #[step]
    pub async fn begin(ev: Begin, ctx: Context<(Single,)>) -> Result<(Vec<Item>, Left)> {
        (0..ev.n).try_for_each(|n| ctx.send_event(Single { n }))?;
        ctx.store().set("user.name", "Ada").await?;
        Ok(((0..ev.n).map(|n| Item { n }).collect(), Left { n: ev.n }))
    }

    /// The first waits, the second is delayed, the third is done, the fourth is running, the fifth queued behind it.
    #[step(workers = 1, waits(Reply), retry(attempts = 2, backoff = "1h"))]
    pub async fn work(item: Item, ctx: Context, attempt: Attempt) -> Result<Found> {
        match item.n {
            0 => drop(ctx.wait_for_event::<Reply>().await?),
            1 if attempt.number() == 1 => return Err(StepError::msg("once")),
            3 => after(60_000).await,
            _ => {}
        }
        Ok(Found { text: format!("{}.{}", item.n, attempt.number()) })
    }

    #[step]
    pub async fn gather(all: Vec<Found>) -> Right {
        let texts: Vec<String> = all.into_iter().map(|found| found.text).collect();
        assert_eq!(texts, ["0.1", "1.2", "2.1", "3.1", "4.1"]);
        Right { n: texts.len() as u32 }
    }

    /// Pairs, of an odd number: one stays in the buffer.
    #[step]
    pub async fn collect(single: Single, ctx: Context) -> Result<()> {
        if let Some(pair) = ctx.collect_n(single, 2).await? {
            let text = format!("{}+{}", pair[0].n, pair[1].n);
            ctx.store()
                .edit("pairs", |pairs| {
                    *pairs = format!("{} {text}", pairs.as_str().unwrap_or_default()).into();
                    Ok::<_, StepError>(())
                })
                .await??;
        }
        Ok(())
    }

    #[step]
    pub async fn late(_go: Go) -> Single {
        Single { n: 5 }
    }

    #[step]
    pub async fn join(left: Left, right: Right, ctx: Context) -> Result<Done> {
        let pairs: String = ctx.store().get_or("pairs", String::new()).await?;
        let name: Option<String> = ctx.store().get("user.name").await?;
        Ok(done(format!("{} {} {name:?}{pairs}", left.n, right.n)))
    }

    flow!(pub Everything: Begin => Done { begin, work, gather, collect, late, join });
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_holds_everything_that_goes_on() {
    let mut run = everything::Everything.run(Begin { n: 5 });
    // At once, with everything queued, and again while all of it stands in another place.
    run = moved(everything::Everything, &run).await;
    after(10_000).await;
    run = moved(everything::Everything, &run).await;
    settle().await;
    run.send_event(Go {}).unwrap();
    run.send_event(reply("go")).unwrap();
    after(100_000).await;
    run = moved(everything::Everything, &run).await;
    after(1_000).await;
    assert!(!run.is_done(), "the retry is an hour after the failure");
    after(3_600_000).await;
    assert_eq!(within(run.result()).await.unwrap(), done("5 5 Some(\"Ada\") 0+1 2+3 4+5"));
}

#[tokio::test(start_paused = true)]
async fn work_under_way_goes_on_at_once_after_a_restore() {
    let run = early::Early.run(Begin { n: 5_000 });
    run.send_event(reply("a")).unwrap();
    run.send_event(reply("b")).unwrap();
    after(100).await;
    let began = tokio::time::Instant::now();
    let run = moved(early::Early, &run).await;
    assert_eq!(within(run.result()).await.unwrap(), done("a b"));
    assert_eq!(began.elapsed().as_secs(), 5, "the execution is repeated without any delay of its own");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_snapshot_of_this_workflow_is_refused() {
    for text in ["", "{}", "[]", "null", "{\"version\":2}", "{\"format\":1,\"workflow\":\"Early\"}"] {
        assert!(matches!(RunSnapshot::from_json(text), Err(RestoreRunError::Malformed { .. })), "{text}");
    }
    let run = early::Early.run(Begin { n: 5_000 });
    settle().await;
    let text = within(run.snapshot()).await.unwrap().to_json().unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value["format"] = json!(99);
    assert!(matches!(RunSnapshot::from_json(&value.to_string()), Err(RestoreRunError::Version { found: 99 })));
    let other = requiring::Requiring.restore(RunSnapshot::from_json(&text).unwrap());
    assert!(matches!(other, Err(RestoreRunError::Workflow { .. })));
    // Rewritten by a hook where the workflow has another name by now.
    let renamed = RunSnapshot::from_json_with(&text.replace("\"Early\"", "\"Former\""), |value| {
        value["workflow"] = json!("Early");
    });
    run.cancel();
    let run = early::Early.restore(renamed.unwrap()).unwrap();
    run.send_event(reply("a")).unwrap();
    run.send_event(reply("b")).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("a b"));
}

#[tokio::test(start_paused = true)]
async fn a_run_shows_what_its_steps_are_doing() {
    let run = everything::Everything.run_with(Begin { n: 5 }, recorded());
    after(10_000).await;
    let steps = run.overlay().steps;
    let work = steps["work"];
    assert_eq!((work.waiting, work.running, work.runs, work.failures), (1, 1, 2, 1), "{steps:?}");
    assert_eq!((steps["begin"].runs, steps["collect"].runs), (1, 5));
    assert!(!run.is_done());
}

#[tokio::test(start_paused = true)]
async fn only_declared_types_come_out_of_stored_data() {
    let run = branches::Branches.run(Begin { n: 1 });
    settle().await;
    let text = within(run.snapshot()).await.unwrap().to_json().unwrap();
    assert!(text.contains("\"Item\""), "{text}");
    // A name in the data is looked up among the workflow's own events; nothing else is made by it.
    let other = RunSnapshot::from_json(&text.replace("\"Item\"", "\"os.system\"")).unwrap();
    let Err(RestoreRunError::State(error)) = branches::Branches.restore(other) else { panic!("restored") };
    assert!(error.to_string().contains("the event `os.system` does not exist"), "{error}");
}

/// What became of the workflow of a stored run.
mod changed {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    /// It took items, and waited for answers.
    #[step]
    pub async fn ask(begin: Begin) -> Done {
        done(begin.n)
    }

    flow!(pub Narrowed: Begin => Done { split, ask, gather }, name = "Branches");

    #[step]
    pub async fn gather(all: Vec<Item>) -> Done {
        done(all.len())
    }

    #[step]
    pub async fn more(_go: Go) {}

    pub mod grown {
        use super::*;
        use crate::branches::{ask, gather, split};

        flow!(pub Grown: Begin => Done { more, gather, ask, split }, name = "Branches");
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_workflow_takes_a_run_up_or_says_every_difference() {
    let run = branches::Branches.run(Begin { n: 1 });
    settle().await;
    let stored = within(run.snapshot()).await.unwrap();
    run.cancel();
    let Err(RestoreRunError::State(RestoreError::Refused { differences, .. })) =
        changed::Narrowed.restore(stored.clone())
    else {
        panic!("restored")
    };
    let text = differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for part in [
        "the step `ask` has another signature",
        "the step `gather` has another signature",
        "the event `Answer` does not exist",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Steps that were added, and another order, are no difference to the run.
    let run = changed::grown::Grown.restore(stored).unwrap();
    settle().await;
    let inputs = within(run.pending_inputs()).await;
    within(run.respond(&inputs[0].id, Answer { text: "yes".into() })).await.unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("0=yes"));
}
