//! What a server says, in the words of a store.

use serde_json::{Value, json};
use stepcast::backend::{Holder, InputCursor, InputRecord, InputStatus, NewInput, RunCursor, RunRecord, StreamRow};
use stepcast::engine::Time;
use stepcast_client::{InputInfo, RemoteEvent, RunInfo};

use crate::text;

/// A run. The server drives it, or leaves it asleep: it is not for anybody else to take.
pub(super) fn run(info: RunInfo, cursor: u64) -> RunRecord {
    let error = info.error.map(|fault| {
        json!({
            "exception_type": fault.kind.unwrap_or_default(), "exception_message": fault.message,
            "causes": fault.causes, "step": fault.step, "attempts": fault.attempts,
        })
    });
    RunRecord {
        run: info.run_id.into(),
        workflow: info.workflow,
        definition: None,
        parent: info.parent.map(Into::into),
        status: info.status,
        failures: info.failures,
        result: info.result.map(|stop| stop.value().to_string()),
        error: error.map(|error| error.to_string()),
        created: time(&info.created_at),
        changed: time(&info.updated_at),
        due: None,
        holder: Holder::Other,
        fence: 0,
        cursor: RunCursor(cursor),
    }
}

/// A question.
pub(super) fn input(info: InputInfo, cursor: u64) -> InputRecord {
    let at = info.resolved_at.as_deref().map(time).unwrap_or_default();
    let status = match info.status {
        stepcast_client::InputStatus::Answered => {
            let answer = info.response.unwrap_or_default().to_string();
            InputStatus::Answered { answer, by: info.by, at }
        }
        stepcast_client::InputStatus::Withdrawn => InputStatus::Withdrawn { at },
        stepcast_client::InputStatus::Expired => InputStatus::Expired { at },
        _ => InputStatus::Pending,
    };
    let asked = NewInput {
        input: info.input,
        step: info.step,
        reason: info.reason,
        expects: info.expects,
        prompt: info.prompt,
        data: Some(info.data).filter(|data| !data.is_null()).map(|data| data.to_string()),
        choices: info.choices.map(|choices| Value::from(choices).to_string()),
        schema: info.schema.map(|schema| schema.to_string()),
        expires: info.expires_at.as_deref().map(time),
    };
    let opened = time(&info.created_at);
    InputRecord { run: info.run_id.into(), workflow: info.workflow, asked, opened, status, cursor: InputCursor(cursor) }
}

/// A logged event of a stream; `None` for a passing frame.
pub(super) fn event(event: &RemoteEvent) -> Option<StreamRow> {
    let json = serde_json::to_string(&event.event).ok()?;
    let at = event.at.as_deref().map(time).unwrap_or_default();
    Some(StreamRow { seq: event.seq?, tag: event.event.tag().to_owned(), at, json })
}

/// A moment of the server's. What is written otherwise is the epoch.
fn time(text: &str) -> Time {
    text::moment(text).unwrap_or_default()
}
