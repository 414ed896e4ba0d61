//! Answers to a run's questions.

use serde_json::Value;
use stepcast::RunId;

use crate::app::App;
use crate::error::ApiError;
use crate::runs::{InputQuery, InputState, InputView};

/// A person's word on a question.
#[derive(Debug, PartialEq)]
pub(super) enum Word {
    Answer(Value),
    /// The person does not answer. The run cannot go on without, so it is cancelled.
    Declined,
}

/// Gives a person's word on a question of the thread's run, or of one of its children. The same word again, as after a lost
/// connection, is as good as the first.
pub(super) async fn give(
    app: &App,
    thread: &RunId,
    (run, input): (&RunId, u64),
    word: Word,
    by: &str,
) -> Result<(), ApiError> {
    match word {
        Word::Declined => match find(app, run, input).await?.state {
            InputState::Pending => app.runs.cancel(thread).await,
            // There is nothing to answer any more: expired, or answered elsewhere.
            _ => Ok(()),
        },
        Word::Answer(answer) => match app.runs.answer(run, input, answer.clone(), Some(by.to_owned())).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == "input_already_resolved" => match find(app, run, input).await?.state {
                InputState::Answered { response, .. } if is_same(&response, &answer) => Ok(()),
                _ => Err(error),
            },
            Err(error) => Err(error),
        },
    }
}

async fn find(app: &App, run: &RunId, input: u64) -> Result<InputView, ApiError> {
    let query = InputQuery { run: Some(run.to_string()), input: Some(input), ..InputQuery::default() };
    app.runs.inputs(&query, None, 1).await?.pop().ok_or_else(|| ApiError::no_input(run, input))
}

/// A plain answer to a dynamic question is kept as its `response`.
fn is_same(kept: &Value, given: &Value) -> bool {
    kept == given || (!given.is_object() && kept.get("response") == Some(given))
}
