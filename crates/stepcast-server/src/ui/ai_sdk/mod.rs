//! The AI SDK's UI message stream, version 1: one route for `useChat`, one for its reconnection.

mod body;
mod machine;
mod part;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use stepcast::{RunId, StreamStart};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Question;
use super::answer::{Word, give};
use super::family::{definition, named, questions};
use super::segment::Segment;
use super::start::start_data;
use super::thread::Thread;
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::error::extract::{JsonBody, Path};
use crate::runs::{InputState, InputView, RunView};
use crate::wire;
use body::{Chat, Reply, Said};
use machine::{AiSdk, Past, Settled, is_no};
use part::Fixed;

/// Who answered, in the record of an input.
const BY: &str = "ai-sdk";
/// How many questions of one run are looked at.
const QUESTIONS: usize = 1_000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(chat)).routes(routes!(resume))
}

/// Runs a workflow for `useChat` of the AI SDK.
///
/// A message of the user starts a run; answers in the assistant's last message go to the run that asked. The stream goes
/// on until the run's next question, which is a tool call, or its end.
#[utoipa::path(
    post,
    path = "/workflows/{name}/ai-sdk",
    tag = "ui",
    params(("name" = String, Path, description = "The workflow.")),
    request_body = Chat,
    responses(
        (status = 200, description = "A UI message stream, version 1.", content_type = "text/event-stream", body = String),
        (status = 400, description = "The body, the chat's id or the start event does not fit."),
        (status = 403, description = "The token may only look."),
        (status = 404, description = "There is no such workflow or question."),
        (status = 409, description = "The run is active, or has ended, or the question has its answer."),
    )
)]
async fn chat(
    State(app): State<App>,
    access: Access,
    Path(name): Path<String>,
    JsonBody(chat): JsonBody<Chat>,
) -> Result<Response, ApiError> {
    let def = app.runs.definition(&name)?;
    access.may_change()?;
    let thread = Thread::find(&app.runs, &name, &chat.id).await?;
    if chat.continues() {
        let run = thread.last.ok_or_else(|| no_chat(&chat.id))?;
        return go_on(app, access, run, chat.replies()).await;
    }
    if let Some(run) = thread.active() {
        let detail =
            format!("The run `{}` is active: answer what it asks, or cancel it, before a new message.", run.id);
        return Err(ApiError::conflict("run_active", detail).of_run(&run.id));
    }
    let start = start_data(&def, chat.input.clone(), None, chat.text().as_deref());
    let options = app.run_options().run_id(thread.next()).record_internal();
    let begun = app.runs.start(&name, start, options).await?;
    let (run, follow) = (begun.run_id().clone(), app.runs.follow_new(&begun));
    let machine = AiSdk::new(run.clone(), name, access, 0);
    Ok(marked(Segment { app, run, access, follow, declined: Vec::new(), machine }.respond()))
}

/// Gives the run its answers and goes on with the assistant's message.
async fn go_on(app: App, access: Access, run: RunView, replies: Vec<Reply>) -> Result<Response, ApiError> {
    let mut named_replies = Vec::new();
    let mut seen: Option<u64> = None;
    for reply in replies {
        let id = named(&app, &run.id, &reply.tool_call_id).await?;
        named_replies.push(((id.run, id.input), id.seq.unwrap_or(0), reply));
    }
    // The answers of earlier pauses stay in the message: only those of the last one are news.
    let last = named_replies.iter().map(|(_, seq, _)| *seq).max();
    named_replies.retain(|(_, seq, _)| Some(*seq) == last);
    if let Some(seq) = last {
        seen = Some(seq);
    }
    let Some(seen) = seen else {
        let detail = "The assistant's last message has no answer to a question: no tool call of it has a result.";
        return Err(ApiError::conflict("nothing_to_answer", detail).of_run(&run.id));
    };
    let questions = questions(&app, &run.id, access, true, QUESTIONS).await?;
    // Followed first, so that nothing of what the answer brings is missed.
    let follow = app.runs.follow(&run.id, StreamStart::After(seen), true).await?;
    let (mut parts, mut refused, mut declined) = (Vec::new(), BTreeMap::new(), Vec::new());
    for ((asker, input), _, Reply { tool_call_id, said, refused: before }) in named_replies {
        let Some((_, question)) = questions.iter().find(|(_, question)| question.is(&asker, input)) else {
            return Err(ApiError::no_input(&asker, input));
        };
        let (word, told) = word_of(question, &tool_call_id, said);
        declined.extend((word == Word::Declined).then(|| (asker.clone(), input)));
        match give(&app, &run.id, (&asker, input), word, BY).await {
            Ok(()) => parts.extend(told),
            // What does not fit can be put right; the client shows it beside the question, which is asked again.
            Err(error) if error.status() == StatusCode::UNPROCESSABLE_ENTITY => {
                refused.insert((asker.to_string(), input), before + 1);
                parts.push(Fixed::ToolOutputError { tool_call_id, error_text: error.detail().to_owned() });
            }
            Err(error) => return Err(error),
        }
    }
    let machine = AiSdk::new(run.id.clone(), run.workflow, access, seen).answered(parts, refused);
    Ok(marked(Segment { app, run: run.id, access, follow, declined, machine }.respond()))
}

/// The answer that was meant, and what the client is told of it.
fn word_of(question: &Question, tool_call_id: &str, said: Said) -> (Word, Option<Fixed>) {
    let tool_call_id = tool_call_id.to_owned();
    match said {
        Said::Failed => (Word::Declined, None),
        // The client has it already.
        Said::Output(answer) => (Word::Answer(answer), None),
        Said::Approval { approved, reason } => {
            let mut answer = Map::new();
            let yes_no = question.yes_no.as_ref();
            answer.insert(yes_no.map_or("approved", |yes_no| yes_no.field).to_owned(), approved.into());
            if let Some((field, reason)) = yes_no.and_then(|yes_no| yes_no.comment).zip(reason) {
                answer.insert(field.to_owned(), reason.into());
            }
            let output = Value::from(answer);
            let told = match is_no(question, &output) {
                true => Fixed::ToolOutputDenied { tool_call_id },
                false => Fixed::ToolOutputAvailable { tool_call_id, output: output.clone() },
            };
            (Word::Answer(output), Some(told))
        }
    }
}

/// Gives a client that comes back the chat's last message anew, from its beginning.
#[utoipa::path(
    get,
    path = "/workflows/{name}/ai-sdk/{chat}/stream",
    tag = "ui",
    params(
        ("name" = String, Path, description = "The workflow."),
        ("chat" = String, Path, description = "The chat's id."),
    ),
    responses(
        (status = 200, description = "A UI message stream, version 1.", content_type = "text/event-stream", body = String),
        (status = 204, description = "The chat has no run that has not ended."),
        (status = 404, description = "There is no such workflow."),
    )
)]
async fn resume(
    State(app): State<App>,
    access: Access,
    Path((name, chat)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    app.runs.definition(&name)?;
    let thread = Thread::find(&app.runs, &name, &chat).await?;
    let Some(run) = thread.active().cloned() else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let settled = |(input, question): (InputView, Question)| {
        let end = match &input.state {
            InputState::Pending => return None,
            InputState::Answered { response, .. } => {
                let def = definition(&app, &RunId::from(input.run.as_str()), &input.workflow);
                Settled::Answered(wire::answer(&input, response.clone(), def.as_deref(), access))
            }
            InputState::Withdrawn { .. } => Settled::Not("The question was withdrawn."),
            InputState::Expired { .. } => Settled::Not("Nobody answered in time."),
        };
        let asked = input.data.get("value").cloned().unwrap_or_default();
        Some(Past { question, asked, end })
    };
    let asked = questions(&app, &run.id, access, true, QUESTIONS).await?;
    let past = asked.into_iter().filter_map(settled).collect();
    let follow = app.runs.follow(&run.id, StreamStart::Beginning, true).await?;
    let machine = AiSdk::new(run.id.clone(), name, access, 0).replaying(past);
    Ok(marked(Segment { app, run: run.id, access, follow, declined: Vec::new(), machine }.respond()))
}

fn marked(mut response: Response) -> Response {
    response.headers_mut().insert("x-vercel-ai-ui-message-stream", HeaderValue::from_static("v1"));
    response
}

fn no_chat(chat: &str) -> ApiError {
    ApiError::not_found("chat_not_found", format!("The chat `{chat}` has no run that could go on."))
}
