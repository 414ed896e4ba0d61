//! A failed attempt: repeat, recover, ask, go on, or fail the run, in this order.

use super::{Engine, Lineage};
use crate::definition::StepIx;
use crate::engine::exec::{Activity, Failed, Status};
use crate::engine::inputs::{Asked, Input};
use crate::engine::state::Timer;
use crate::engine::{Command, ExecKey, Failure, InputChange, RunFailure, Time};
use crate::{AnyEvent, ErrorInfo, OnFailure, Payload, StepFailedEvent};

impl Engine<'_> {
    pub(crate) fn attempt_failed(&mut self, key: ExecKey, started: Time, failure: Failure) {
        if self.out.observe {
            self.frame(key, crate::StepState::NotRunning, Some(&failure.error));
        }
        let now = self.now;
        let Some(exec) = self.state.exec_mut(key) else { return };
        let (step, was) = (exec.step, exec.activity);
        let more = exec.more();
        let first_started = more.failed.as_deref().map_or(started, |failed| failed.first_started);
        more.failed = Some(Box::new(Failed { first_started, last_failed: now, last_error: failure.error.clone() }));
        exec.status = Status::Delayed;
        match was {
            Activity::Running => self.state.free_slot(self.def, step),
            Activity::Parked => {}
            queued => self.state.unqueue(self.def, step, queued),
        }
        self.disarm(key);
        match failure.retry_after {
            Some(delay) => self.repeat(key, delay),
            None => self.final_failure(key, failure.error),
        }
    }

    fn repeat(&mut self, key: ExecKey, delay: std::time::Duration) {
        let now = self.now;
        self.state.next_id += 1;
        let timer = (now.after(delay), self.state.next_id);
        let Some(exec) = self.state.exec_mut(key) else { return };
        exec.attempt += 1;
        if delay.is_zero() {
            exec.status = Status::Active;
            exec.activity = Activity::Queued;
            let step = exec.step;
            self.state.enqueue(self.def, key, step);
            return;
        }
        exec.more().retry_timer = Some(timer);
        self.state.timers.get_or_insert_default().0.insert(timer, Timer::Retry(key));
    }

    fn final_failure(&mut self, key: ExecKey, error: ErrorInfo) {
        let Some(exec) = self.state.exec_ref(key) else { return };
        let step = exec.step;
        let attempts = exec.attempt;
        if self.recover(key, &error) {
            return;
        }
        match self.def.steps[step as usize].on_failure {
            OnFailure::Fail => {
                let failure = self.step_failure(key, error, attempts);
                self.fail(failure);
            }
            OnFailure::Continue => self.give_up(key, error),
            OnFailure::Pause => {
                let id = self.state.next_id + 1;
                let Some(exec) = self.state.exec_mut(key) else { return };
                exec.status = Status::Asked;
                exec.more().asked = Some(id);
                self.state.next_id += 1;
                let input = Input { asked: Asked::Failure { exec: key, error, attempts }, step, created: self.now };
                self.state.inputs.get_or_insert_default().0.insert(id, input);
                self.input_changed(id, InputChange::Opened);
            }
        }
    }

    /// The `catch` step of an execution's step, if it takes failures at this point: before `on_failure` decides, or last.
    pub(crate) fn catch_step(&self, key: ExecKey, last: bool) -> Option<StepIx> {
        let exec = self.state.exec_ref(key)?;
        let catch = self.def.steps[exec.step as usize].caught_by?;
        (self.def.steps[catch as usize].catch_last == last).then_some(catch)
    }

    /// Hands the failure to the step's `catch` step, if it has one whose budget for this lineage is not used up.
    fn recover(&mut self, key: ExecKey, error: &ErrorInfo) -> bool {
        let Some(catch) = self.catch_step(key, false) else { return false };
        let Some(exec) = self.state.exec_ref(key) else { return false };
        let budget = self.def.steps[catch as usize].catch.as_ref().map_or(0, |catch| catch.max_recoveries);
        let used = exec.recovery().iter().flat_map(|counts| counts.iter()).find(|(step, _)| *step == catch);
        if used.map_or(0, |(_, count)| *count) >= budget {
            return false;
        }
        self.caught(key, catch, error.clone(), false);
        true
    }

    /// Hands what `on_failure` left of an execution to the step that takes such failures.
    pub(crate) fn hand_on(&mut self, key: ExecKey, error: ErrorInfo, skipped: bool) {
        if let Some(catch) = self.catch_step(key, true) {
            self.caught(key, catch, error, skipped);
        }
    }

    /// Ends an execution and runs a `catch` step for its failure.
    fn caught(&mut self, key: ExecKey, catch: StepIx, exception: ErrorInfo, skipped: bool) {
        let def = self.def;
        let Some(exec) = self.state.exec_ref(key) else { return };
        let more = exec.more.as_deref();
        let first_started =
            more.and_then(|more| more.failed.as_deref()).map_or(self.now, |failed| failed.first_started);
        if self.out.observe {
            self.frame_recovered(key, self.state.next_event + 1);
        }
        let Some(mut exec) = self.take_exec(key) else { return };
        let mut recovery = exec.take_recovery();
        let event = StepFailedEvent {
            step_name: def.steps[exec.step as usize].name.clone(),
            input_event: exec.input.into_first().map(AnyEvent::from_payload),
            exception,
            attempts: exec.attempt,
            elapsed_seconds: self.now.since(first_started).as_secs_f64(),
            failed_at: self.now.0,
            skipped,
        };
        // One that takes what is left has no budget, and a loop through it must not make its lineage grow.
        if !def.steps[catch as usize].catch_last {
            let counts = recovery.get_or_insert_default();
            match counts.iter_mut().find(|(step, _)| *step == catch) {
                Some((_, count)) => *count += 1,
                None => counts.push((catch, 1)),
            }
        }
        self.out.push(Command::Forget { exec: key });
        let lineage = Lineage { scope: exec.scope, recovery, step: Some(exec.step) };
        self.state.next_event += 1;
        let serial = self.state.next_event;
        self.run_single(catch, serial, Payload::new(event), &lineage);
        self.release(exec.scope);
    }

    /// The execution leaves its batch without a result; the run goes on.
    pub(crate) fn give_up(&mut self, key: ExecKey, error: ErrorInfo) {
        if self.catch_step(key, true).is_some() {
            self.state.failures += 1;
            self.hand_on(key, error, false);
            return;
        }
        let Some(exec) = self.take_exec(key) else { return };
        self.state.failures += 1;
        self.out.push(Command::Forget { exec: key });
        self.release(exec.scope);
    }

    pub(crate) fn step_failure(&self, key: ExecKey, error: ErrorInfo, attempts: u32) -> RunFailure {
        let exec = self.state.exec_ref(key);
        let step = exec.map_or_else(String::new, |exec| self.def.steps[exec.step as usize].name.clone());
        let more = exec.and_then(|exec| exec.more.as_deref());
        let failed = more.and_then(|more| more.failed.as_deref());
        let elapsed_micros = failed.map_or(0, |failed| failed.last_failed.0.saturating_sub(failed.first_started.0));
        RunFailure::Step { step, error, attempts, elapsed_micros, execution: key.serial }
    }
}
