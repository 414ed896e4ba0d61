//! What a socket tells its client.

use serde::Serialize;
use serde_json::{Value, json};
use stepcast::RunId;

use crate::error::ApiError;

/// A frame: what it is, the id of the request that it replies to, and more.
#[derive(Serialize)]
struct Frame<'a, T> {
    op: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Value>,
    #[serde(flatten)]
    more: &'a T,
}

/// Writes a frame. `more` must be an object.
pub(super) fn frame(op: &'static str, id: Option<&Value>, more: &impl Serialize) -> String {
    serde_json::to_string(&Frame { op, id, more }).unwrap_or_else(|error| {
        let error = ApiError::bad_request("not_written", format!("The frame `{op}` could not be written: {error}."));
        refusal(id, &error)
    })
}

/// Writes a frame about a run that says no more.
pub(super) fn about(op: &'static str, id: Option<&Value>, run: &RunId) -> String {
    frame(op, id, &json!({ "run_id": run.as_str() }))
}

/// Writes what was wrong with a request.
pub(super) fn refusal(id: Option<&Value>, error: &ApiError) -> String {
    let mut problem = error.problem();
    if let Some(members) = problem.as_object_mut() {
        members.insert("op".to_owned(), "error".into());
        if let Some(id) = id {
            members.insert("id".to_owned(), id.clone());
        }
    }
    problem.to_string()
}
