//! Word from outside the dispatcher.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Context;

use std::future::Future;
use stepcast_core::engine::{Answer, Expected, External, Matches, TickKind};
use stepcast_core::{InputRequiredEvent, Payload, Role};
use tokio::sync::oneshot;

use super::Dispatch;
use super::core::RunCore;
use super::kept::{Held, record};
use crate::clock;
use crate::durable::{self, Misfit};
use crate::run::{Given, Message, RespondError, RunEnd, lock};

impl Dispatch {
    /// Handles everything in the inbox. Whether there was anything.
    pub(crate) fn take_messages(&mut self, core: &mut RunCore) -> bool {
        let mut worked = false;
        // Before it rests, the dispatcher looks under the lock.
        while self.env.run.mail.load(Ordering::Acquire) {
            let (messages, room) = {
                let mut inbox = lock(&self.env.run.inbox);
                self.env.run.mail.store(false, Ordering::Relaxed);
                inbox.external = 0;
                (std::mem::take(&mut inbox.messages), inbox.room.take())
            };
            if let Some(room) = room {
                room.wake();
            }
            worked = true;
            for message in messages {
                self.message(core, message);
            }
        }
        if core.more.as_deref().is_some_and(|more| !more.deferred.is_empty()) && !core.ended {
            for message in std::mem::take(&mut core.more().deferred) {
                self.message(core, message);
            }
        }
        worked
    }

    fn message(&mut self, core: &mut RunCore, message: Message) {
        if core.ended || (core.journal.is_some() && core.state.has_ended()) {
            return self.too_late(core, message);
        }
        match message {
            Message::Admitted { max_running } => core.max_running = max_running,
            Message::Refused(error) => {
                core.ended = true;
                core.start = None;
                core.let_go(&self.env.run);
                self.env.run.finish(RunEnd::refused(error, core.now));
            }
            Message::External { event, to, id } => {
                let matches = self.match_event(core, &event);
                self.tick(core, TickKind::External(Box::new(External { event, to, id, matches })));
            }
            Message::Respond { input, answer, reply } => self.respond(core, input, answer, reply),
            Message::Ended { exec, attempt, output } => self.task_ended(core, exec, attempt, output),
            Message::Waits { exec, attempt, future } => self.task_waits(core, exec, attempt, future.0),
            Message::Operation { exec, attempt, request } => self.operation(core, exec, attempt, request),
            Message::Letters(letters) => self.letters(core, letters),
            // The next round sees whom that leaves without room.
            Message::Stays => {}
            Message::Kept(reply) => core.hold(Held::Reply(reply)),
            Message::Leave => self.leave_soon(core),
            Message::Stop(error) => self.stop(core, error),
            Message::Cancel => self.tick(core, TickKind::Cancel),
            Message::Snapshot(reply) => drop(reply.send(self.take_snapshot(core))),
            Message::Inputs(reply) => drop(reply.send(core.state.pending_inputs(self.env.run.def()))),
            Message::Step(reply) => self.stand_still(core, reply),
            // Without a handle, nobody can let it go on.
            Message::GoOn | Message::HandleGone => self.go_free(core),
        }
    }

    fn too_late(&mut self, core: &mut RunCore, message: Message) {
        match message {
            Message::Respond { input, reply, .. } => {
                drop(reply.send(Err(RespondError::Ended { id: input.to_string() })))
            }
            Message::Inputs(reply) => drop(reply.send(Vec::new())),
            Message::Ended { exec, attempt, output } => self.task_ended(core, exec, attempt, output),
            Message::Waits { exec, attempt, future } => self.task_waits(core, exec, attempt, future.0),
            Message::Snapshot(reply) => drop(reply.send(self.take_snapshot(core))),
            other => super::place::drop_quietly(other),
        }
    }

    /// What an answer comes to. `None` if the wait that it is for has to come about again first.
    pub(super) fn judge_answer(
        &mut self,
        core: &mut RunCore,
        input: u64,
        answer: Given,
    ) -> Result<Option<Answer>, RespondError> {
        match self.judge(core, input, answer)? {
            Judged::Answer(answer) => Ok(Some(answer)),
            Judged::NotYet(_) => Ok(None),
        }
    }

    fn respond(
        &mut self,
        core: &mut RunCore,
        input: u64,
        answer: Given,
        reply: oneshot::Sender<Result<(), RespondError>>,
    ) {
        match self.judge(core, input, answer) {
            Ok(Judged::NotYet(answer)) => core.more().deferred.push(Message::Respond { input, answer, reply }),
            Ok(Judged::Answer(answer)) if core.journal.is_some() => {
                self.record_answer(core, input, &answer, reply);
            }
            Ok(Judged::Answer(answer)) => {
                self.tick(core, TickKind::Answer { input, answer });
                drop(reply.send(Ok(())));
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn judge(&self, core: &RunCore, input: u64, answer: Given) -> Result<Judged, RespondError> {
        let id = || input.to_string();
        let Some(expected) = core.state.expected(input) else {
            return Err(if input == 0 || input > core.state.last_id() {
                let pending = core.state.pending_inputs(self.env.run.def());
                RespondError::Unknown { id: id(), pending: pending.iter().map(|input| input.id.to_string()).collect() }
            } else {
                RespondError::Conflict { id: id() }
            });
        };
        let answer = match expected {
            Expected::Choice => match answer {
                Given::Choice(choice) => Answer::Failure(choice),
                Given::Value(value) => {
                    let choice = value.get("choice").unwrap_or(&value).clone();
                    let choice = serde_json::from_value(choice)
                        .map_err(|_| wrong(input, "one of retry, skip, continue, fail", value.to_string()))?;
                    Answer::Failure(choice)
                }
                Given::Event(event) => {
                    return Err(wrong(input, "one of retry, skip, continue, fail", event.tag().to_owned()));
                }
            },
            Expected::Wait { unarmed: true, .. } => return Ok(Judged::NotYet(answer)),
            Expected::Wait { event: ix, waiter, .. } => {
                let event = self.answer_event(input, answer, Some(ix))?;
                if !self.accepts(core, waiter, &event) {
                    return Err(RespondError::Filtered { id: id() });
                }
                Answer::Event { event, matches: Matches::default() }
            }
            Expected::AnyResponse => {
                let event = self.answer_event(input, answer, None)?;
                let matches = self.match_event(core, &event);
                Answer::Event { event, matches }
            }
        };
        match self.misfit(core, input, &answer) {
            Some(error) => Err(error),
            None => Ok(Judged::Answer(answer)),
        }
    }

    /// What a dynamic question has against an answer: its own choices, its own schema.
    fn misfit(&self, core: &RunCore, input: u64, answer: &Answer) -> Option<RespondError> {
        let Answer::Event { event, .. } = answer else { return None };
        let (asked, expires) = core.state.pending_input(self.env.run.def(), input)?;
        asked.event.as_ref()?.get::<InputRequiredEvent>()?;
        let asked = record(self.env.run.def(), asked, expires);
        let value = event.as_erased().to_value().ok()?;
        let id = input.to_string();
        Some(match durable::misfit(&asked, &value, None)? {
            Misfit::Choice { choices, found } => {
                RespondError::WrongAnswer { id, expected: choices.join(" or "), found }
            }
            Misfit::Schema { faults } => RespondError::Schema { id, faults },
            Misfit::Data { tag, source } => RespondError::Data { id, tag, source },
        })
    }

    /// The answer as an event that the input takes.
    fn answer_event(&self, input: u64, answer: Given, wanted: Option<u32>) -> Result<Payload, RespondError> {
        let def = self.env.run.def();
        let responses: Vec<u32> = match wanted {
            Some(ix) => vec![ix],
            None => def
                .events()
                .filter(|meta| meta.role == Role::HumanResponse)
                .filter_map(|meta| def.event_by_hash(meta.hash))
                .collect(),
        };
        let names = || responses.iter().map(|ix| format!("`{}`", def.event(*ix).tag)).collect::<Vec<_>>().join(" or ");
        let (ix, value) = match answer {
            Given::Choice(_) => return Err(wrong(input, &names(), "a choice about a failed step".to_owned())),
            Given::Value(value) => match responses[..] {
                // As a store takes it.
                [ix] => (ix, durable::normal_of(Some(def.event(ix).tag), value)),
                _ => return Err(wrong(input, &names(), "data without a type".to_owned())),
            },
            Given::Event(event) => {
                let found = def.event_by_tag(event.tag()).filter(|ix| responses.contains(ix));
                let Some(ix) = found else { return Err(wrong(input, &names(), format!("`{}`", event.tag()))) };
                match event.as_erased() {
                    // A type of the same tag from elsewhere is decoded like any other data.
                    Some(typed) if typed.meta().type_id() == def.event(ix).type_id() => {
                        return Ok(Payload::from_arc(Arc::clone(typed)));
                    }
                    _ => (ix, event.value()),
                }
            }
        };
        def.event(ix).decode(value).map(Payload::from_box).map_err(|source| RespondError::Data {
            id: input.to_string(),
            tag: def.event(ix).tag.to_owned(),
            source: Arc::new(source),
        })
    }

    /// Does what is due, and sets the alarm for what is due next. Whether anything was done.
    pub(crate) fn fire_timers(&mut self, core: &mut RunCore, cx: &mut Context<'_>) -> bool {
        let Some(due) = core.next_due() else {
            if let Some(more) = core.more.as_deref_mut() {
                more.sleep = None;
            }
            return false;
        };
        if due <= core.now {
            core.now = core.now.max(clock::now());
            self.expire(core);
            if !core.ended {
                self.tick(core, TickKind::Timers);
            }
            return true;
        }
        let deadline = clock::instant(due);
        let more = core.more();
        let sleep = more.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        let rung = sleep.as_mut().poll(cx).is_ready();
        if rung {
            core.now = clock::now();
        }
        rung
    }
}

/// What an answer comes to.
enum Judged {
    Answer(Answer),
    /// The waiting step has to come to its wait again first.
    NotYet(Given),
}

fn wrong(input: u64, expected: &str, found: String) -> RespondError {
    RespondError::WrongAnswer { id: input.to_string(), expected: expected.to_owned(), found }
}
