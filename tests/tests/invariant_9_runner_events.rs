//! Invariant 9, of the step runner: the code of events may panic, and that is a typed error or a failed attempt; the run
//! goes on or ends with that error, its neighbours notice nothing, and nothing hangs.
//!
//! Bodies, destructors of cut-off steps, edits and errors' texts are in `panics`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/fuse.rs"]
mod fuse_events;
mod support;

use fuse_events::*;
use serde_json::json;
use stepcast::prelude::*;
use stepcast::{
    ChildError, EventEnvelope, RespondError, RunSnapshot, Runtime, SendError, SnapshotError, WorkflowFailedEvent,
};
use support::{recorded, rest, settle, within};

/// Two takers, a waiter, one event that nobody takes and one that only streams.
struct Passes;

#[workflow(Begin => Done)]
impl Passes {
    #[step(allow(unconsumed))]
    async fn begin(&self, ev: Begin, ctx: Context) -> (Charge, Spare) {
        ctx.write_event_to_stream(Spare { fuse: fuse(&ev.how) });
        (Charge { fuse: fuse(&ev.how) }, Spare { fuse: fuse(&ev.how) })
    }

    #[step]
    async fn one(&self, charge: Charge) {
        std::mem::forget(charge);
    }

    #[step]
    async fn two(&self, charge: Charge, ctx: Context) -> Option<Done> {
        std::mem::forget(charge);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        ctx.log(stepcast::LogLevel::Info, "nearly there");
        Some(done("passed"))
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_panics_on_its_way_fails_steps_or_the_run_with_a_typed_error() {
    for (how, expected) in [("nothing", ""), ("debug", ""), ("serialize", ""), ("clone", "clone"), ("drop", "drop")] {
        beside(async {
            let run = Passes.run_with(begin(how), recorded());
            let stream = run.events_internal();
            match within(run.result()).await {
                Ok(stop) => assert!(expected.is_empty() && stop.fuse.0 == "passed", "{how}"),
                Err(error) => {
                    assert!(error.to_string().contains(&format!("the {expected} panicked")), "{how}: {error}")
                }
            }
            // Whoever reads along comes to an end too.
            std::mem::forget(rest(stream).await);
            std::mem::forget(run);
        })
        .await;
    }
}

/// Ends with an event that may panic.
#[step]
async fn finish(ev: Begin) -> Done {
    done(&ev.how)
}

flow!(Finishes: Begin => Done { finish });

struct Parent;

#[workflow(Begin => Done)]
impl Parent {
    #[step]
    async fn call(&self, ev: Begin, ctx: Context) -> Result<Done> {
        match ctx.run_child(Finishes, ev).await {
            Ok(stop) => Ok(done(format!("got {}", stop.fuse.0))),
            Err(ChildError::Failed { error, .. }) => Ok(done(error.exception_message)),
            Err(other) => Err(other.into()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_event_that_panics_is_an_error_of_whoever_asks_for_it() {
    let run = Finishes.run(begin("clone"));
    let error = beside(run.result()).await.unwrap_err();
    assert!(matches!(&error, RunError::EventPanicked { message } if message == "the clone panicked"), "{error:?}");
    assert!(matches!(run.outcome().await, Err(RunError::EventPanicked { .. })));
    let items = rest(run.stream_events()).await;
    assert!(items[0].get::<WorkflowFailedEvent>().unwrap().exception.exception_message.contains("the clone panicked"));

    let run = Finishes.run(begin("serialize"));
    assert_eq!(beside(run.result()).await.unwrap().fuse.0, "serialize");
    let error = run.snapshot().await.unwrap_err();
    assert!(matches!(error, SnapshotError::Stop { .. }), "{error:?}");
    assert!(error.to_string().contains("the serialize panicked"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_child_s_stop_event_that_panics_is_an_error_value_of_its_parent() {
    let stop = beside(Parent.run(begin("fine"))).await.unwrap();
    assert_eq!(stop.fuse.0, "got fine");
    let stop = beside(Parent.run(begin("serialize"))).await.unwrap();
    assert!(stop.fuse.0.contains("the serialize panicked"), "{}", stop.fuse.0);
    let error = beside(Parent.run(begin("deserialize"))).await.unwrap_err();
    assert_eq!(panic_of(&error), "the deserialize panicked");
}

/// Fails with an error that has no words, in a child.
#[derive(Debug)]
struct Mute;

impl std::fmt::Display for Mute {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("no words")
    }
}

impl std::error::Error for Mute {}

#[step]
async fn fail(_ev: Begin) -> Result<Done> {
    Err(Mute.into())
}

flow!(Fails: Begin => Done { fail });

struct ParentOfFails;

#[workflow(Begin => Done)]
impl ParentOfFails {
    #[step]
    async fn call(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let Err(ChildError::Failed { error, .. }) = ctx.run_child(Fails, ev).await else { panic!("it fails") };
        Ok(done(error.exception_message))
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_s_error_without_words_reaches_its_parent() {
    let stop = beside(ParentOfFails.run(begin(""))).await.unwrap();
    assert!(stop.fuse.0.contains("no words"), "{}", stop.fuse.0);
}

/// Asks a person by what it returns, or by a wait that announces.
struct Asks;

#[workflow(Begin => Done)]
impl Asks {
    #[step(waits(Reply))]
    async fn ask(&self, ev: Begin, ctx: Context) -> Result<Either<Ask, Done>> {
        match ev.how.strip_prefix("announced ") {
            None => Ok(Either::Left(Ask { fuse: fuse(&ev.how) })),
            Some(how) => {
                let ask = Ask { fuse: fuse(how) };
                let reply = ctx.wait_for_event::<Reply>().announce(ask).await?;
                Ok(Either::Right(done(&reply.fuse.0)))
            }
        }
    }

    #[step]
    async fn answered(&self, reply: Reply) -> Done {
        done(&reply.fuse.0)
    }
}

fn raw(tag: &str, fuse: &str) -> AnyEvent {
    let (value, tag) = (json!({ "fuse": fuse }), tag.to_owned());
    AnyEvent::from_envelope(EventEnvelope { value, qualified_name: None, tag, types: None })
}

#[tokio::test(start_paused = true)]
async fn a_question_that_panics_can_be_listed_and_answered() {
    for how in ["clone", "serialize", "debug", "announced clone", "announced serialize", "announced debug"] {
        let run = Asks.run(begin(how));
        beside(async {
            settle().await;
            let inputs = run.pending_inputs().await;
            assert_eq!(inputs.len(), 1, "{how}");
            let text = run.snapshot().await.unwrap().to_json();
            assert_eq!(text.is_err(), how.contains("serialize"), "{how}");
            let answer = run.respond_value(&inputs[0].id, json!({ "fuse": "deserialize" })).await;
            let error = answer.unwrap_err();
            assert!(matches!(error, RespondError::Data { .. }), "{error:?}");
            assert!(run.respond(&inputs[0].id, raw("Reply", "deserialize")).await.is_err());
            run.respond(&inputs[0].id, Reply { fuse: fuse("answered") }).await.unwrap();
        })
        .await;
        assert_eq!(within(run).await.unwrap().fuse.0, "answered", "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn data_whose_decoding_panics_is_refused_and_the_run_goes_on() {
    let run = Neighbour.run(begin(""));
    let error = run.send_event(raw("Poke", "deserialize")).unwrap_err();
    assert!(
        matches!(error, SendError::Data { .. }) && error.to_string().contains("the deserialize panicked"),
        "{error}"
    );
    let wrong_type = AnyEvent::new(elsewhere::Poke { fuse: fuse("serialize") });
    assert!(matches!(run.send_event(wrong_type), Err(SendError::Data { .. })));
    run.send_event(raw("Poke", "fine")).unwrap();
    assert_eq!(within(run).await.unwrap().fuse.0, "fine");

    let runtime = Runtime::new();
    runtime.register_as("starts", Starts, None).unwrap();
    assert!(runtime.start("starts", json!({ "fuse": "deserialize" }), RunOptions::new()).is_err());
    let run = runtime.start("starts", json!({ "fuse": "fine" }), RunOptions::new()).unwrap();
    assert!(within(run.outcome()).await.is_ok());
}

mod elsewhere {
    use super::fuse_events::Fuse;
    use stepcast::prelude::*;

    #[event(external)]
    pub(super) struct Poke {
        pub(super) fuse: Fuse,
    }

    #[event(start)]
    pub(super) struct Begin {
        pub(super) fuse: Fuse,
    }
}

#[step]
async fn start(ev: elsewhere::Begin) -> Done {
    done(&ev.fuse.0)
}

flow!(Starts: elsewhere::Begin => Done { start });

#[tokio::test(start_paused = true)]
async fn a_snapshot_whose_decoding_panics_is_refused() {
    let run = Asks.run(begin("kept"));
    settle().await;
    let text = run.snapshot().await.unwrap().to_json().unwrap();
    assert!(text.contains("kept"));
    let edited = RunSnapshot::from_json(&text.replace("kept", "deserialize")).unwrap();
    let Err(error) = Asks.restore(edited) else { panic!("it is accepted") };
    assert!(error.to_string().contains("the deserialize panicked"), "{error}");
    assert!(Asks.restore(RunSnapshot::from_json(&text).unwrap()).is_ok());
}
