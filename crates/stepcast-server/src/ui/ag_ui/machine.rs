//! A run's stream as AG-UI.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use stepcast::backend::RunStatus;
use stepcast::{EventKind, RunId, StepState, StepStateChanged, StreamEvent, StreamItem};

use super::event::{AgEvent, Interrupt, Outcome, PROTOCOL};
use super::shared::{Shared, Told};
use crate::access::Access;
use crate::runs::RunFault;
use crate::ui::text::{Texts, last_message, last_word};
use crate::ui::{Machine, Question, is_stop};
use crate::wire::envelope;

/// Makes AG-UI of one segment of a run.
pub(super) struct AgUi {
    thread: String,
    /// AG-UI's own run, which is this segment.
    segment: String,
    run: RunId,
    access: Access,
    /// The last event of the log that the client has seen.
    seq: u64,
    /// What the client is told before anything new.
    opening: Vec<AgEvent>,
    state: Shared,
    texts: Texts,
    /// Executions that run, by step: the protocol knows a step once.
    active: BTreeMap<String, BTreeSet<u64>>,
    over: bool,
}

impl AgUi {
    /// For a client that has seen the log up to `seq`.
    pub(super) fn new(thread: String, segment: String, run: RunId, access: Access, seq: u64) -> Self {
        AgUi {
            thread,
            segment,
            run,
            access,
            seq,
            opening: Vec::new(),
            state: Shared::default(),
            texts: Texts::default(),
            active: BTreeMap::new(),
            over: false,
        }
    }

    /// For a client that has this state.
    pub(super) fn knowing(mut self, state: Value) -> Self {
        self.state = Shared::of(state, &self.run);
        self
    }

    /// With snapshots for a client that comes back.
    pub(super) fn opening(mut self, events: Vec<AgEvent>) -> Self {
        for event in &events {
            if let AgEvent::StateSnapshot { snapshot } = event {
                self.state = Shared::of(snapshot.clone(), &self.run);
            }
        }
        self.opening = events;
        self
    }

    fn step(&mut self, frame: &StepStateChanged, out: &mut Vec<AgEvent>) {
        let step_name = frame.name.clone();
        match frame.step_state {
            StepState::Running => {
                let running = self.active.entry(step_name.clone()).or_default();
                if running.insert(frame.execution) && running.len() == 1 {
                    out.push(AgEvent::StepStarted { step_name });
                }
            }
            StepState::Waiting | StepState::NotRunning => {
                let Some(running) = self.active.get_mut(&step_name) else { return };
                running.remove(&frame.execution);
                if running.is_empty() {
                    self.active.remove(&step_name);
                    out.push(AgEvent::StepFinished { step_name });
                }
            }
            _ => {}
        }
    }

    fn event(&mut self, item: &StreamEvent, out: &mut Vec<AgEvent>) {
        if item.kind == EventKind::Logged {
            self.seq = item.seq;
        }
        let envelope = envelope(&item.event, self.access);
        if let Some((status, fault)) = RunFault::of_terminal(&item.event) {
            return self.failed(status, fault, out);
        }
        if is_stop(&item.event) {
            if let Some(text) = last_word(&envelope.value).filter(|_| !self.texts.any) {
                out.extend(whole(last_message(&self.run), text.to_owned()));
            }
            return self.finish(Some(envelope.value), Outcome::Success, out);
        }
        let Some(delta) = self.texts.delta(&self.run, item.seq, &envelope.value) else {
            out.push(AgEvent::Custom { name: envelope.tag, value: envelope.value });
            return;
        };
        if self.texts.opens(&delta) {
            out.push(AgEvent::TextMessageStart { message_id: delta.message.clone(), role: "assistant" });
        }
        if !delta.text.is_empty() {
            out.push(AgEvent::TextMessageContent { message_id: delta.message, delta: delta.text });
        }
    }

    /// Nothing may be open when a run ends.
    fn close(&mut self, out: &mut Vec<AgEvent>) {
        self.over = true;
        out.extend(self.texts.close().into_iter().map(|message_id| AgEvent::TextMessageEnd { message_id }));
        let steps = std::mem::take(&mut self.active).into_keys();
        out.extend(steps.map(|step_name| AgEvent::StepFinished { step_name }));
    }

    fn finish(&mut self, result: Option<serde_json::Value>, outcome: Outcome, out: &mut Vec<AgEvent>) {
        self.close(out);
        out.push(AgEvent::RunFinished {
            thread_id: self.thread.clone(),
            run_id: self.segment.clone(),
            result,
            outcome,
        });
    }

    fn failed(&mut self, status: RunStatus, fault: RunFault, out: &mut Vec<AgEvent>) {
        let code = match status {
            RunStatus::Cancelled => return self.finish(None, Outcome::Cancelled, out),
            RunStatus::TimedOut => "timed_out",
            _ => "failed",
        };
        self.close(out);
        out.push(AgEvent::RunError { message: fault.message, code });
    }
}

impl Machine for AgUi {
    type Frame = AgEvent;

    const END: &'static str = "";

    fn begin(&mut self, out: &mut Vec<AgEvent>) {
        out.push(AgEvent::RunStarted {
            thread_id: self.thread.clone(),
            run_id: self.segment.clone(),
            protocol_version: PROTOCOL,
            metadata: serde_json::json!({ "stepcast": { "run_id": self.run.as_str() } }),
        });
        out.append(&mut self.opening);
    }

    fn item(&mut self, item: &StreamItem, out: &mut Vec<AgEvent>) {
        match item {
            StreamItem::Event(item) if item.kind == EventKind::Internal => {
                if let Some(frame) = item.event.get::<StepStateChanged>() {
                    self.step(frame, out);
                }
            }
            StreamItem::Event(item) => self.event(item, out),
            StreamItem::Lagged { from, to } => out.push(gap("stepcast.lagged", *from, *to)),
            StreamItem::Unreadable { from, to, .. } => out.push(gap("stepcast.unreadable", *from, *to)),
        }
    }

    fn state(&mut self, shown: Map<String, Value>, out: &mut Vec<AgEvent>) {
        out.extend(self.state.show(&self.run, shown).map(|told| match told {
            Told::Snapshot(snapshot) => AgEvent::StateSnapshot { snapshot },
            Told::Delta(delta) => AgEvent::StateDelta { delta },
        }));
    }

    fn paused(&mut self, asked: &[Question], out: &mut Vec<AgEvent>) {
        let interrupt = |question: &Question| Interrupt {
            id: question.id(self.seq),
            reason: question.reason.clone(),
            message: question.prompt.clone(),
            response_schema: question.schema.clone(),
            expires_at: question.expires.clone(),
            metadata: question.details(),
        };
        let interrupts = asked.iter().map(interrupt).collect();
        self.finish(None, Outcome::Interrupt { interrupts }, out);
    }

    fn lost(&mut self, out: &mut Vec<AgEvent>) {
        self.close(out);
        let message = "The stream of the run broke off; connect again.".to_owned();
        out.push(AgEvent::RunError { message, code: "stream_lost" });
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

/// A message that is there at once.
fn whole(message_id: String, text: String) -> [AgEvent; 3] {
    [
        AgEvent::TextMessageStart { message_id: message_id.clone(), role: "assistant" },
        AgEvent::TextMessageContent { message_id: message_id.clone(), delta: text },
        AgEvent::TextMessageEnd { message_id },
    ]
}

/// Events that the client does not get.
fn gap(name: &str, from: u64, to: u64) -> AgEvent {
    AgEvent::Custom { name: name.to_owned(), value: serde_json::json!({ "from": from, "to": to }) }
}
