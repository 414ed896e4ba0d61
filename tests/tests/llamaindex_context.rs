//! The context of LlamaIndex Workflows, row by row: what the tests of the promises do not show already.
//! The rows are in `docs/coming-from-llamaindex.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::prelude::*;
use stepcast::{AnyRun, RestoreRunError, RunSnapshot};
use support::{after, recorded, rest, settle, unhandled, within};

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

/// The run as text, and taken up from it, as another process would.
async fn moved<W: RunWorkflow>(flow: W, run: &AnyRun) -> stepcast::Run<<W::Flow as Workflow>::Stop> {
    let text = within(run.snapshot()).await.unwrap().to_json().unwrap();
    run.cancel();
    flow.restore(RunSnapshot::from_json(&text).unwrap()).unwrap()
}

/// Waits for one reply in two ways.
mod requiring {
    use super::*;

    #[step(waits(Reply))]
    pub async fn work(ev: Begin, ctx: Context) -> Result<Done> {
        let wait = ctx.wait_for_event::<Reply>();
        let reply = match ev.n {
            0 => wait.where_field("response", "ok").await?,
            1 => wait.matching(|reply| reply.response == "ok").await?,
            2 => wait.timeout(Duration::from_secs(60)).await?,
            _ => wait.timeout(Duration::MAX).await?,
        };
        Ok(done(reply.response))
    }

    flow!(pub Requiring: Begin => Done { work });
}

#[tokio::test(start_paused = true)]
async fn a_filter_holds_across_a_restore() {
    for n in [0, 1] {
        let run = requiring::Requiring.run(Begin { n });
        settle().await;
        let run = moved(requiring::Requiring, &run).await;
        // Before the restored execution could come to its wait again.
        run.send_event(reply("no")).unwrap();
        after(1_000).await;
        run.send_event(reply("never")).unwrap();
        after(1_000).await;
        assert!(!run.is_done(), "{n}: a reply that is not wanted does not satisfy the wait");
        run.send_event(reply("ok")).unwrap();
        assert_eq!(within(run.result()).await.unwrap(), done("ok"), "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_holds_across_a_restore() {
    let began = tokio::time::Instant::now();
    let run = requiring::Requiring.run(Begin { n: 2 });
    after(20_000).await;
    let run = moved(requiring::Requiring, &run).await;
    let error = within(run.result()).await.unwrap_err();
    assert!(error.to_string().contains("No `Reply` came before the deadline."), "{error}");
    assert_eq!(began.elapsed().as_secs(), 60, "counted from the wait's beginning");
}

#[tokio::test(start_paused = true)]
async fn the_longest_deadline_is_as_good_as_none() {
    let run = requiring::Requiring.run(Begin { n: 3 });
    after(365 * 24 * 3_600_000).await;
    let run = moved(requiring::Requiring, &run).await;
    settle().await;
    run.send_event(reply("at last")).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("at last"));
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

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_before_its_wait_is_kept() {
    let run = early::Early.run_with(Begin { n: 5_000 }, recorded());
    run.send_event(reply("first")).unwrap();
    settle().await;
    run.send_event(reply("second")).unwrap();
    let run = {
        settle().await;
        moved(early::Early, &run).await
    };
    assert_eq!(within(run.result()).await.unwrap(), done("first second"));
    assert!(unhandled(&run).await.is_empty());
}

/// Counts what stands before its wait.
#[derive(Default)]
struct Counting {
    bodies: AtomicU32,
    calls: AtomicU32,
}

#[workflow(Begin => Done)]
impl Counting {
    #[step(waits(Reply))]
    async fn work(&self, _ev: Begin, ctx: Context) -> Result<Done> {
        self.bodies.fetch_add(1, Ordering::SeqCst);
        let store = ctx.store();
        let seen: u32 = store.edit("seen", |seen| {
            let next = seen.as_u64().unwrap_or(0) + 1;
            *seen = next.into();
            Ok::<_, StepError>(next as u32)
        })
        .await??;
        let paid = ctx.call("pay", async || Ok::<_, StepError>(self.calls.fetch_add(1, Ordering::SeqCst) + 100)).await?;
        let first = ctx.wait_for_event::<Reply>().await?;
        let second = ctx.wait_for_event::<Reply>().await?;
        Ok(done(format!("{seen} {paid} {} {}", first.response, second.response)))
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_before_a_wait_is_not_repeated() {
    let flow = Arc::new(Counting::default());
    let run = Arc::clone(&flow).run(Begin { n: 0 });
    settle().await;
    run.send_event(reply("a")).unwrap();
    settle().await;
    assert_eq!(flow.bodies.load(Ordering::SeqCst), 1, "a wait that is answered goes on where it stood");
    // After a restore the body runs again, and is given the results it had.
    let run = moved(Arc::clone(&flow), &run).await;
    run.send_event(reply("b")).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("1 100 a b"));
    assert_eq!((flow.bodies.load(Ordering::SeqCst), flow.calls.load(Ordering::SeqCst)), (2, 1));
    assert_eq!(run.store_value("seen"), Some(json!(1)));
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
            ctx.store().edit("pairs", |pairs| {
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

/// Two steps that ask for state of their own types, and one that looks at both from outside.
mod states {
    use super::*;

    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, State)]
    pub struct Limits {
        pub most: u32,
    }

    impl Default for Limits {
        fn default() -> Self {
            Limits { most: 10 }
        }
    }

    #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, State)]
    pub struct Tally {
        pub n: u32,
    }

    #[step]
    pub async fn begin(ev: Begin, tally: State<Tally>, limits: State<Limits>, ctx: Context) -> Result<Item> {
        assert_eq!(limits.read(|limits| limits.most), 10, "the type's own default");
        limits.set(Limits { most: ev.n }).await?;
        let refused = tally.try_edit(|tally| {
            tally.n = 99;
            Err::<(), _>("no")
        });
        assert_eq!(refused.await?, Err("no"));
        assert_eq!(tally.get(), Tally { n: 0 }, "rolled back");
        ctx.store().set("a.b", 1).await?;
        ctx.store().clear().await?;
        Ok(Item { n: ev.n })
    }

    #[step]
    pub async fn end(item: Item, limits: State<Limits>, tally: State<Tally>, ctx: Context) -> Result<Done> {
        tally.edit(|tally| tally.n += item.n).await?;
        // Back to the default.
        limits.set(Limits::default()).await?;
        assert!(ctx.store().keys().await.is_empty());
        Ok(done(limits.get().most))
    }

    flow!(pub States: Begin => Done { begin, end });
}

#[tokio::test(start_paused = true)]
async fn a_run_has_one_cell_per_type_of_state() {
    let run = states::States.run(Begin { n: 3 });
    assert_eq!(within(run.result()).await.unwrap(), done(10));
    assert_eq!(run.state::<states::Tally>().unwrap(), states::Tally { n: 3 });
    assert_eq!(serde_json::to_value(run.store_snapshot()).unwrap()["cells"]["Tally"], json!({"n": 3}));
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
