//! Attempts that are over: by a result, by running too long; what they gave, or why they failed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stepcast_core::engine::{ExecKey, Failure, Report, TickKind, Time};
use stepcast_core::{
    ErrorInfo, FanOutTooWide, RetryInput, RetryVerdict, StepError, StepIx, StepOutput, StepTimedOut, retry_seed,
};

use super::Dispatch;
use super::attempt::Begun;
use super::core::RunCore;
use super::place::{self, Entry, Place};
use crate::telemetry::is_traced;

impl Dispatch {
    /// An attempt in a task of its own has ended.
    pub(crate) fn task_ended(&mut self, core: &mut RunCore, key: ExecKey, attempt: u32, output: StepOutput) {
        // One that ran out of time may still come to its end, while its records are kept for the next attempt.
        if core.entry_of(key, attempt).is_none() {
            return place::drop_quietly(output);
        }
        let Some(entry) = core.take_entry(key) else { return };
        if let Place::Blocking = entry.place {
            core.in_tasks -= 1;
        }
        let begun = Begun { key, step: entry.step, attempt, started: entry.started, shared: entry.shared };
        self.end_attempt(core, begun, output);
    }

    /// Attempts that ran longer than their step allows are dropped and fail.
    pub(crate) fn expire(&mut self, core: &mut RunCore) {
        while let Some(key) = core.more.as_deref().and_then(|more| {
            let ((at, key), ()) = more.deadlines.first_key_value()?;
            (*at <= core.now).then_some(*key)
        }) {
            let Some(entry) = core.take_entry(key) else {
                core.more().deadlines.pop_first();
                continue;
            };
            if let Place::Blocking = entry.place {
                core.in_tasks -= 1;
            }
            match &entry.place {
                Place::Task(task) => task.abort(),
                Place::Local(Some(flag)) => flag.abort(),
                _ => {}
            }
            let after = self.env.run.def().step(entry.step).timeout().unwrap_or_default();
            let begun =
                Begun { key, step: entry.step, attempt: entry.attempt, started: entry.started, shared: entry.shared };
            self.end_attempt(core, begun, Err(StepTimedOut { after }.into()));
        }
    }

    /// Reports the end of an attempt to the reducer.
    pub(super) fn end_attempt(&mut self, core: &mut RunCore, begun: Begun, output: StepOutput) {
        let Begun { key, step, attempt, started, shared } = begun;
        let bound = self.env.run.def().policy().max_fan_out;
        let output = match output {
            Ok(outputs) if outputs.has_more_events_than(bound) => {
                Err(StepError::from(FanOutTooWide { given: outputs.events(), bound }).fatal())
            }
            output => output,
        };
        let outcome = match output {
            Ok(outputs) => match &shared {
                None => Ok(outputs),
                Some(shared) => {
                    shared.close();
                    let mut sent = shared.log().take_outbox();
                    sent.append(outputs);
                    Ok(sent)
                }
            },
            Err(error) => {
                let failure = self.judge_failure(core, key, step, attempt, started, &error);
                if failure.retry_after.is_none() {
                    core.more().errors.insert(key.serial, error);
                }
                if let Some(shared) = &shared {
                    shared.close();
                    shared.log().rewind(true);
                }
                Err(Box::new(failure))
            }
        };
        if let (Err(_), Some(shared)) = (&outcome, shared) {
            // The next attempt begins with this one's records; results may come before it.
            if !shared.log().is_empty() {
                let (deadline, left, place) = (None, None, Place::Between);
                core.put_entry(Entry { key, step, attempt, started, deadline, left, shared: Some(shared), place });
            }
        }
        if is_traced() {
            self.env.run.end_step(key, outcome.as_ref().err().map(|failure| &**failure));
        }
        let matches = match &outcome {
            Ok(outputs) if self.env.run.program.has_waits => self.match_outputs(core, Some(key), outputs),
            _ => Default::default(),
        };
        if core.is_stepped() {
            core.note_step(key, outcome.is_ok());
        }
        self.tick(core, TickKind::Report(Report { exec: key, attempt, started, outcome, matches }));
        if let Some(more) = core.more.as_deref_mut().filter(|more| !more.errors.is_empty())
            && core.state.exec(key).is_none()
        {
            more.errors.remove(&key.serial);
        }
    }

    /// What the step's policy says to a failure. It is user code, so it is asked here and not in the reducer.
    fn judge_failure(
        &self,
        core: &RunCore,
        key: ExecKey,
        step: StepIx,
        attempt: u32,
        started: Time,
        error: &StepError,
    ) -> Failure {
        let def = self.env.run.def().step(step);
        // An error's texts are user code too.
        let mut info = catch_unwind(AssertUnwindSafe(|| error.info())).unwrap_or_else(|panic| ErrorInfo {
            exception_type: error.type_name().to_owned(),
            exception_message: format!("its text could not be made: {}", place::panicked(&*panic)),
            causes: Vec::new(),
        });
        let retry_after = def.retry().and_then(|policy| {
            let first = core.state.exec(key).and_then(|view| view.first_started).unwrap_or(started);
            let seed = retry_seed(self.env.run.id().as_str(), def.name(), attempt);
            let input = RetryInput { attempts: attempt, elapsed: core.now.since(first), error, seed };
            match catch_unwind(AssertUnwindSafe(|| policy.verdict(input))) {
                Ok(RetryVerdict::Again { delay }) => Some(delay),
                Ok(RetryVerdict::GiveUp) => None,
                Err(panic) => {
                    info.causes.push(format!("the retry policy panicked: {}", place::panicked(&*panic)));
                    None
                }
            }
        });
        Failure { error: info, retry_after }
    }
}
