//! Promise 6, recovery: a step's final failure goes to its `catch` step, as often as the budget of its lineage allows.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Mutex;
use std::time::Duration;

use stepcast::prelude::*;
use stepcast::testing::{TestKit, assert_events};
use stepcast::{RunError, StepFailedEvent, StepPanicked};

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

#[event]
struct Whole {
    n: u32,
}

#[event(stop)]
struct Done {
    all: Vec<u32>,
}

#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Outer(#[source] Inner);

#[derive(Debug, thiserror::Error)]
#[error("inner")]
struct Inner;

/// Two steps that fail, one with a handler of its own.
#[derive(Default)]
struct Named {
    seen: Mutex<Vec<StepFailedEvent>>,
}

#[workflow(Begin => Done)]
impl Named {
    #[step(retry(attempts = 3, backoff = "2s", factor = 1))]
    async fn first(&self, ev: Begin) -> Result<Item> {
        if ev.n > 0 { Err(Outer(Inner).into()) } else { Ok(Item { n: 0 }) }
    }

    #[step]
    async fn second(&self, _item: Item) -> Result<Part> {
        panic!("second panics");
    }

    #[step]
    async fn last(&self, part: Part) -> Done {
        Done { all: vec![part.n] }
    }

    #[step(catch(second))]
    async fn for_second(&self, failed: StepFailedEvent) -> Part {
        self.seen.lock().unwrap().push(failed);
        Part { n: 2 }
    }

    #[step(catch)]
    async fn for_the_rest(&self, failed: StepFailedEvent) -> Item {
        self.seen.lock().unwrap().push(failed);
        Item { n: 1 }
    }
}

#[tokio::test(start_paused = true)]
async fn a_named_handler_comes_before_the_wildcard_and_both_learn_everything() {
    let flow = std::sync::Arc::new(Named::default());
    let recorded = TestKit::new().run(flow.clone(), Begin { n: 7 }).await;
    assert_eq!(recorded.stop().all, [2]);
    assert_events!(recorded, [Begin, StepFailedEvent, Item, StepFailedEvent, Part, Done]);

    let seen = flow.seen.lock().unwrap();
    let [first, second] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((first.step_name.as_str(), first.attempts, first.elapsed_seconds), ("first", 3, 4.0));
    assert_eq!(first.input_event.as_ref().unwrap().get::<Begin>().unwrap().n, 7);
    assert!(first.exception.exception_type.ends_with("::Outer"), "{:?}", first.exception);
    assert_eq!(
        (first.exception.exception_message.as_str(), &first.exception.causes[..]),
        ("outer", &["inner".to_owned()][..])
    );
    assert_eq!((second.step_name.as_str(), second.attempts), ("second", 1));
    assert!(second.exception.exception_type.ends_with("::StepPanicked"), "{:?}", second.exception);
    assert!(second.exception.exception_message.contains("second panics"));
    assert_eq!(second.failed_at - first.failed_at, 0);
}

#[tokio::test(start_paused = true)]
async fn a_chain_leads_through_the_handler() {
    let recorded = TestKit::new().run(Named::default(), Begin { n: 7 }).await;
    let steps: Vec<_> = recorded.chain_to_stop().into_iter().map(|link| link.step.unwrap_or_default()).collect();
    assert_eq!(steps, ["", "first", "for_the_rest", "second", "for_second", "last"]);
    let overlay = recorded.overlay();
    assert_eq!((overlay.steps["first"].runs, overlay.steps["first"].failures), (1, 3));
    assert_eq!(overlay.events["StepFailedEvent"], 2);
}

/// A handler that leads back to the step that failed, in several ways.
macro_rules! looping {
    ($flow:ident, $budget:literal, $ret:ty, |$failed:ident, $ctx:ident| $handler:expr) => {
        #[derive(Default)]
        struct $flow {
            recovered: Mutex<u32>,
        }

        #[workflow(Begin => Done)]
        impl $flow {
            #[step]
            async fn begin(&self, ev: Begin) -> Item {
                Item { n: ev.n }
            }

            /// Fails until it is not asked any more.
            #[step]
            async fn work(&self, item: Item) -> Result<Done> {
                match item.n {
                    0 => Ok(Done { all: vec![] }),
                    n => Err(StepError::msg(format!("{n} left"))),
                }
            }

            #[step(catch, max_recoveries = $budget, emits(Item), allow(endless))]
            async fn recover(&self, $failed: StepFailedEvent, $ctx: Context) -> $ret {
                *self.recovered.lock().unwrap() += 1;
                $handler
            }
        }
    };
}

fn next(failed: &StepFailedEvent) -> Item {
    Item { n: failed.input_event.as_ref().unwrap().get::<Item>().unwrap().n - 1 }
}

looping!(ByReturn, 3, Item, |failed, _ctx| next(&failed));
looping!(BySend, 3, Result<()>, |failed, ctx| Ok(ctx.send_event(next(&failed))?));
looping!(ByFanOut, 3, Vec<Item>, |failed, _ctx| vec![next(&failed)]);
looping!(BySendNow, 3, Result<()>, |failed, ctx| Ok(ctx.send_now(next(&failed)).await?));

#[tokio::test(start_paused = true)]
async fn a_lineage_is_recovered_as_often_as_the_budget_says() {
    macro_rules! check {
        ($flow:ident) => {
            let recorded = TestKit::new().run($flow::default(), Begin { n: 3 }).await;
            assert!(recorded.result().is_ok(), "{} {:?}", stringify!($flow), recorded.result());
            let flow = std::sync::Arc::new($flow::default());
            let recorded = TestKit::new().run(flow.clone(), Begin { n: 9 }).await;
            let RunError::StepFailed { step, source, .. } = recorded.error() else { panic!("{:?}", recorded.error()) };
            assert_eq!((step.as_str(), source.to_string().as_str()), ("work", "6 left"), stringify!($flow));
            assert_eq!(*flow.recovered.lock().unwrap(), 3, stringify!($flow));
        };
    }
    check!(ByReturn);
    check!(BySend);
    check!(ByFanOut);
    check!(BySendNow);
}

/// Every item fails once; each is a lineage of its own.
#[derive(Default)]
struct Crowd {
    late: bool,
}

#[workflow(Begin => Done)]
impl Crowd {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (1..=ev.n).map(|n| Item { n }).collect()
    }

    #[step]
    async fn work(&self, item: Item) -> Result<Part> {
        if item.n < 100 { Err(StepError::msg("small")) } else { Ok(Part { n: item.n }) }
    }

    #[step(catch)]
    async fn recover(&self, failed: StepFailedEvent) -> Item {
        if self.late {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        Item { n: failed.input_event.unwrap().get::<Item>().unwrap().n + 100 }
    }

    #[step]
    async fn gather(&self, all: Vec<Part>) -> Done {
        Done { all: all.into_iter().map(|part| part.n).collect() }
    }
}

#[tokio::test(start_paused = true)]
async fn each_member_of_a_batch_has_a_budget_and_stays_in_its_batch() {
    for kit in TestKit::seeds(10) {
        let recorded = kit.run(Crowd { late: true }, Begin { n: 4 }).await;
        assert_eq!(recorded.stop().all, [101, 102, 103, 104], "in the producer's order, whatever failed");
    }
}

/// A round of a loop goes through a collector, and every round fails once.
struct Rounds;

#[workflow(Begin => Done)]
impl Rounds {
    #[step]
    async fn split(&self, ev: Either<Begin, Whole>) -> Vec<Item> {
        let n = match ev {
            Either::Left(begin) => begin.n,
            Either::Right(whole) => whole.n,
        };
        vec![Item { n }, Item { n: 0 }]
    }

    #[step]
    async fn work(&self, item: Item) -> Result<Part> {
        if item.n > 0 { Err(StepError::msg(format!("round {}", item.n))) } else { Ok(Part { n: 0 }) }
    }

    #[step(catch, max_recoveries = 2)]
    async fn recover(&self, failed: StepFailedEvent) -> Part {
        Part { n: failed.input_event.unwrap().get::<Item>().unwrap().n }
    }

    #[step]
    async fn gather(&self, all: Vec<Part>) -> Either<Whole, Done> {
        match all.iter().map(|part| part.n).max() {
            Some(n) if n < 9 => Either::Left(Whole { n: n + 1 }),
            _ => Either::Right(Done { all: vec![] }),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_through_a_collector_uses_up_one_budget() {
    let recorded = TestKit::new().run(Rounds, Begin { n: 1 }).await;
    let RunError::StepFailed { step, source, .. } = recorded.error() else { panic!("{:?}", recorded.error()) };
    assert_eq!((step.as_str(), source.to_string().as_str()), ("work", "round 3"));
}

/// Two recovered lineages meet in a join.
struct Meeting;

#[workflow(Begin => Done)]
impl Meeting {
    #[step]
    async fn begin(&self, ev: Begin) -> (Item, Part) {
        (Item { n: ev.n }, Part { n: ev.n })
    }

    #[step]
    async fn join(&self, item: Item, part: Part) -> Result<Done> {
        Err(StepError::msg(format!("{} {}", item.n, part.n)))
    }

    #[step(catch, max_recoveries = 2)]
    async fn recover(&self, failed: StepFailedEvent) -> (Item, Part) {
        let n = failed.input_event.unwrap().get::<Item>().unwrap().n + 1;
        (Item { n }, Part { n })
    }
}

#[tokio::test(start_paused = true)]
async fn where_lineages_meet_the_larger_count_goes_on() {
    let recorded = TestKit::new().run(Meeting, Begin { n: 0 }).await;
    let RunError::StepFailed { step, source, .. } = recorded.error() else { panic!("{:?}", recorded.error()) };
    assert_eq!((step.as_str(), source.to_string().as_str()), ("join", "2 2"));
}

/// The answer to a question goes on with the lineage of who asked.
struct Asking;

#[event(input_required)]
struct Question {
    n: u32,
}

#[event(human_response)]
struct Answer {
    n: u32,
}

#[workflow(Begin => Done)]
impl Asking {
    #[step]
    async fn begin(&self, ev: Begin) -> Question {
        Question { n: ev.n }
    }

    #[step]
    async fn work(&self, answer: Answer) -> Result<Done> {
        Err(StepError::msg(format!("{} is wrong", answer.n)))
    }

    #[step(catch, max_recoveries = 2)]
    async fn recover(&self, _failed: StepFailedEvent) -> Question {
        Question { n: 1 }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_the_budget_of_its_question() {
    let recorded = TestKit::new().answer(|asked: &Question| Answer { n: asked.n }).run(Asking, Begin { n: 0 }).await;
    assert!(matches!(recorded.error(), RunError::StepFailed { step, .. } if step == "work"));
    assert_eq!(recorded.asked().len(), 3);
}

/// A handler that fails is not handled by anybody.
struct BadHandler;

#[workflow(Begin => Done)]
impl BadHandler {
    #[step]
    async fn work(&self, _ev: Begin) -> Result<Done> {
        Err(StepError::msg("first"))
    }

    #[step(catch(work))]
    async fn named(&self, _failed: StepFailedEvent) -> Result<Done> {
        panic!("the handler is broken");
    }

    #[step(catch)]
    async fn wildcard(&self, _failed: StepFailedEvent) -> Done {
        Done { all: vec![] }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_handler_fails_the_run_and_is_caught_by_nobody() {
    let recorded = TestKit::new().run(BadHandler, Begin { n: 0 }).await;
    let RunError::StepFailed { step, source, .. } = recorded.error() else { panic!("{:?}", recorded.error()) };
    assert_eq!(step, "named");
    assert!(source.downcast_ref::<StepPanicked>().unwrap().message.contains("the handler is broken"));
    assert!(recorded.executions("wildcard").is_empty());
}

/// What a failing handler does is its own policy's business.
#[derive(Default)]
struct RetriedHandler {
    handled: Mutex<u32>,
}

#[workflow(Begin => Done)]
impl RetriedHandler {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (1..=ev.n).map(|n| Item { n }).collect()
    }

    #[step]
    async fn work(&self, item: Item) -> Result<Part> {
        if item.n == 2 { Err(StepError::msg("two")) } else { Ok(Part { n: item.n }) }
    }

    #[step(catch, retry(attempts = 2, backoff = "1s"), on_failure = "continue")]
    async fn recover(&self, _failed: StepFailedEvent) -> Result<Part> {
        *self.handled.lock().unwrap() += 1;
        Err(StepError::msg("cannot"))
    }

    #[step]
    async fn gather(&self, all: Vec<Part>) -> Done {
        Done { all: all.into_iter().map(|part| part.n).collect() }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_s_own_policy_holds_for_its_failures() {
    let flow = std::sync::Arc::new(RetriedHandler::default());
    let recorded = TestKit::new().run(flow.clone(), Begin { n: 3 }).await;
    assert_eq!(recorded.stop().all, [1, 3], "the member that was given up leaves its batch");
    assert_eq!((*flow.handled.lock().unwrap(), recorded.failures()), (2, 1));
}

/// Where the budget is used up, `on_failure` decides.
struct ThenContinue;

#[workflow(Begin => Done, on_failure = "continue")]
impl ThenContinue {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (1..=ev.n).map(|n| Item { n }).collect()
    }

    #[step]
    async fn work(&self, item: Item) -> Result<Part> {
        Err(StepError::msg(item.n.to_string()))
    }

    #[step(catch, allow(endless))]
    async fn recover(&self, failed: StepFailedEvent) -> Item {
        failed.input_event.unwrap().get::<Item>().unwrap().clone()
    }

    #[step]
    async fn gather(&self, all: Vec<Part>) -> Done {
        Done { all: all.into_iter().map(|part| part.n).collect() }
    }
}

#[tokio::test(start_paused = true)]
async fn past_the_budget_on_failure_decides() {
    let recorded = TestKit::new().run(ThenContinue, Begin { n: 3 }).await;
    assert!(recorded.stop().all.is_empty());
    assert_eq!((recorded.failures(), recorded.executions("recover").len()), (3, 3));
}
