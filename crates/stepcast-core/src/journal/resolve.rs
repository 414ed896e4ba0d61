//! From the names in a row to the numbers of the definition at hand.

use std::time::Duration;

use super::error::JournalError;
use super::fold::{Fold, Step};
use super::read::{AnswerRow, Kind, Mark, Op, Out, TagValue, Token};
use crate::definition::{EventIx, Taker};
use crate::engine::{
    Answer, CollectRequest, Commit, Difference, ExecKey, External, Failure, Matches, Operation, Report, TickKind, Time,
    WaitRequest,
};
use crate::{AnyEvent, ErrorInfo, Outputs, Payload, StopEvent};

/// Parking nobody changes nothing but the time.
const NOTHING: TickKind = TickKind::Parked { exec: ExecKey { lane: u32::MAX, serial: 0 } };

type Resolved<T> = Result<T, JournalError>;

impl Fold<'_> {
    /// The execution that a row is about, which has to be there and of the step that the row says.
    pub(super) fn execution(&mut self, kind: &Kind) -> Resolved<Option<ExecKey>> {
        let (serial, name) = match kind {
            Kind::Report { exec, step, .. } | Kind::Commit { exec, step, .. } => (*exec, Some(step)),
            Kind::Between { exec: Some(exec), step } => (*exec, step.as_ref()),
            _ => return Ok(None),
        };
        let row = self.row;
        let key = self.key(serial).ok_or(JournalError::UnknownExecution { row, execution: serial })?;
        let actual = self.state.exec(key).map(|view| self.def.step(view.step).name());
        if let (Some(name), Some(actual)) = (name, actual)
            && name != actual
        {
            let step = name.clone();
            if self.def.step_named(name).is_none() {
                return Err(JournalError::UnknownStep { row, step });
            }
            return Err(JournalError::OtherStep { row, execution: serial, step, actual: actual.to_owned() });
        }
        Ok(Some(key))
    }

    /// The tick of a row; `None` for one that is no tick.
    pub(super) fn resolve(&mut self, kind: Kind, exec: Option<ExecKey>, at: Time) -> Resolved<Option<Step>> {
        let mut step = Step { tick: TickKind::Timers, nobody_left: false, announced: None };
        step.tick = match kind {
            Kind::TakenOver { .. } | Kind::Between { .. } => return Ok(None),
            Kind::Start { event, .. } => TickKind::Start { event: self.event(event)? },
            Kind::External { event: None, id, .. } => {
                id.into_iter().for_each(|id| self.state.saw(id));
                step.tick = NOTHING;
                return Ok(Some(step));
            }
            Kind::External { event: Some(event), to, id, matches } => {
                let tag = event.0.clone();
                let event = self.event(event)?;
                let to = to.map(|step| self.taker(&tag, step)).transpose()?;
                TickKind::External(Box::new(External { event, to, id, matches }))
            }
            Kind::Report { attempt, took, out, failed, .. } => {
                let Some(exec) = exec else { return Ok(None) };
                let started = Time(at.0.wrapping_sub(took));
                let (outcome, matches) = match failed {
                    Some(failed) => (Err(Box::new(failure(failed))), Matches::default()),
                    None => {
                        let (outputs, matches) = self.outputs(out)?;
                        (Ok(outputs), matches)
                    }
                };
                TickKind::Report(Report { exec, attempt, started, outcome, matches })
            }
            Kind::Commit { attempt, seq, out, op, .. } => {
                let Some(exec) = exec else { return Ok(None) };
                let (outputs, matches) = self.outputs(out)?;
                let op = self.operation(op, &mut step)?;
                TickKind::Commit(Box::new(Commit { exec, attempt, seq, outputs, matches, op }))
            }
            Kind::Kept { event, matches } => TickKind::Kept { event: self.event_ix(&event)?, matches },
            Kind::Answer { input, answer } => {
                let answer = match answer {
                    AnswerRow::Choice(choice) => Answer::Failure(choice),
                    AnswerRow::Event(event, matches) => Answer::Event { event: self.event(event)?, matches },
                };
                TickKind::Answer { input, answer }
            }
            Kind::Timers => TickKind::Timers,
            Kind::Cancel => TickKind::Cancel,
            Kind::SendersGone => {
                step.nobody_left = true;
                TickKind::SendersGone
            }
            Kind::Time => {
                step.tick = NOTHING;
                return Ok(Some(step));
            }
        };
        // A host writes no row for what the reducer would pass over.
        if !self.state.takes(self.def, &step.tick) {
            return Err(self.odd("it is repeated, stale, or about something that is over"));
        }
        Ok(Some(step))
    }

    fn event(&self, TagValue(tag, value): TagValue) -> Resolved<Payload> {
        let ix = self.event_ix(&tag)?;
        let event = self.def.decode(ix, value).map_err(|source| self.unfit(Difference::EventData { tag, source }))?;
        Ok(Payload::from_box(event))
    }

    fn event_ix(&self, tag: &str) -> Resolved<EventIx> {
        self.def.event_by_tag(tag).ok_or_else(|| self.unfit(Difference::EventGone { tag: tag.to_owned() }))
    }

    fn unfit(&self, source: Difference) -> JournalError {
        JournalError::Event { row: self.row, source }
    }

    fn taker(&self, tag: &str, step: String) -> Resolved<u32> {
        let Some(ix) = self.def.step_named(&step) else {
            return Err(JournalError::UnknownStep { row: self.row, step });
        };
        let takes = self.def.takers(self.event_ix(tag)?).contains(&Taker::Single(ix));
        if takes { Ok(ix) } else { Err(self.odd("a step that an event is sent to does not take it")) }
    }

    fn outputs(&self, out: Option<Out>) -> Resolved<(Outputs, Matches)> {
        let (tokens, matches) = match out {
            None => return Ok(Default::default()),
            Some(Out::Plain((tokens,))) => (tokens, Matches::default()),
            Some(Out::Matched(tokens, matches)) => (tokens, matches),
        };
        let mut outputs = Outputs::default();
        for token in tokens {
            match token {
                Token::Event(event) => outputs.push_payload(self.event(event)?),
                Token::Open(kind) => outputs.open_batch(kind, 0),
                Token::Mark(Mark::Member) => outputs.begin_member(),
                Token::Mark(Mark::Close) => outputs.close_batch(),
            }
        }
        Ok((outputs, matches))
    }

    fn operation(&self, op: Op, step: &mut Step) -> Resolved<Operation> {
        Ok(match op {
            Op::Deliver(id) => Operation::Deliver { id },
            Op::Refuse(id) => Operation::Refuse { id },
            Op::Withdraw(id) => Operation::Withdraw { id },
            Op::Child(id) => Operation::Child { id },
            Op::ChildDone(id) => Operation::ChildDone { id },
            Op::Wait { id, event, filter, shared, announce, deadline } => {
                let event = self.event_ix(&event)?;
                let announce = match announce {
                    None => None,
                    Some(announce) => Some(self.announcement(announce, &id, step)?),
                };
                let deadline = deadline.map(Time);
                Operation::Wait(WaitRequest { id, event, filter, shared, announce, deadline })
            }
            Op::Collect { id, buffer, event, expected } => {
                // A type that was none of the workflow's has no number here either, and never comes.
                let number = |tag: Option<String>| tag.map_or(Ok(EventIx::MAX), |tag| self.event_ix(&tag));
                let expected = expected.into_iter().map(number).collect::<Resolved<_>>()?;
                Operation::Collect(CollectRequest { id, buffer, event: self.event(event)?, expected })
            }
        })
    }

    /// An announcement of a type that the workflow does not declare is put in the state as it was read.
    fn announcement(&self, event: AnyEvent, id: &crate::engine::OpId, step: &mut Step) -> Resolved<Payload> {
        if self.def.event_by_tag(event.tag()).is_some() {
            return self.event(TagValue(event.tag().to_owned(), event.value()));
        }
        step.announced = Some((id.clone(), event));
        Ok(Payload::new(StopEvent::new(())))
    }
}

fn failure((error, retry_after): (ErrorInfo, Option<Duration>)) -> Failure {
    Failure { error, retry_after }
}
