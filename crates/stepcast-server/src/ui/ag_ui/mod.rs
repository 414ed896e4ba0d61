//! AG-UI 1.0: one route, to which a client posts a `RunAgentInput`.

mod event;
mod input;
mod machine;
mod past;
mod shared;
#[cfg(test)]
mod tests;

use axum::extract::State;
use axum::response::Response;
use stepcast::{RunId, StreamStart};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Word, give};
use super::family::named;
use super::segment::Segment;
use super::start::start_data;
use super::thread::Thread;
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::error::extract::{JsonBody, Path};
use crate::runs::RunView;
use input::RunAgentInput;
use machine::AgUi;
use past::Past;

/// Our own part of the state that client and server share.
pub(super) const STATE: &str = "stepcast";
/// Who answered, in the record of an input.
const BY: &str = "ag-ui";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(run_agent))
}

/// Runs a workflow for a client of AG-UI 1.0.
///
/// Starts a run for the thread, answers the questions of the one that waits (`resume`), or shows a client that comes back
/// what there is. The stream goes on until the run's next question (outcome `interrupt`) or its end.
#[utoipa::path(
    post,
    path = "/workflows/{name}/ag-ui",
    tag = "ui",
    params(("name" = String, Path, description = "The workflow.")),
    request_body = RunAgentInput,
    responses(
        (status = 200, description = "Events of AG-UI 1.0.", content_type = "text/event-stream", body = String),
        (status = 400, description = "The body, the thread's name or the start event does not fit."),
        (status = 403, description = "The token may only look."),
        (status = 404, description = "There is no such workflow, thread or question."),
        (status = 409, description = "The question has its answer, or the run has ended."),
        (status = 422, description = "An answer does not fit its question."),
    )
)]
async fn run_agent(
    State(app): State<App>,
    access: Access,
    Path(name): Path<String>,
    JsonBody(mut input): JsonBody<RunAgentInput>,
) -> Result<Response, ApiError> {
    let def = app.runs.definition(&name)?;
    let thread = Thread::find(&app.runs, &name, &input.thread_id).await?;
    let answers: Vec<_> = input.resume.take().unwrap_or_default().into_iter().map(input::Resume::word).collect();
    if !answers.is_empty() {
        access.may_change()?;
        let run = thread.last.ok_or_else(|| no_thread(&input.thread_id))?;
        let mut words = Vec::new();
        let mut seen: Option<u64> = None;
        for (id, word) in answers {
            let id = named(&app, &run.id, &id).await?;
            seen = id.seq.map(|seq| seen.map_or(seq, |seen| seen.min(seq))).or(seen);
            words.push((id.run, id.input, word));
        }
        let seen = match seen {
            Some(seq) => seq,
            None => Past::read(&app.runs, &run, access).await?.seq,
        };
        // Followed first, so that nothing of what the answer brings is missed.
        let follow = app.runs.follow(&run.id, StreamStart::After(seen), true).await?;
        let mut declined = Vec::new();
        for (asker, number, word) in words {
            declined.extend((word == Word::Declined).then(|| (asker.clone(), number)));
            give(&app, &run.id, (&asker, number), word, BY).await?;
        }
        let machine = AgUi::new(input.thread_id, input.run_id, run.id.clone(), access, seen).knowing(input.state);
        return Ok(Segment { app, run: run.id, access, follow, declined, machine }.respond());
    }
    let text = input.text();
    let starts = !input.only_attach() && (input.start().is_some() || text.is_some());
    match thread.last {
        Some(ref run) if !run.has_ended() || !starts => attach(app, access, run.clone(), input).await,
        None if input.only_attach() => Err(no_thread(&input.thread_id)),
        _ => {
            access.may_change()?;
            let start = start_data(&def, input.start().cloned(), input.fields(), text.as_deref());
            let options = app.run_options().run_id(thread.next()).record_internal();
            let begun = app.runs.start(&name, start, options).await?;
            let (run, follow) = (begun.run_id().clone(), app.runs.follow_new(&begun));
            let machine = AgUi::new(input.thread_id, input.run_id, run.clone(), access, 0).knowing(input.state);
            Ok(Segment { app, run, access, follow, declined: Vec::new(), machine }.respond())
        }
    }
}

/// Shows what there is, and then what comes.
async fn attach(app: App, access: Access, run: RunView, input: RunAgentInput) -> Result<Response, ApiError> {
    let past = Past::read(&app.runs, &run, access).await?;
    let seq = past.seq;
    let follow = app.runs.follow(&run.id, StreamStart::After(seq), true).await?;
    let opening = past.snapshots(&run, input.state, input.messages);
    let machine = AgUi::new(input.thread_id, input.run_id, run.id.clone(), access, seq).opening(opening);
    Ok(Segment { app, run: run.id, access, follow, declined: Vec::new(), machine }.respond())
}

fn no_thread(thread: &str) -> ApiError {
    let detail = format!("The thread `{thread}` has no run; send a message or `forwardedProps.input` to start one.");
    ApiError::not_found("thread_not_found", detail).of_run(&RunId::from(thread))
}
