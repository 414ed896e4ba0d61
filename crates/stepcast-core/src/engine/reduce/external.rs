//! What comes from outside: events, answers, time.

use super::{Engine, Lineage};
use crate::definition::Taker;
use crate::engine::exec::{Activity, ROOT, Status};
use crate::engine::inputs::Asked;
use crate::engine::state::Timer;
use crate::engine::{Answer, Command, External, FailureChoice, InputChange, Matches, OpResult, RunFailure};
use crate::{Payload, Role};

impl Engine<'_> {
    pub(crate) fn external(&mut self, external: External) {
        if let Some(id) = external.id {
            let last = self.state.senders.get_or_insert_default().entry(id.sender).or_insert(0);
            if id.seq <= *last {
                return;
            }
            *last = id.seq;
        }
        let Some(ix) = self.def.event_by_hash(external.event.meta().hash) else { return };
        if external.to.is_some_and(|step| !self.def.takers(ix).contains(&Taker::Single(step))) {
            return;
        }
        let mut lineage = Lineage::root();
        let answers = self.def.events[ix as usize].meta.role == Role::HumanResponse;
        if answers && (external.to.is_some() || self.no_wait_wants(ix, &external.matches)) {
            lineage = self.oldest_question(&external.event);
        }
        let scope = lineage.scope;
        match external.to {
            Some(step) => {
                self.state.next_event += 1;
                let serial = self.state.next_event;
                self.run_single(step, serial, external.event, &lineage);
            }
            None => {
                self.deliver_known(ix, external.event, &lineage, 0, &external.matches);
            }
        }
        if scope != ROOT {
            self.release(scope);
        }
    }

    /// An answer that names no input continues the lineage of the oldest question a step gave.
    fn oldest_question(&mut self, answer: &Payload) -> Lineage {
        let Some(inputs) = self.state.inputs.as_deref_mut() else { return Lineage::root() };
        let oldest = inputs.0.iter().find(|(_, input)| matches!(input.asked, Asked::Event { .. })).map(|(id, _)| *id);
        match oldest.and_then(|id| Some((id, inputs.0.remove(&id)?.asked))) {
            Some((id, Asked::Event { scope, recovery, .. })) => {
                let change = InputChange::AnsweredBy(answer.clone());
                self.out.push(Command::Input { id, change });
                Lineage { scope, recovery, step: None }
            }
            _ => Lineage::root(),
        }
    }

    pub(crate) fn answer(&mut self, id: u64, answer: Answer) {
        let known = |event: &Payload| self.def.event_by_hash(event.meta().hash).is_some();
        if matches!(&answer, Answer::Event { event, .. } if !known(event)) {
            return;
        }
        let Some(inputs) = self.state.inputs.as_deref_mut() else { return };
        let Some(input) = inputs.0.remove(&id) else { return };
        match (input.asked, answer) {
            (Asked::Event { scope, recovery, .. }, Answer::Event { event, matches }) => {
                self.input_changed(id, InputChange::Answered);
                let lineage = Lineage { scope, recovery, step: None };
                self.deliver(event, &lineage, 0, &matches);
                self.release(scope);
            }
            (Asked::Wait { waiter, .. }, Answer::Event { event, .. }) => {
                self.input_changed(id, InputChange::Answered);
                self.satisfy(waiter, OpResult::Event(event.into_shared()));
            }
            (Asked::Failure { exec, error, attempts }, Answer::Failure(choice)) => {
                self.input_changed(id, InputChange::Answered);
                self.decide_failure(exec, error, attempts, choice);
            }
            // An answer of the wrong kind changes nothing: the input stays.
            (asked, _) => {
                let input = crate::engine::inputs::Input { asked, ..input };
                self.state.inputs.get_or_insert_default().0.insert(id, input);
            }
        }
    }

    fn decide_failure(
        &mut self,
        key: crate::engine::ExecKey,
        error: crate::ErrorInfo,
        attempts: u32,
        choice: FailureChoice,
    ) {
        match choice {
            FailureChoice::Retry => {
                let Some(exec) = self.state.exec_mut(key) else { return };
                exec.status = Status::Active;
                exec.activity = Activity::Queued;
                exec.attempt += 1;
                let step = exec.step;
                self.state.enqueue(self.def, key, step);
            }
            FailureChoice::Skip if self.catch_step(key, true).is_some() => self.hand_on(key, error, true),
            FailureChoice::Skip => self.succeeded(key, crate::Outputs::default(), &Matches::default()),
            FailureChoice::Continue => self.give_up(key, error),
            FailureChoice::Fail => {
                let failure = self.step_failure(key, error, attempts);
                self.fail(failure);
            }
        }
    }

    /// Does everything that is due.
    pub(crate) fn timers(&mut self) {
        loop {
            let Some(timers) = self.state.timers.as_deref_mut() else { return };
            let Some((&(at, id), &timer)) = timers.0.first() else { return };
            if at > self.now {
                return;
            }
            timers.0.remove(&(at, id));
            match timer {
                Timer::Retry(key) => {
                    let Some(exec) = self.state.exec_mut(key) else { continue };
                    if exec.status != Status::Delayed {
                        continue;
                    }
                    exec.status = Status::Active;
                    exec.activity = Activity::Queued;
                    exec.more().retry_timer = None;
                    let step = exec.step;
                    self.state.enqueue(self.def, key, step);
                }
                Timer::Wait(waiter) => {
                    self.satisfy(waiter, OpResult::TimedOut);
                }
            }
        }
    }

    pub(crate) fn input_changed(&mut self, id: u64, change: InputChange) {
        self.out.push(Command::Input { id, change });
    }

    pub(crate) fn fail(&mut self, failure: RunFailure) {
        self.finish(crate::engine::Outcome::Failed(failure));
    }
}
