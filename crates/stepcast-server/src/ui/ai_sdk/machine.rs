//! A run's stream as the AI SDK's.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use stepcast::backend::RunStatus;
use stepcast::{EventKind, Role, RunId, StepState, StepStateChanged, StreamEvent, StreamItem};

use super::part::{DataPart, Fixed, Part};
use crate::access::Access;
use crate::runs::RunFault;
use crate::ui::text::{Texts, last_message, last_word};
use crate::ui::{Machine, Question, is_of, is_stop};
use crate::wire::envelope;

/// Makes parts of one segment of a run.
pub(super) struct AiSdk {
    run: RunId,
    workflow: String,
    access: Access,
    /// The last event of the log that the client has seen.
    seq: u64,
    /// What became of the answers that the segment begins with.
    answered: Vec<Fixed>,
    /// How often a question was answered with what does not fit, by its run and number.
    refused: BTreeMap<(String, u64), u32>,
    /// Questions that have their answers, for a replay.
    past: Vec<Past>,
    /// What the run shows of its state, as the client has it.
    shown: Map<String, Value>,
    texts: Texts,
    steps: BTreeMap<String, StepState>,
    over: bool,
}

/// A question that is settled.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) question: Question,
    /// The data of the event that asked, with everything in it.
    pub(super) asked: Value,
    pub(super) end: Settled,
}

/// How a question was settled.
#[derive(Debug)]
pub(super) enum Settled {
    Answered(Value),
    Not(&'static str),
}

impl AiSdk {
    /// For a client that has seen the log up to `seq`.
    pub(super) fn new(run: RunId, workflow: String, access: Access, seq: u64) -> Self {
        AiSdk {
            run,
            workflow,
            access,
            seq,
            answered: Vec::new(),
            refused: BTreeMap::new(),
            past: Vec::new(),
            shown: Map::new(),
            texts: Texts::default(),
            steps: BTreeMap::new(),
            over: false,
        }
    }

    /// With what became of answers, and how often each question was answered with what does not fit.
    pub(super) fn answered(mut self, parts: Vec<Fixed>, refused: BTreeMap<(String, u64), u32>) -> Self {
        (self.answered, self.refused) = (parts, refused);
        self
    }

    /// With the questions that are settled, for a replay from the beginning.
    pub(super) fn replaying(mut self, past: Vec<Past>) -> Self {
        self.past = past;
        self
    }

    fn step(&mut self, frame: &StepStateChanged, out: &mut Vec<Part>) {
        let state = match frame.step_state {
            StepState::Running => "running",
            StepState::Waiting => "waiting",
            StepState::NotRunning => "not_running",
            _ => return,
        };
        let id = format!("{}#{}", frame.name, frame.worker_id);
        if self.steps.insert(id.clone(), frame.step_state) == Some(frame.step_state) {
            return;
        }
        let data = json!({
            "name": frame.name,
            "state": state,
            "worker": frame.worker_id,
            "attempt": frame.attempt,
        });
        out.push(data_part("step", Some(id), data));
    }

    fn event(&mut self, item: &StreamEvent, out: &mut Vec<Part>) {
        let logged = item.kind == EventKind::Logged;
        if logged {
            self.seq = item.seq;
        }
        let envelope = envelope(&item.event, self.access);
        if let Some((status, fault)) = RunFault::of_terminal(&item.event) {
            return self.failed(status, fault, out);
        }
        if is_stop(&item.event) {
            let word = last_word(&envelope.value).filter(|_| !self.texts.any).map(str::to_owned);
            out.push(data_part(&envelope.tag, Some(item.seq.to_string()), envelope.value));
            if let Some(delta) = word {
                let id = last_message(&self.run);
                out.push(Fixed::TextStart { id: id.clone() }.into());
                out.push(Fixed::TextDelta { id: id.clone(), delta }.into());
                out.push(Fixed::TextEnd { id }.into());
            }
            return self.finish("stop", out);
        }
        let Some(delta) = self.texts.delta(&self.run, item.seq, &envelope.value) else {
            match logged {
                true => out.push(data_part(&envelope.tag, Some(item.seq.to_string()), envelope.value)),
                false => out.push(Part::Data(DataPart {
                    kind: format!("data-{}", envelope.tag),
                    id: None,
                    data: envelope.value,
                    transient: true,
                })),
            }
            if logged && !self.past.is_empty() && is_of(&item.event, Role::InputRequired) {
                self.replay(item, out);
            }
            return;
        };
        if self.texts.opens(&delta) {
            out.push(Fixed::TextStart { id: delta.message.clone() }.into());
        }
        if !delta.text.is_empty() {
            out.push(Fixed::TextDelta { id: delta.message, delta: delta.text }.into());
        }
    }

    /// The question that this event was, with what became of it.
    fn replay(&mut self, item: &StreamEvent, out: &mut Vec<Part>) {
        let value = item.event.value();
        let is = |past: &Past| past.question.event.as_deref() == Some(item.event.tag()) && past.asked == value;
        let Some(at) = self.past.iter().position(is) else { return };
        let Past { question, end, .. } = self.past.remove(at);
        self.close_texts(out);
        let tool_call_id = self.ask(&question, out);
        let settled = match end {
            Settled::Answered(answer) if is_no(&question, &answer) => Fixed::ToolOutputDenied { tool_call_id },
            Settled::Answered(output) => Fixed::ToolOutputAvailable { tool_call_id, output },
            Settled::Not(error) => Fixed::ToolOutputError { tool_call_id, error_text: error.to_owned() },
        };
        out.extend([settled, Fixed::FinishStep, Fixed::StartStep].map(Part::from));
    }

    /// Opens a tool call for a question.
    fn ask(&self, question: &Question, out: &mut Vec<Part>) -> String {
        let mut tool_call_id = question.id(self.seq);
        if let Some(refused) = self.refused.get(&(question.run.clone(), question.input)) {
            tool_call_id = format!("{tool_call_id}#{refused}");
        }
        let tool_name = question.event.clone().unwrap_or_else(|| question.reason.clone());
        let input = question.data.clone();
        out.push(data_part("input", Some(tool_call_id.clone()), question.details()));
        out.push(Fixed::ToolInputAvailable { tool_call_id: tool_call_id.clone(), tool_name, input }.into());
        if question.yes_no.is_some() {
            let approval_id = tool_call_id.clone();
            out.push(Fixed::ToolApprovalRequest { approval_id, tool_call_id: tool_call_id.clone() }.into());
        }
        tool_call_id
    }

    fn close_texts(&mut self, out: &mut Vec<Part>) {
        out.extend(self.texts.close().into_iter().map(|id| Part::from(Fixed::TextEnd { id })));
    }

    fn finish(&mut self, finish_reason: &'static str, out: &mut Vec<Part>) {
        self.over = true;
        self.close_texts(out);
        out.extend([Fixed::FinishStep, Fixed::Finish { finish_reason }].map(Part::from));
    }

    fn failed(&mut self, status: RunStatus, fault: RunFault, out: &mut Vec<Part>) {
        self.over = true;
        self.close_texts(out);
        out.push(match status {
            RunStatus::Cancelled => Fixed::Abort { reason: fault.message }.into(),
            _ => Fixed::Error { error_text: fault.message }.into(),
        });
    }
}

impl Machine for AiSdk {
    type Frame = Part;

    const END: &'static str = "data: [DONE]\n\n";

    fn begin(&mut self, out: &mut Vec<Part>) {
        let message_metadata = json!({ "run_id": self.run.as_str(), "workflow": self.workflow });
        out.push(Fixed::Start { message_id: self.run.to_string(), message_metadata }.into());
        out.extend(self.answered.drain(..).map(Part::from));
        out.push(Fixed::StartStep.into());
    }

    fn item(&mut self, item: &StreamItem, out: &mut Vec<Part>) {
        match item {
            StreamItem::Event(item) if item.kind == EventKind::Internal => {
                if let Some(frame) = item.event.get::<StepStateChanged>() {
                    self.step(frame, out);
                }
            }
            StreamItem::Event(item) => self.event(item, out),
            StreamItem::Lagged { from, to } => out.push(gap("lagged", *from, *to)),
            StreamItem::Unreadable { from, to, .. } => out.push(gap("unreadable", *from, *to)),
        }
    }

    fn state(&mut self, shown: Map<String, Value>, out: &mut Vec<Part>) {
        if shown != self.shown {
            self.shown = shown;
            out.push(data_part("state", Some("state".to_owned()), self.shown.clone().into()));
        }
    }

    fn paused(&mut self, asked: &[Question], out: &mut Vec<Part>) {
        self.close_texts(out);
        for question in asked {
            self.ask(question, out);
        }
        self.finish("tool-calls", out);
    }

    fn lost(&mut self, out: &mut Vec<Part>) {
        self.close_texts(out);
        let error_text = "The stream of the run broke off; connect again.".to_owned();
        out.push(Fixed::Error { error_text }.into());
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

/// Whether a question that takes yes or no was answered with no.
pub(super) fn is_no(question: &Question, answer: &Value) -> bool {
    question.yes_no.as_ref().is_some_and(|yes_no| answer.get(yes_no.field) == Some(&Value::Bool(false)))
}

fn data_part(name: &str, id: Option<String>, data: Value) -> Part {
    Part::Data(DataPart { kind: format!("data-{name}"), id, data, transient: false })
}

/// Events that the client does not get.
fn gap(name: &str, from: u64, to: u64) -> Part {
    data_part(name, Some(from.to_string()), json!({ "from": from, "to": to }))
}
