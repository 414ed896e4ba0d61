//! Promise 9: everything is bounded, past a bound there is a typed error that names it, and only senders outside the run
//! wait; `send_now` waits for room while others can make some.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stepcast::prelude::*;
use stepcast::{
    BuiltWorkflow, CallError, CollectError, EmitError, Mailbox, RunError, RunPolicy, SendError, WaitError,
    WorkflowBuilder,
};
use support::{after, recorded, settle, unhandled, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event]
pub struct Item {
    n: u32,
}

#[event(external)]
pub struct Go {
    n: u32,
}

#[event(external)]
pub struct Enough {}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

/// A workflow of other bounds than the default ones.
fn bounded(
    steps: impl FnOnce(WorkflowBuilder) -> WorkflowBuilder,
    bound: impl FnOnce(&mut RunPolicy),
) -> BuiltWorkflow<Begin, Done> {
    let mut policy = RunPolicy::default();
    bound(&mut policy);
    let builder = steps(WorkflowBuilder::new::<Begin, Done>("bounded")).policy(policy);
    BuiltWorkflow::new(builder.build().unwrap()).unwrap()
}

#[step]
async fn split(ev: Begin) -> Vec<Item> {
    (0..ev.n).map(|n| Item { n }).collect()
}

#[step]
async fn last(item: Item) -> Option<Done> {
    (item.n == 9).then(|| done("nine"))
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_fails_the_run_naming_step_and_event() {
    let flow = bounded(|flow| flow.step::<split>().step::<last>(), |policy| policy.max_queued = 10);
    assert_eq!(within(flow.run(Begin { n: 10 })).await.unwrap(), done("nine"));
    let error = within(flow.run(Begin { n: 11 })).await.unwrap_err();
    let RunError::QueueFull { step, event, bound } = &error else { panic!("{error}") };
    assert_eq!((step.as_str(), event.as_str(), *bound), ("last", "Item", 10));
    // The runs beside it are unharmed.
    assert_eq!(within(flow.run(Begin { n: 10 })).await.unwrap(), done("nine"));
}

/// A long producer and its consumer.
mod now {
    use super::*;

    pub static SENT: AtomicUsize = AtomicUsize::new(0);
    pub static HANDLED: AtomicUsize = AtomicUsize::new(0);
    pub static MOST: AtomicUsize = AtomicUsize::new(0);

    #[step(emits(Item))]
    pub async fn produce(ev: Begin, ctx: Context) -> Result<Done> {
        for n in 0..ev.n {
            ctx.send_now(Item { n }).await?;
            let waiting = SENT.fetch_add(1, Ordering::SeqCst) + 1 - HANDLED.load(Ordering::SeqCst);
            MOST.fetch_max(waiting, Ordering::SeqCst);
        }
        Ok(done(HANDLED.load(Ordering::SeqCst) > 0))
    }

    #[step(workers = 2)]
    pub async fn consume(_item: Item) {
        after(10).await;
        HANDLED.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn send_now_waits_for_room_while_others_can_make_some() {
    let flow = bounded(|flow| flow.step::<now::produce>().step::<now::consume>(), |policy| policy.max_queued = 10);
    assert_eq!(within(flow.run(Begin { n: 500 })).await.unwrap(), done(true));
    assert_eq!(now::SENT.load(Ordering::SeqCst), 500);
    // Ten queued, two running, and one that was handled before it was counted.
    let most = now::MOST.load(Ordering::SeqCst);
    assert!((10..=13).contains(&most), "{most}");
}

/// Every execution of the step sends to the step itself, and holds its only worker meanwhile.
mod own {
    use super::*;

    #[step]
    pub async fn begin(ev: Begin) -> Item {
        Item { n: ev.n }
    }

    #[step(workers = 1, emits(Item))]
    pub async fn relay(item: Item, ctx: Context) -> Result<Option<Done>> {
        let mut sent = 0;
        let send = async {
            loop {
                match ctx.send_now(Item { n: item.n }).await {
                    Ok(()) => sent += 1,
                    Err(error) => break error,
                }
            }
        };
        // The clock beside it keeps the execution from giving up its worker.
        let error = tokio::select! {
            error = send => error,
            () = after(100_000) => return Err(StepError::msg("it waits for ever")),
        };
        let EmitError::WouldDeadlock { event } = error else { return Err(error.into()) };
        Ok(Some(done(format!("{event} after {sent}"))))
    }

    /// Its first attempt fails where there is no room; its second one finds the same place.
    #[step(workers = 1, emits(Item), retry(attempts = 2))]
    pub async fn again(item: Item, attempt: Attempt, ctx: Context) -> Result<Option<Done>> {
        if item.n == 0 {
            return Ok(None);
        }
        let mut sent = 0;
        let full = async {
            while ctx.send_now(Item { n: 0 }).await.is_ok() {
                sent += 1;
            }
        };
        tokio::select! {
            () = full => {}
            () = after(100_000) => return Err(StepError::msg("it waits for ever")),
        }
        match attempt.number() {
            1 => Err(StepError::msg("once more")),
            _ => Ok(Some(done(sent))),
        }
    }

    macro_rules! tree {
        ($item:ident, $ctx:ident) => {{
            let seen = $ctx.store().get_or("seen", 0).await? + 1;
            $ctx.store().set("seen", seen).await?;
            if $item.n > 0 {
                $ctx.send_now(Item { n: $item.n - 1 }).await?;
                $ctx.send_now(Item { n: $item.n - 1 }).await?;
            }
            Ok(())
        }};
    }

    /// Parks while it waits for room, so that its successors can start.
    #[step(workers = 1, emits(Item))]
    pub async fn tree(item: Item, ctx: Context) -> Result<()> {
        tree!(item, ctx)
    }

    /// The same, kept by the dispatcher since it waited for a clock.
    #[step(workers = 1, emits(Item))]
    pub async fn late_tree(item: Item, ctx: Context) -> Result<()> {
        after(1).await;
        tree!(item, ctx)
    }

    /// The same, in a task of its own, for its polls are long.
    #[step(workers = 1, emits(Item))]
    pub async fn long_tree(item: Item, ctx: Context) -> Result<()> {
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_micros(300) {
            std::hint::spin_loop();
        }
        tokio::task::yield_now().await;
        tree!(item, ctx)
    }

    /// A task of its own making sends, and the execution waits for that.
    #[step(workers = 1, emits(Item))]
    pub async fn apart(item: Item, ctx: Context) -> Result<Option<Done>> {
        let send = tokio::spawn(async move {
            loop {
                if let Err(error) = ctx.send_now(Item { n: item.n }).await {
                    break error;
                }
            }
        });
        let EmitError::WouldDeadlock { event } = send.await? else { return Ok(None) };
        Ok(Some(done(event)))
    }

    #[step]
    pub async fn end(_enough: Enough) -> Done {
        done("enough")
    }
}

#[tokio::test(start_paused = true)]
async fn send_now_gives_up_where_nobody_else_can_make_room() {
    let flow = bounded(|flow| flow.step::<own::begin>().step::<own::relay>(), |policy| policy.max_queued = 10);
    assert_eq!(within(flow.run(Begin { n: 1 })).await.unwrap(), done("Item after 10"));
    // The run as a whole may run one execution at a time.
    let flow = bounded(|flow| flow.step::<own::begin>().step::<own::relay>(), |policy| policy.max_queued = 3);
    let run = flow.run_with(Begin { n: 1 }, RunOptions::new().max_running(1));
    assert_eq!(within(run.result()).await.unwrap(), done("Item after 3"));
}

#[tokio::test(start_paused = true)]
async fn what_had_no_room_was_not_sent() {
    let flow = bounded(|flow| flow.step::<own::begin>().step::<own::again>(), |policy| policy.max_queued = 5);
    // The first attempt's five are not sent again; the sixth, which was refused, is the first of five more.
    assert_eq!(within(flow.run(Begin { n: 1 })).await.unwrap(), done(10));
}

#[tokio::test(start_paused = true)]
async fn senders_that_wait_for_each_others_room_come_through() {
    come_through(bounded(
        |flow| flow.step::<own::begin>().step::<own::tree>().step::<own::end>(),
        |policy| policy.max_queued = 4,
    ))
    .await;
}

#[tokio::test(start_paused = true)]
async fn senders_that_have_waited_for_something_else_come_through() {
    come_through(bounded(
        |flow| flow.step::<own::begin>().step::<own::late_tree>().step::<own::end>(),
        |policy| policy.max_queued = 4,
    ))
    .await;
}

#[tokio::test(start_paused = true)]
async fn senders_in_tasks_of_their_own_come_through() {
    come_through(bounded(
        |flow| flow.step::<own::begin>().step::<own::long_tree>().step::<own::end>(),
        |policy| policy.max_queued = 4,
    ))
    .await;
}

async fn come_through(flow: BuiltWorkflow<Begin, Done>) {
    let run = flow.run(Begin { n: 8 });
    after(100_000).await;
    assert_eq!(run.store_value("seen"), Some((2_u32.pow(9) - 1).into()), "every node of the tree, once");
    run.send_event(Enough {}).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("enough"));
}

#[tokio::test(start_paused = true)]
async fn send_now_from_a_task_of_ones_own_gives_up_too() {
    let flow = bounded(|flow| flow.step::<own::begin>().step::<own::apart>(), |policy| policy.max_queued = 10);
    assert_eq!(within(flow.run(Begin { n: 1 })).await.unwrap(), done("Item"));
}

/// What one execution may hold.
mod one {
    use super::*;

    #[step(emits(Item), waits(Go))]
    pub async fn outbox(ev: Begin, ctx: Context) -> Result<Done> {
        let mut sent = 0;
        let error = loop {
            match ctx.send_event(Item { n: ev.n }) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        let EmitError::OutboxFull { bound } = error else { return Err(error.into()) };
        // A commit point delivers what was sent, so there is room again.
        let none = ctx.wait_for_event::<Go>().timeout(Duration::from_secs(1)).await;
        assert!(matches!(none, Err(WaitError::TimedOut { .. })));
        ctx.send_event(Item { n: ev.n })?;
        Ok(done(format!("{sent} of {bound}")))
    }

    #[step]
    pub async fn count(_item: Item, ctx: Context) -> Result<()> {
        let seen = ctx.store().get_or("seen", 0).await?;
        ctx.store().set("seen", seen + 1).await?;
        Ok(())
    }

    #[step(waits(Go))]
    pub async fn records(ev: Begin, ctx: Context) -> Result<Done> {
        for n in 0..ev.n {
            let value = ctx.call("call", || async move { Ok::<_, StepError>(n) }).await?;
            assert_eq!(value, n);
        }
        let error = ctx.call("call", || async { Ok::<_, StepError>(0) }).await.unwrap_err();
        assert!(matches!(&error, CallError::RecordFull { bound: 5, .. }), "{error}");
        let error = ctx.wait_for_event::<Go>().timeout(Duration::ZERO).await.unwrap_err();
        assert!(matches!(error, WaitError::RecordFull { bound: 5 }), "{error}");
        let error = ctx.collect_n(ev, 2).await.unwrap_err();
        assert!(matches!(error, CollectError::RecordFull { bound: 5 }), "{error}");
        Ok(done("full"))
    }
}

#[tokio::test(start_paused = true)]
async fn an_outbox_is_bounded_up_to_its_next_commit_point() {
    let flow = bounded(|flow| flow.step::<one::outbox>().step::<one::count>(), |policy| policy.max_outbox = 7);
    let run = flow.run(Begin { n: 0 });
    assert_eq!(within(run.result()).await.unwrap(), done("7 of 7"));
    assert_eq!(run.store_value("seen"), Some(7.into()));
}

#[tokio::test(start_paused = true)]
async fn an_executions_records_are_bounded() {
    let flow = bounded(|flow| flow.step::<one::records>(), |policy| policy.max_records = 5);
    assert_eq!(within(flow.run(Begin { n: 5 })).await.unwrap(), done("full"));
}

/// A buffer that never completes.
#[step]
async fn hoard(go: Go, ctx: Context) -> Result<Option<Done>> {
    match ctx.collect_n(go, 1_000).buffer("hoard").await {
        Err(CollectError::BufferFull { buffer, bound }) => Ok(Some(done(format!("{buffer} {bound}")))),
        other => Ok(other.map(|_| None)?),
    }
}

#[step]
async fn begin(_ev: Begin) {}

#[tokio::test(start_paused = true)]
async fn a_collect_buffer_is_bounded() {
    let flow = bounded(|flow| flow.step::<begin>().step::<hoard>(), |policy| policy.max_collect = 5);
    let run = flow.run(Begin { n: 0 });
    for n in 0..5 {
        run.send_event(Go { n }).unwrap();
    }
    after(1_000).await;
    assert!(!run.is_done());
    run.send_event(Go { n: 5 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("hoard 5"));
}

#[step]
async fn take(go: Go, ctx: Context) -> Result<Option<Done>> {
    let mut got: Vec<u32> = ctx.store().get_or("got", vec![]).await?;
    got.push(go.n);
    ctx.store().set("got", &got).await?;
    Ok((go.n == 9).then(|| done(format!("{got:?}"))))
}

flow!(Taking: Begin => Done { begin, take });

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_gives_the_event_back() {
    let mailbox = Mailbox { bound: 3, drop_when_full: false };
    let run = Taking.run_with(Begin { n: 0 }, RunOptions::new().mailbox(mailbox));
    // The run has no turn until this test gives way.
    for n in 0..3 {
        run.send_event(Go { n }).unwrap();
    }
    let SendError::Full { event, bound } = run.send_event(Go { n: 3 }).unwrap_err() else { panic!("room") };
    assert_eq!((event.get::<Go>().unwrap().n, bound), (3, 3));
    settle().await;
    run.send_event(Go { n: 9 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("[0, 1, 2, 9]"));
}

#[tokio::test(start_paused = true)]
async fn a_sender_outside_may_wait_for_room() {
    let mailbox = Mailbox { bound: 2, drop_when_full: false };
    let run = Taking.run_with(Begin { n: 0 }, RunOptions::new().mailbox(mailbox));
    for n in 0..10 {
        within(run.send_event_wait(Go { n })).await.unwrap();
    }
    assert_eq!(within(run.result()).await.unwrap(), done("[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"));
    // Nobody waits for room in a run that has ended.
    let error = within(run.send_event_wait(Go { n: 1 })).await.unwrap_err();
    assert!(matches!(error, SendError::Ended { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_for_room_learns_of_the_end() {
    let mailbox = Mailbox { bound: 1, drop_when_full: false };
    let run = Taking.run_with(Begin { n: 0 }, RunOptions::new().mailbox(mailbox));
    run.send_event(Go { n: 9 }).unwrap();
    let senders = (0..5).map(|n| run.send_event_wait(Go { n }));
    let results = within(futures_util::future::join_all(senders)).await;
    assert_eq!(within(run.result()).await.unwrap(), done("[9]"));
    for result in results {
        assert!(matches!(result, Ok(()) | Err(SendError::Ended { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_may_drop_with_a_report() {
    let mailbox = Mailbox { bound: 2, drop_when_full: true };
    let run = Taking.run_with(Begin { n: 0 }, recorded().mailbox(mailbox));
    for n in 0..5 {
        run.send_event(Go { n }).unwrap();
    }
    settle().await;
    run.send_event(Go { n: 9 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done("[0, 1, 9]"));
    assert_eq!(unhandled(&run).await, ["Go", "Go", "Go"]);
}

/// A loop, stopped on the way to be looked at.
mod round {
    use super::*;

    #[step(waits(Go))]
    pub async fn turn(item: Item, ctx: Context) -> Result<Either<Item, Done>> {
        if item.n == 0 {
            return Ok(Either::Right(done("round")));
        }
        if item.n.is_multiple_of(20_000) {
            ctx.wait_for_event::<Go>().await?;
        }
        Ok(Either::Left(Item { n: item.n - 1 }))
    }

    #[step]
    pub async fn begin(ev: Begin) -> Item {
        Item { n: ev.n }
    }

    flow!(pub Round: Begin => Done { begin, turn });
}

#[tokio::test(start_paused = true)]
async fn a_loop_runs_in_flat_memory() {
    let run = round::Round.run(Begin { n: 100_000 });
    let mut sizes = Vec::new();
    for _ in 0..5 {
        settle().await;
        sizes.push(serde_json::to_string(&run.snapshot().await.unwrap()).unwrap().len());
        run.send_event(Go { n: 0 }).unwrap();
    }
    assert_eq!(within(run.result()).await.unwrap(), done("round"));
    // What is left of 20,000 rounds are a few digits of some counters.
    let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
    assert!(most - least < 64, "{sizes:?}");
}
