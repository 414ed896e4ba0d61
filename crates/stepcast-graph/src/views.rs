//! Views of a run's stream: filters on the subscriber's side, for live and for stored events.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use stepcast_core::{AnyEvent, Event, InputRequiredEvent, Role, StepState, StepStateChanged, StopEvent};

use crate::compile::document_name;
use crate::events::{StepOver, StepStatus};

/// A view of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// The whole context, after every step that changed it.
    Values,
    /// What a step added to it.
    Updates,
    /// That steps begin, wait for a person, and are over.
    Lifecycle,
    /// Everything else that is on the stream.
    Custom,
}

/// What a view shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewItem {
    /// The view.
    pub mode: Mode,
    /// The step that it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The number of the event in the run's log; of one that is not in the log, that of the one before it.
    pub seq: u64,
    /// What is shown.
    pub payload: Value,
}

/// Makes views of the events of one run, in their order from the first on. Several views share the log's numbers.
///
/// The `values` are those that the stream tells of: a reader that begins in the middle sees what was added since.
/// Beginnings of steps are shown to subscribers of the runtime's own frames only, which are not in the log.
///
/// ```
/// use futures_util::StreamExt;
/// use serde_json::json;
/// use stepcast_graph::{Graph, GraphStep, Host, Mode, Views};
/// use stepcast_runtime::StreamItem;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let graph = Graph::builder("one").step(GraphStep::template("a", 1)).build(&Host::new())?;
/// let mut stream = graph.run(json!({})).stream_events();
/// let mut views = Views::new([Mode::Updates]);
/// let mut shown = Vec::new();
/// while let Some(item) = stream.next().await {
///     if let StreamItem::Event(item) = item {
///         shown.extend(views.see(&item.event, item.seq));
///     }
/// }
/// assert_eq!(shown[0].payload, json!({ "a": { "output": 1 } }));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Views {
    modes: BTreeSet<Mode>,
    values: Map<String, Value>,
}

impl Views {
    /// These views.
    pub fn new(modes: impl IntoIterator<Item = Mode>) -> Self {
        Views { modes: modes.into_iter().collect(), values: Map::new() }
    }

    /// The context as far as it was seen.
    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// What the views show of an event.
    pub fn see(&mut self, event: &AnyEvent, seq: u64) -> Vec<ViewItem> {
        let mut shown = Vec::new();
        let tag = event.tag();
        if tag == StepOver::META.tag {
            if let Ok(over) = event.decode::<StepOver>() {
                self.over(over, seq, &mut shown);
            }
        } else if tag == StepStateChanged::META.tag {
            if let Ok(change) = event.decode::<StepStateChanged>() {
                self.changed(&change, seq, &mut shown);
            }
        } else if tag == InputRequiredEvent::META.tag {
            let value = event.value();
            let step = value["step"].as_str().map(str::to_owned);
            self.add(&mut shown, Mode::Lifecycle, step, seq, || json!({ "phase": "waiting", "input": value }));
        } else if tag != StopEvent::META.tag && event.meta().is_none_or(|meta| meta.role != Role::Stop) {
            let step = event.value()["step"].as_str().map(|step| document_name(step).to_owned());
            self.add(&mut shown, Mode::Custom, step, seq, || json!({ "type": tag, "value": event.value() }));
        }
        shown
    }

    fn over(&mut self, over: StepOver, seq: u64, shown: &mut Vec<ViewItem>) {
        let StepOver { step, key, status, output } = over;
        let step = || Some(step.to_string());
        self.add(shown, Mode::Lifecycle, step(), seq, || json!({ "phase": "complete", "status": status }));
        let record = match status {
            StepStatus::Completed if output.is_null() => return,
            StepStatus::Completed => json!({ "output": output }),
            StepStatus::Failed => json!({ "error": output }),
            StepStatus::Skipped | StepStatus::Cancelled => json!({ "status": status }),
        };
        self.add(shown, Mode::Updates, step(), seq, || json!({ &*key: &record }));
        self.values.insert(key.to_string(), record);
        let values = if self.modes.contains(&Mode::Values) { Value::Object(self.values.clone()) } else { Value::Null };
        self.add(shown, Mode::Values, step(), seq, || values);
    }

    fn changed(&self, change: &StepStateChanged, seq: u64, shown: &mut Vec<ViewItem>) {
        // Steps that are not in the document have brackets.
        if change.step_state == StepState::Running && !change.name.ends_with(')') {
            let payload = || json!({ "phase": "start", "attempt": change.attempt, "at": change.at });
            self.add(shown, Mode::Lifecycle, Some(change.name.clone()), seq, payload);
        }
    }

    fn add(
        &self,
        shown: &mut Vec<ViewItem>,
        mode: Mode,
        step: Option<String>,
        seq: u64,
        payload: impl FnOnce() -> Value,
    ) {
        if self.modes.contains(&mode) {
            shown.push(ViewItem { mode, step, seq, payload: payload() });
        }
    }
}
