//! The workflows that the example `server` serves. Their events say what is in them, so that forms can be made of them.

use std::time::Duration;

use schemars::JsonSchema;
use stepcast::prelude::*;
use stepcast::{Runtime, RuntimeError, StartEvent, StopEvent};

/// Registers them all.
///
/// # Errors
/// When one of the names is taken.
pub fn register(runtime: &Runtime) -> Result<(), RuntimeError> {
    runtime.register_as("greet", Greet, None)?;
    runtime.register_as("typed", Typed, None)?;
    runtime.register_as("approval", ApprovalFlow, None)?;
    runtime.register_as("countdown", CountdownFlow, None)?;
    runtime.register_as("failing", Failing, None)
}

/// Greets whoever the start event names.
#[step]
pub async fn greet(ev: StartEvent) -> StopEvent {
    let name = ev.get("name").and_then(|name| name.as_str()).unwrap_or("World");
    StopEvent::new(format!("Hello, {name}!"))
}

flow!(
    /// Greets whoever the start event names.
    pub Greet: StartEvent => StopEvent { greet }
);

#[event(start)]
#[derive(JsonSchema)]
pub struct Question {
    pub topic: String,
    #[serde(default = "one")]
    pub n: u32,
}

fn one() -> u32 {
    1
}

#[event(stop)]
#[derive(JsonSchema)]
pub struct Answered {
    pub answer: String,
    pub score: f64,
}

#[step]
pub async fn answer(ev: Question) -> Answered {
    Answered { answer: ev.topic.to_uppercase(), score: 0.5 }
}

flow!(
    /// Answers with the topic in upper case.
    pub Typed: Question => Answered { answer }
);

#[event(start)]
#[derive(JsonSchema)]
pub struct Draft {
    pub text: String,
}

#[event]
#[derive(JsonSchema)]
pub struct Revision {
    pub text: String,
    pub round: u32,
}

#[event(input_required)]
#[derive(JsonSchema)]
pub struct ApprovalNeeded {
    pub prompt: String,
    pub text: String,
}

#[event(human_response)]
#[derive(JsonSchema)]
pub struct Approval {
    pub approved: bool,
    #[serde(default)]
    pub comment: Option<String>,
}

#[event(stop)]
#[derive(JsonSchema)]
pub struct Published {
    pub text: String,
    pub rounds: u32,
}

#[step]
pub async fn submit(ev: Draft) -> Revision {
    Revision { text: ev.text, round: 1 }
}

/// Waits as long as it takes, for an answer from anywhere.
#[step(waits(Approval), streams(ApprovalNeeded))]
pub async fn approve(revision: Revision, ctx: Context) -> Result<Either<Revision, Published>> {
    let Revision { text, round } = revision;
    let question = ApprovalNeeded { prompt: "Publish this text?".to_owned(), text: text.clone() };
    let approval = ctx.wait_for_event::<Approval>().announce(question).await?;
    if approval.approved {
        return Ok(Either::Right(Published { text, rounds: round }));
    }
    let comment = approval.comment.unwrap_or_else(|| "refused".to_owned());
    Ok(Either::Left(Revision { text: format!("{text} ({comment})"), round: round + 1 }))
}

flow!(
    /// Publishes a text once a person approves it; a refusal asks again.
    pub ApprovalFlow: Draft => Published { submit, approve }
);

#[event(start)]
#[derive(JsonSchema)]
pub struct Countdown {
    pub from: u32,
    #[serde(default = "ten")]
    pub delay_ms: u64,
}

fn ten() -> u64 {
    10
}

#[event]
#[derive(JsonSchema)]
pub struct Tick {
    pub left: u32,
}

#[event(stop)]
#[derive(JsonSchema)]
pub struct Liftoff {}

#[step(streams(Tick))]
pub async fn count(ev: Countdown, ctx: Context) -> Liftoff {
    for left in (0..=ev.from).rev() {
        ctx.write_event_to_stream(Tick { left });
        tokio::time::sleep(Duration::from_millis(ev.delay_ms)).await;
    }
    Liftoff {}
}

flow!(
    /// Counts down on its stream.
    pub CountdownFlow: Countdown => Liftoff { count }
);

#[step]
pub async fn fail(_: StartEvent) -> Result<StopEvent> {
    Err(StepError::msg("boom"))
}

flow!(
    /// Fails.
    pub Failing: StartEvent => StopEvent { fail }
);
