//! The test kit: a seed decides the order of what is ready, people and faults are scripted, and what a run did can be asked.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use stepcast::engine::FailureChoice;
use stepcast::prelude::*;
use stepcast::testing::{Recorded, TestKit, advance, assert_events, settle};
use stepcast::{RunError, StepFailedEvent, StepPanicked, WorkflowGraph};
use tokio::time::Instant;

#[event(start)]
struct Begin {
    n: u32,
}

#[event]
struct Item {
    n: u32,
}

#[event]
struct Part {
    n: u32,
}

#[event(external)]
struct Go {}

#[event(input_required)]
struct Question {
    n: u32,
}

#[event(human_response)]
struct Answer {
    n: u32,
}

#[event(stop)]
struct Done {
    all: Vec<u32>,
}

#[derive(Debug, thiserror::Error)]
#[error("no luck")]
struct NoLuck;

#[derive(Default)]
struct Fan {
    order: Mutex<Vec<u32>>,
}

#[workflow(Begin => Done)]
impl Fan {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (1..=ev.n).map(|n| Item { n }).collect()
    }

    #[step(retry(attempts = 2, backoff = "1s"))]
    async fn work(&self, item: Item) -> Part {
        self.order.lock().unwrap().push(item.n);
        Part { n: item.n }
    }

    #[step]
    async fn gather(&self, all: Vec<Part>) -> Done {
        Done { all: all.into_iter().map(|part| part.n).collect() }
    }
}

async fn order_of(kit: TestKit) -> Vec<u32> {
    let flow = Arc::new(Fan::default());
    assert_eq!(kit.run(flow.clone(), Begin { n: 6 }).await.stop().all, [1, 2, 3, 4, 5, 6]);
    let order = flow.order.lock().unwrap();
    order.clone()
}

#[tokio::test(start_paused = true)]
async fn a_seed_decides_the_order_of_what_is_ready() {
    let mut orders = BTreeSet::new();
    for seed in 0..30 {
        let first = order_of(TestKit::new().seed(seed)).await;
        assert_eq!(order_of(TestKit::new().seed(seed)).await, first, "seed {seed}");
        orders.insert(first);
    }
    // With `STEPCAST_SEED` set there is one seed for all.
    if std::env::var_os("STEPCAST_SEED").is_none() {
        assert!(orders.len() > 20, "{} orders", orders.len());
    }
}

/// Run by `the_seed_is_printed_and_can_be_given`, in a process of its own.
#[tokio::test(start_paused = true)]
async fn fails_if_it_is_told_to() {
    let recorded = TestKit::new().run(Fan::default(), Begin { n: 3 }).await;
    assert!(std::env::var_os("STEPCAST_TEST_FAILS").is_none(), "the seed was {}", recorded.seed());
}

#[test]
fn the_seed_is_printed_and_can_be_given() {
    let run = |seed: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "fails_if_it_is_told_to", "--nocapture"]).env("STEPCAST_TEST_FAILS", "1");
        let output = command.env("STEPCAST_SEED", seed).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let text = run("4711");
    assert!(text.contains("the seed was 4711") && text.contains("STEPCAST_SEED=4711 runs it again"), "{text}");
    let text = run("many");
    assert!(text.contains("STEPCAST_SEED is `many`, which is no number"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn faults_strike_where_they_are_told_to() {
    // The second attempt of the step in the run, whoever makes it.
    let once = TestKit::new().fail("work", 2, NoLuck).run(Fan::default(), Begin { n: 3 }).await;
    assert_eq!(once.stop().all, [1, 2, 3]);
    let attempts: Vec<u32> = once.executions("work").iter().map(|execution| execution.attempts).collect();
    assert_eq!(attempts.iter().sum::<u32>(), 4, "{attempts:?}");
    // The first attempt of each execution.
    let first = TestKit::new().fail_attempt("work", 1, || NoLuck).run(Fan::default(), Begin { n: 3 }).await;
    assert!(first.executions("work").iter().all(|execution| execution.attempts == 2 && execution.errors.len() == 1));
    // Every attempt.
    let always = TestKit::new().fail_always("work", || NoLuck).run(Fan::default(), Begin { n: 3 }).await;
    let RunError::StepFailed { step, attempts: 2, source } = always.error() else { panic!("{:?}", always.error()) };
    assert!(step == "work" && source.downcast_ref::<NoLuck>().is_some());
    let panicked = TestKit::new().panic_in("gather", 1).run(Fan::default(), Begin { n: 3 }).await;
    let RunError::StepFailed { source, .. } = panicked.error() else { panic!("{:?}", panicked.error()) };
    assert!(source.downcast_ref::<StepPanicked>().is_some());
}

async fn panic_text(future: impl Future<Output = Recorded<Done>>) -> String {
    let panic = AssertUnwindSafe(future).catch_unwind().await.map(|_| ()).expect_err("it panics");
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| (*panic.downcast_ref::<&str>().unwrap()).to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_misspelt_step_and_a_run_that_hangs_are_explained() {
    let text = panic_text(TestKit::new().fail("wrok", 1, NoLuck).run(Fan::default(), Begin { n: 3 })).await;
    assert_eq!(text, "the workflow `Fan` has no step `wrok`; it has: split, work, gather");
    let text = panic_text(TestKit::new().run(Asking, Begin { n: 3 })).await;
    assert!(
        text.contains("of `Asking` does not end")
            && text.contains("nobody answers `Question`, which the step `ask` asks"),
        "{text}"
    );
    let text = panic_text(TestKit::new().human(|_| Some(Item { n: 1 })).run(Asking, Begin { n: 3 })).await;
    assert!(text.contains("the scripted answer was not taken"), "{text}");
}

/// Asks, fails, recovers, sends on the way.
struct Asking;

#[workflow(Begin => Done)]
impl Asking {
    #[step]
    async fn ask(&self, ev: Begin) -> Question {
        Question { n: ev.n }
    }

    #[step(waits(Go))]
    async fn answered(&self, answer: Answer, ctx: Context<(Item,)>) -> Result<()> {
        ctx.send_event(Item { n: answer.n })?;
        // A commit point: what was sent is delivered here.
        ctx.wait_for_event::<Go>().timeout(Duration::from_secs(60)).await.unwrap_err();
        Ok(())
    }

    #[step(on_failure = "pause")]
    async fn work(&self, item: Item, attempt: Attempt) -> Result<Part> {
        if attempt.number() == 1 { Err(NoLuck.into()) } else { Ok(Part { n: item.n }) }
    }

    #[step]
    async fn part(&self, part: Part) -> Result<Done> {
        Err(StepError::msg(part.n.to_string()))
    }

    #[step(catch(part))]
    async fn recover(&self, failed: StepFailedEvent) -> Done {
        Done { all: vec![failed.exception.exception_message.parse().unwrap()] }
    }
}

#[tokio::test(start_paused = true)]
async fn people_are_scripted_and_causes_can_be_asked() {
    let kit = TestKit::new().answer(|asked: &Question| Answer { n: asked.n + 1 }).decide("work", FailureChoice::Retry);
    let recorded = kit.run(Asking, Begin { n: 4 }).await;
    assert_eq!(recorded.stop().all, [5]);
    assert_eq!(recorded.asked().len(), 2);
    assert_events!(recorded, [Begin, Question, Answer, Item, Part, StepFailedEvent, Done]);
    assert_events!(recorded, [Begin, "Question", .., Item * 1, .., Done]);
    assert_events!(recorded.stream(), [Question, Done]);

    let chain: Vec<_> = recorded.chain_to_stop().into_iter().map(|link| (link.event, link.step)).collect();
    let expected = [
        ("Answer", None),
        ("Item", Some("answered")),
        ("Part", Some("work")),
        ("StepFailedEvent", Some("part")),
        ("Done", Some("recover")),
    ];
    assert_eq!(chain, expected.map(|(event, step)| (event.to_owned(), step.map(str::to_owned))));
    let led: Vec<_> = recorded.caused_by::<Item>().into_iter().map(|link| link.event).collect();
    assert_eq!(led, ["Part", "StepFailedEvent", "Done"]);
    assert_eq!(recorded.chain_to::<Question>().len(), 2);
    assert!(recorded.caused_by::<Done>().is_empty() && recorded.chain_to::<Go>().is_empty());
    let work = &recorded.executions("work")[0];
    assert_eq!((work.attempts, work.errors[0].exception_message.as_str()), (2, "no luck"));
}

#[tokio::test(start_paused = true)]
async fn what_a_run_did_is_drawn_over_its_graph() {
    let recorded = TestKit::new().run(Fan::default(), Begin { n: 3 }).await;
    let overlay = recorded.overlay();
    assert_eq!((overlay.steps["work"].runs, overlay.steps["work"].failures), (3, 0));
    assert_eq!((overlay.events["Item"], overlay.events["Done"]), (3, 1));
    let drawn = WorkflowGraph::of(&<Fan as stepcast::Workflow>::SPEC).to_mermaid_with(&overlay);
    assert!(drawn.contains("work<br/>3 runs"), "{drawn}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_assertion_shows_where_the_events_part() {
    let recorded = TestKit::new().run(Fan::default(), Begin { n: 2 }).await;
    let message = |check: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(check)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    let text = message(&|| assert_events!(recorded, [Begin, Item * 3, .., Done]));
    assert!(text.contains("expected: [Begin, Item * 3, .., Done]"), "{text}");
    assert!(
        text.lines().any(|line| line.trim_start().starts_with("->")
            && line.contains("Part")
            && line.contains("(expected `Item`)")),
        "{text}"
    );
    let text = message(&|| assert_events!(recorded, [Begin, Item * 2, Part * 2, Done, Done]));
    assert!(text.ends_with("-> the end   (expected `Done`)"), "{text}");
    let text = message(&|| {
        recorded.error();
    });
    assert!(text.contains("the run did not fail"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_run_is_restored_under_the_kit() {
    let mut kit = TestKit::new().seed(3);
    let run = Asking.run_with(Begin { n: 1 }, kit.take_options());
    settle().await;
    let snapshot = run.snapshot().await.unwrap();
    run.cancel();
    let kit = TestKit::new().seed(4).answer(|_: &Question| Answer { n: 9 }).decide("work", FailureChoice::Retry);
    let recorded = kit.fail("recover", 1, NoLuck).restore(Asking, snapshot).await.unwrap();
    let RunError::StepFailed { step, .. } = recorded.error() else { panic!("{:?}", recorded.error()) };
    assert_eq!(step, "recover");
    assert_eq!(recorded.run_id().as_str(), run.run_id().as_str());
}

#[tokio::test(start_paused = true)]
async fn the_clock_moves_only_when_it_is_told_to() {
    let before = Instant::now();
    let fired = Arc::new(Mutex::new(Vec::new()));
    for seconds in [1_u64, 2, 5] {
        let fired = Arc::clone(&fired);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            fired.lock().unwrap().push((seconds, before.elapsed().as_secs()));
        });
    }
    settle().await;
    assert!(fired.lock().unwrap().is_empty() && before.elapsed() < Duration::from_millis(5));
    advance(Duration::from_secs(3)).await;
    assert_eq!(*fired.lock().unwrap(), [(1, 1), (2, 2)], "each at its own time");
}
