//! Promise 6, `on_failure`: what becomes of a run whose step has failed for good and was not recovered.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Mutex;
use std::time::Duration;

use stepcast::engine::{FailureChoice, InputReason, StuckReason};
use stepcast::prelude::*;
use stepcast::testing::{TestKit, settle};
use stepcast::{RespondError, RunError, StepTimedOut, WorkflowFailedEvent};

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

#[event(stop)]
struct Done {
    all: Vec<u32>,
}

#[derive(Debug, thiserror::Error)]
#[error("item {0} is rotten")]
struct Rotten(u32);

/// Item 2 fails; what then, the argument says.
macro_rules! market {
    ($flow:ident, $($failure:tt)*) => {
        #[derive(Default)]
        struct $flow {
            tried: Mutex<Vec<u32>>,
        }

        #[workflow(Begin => Done)]
        impl $flow {
            #[step]
            async fn split(&self, ev: Begin) -> Vec<Item> {
                (1..=ev.n).map(|n| Item { n }).collect()
            }

            #[step($($failure)*)]
            async fn check(&self, item: Item, attempt: Attempt) -> Result<Part> {
                self.tried.lock().unwrap().push(item.n);
                if item.n == 2 && attempt.number() <= 2 { Err(Rotten(item.n).into()) } else { Ok(Part { n: item.n }) }
            }

            #[step]
            async fn gather(&self, all: Vec<Part>) -> Done {
                Done { all: all.into_iter().map(|part| part.n).collect() }
            }
        }
    };
}

market!(Failing, on_failure = "fail");
market!(Continuing, on_failure = "continue");
market!(Pausing, on_failure = "pause");

#[tokio::test(start_paused = true)]
async fn fail_ends_the_run_with_the_error_and_a_terminal_event() {
    let recorded = TestKit::new().run(Failing::default(), Begin { n: 3 }).await;
    let RunError::StepFailed { step, attempts: 1, source } = recorded.error() else { panic!("{:?}", recorded.error()) };
    assert_eq!(step, "check");
    assert_eq!(source.downcast_ref::<Rotten>().unwrap().0, 2);
    let stream = recorded.stream();
    let last = stream.last().unwrap().event.get::<WorkflowFailedEvent>().unwrap();
    assert_eq!((last.step_name.as_deref(), last.attempts), (Some("check"), Some(1)));
    assert_eq!(last.exception.exception_message, "item 2 is rotten");
}

#[tokio::test(start_paused = true)]
async fn continue_gives_the_execution_up_and_counts_it() {
    let recorded = TestKit::new().run(Continuing::default(), Begin { n: 4 }).await;
    assert_eq!(recorded.stop().all, [1, 3, 4]);
    assert_eq!(recorded.failures(), 1);
    let clean = TestKit::new().run(Continuing::default(), Begin { n: 1 }).await;
    assert_eq!((clean.stop().all.clone(), clean.failures()), (vec![1], 0));
}

#[workflow(Begin => Done)]
impl NoWayOn {
    #[step(on_failure = "continue")]
    async fn work(&self, _ev: Begin) -> Result<Done> {
        Err(StepError::msg("no"))
    }
}

struct NoWayOn;

#[tokio::test(start_paused = true)]
async fn a_run_whose_only_way_was_given_up_is_stuck_and_says_why() {
    let recorded = TestKit::new().run(NoWayOn, Begin { n: 0 }).await;
    let RunError::Stuck { reason: StuckReason::NoStopEvent { failures: 1, .. } } = recorded.error() else {
        panic!("{:?}", recorded.error())
    };
    assert!(recorded.error().to_string().contains("1 execution(s) failed and were given up"), "{}", recorded.error());
}

#[tokio::test(start_paused = true)]
async fn pause_asks_what_becomes_of_the_failure() {
    let flow = std::sync::Arc::new(Pausing::default());
    let run = flow.clone().run(Begin { n: 3 });
    settle().await;
    let pending = run.pending_inputs().await;
    let [asked] = &pending[..] else { panic!("{pending:?}") };
    assert_eq!((asked.input.step.as_str(), asked.input.reason), ("check", InputReason::StepFailure));
    assert_eq!(asked.input.error.as_ref().unwrap().exception_message, "item 2 is rotten");
    assert_eq!(
        asked.input.choices,
        [FailureChoice::Retry, FailureChoice::Skip, FailureChoice::Continue, FailureChoice::Fail]
    );
    assert!(!run.is_done());

    // The next attempt fails too, so it is asked again; the one after that succeeds.
    run.respond_failure(&asked.id, FailureChoice::Retry).await.unwrap();
    settle().await;
    let again = run.pending_inputs().await;
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].id, asked.id);
    let late = run.respond_failure(&asked.id, FailureChoice::Fail).await.unwrap_err();
    assert!(matches!(late, RespondError::Conflict { .. }), "{late}");
    run.respond_failure(&again[0].id, FailureChoice::Retry).await.unwrap();
    assert_eq!(run.await.unwrap().all, [1, 2, 3]);
    assert_eq!(*flow.tried.lock().unwrap(), [1, 2, 3, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn each_choice_does_what_it_says() {
    let skipped = TestKit::new().decide("check", FailureChoice::Skip).run(Pausing::default(), Begin { n: 3 }).await;
    assert_eq!((skipped.stop().all.clone(), skipped.failures()), (vec![1, 3], 0), "as if it had returned nothing");
    let given_up =
        TestKit::new().decide("check", FailureChoice::Continue).run(Pausing::default(), Begin { n: 3 }).await;
    assert_eq!((given_up.stop().all.clone(), given_up.failures()), (vec![1, 3], 1));
    let failed = TestKit::new().decide("check", FailureChoice::Fail).run(Pausing::default(), Begin { n: 3 }).await;
    let RunError::StepFailed { step, attempts: 1, source } = failed.error() else { panic!("{:?}", failed.error()) };
    assert_eq!(step, "check");
    assert_eq!(source.downcast_ref::<Rotten>().unwrap().0, 2, "the error itself, also after a person was asked");
}

#[tokio::test(start_paused = true)]
async fn a_choice_may_come_as_data_and_a_wrong_one_changes_nothing() {
    let run = Pausing::default().run(Begin { n: 2 });
    settle().await;
    let id = run.pending_inputs().await[0].id.clone();
    for wrong in [serde_json::json!("perhaps"), serde_json::json!({ "choice": 3 }), serde_json::Value::Null] {
        let error = run.respond_value(&id, wrong).await.unwrap_err();
        assert!(matches!(error, RespondError::WrongAnswer { .. }), "{error}");
    }
    let error = run.respond(&id, Item { n: 1 }).await.unwrap_err();
    assert!(matches!(error, RespondError::WrongAnswer { .. }), "{error}");
    assert_eq!(run.pending_inputs().await.len(), 1);
    run.respond_value(&id, serde_json::json!({ "choice": "skip" })).await.unwrap();
    assert_eq!(run.await.unwrap().all, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_paused_failure_keeps_its_batch_open_and_the_run_s_time_stands_still() {
    let run = Pausing::default().run_with(Begin { n: 3 }, RunOptions::new().timeout(Duration::from_secs(1)));
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(!run.is_done());
    let id = run.pending_inputs().await[0].id.clone();
    run.respond_failure(&id, FailureChoice::Skip).await.unwrap();
    assert_eq!(run.await.unwrap().all, [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn two_failures_ask_two_questions_and_each_answer_is_its_own() {
    #[derive(Default)]
    struct Both;
    #[workflow(Begin => Done)]
    impl Both {
        #[step]
        async fn split(&self, ev: Begin) -> Vec<Item> {
            (1..=ev.n).map(|n| Item { n }).collect()
        }
        #[step(on_failure = "pause")]
        async fn check(&self, item: Item, attempt: Attempt) -> Result<Part> {
            if attempt.number() == 1 { Err(Rotten(item.n).into()) } else { Ok(Part { n: item.n }) }
        }
        #[step]
        async fn gather(&self, all: Vec<Part>) -> Done {
            Done { all: all.into_iter().map(|part| part.n).collect() }
        }
    }
    let run = Both.run(Begin { n: 2 });
    settle().await;
    let pending = run.pending_inputs().await;
    let texts: Vec<_> =
        pending.iter().map(|asked| asked.input.error.as_ref().unwrap().exception_message.as_str()).collect();
    assert_eq!(texts, ["item 1 is rotten", "item 2 is rotten"]);
    run.respond_failure(&pending[1].id, FailureChoice::Retry).await.unwrap();
    run.respond_failure(&pending[0].id, FailureChoice::Skip).await.unwrap();
    assert_eq!(run.await.unwrap().all, [2]);

    for at in [0, 1] {
        let run = Both.run(Begin { n: 2 });
        settle().await;
        run.respond_failure(&run.pending_inputs().await[at].id, FailureChoice::Fail).await.unwrap();
        let RunError::StepFailed { source, .. } = run.await.unwrap_err() else { panic!() };
        assert_eq!(source.downcast_ref::<Rotten>().unwrap().0, at as u32 + 1, "each keeps its own error");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_ran_out_of_time_is_a_failure_like_any_other() {
    struct Slow;
    #[workflow(Begin => Done, on_failure = "pause")]
    impl Slow {
        #[step(timeout = "1s")]
        async fn work(&self, ev: Begin, attempt: Attempt) -> Done {
            if attempt.number() == 1 {
                tokio::time::sleep(Duration::from_secs(9)).await;
            }
            Done { all: vec![ev.n] }
        }
    }
    let recorded = TestKit::new().decide("work", FailureChoice::Retry).run(Slow, Begin { n: 5 }).await;
    assert_eq!(recorded.stop().all, [5]);
    let failed = TestKit::new().decide("work", FailureChoice::Fail).run(Slow, Begin { n: 5 }).await;
    let RunError::StepFailed { source, .. } = failed.error() else { panic!("{:?}", failed.error()) };
    assert!(source.downcast_ref::<StepTimedOut>().is_some());
}
