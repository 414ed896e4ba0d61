//! What is marked secret is in no span, no attribute and no event of one, whatever becomes of the run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use opentelemetry_sdk::trace::SpanData;
use serde_json::json;
use stepcast::backend::{InputFilter, MemoryBackend};
use stepcast::prelude::*;
use stepcast::{RunId, Runtime};
use support::*;

/// In every secret field, and nowhere else.
const SECRET: &str = "swordfish";
/// In every open field.
const OPEN: &str = "flounder";

#[event(start)]
struct Login {
    user: String,
    #[event(secret)]
    password: String,
}

#[event(input_required)]
struct CodeNeeded {
    prompt: String,
    #[event(secret)]
    seed: String,
}

#[event(human_response)]
struct Code {
    #[event(secret)]
    code: String,
}

#[event(external)]
struct Hint {
    #[event(secret)]
    hint: String,
}

#[event]
struct Session {
    #[event(secret)]
    cookie: String,
}

#[event(stop)]
struct Entered {
    user: String,
    #[event(secret)]
    key: String,
}

#[derive(Debug, thiserror::Error)]
#[error("{0} does not fit")]
struct Unfit(String);

/// Fails twice, with an error that says the secret.
#[step(waits(Code), streams(Session), retry(attempts = 3, backoff = "1ms"))]
async fn ask(login: Login, ctx: Context, attempt: Attempt) -> Result<Session> {
    let password = login.password.clone();
    let cookie = ctx.call("derive", || async move { Ok::<_, Unfit>(password) }).await?;
    ctx.write_event_to_stream(Session { cookie: cookie.clone() });
    let question = CodeNeeded { prompt: OPEN.into(), seed: login.password.clone() };
    let answer = ctx.wait_for_event::<Code>().announce(question).await?;
    if attempt.number() < 3 {
        let failed = ctx.call("check", || async { Err::<(), _>(Unfit(answer.code.clone())) }).await;
        failed?;
    }
    Ok(Session { cookie })
}

#[step]
async fn enter(session: Session) -> Entered {
    Entered { user: OPEN.into(), key: session.cookie }
}

#[step(catch(ask))]
async fn caught(failed: StepFailedEvent) -> Result<Entered> {
    Err(Unfit(failed.exception.exception_message))?
}

#[step]
async fn hint(hint: Hint) -> Result<()> {
    tracing::info!(?hint, "a hint");
    if hint.hint.ends_with('!') { Err(Unfit(hint.hint))? } else { Ok(()) }
}

flow!(Enter: Login => Entered { ask, enter, caught, hint });

/// The spans as everything that is in them.
fn told(traces: &Traces) -> String {
    traces.spans().iter().map(|span: &SpanData| format!("{span:?}\n")).collect()
}

async fn go_through(last: Hint) -> Traces {
    let traces = Traces::taken();
    let runtime = Runtime::on(MemoryBackend::new());
    runtime.register(Enter).unwrap();
    let login = json!({ "user": OPEN, "password": SECRET });
    let run = runtime.start("Enter", login, RunOptions::new().run_id("entering").trace(place(1))).unwrap();
    asked(&run).await;
    let id = RunId::from("entering");
    // Refused: the answer, and an event, of wrong types.
    runtime.answer_input(&id, 1, json!({ "code": [SECRET] }), None).await.unwrap_err();
    runtime.start("Enter", json!({ "user": OPEN, "password": { SECRET: 1 } }), RunOptions::new()).unwrap_err();
    runtime.send_event(&id, Hint { hint: SECRET.into() }).await.unwrap();
    let input = runtime.list_inputs(InputFilter::default(), None, 1).await.unwrap().remove(0).asked.input;
    runtime.answer_input(&id, input, json!({ "code": SECRET }), None).await.unwrap();
    runtime.send_event(&id, last).await.unwrap();
    let _ = within(run.outcome()).await;
    drop(run);
    runtime.shutdown(std::time::Duration::from_secs(5)).await;
    traces
}

#[tokio::test(start_paused = true)]
async fn secrets_reach_no_span() {
    let traces = go_through(Hint { hint: SECRET.into() }).await;
    let told = told(&traces);
    for name in ["invoke_workflow Enter", "step ask", "call check", "step enter", "step hint", "a hint"] {
        assert!(told.contains(name), "{name}: {told}");
    }
    assert!(!told.contains(SECRET), "{told}");
    assert!(!told.contains(OPEN), "no event's data is in a span at all: {told}");
}

#[tokio::test(start_paused = true)]
async fn secrets_in_error_texts_reach_no_span_unless_that_is_asked_for() {
    let traces = go_through(Hint { hint: format!("{SECRET}!") }).await;
    let told = told(&traces);
    assert!(told.contains("Unfit"), "{told}");
    assert!(!told.contains(SECRET), "{told}");
}
