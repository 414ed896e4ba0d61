//! What a client that comes back is told of the run so far.

use serde_json::{Map, Value, json};

use super::STATE;
use super::event::AgEvent;
use super::shared::{UI, names};
use crate::access::Access;
use crate::error::ApiError;
use crate::runs::{Logged, RunFault, RunView, Runs};
use crate::ui::is_stop;
use crate::ui::text::Texts;
use crate::wire::envelope;

/// How many events are read at once.
const PAGE: usize = 256;

/// A run so far, without its end, which the stream tells.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// The last event read.
    pub(super) seq: u64,
    /// Messages with their texts, in order.
    messages: Vec<(String, String)>,
    /// The last event of each type.
    events: Map<String, Value>,
    texts: Texts,
}

impl Past {
    /// Reads the whole log.
    pub(super) async fn read(runs: &Runs, run: &RunView, access: Access) -> Result<Past, ApiError> {
        let mut past = Past::default();
        loop {
            let page = runs.events(&run.id, past.seq, PAGE).await?;
            let full = page.len() == PAGE;
            for logged in &page {
                if !past.take(run, logged, access) {
                    return Ok(past);
                }
            }
            if !full {
                return Ok(past);
            }
        }
    }

    /// Takes an event in, unless it is the last.
    fn take(&mut self, run: &RunView, logged: &Logged, access: Access) -> bool {
        if is_stop(&logged.event) || RunFault::of_terminal(&logged.event).is_some() {
            return false;
        }
        self.seq = logged.seq;
        let envelope = envelope(&logged.event, access);
        match self.texts.delta(&run.id, logged.seq, &envelope.value) {
            None => {
                self.events.insert(envelope.tag, envelope.value);
            }
            Some(delta) => match self.messages.iter_mut().find(|(id, _)| *id == delta.message) {
                Some((_, text)) => text.push_str(&delta.text),
                None => self.messages.push((delta.message, delta.text)),
            },
        }
        true
    }

    /// The snapshots: the client's own state with ours under one name, and its messages with the run's.
    pub(super) fn snapshots(self, run: &RunView, state: Value, messages: Vec<Value>) -> Vec<AgEvent> {
        let mut ours = json!({
            "run_id": run.id.as_str(),
            "workflow": run.workflow,
            "seq": self.seq,
            "events": self.events,
        });
        // What of the client's state is the run's stays that, until it is seen what the run shows now.
        if let Some(names) = names(&state, &run.id) {
            ours[UI] = names.clone();
        }
        let mut state = if let Value::Object(state) = state { state } else { Map::new() };
        state.insert(STATE.to_owned(), ours);
        let mut all = messages;
        for (id, text) in self.messages {
            let message = json!({ "id": id, "role": "assistant", "content": text });
            match all.iter_mut().find(|known| known.get("id").and_then(Value::as_str) == Some(&id)) {
                Some(known) => *known = message,
                None => all.push(message),
            }
        }
        vec![AgEvent::StateSnapshot { snapshot: state.into() }, AgEvent::MessagesSnapshot { messages: all }]
    }
}
