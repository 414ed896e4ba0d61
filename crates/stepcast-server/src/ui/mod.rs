//! Streams for UI toolkits: AG-UI and the AI SDK, as adapters over a run's log.
//!
//! A thread (AG-UI) or chat (AI SDK) is a run, and after its end the next one. What a client reads is one [`segment`]: from
//! its start, or an answer, to the run's next question or its end. What it reads there is made by a [`Machine`], which knows
//! the protocol and nothing of HTTP.

mod ag_ui;
mod ai_sdk;
mod answer;
mod family;
mod question;
mod segment;
mod start;
mod state;
mod text;
mod thread;

use serde_json::{Map, Value};
use stepcast::{AnyEvent, Role, StreamItem};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use question::Question;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(ag_ui::routes()).merge(ai_sdk::routes())
}

/// Makes a protocol's frames of a run's stream.
trait Machine: Send + 'static {
    type Frame: serde::Serialize + Send;

    /// What is written behind the last frame.
    const END: &'static str;

    /// Before the first item.
    fn begin(&mut self, out: &mut Vec<Self::Frame>);

    /// The next item of the stream.
    fn item(&mut self, item: &StreamItem, out: &mut Vec<Self::Frame>);

    /// What the run shows of its state, changed or not.
    fn state(&mut self, shown: Map<String, Value>, out: &mut Vec<Self::Frame>);

    /// The run can go on only with answers to these questions. Nothing comes after it.
    fn paused(&mut self, asked: &[Question], out: &mut Vec<Self::Frame>);

    /// The stream broke off before the run's end. Nothing comes after it.
    fn lost(&mut self, out: &mut Vec<Self::Frame>);

    /// Whether the run's end has been told.
    fn is_over(&self) -> bool;
}

/// Whether an event is a stop event. One whose type is not known here is told by its wire ancestors.
fn is_stop(event: &AnyEvent) -> bool {
    is_of(event, Role::Stop)
}

/// Whether an event is of a role.
fn is_of(event: &AnyEvent, role: Role) -> bool {
    match event.meta() {
        Some(meta) => meta.role == role,
        None => {
            let (envelope, ancestor) = (event.to_envelope(), role.ancestor());
            ancestor == Some(envelope.tag.as_str())
                || envelope.types.iter().flatten().any(|name| ancestor == Some(name.as_str()))
        }
    }
}
