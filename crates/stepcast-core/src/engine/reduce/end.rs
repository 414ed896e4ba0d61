//! The end of a run: the first one wins, and nothing changes afterwards.

use super::Engine;
use crate::Payload;
use crate::engine::exec::{Activity, Status};
use crate::engine::inputs::Asked;
use crate::engine::state::Phase;
use crate::engine::{Command, Outcome, RunFailure, StuckReason};

impl Engine<'_> {
    pub(crate) fn complete(&mut self, stop: Payload) {
        let failures = self.state.failures;
        self.finish(Outcome::Completed { stop, failures });
    }

    pub(crate) fn time_out(&mut self) {
        let mut active: Vec<String> = Vec::new();
        for (_, exec) in self.state.execs.iter() {
            let name = &self.def.steps[exec.step as usize].name;
            if exec.status == Status::Active && exec.activity != Activity::Parked && !active.contains(name) {
                active.push(name.clone());
            }
        }
        active.sort();
        self.finish(Outcome::TimedOut { active_steps: active });
    }

    pub(crate) fn cancel(&mut self) {
        self.finish(Outcome::Cancelled);
    }

    pub(crate) fn finish(&mut self, outcome: Outcome) {
        if self.state.phase == Phase::Ended {
            return;
        }
        let state = &mut *self.state;
        state.clear_work();
        state.phase = Phase::Ended;
        self.out.push(Command::Finish(outcome));
    }

    /// No execution is left. Unless a person is asked, or a step takes events from outside, the run can never end.
    pub(crate) fn check_stuck(&mut self) {
        if self.asks_somebody() || self.def.takes_from_outside {
            return;
        }
        self.stuck();
    }

    /// Nobody outside can send any more: whoever waits for an event without a deadline waits for ever.
    pub(crate) fn senders_gone(&mut self) {
        if self.state.is_busy() || self.state.timers.as_deref().is_some_and(|timers| !timers.0.is_empty()) {
            return;
        }
        let alone = self.state.execs.iter().all(|(_, exec)| match exec.status {
            Status::Active => {
                exec.more.as_deref().is_some_and(|more| more.open_children.is_empty() && !more.open_waits.is_empty())
            }
            Status::Delayed => false,
            Status::Asked => true,
        });
        if !alone {
            return;
        }
        let mut waiting: Vec<(String, String)> = Vec::new();
        for waiter in self.state.waits.iter().flat_map(|waits| waits.waiters.values()) {
            if let Some(exec) = self.state.exec_ref(waiter.exec) {
                let step = self.def.steps[exec.step as usize].name.clone();
                waiting.push((step, self.def.event(waiter.event).tag.to_owned()));
            }
        }
        for input in self.state.inputs.iter().flat_map(|inputs| inputs.0.values()) {
            if let Asked::Event { event, .. } = &input.asked {
                waiting.push((self.def.steps[input.step as usize].name.clone(), event.meta().tag.to_owned()));
            }
        }
        if waiting.is_empty() && !self.asks_somebody() {
            self.stuck();
        } else {
            self.fail(RunFailure::Stuck { reason: StuckReason::NobodyCanSend { waiting } });
        }
    }

    fn asks_somebody(&self) -> bool {
        self.state.inputs.as_deref().is_some_and(|inputs| !inputs.0.is_empty())
    }

    fn stuck(&mut self) {
        let mut waiting_joins = Vec::new();
        for ((step, _), slots) in self.state.joins.iter().flat_map(|joins| joins.0.iter()) {
            let step = &self.def.steps[*step as usize];
            let missing = slots.iter().zip(&step.inputs).filter(|(slot, _)| slot.is_empty());
            let missing = missing.map(|(_, ix)| self.def.event(*ix).tag.to_owned()).collect();
            waiting_joins.push((step.name.clone(), missing));
        }
        let last_unhandled = self.state.last_unhandled.map(|ix| self.def.event(ix).tag.to_owned());
        let reason = StuckReason::NoStopEvent { waiting_joins, last_unhandled, failures: self.state.failures };
        self.fail(RunFailure::Stuck { reason });
    }
}
