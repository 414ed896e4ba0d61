//! What was left for the run in the store, while it was away or from another process.

use std::sync::Arc;

use serde_json::Value;
use stepcast_core::backend::{InputChange, InputCursor, InputRecord, InputStatus, Mail, MailKind};
use stepcast_core::engine::{self, External, TickKind};
use stepcast_core::{AnyEvent, EventEnvelope, Payload};
use tokio::sync::oneshot;

use super::inputs::record;
use crate::dispatch::{Dispatch, RunCore};
use crate::durable::{self, AnswerRunError, EventLetter};
use crate::run::{Given, RespondError, single_takers};
use crate::telemetry::TraceContext;

impl Dispatch {
    /// Takes letters in, in their order; those that were seen before are passed over.
    pub(in crate::dispatch) fn letters(&mut self, core: &mut RunCore, letters: Vec<Mail>) {
        for mail in letters {
            let Some(journal) = core.journal.as_deref_mut() else { return };
            if mail.id > journal.last_letter {
                journal.last_letter = mail.id;
                self.letter(core, mail);
            }
        }
    }

    /// Looks again at answers whose wait was not there yet.
    pub(super) fn early_letters(&mut self, core: &mut RunCore) {
        let Some(journal) = core.journal.as_deref_mut().filter(|journal| !journal.early.is_empty()) else { return };
        let early = std::mem::take(&mut journal.early);
        early.into_iter().for_each(|mail| self.letter(core, mail));
    }

    fn letter(&mut self, core: &mut RunCore, mail: Mail) {
        let taken = match mail.kind {
            MailKind::Event => {
                self.event_letter(core, &mail);
                true
            }
            MailKind::Answer { input } => self.answer_letter(core, input, &mail),
            MailKind::Cancel => {
                self.tick(core, TickKind::Cancel);
                true
            }
            _ => {
                self.wake_letter(core, &mail);
                true
            }
        };
        let Some(journal) = core.journal.as_deref_mut() else { return };
        match taken {
            true => journal.batch.taken.push(mail.id),
            false => journal.early.push(mail),
        }
    }

    /// Most are only to make the run look; some bring what a child asks.
    fn wake_letter(&mut self, core: &mut RunCore, mail: &Mail) {
        let RunCore { journal: Some(journal), state, now, .. } = core else { return };
        let asked: Option<AnyEvent> =
            serde_json::from_str::<Option<EventEnvelope>>(&mail.json).ok().flatten().map(AnyEvent::from_envelope);
        if let Some(asked) = asked.filter(|_| !state.has_ended()) {
            journal.changes.stream = true;
            journal.add_event(asked.with_type_of(self.env.run.def()), *now);
        }
    }

    fn event_letter(&mut self, core: &mut RunCore, mail: &Mail) {
        let def = self.env.run.def();
        let letter: Option<EventLetter> = serde_json::from_str(&mail.json).ok();
        let event = letter.and_then(|EventLetter { envelope, step, trace }| {
            self.env.run.woken_by(trace.as_deref().and_then(TraceContext::from_text));
            let ix = def.event_by_tag(&envelope.tag)?;
            let to = match step {
                Some(step) => Some(def.step_named(&step).filter(|to| single_takers(def, &envelope.tag).contains(to))?),
                None => None,
            };
            Some((def.event(ix).decode(envelope.value).ok()?, to))
        });
        let Some((event, to)) = event.map(|(event, to)| (Payload::from_box(event), to)) else {
            tracing::warn!(target: "stepcast", run = %self.env.run.id(), "an event that was sent to the run does not fit its workflow; it was dropped");
            return;
        };
        let matches = self.match_event(core, &event);
        self.tick(core, TickKind::External(Box::new(External { event, to, id: None, matches })));
    }

    /// Whether the answer was made use of, or never can be.
    fn answer_letter(&mut self, core: &mut RunCore, input: u64, mail: &Mail) -> bool {
        let Ok(value) = serde_json::from_str::<Value>(&mail.json) else { return true };
        match self.judge_answer(core, input, as_given(value)) {
            Ok(Some(answer)) => {
                self.env.run.woken_by(mail.trace.as_deref().and_then(TraceContext::from_text));
                self.tick(core, TickKind::Answer { input, answer });
                true
            }
            Ok(None) => false,
            Err(_) => {
                // The error's text may quote the answer.
                tracing::warn!(target: "stepcast", run = %self.env.run.id(), input, "a recorded answer does not fit what the run asks");
                let is_asked = core.state.expected(input).is_some();
                if let Some(journal) = core.journal.as_deref_mut().filter(|_| is_asked) {
                    // Nobody could answer any more, and the run would wait for ever.
                    journal.batch.inputs.push(InputChange::Reopened { input });
                }
                true
            }
        }
    }

    /// Records a person's answer that was given through a handle; the run finds it among its letters.
    pub(in crate::dispatch) fn record_answer(
        &self,
        core: &RunCore,
        input: u64,
        answer: &engine::Answer,
        reply: oneshot::Sender<Result<(), RespondError>>,
    ) {
        let run = Arc::clone(&self.env.run);
        let asked = core.state.pending_input(run.def(), input);
        let (Some(keeping), Some((asked, expires))) = (run.keeping(), asked) else { return };
        let one_type = asked.expects.is_some();
        let answer = as_record(answer, one_type);
        let opened = asked.created;
        let record = InputRecord {
            run: Arc::from(run.id().as_str()),
            workflow: run.def().name().to_owned(),
            asked: record(run.def(), asked, expires),
            opened,
            status: InputStatus::Pending,
            cursor: InputCursor(0),
        };
        let backend = Arc::clone(keeping.backend());
        tokio::spawn(async move {
            let id = input.to_string();
            // Its type was checked by whoever waits for it.
            let told = durable::record_answer(&backend, None, run.id(), record, answer, None).await;
            if told.is_ok() {
                durable::fetch_letters(&run).await;
            }
            drop(reply.send(told.map_err(|error| match error {
                AnswerRunError::Conflict { .. } => RespondError::Conflict { id },
                AnswerRunError::ShuttingDown => RespondError::Ended { id },
                error => RespondError::Refused { id, source: Arc::new(error) },
            })));
        });
    }
}

/// An answer as it is recorded: the event's own data, or with the event's tag where several events could answer.
fn as_record(answer: &engine::Answer, one_type: bool) -> Value {
    use engine::Answer as Engine;
    match answer {
        Engine::Failure(choice) => serde_json::to_value(choice).unwrap_or_default(),
        Engine::Event { event, .. } if one_type => event.as_erased().to_value().unwrap_or_default(),
        Engine::Event { event, .. } => {
            let event = AnyEvent::from_payload(event.clone());
            serde_json::to_value(event.to_envelope()).unwrap_or_default()
        }
    }
}

fn as_given(value: Value) -> Given {
    let tagged = value.get("type").is_some_and(Value::is_string) && value.get("value").is_some();
    match tagged.then(|| serde_json::from_value::<EventEnvelope>(value.clone())) {
        Some(Ok(envelope)) => Given::Event(AnyEvent::from_envelope(envelope)),
        _ => Given::Value(value),
    }
}
