//! Attempts: begun, and polled once in place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use stepcast_core::engine::{ExecKey, RunState, Time, pass_on};
use stepcast_core::{
    BoxFuture, InPlace, Invocation, Outputs, Payload, SpareBox, StepCall, StepError, StepIx, StepOutput,
};

use super::Dispatch;
use super::core::{More, RunCore};
use super::place::{self, Entry, Place, ProbeWaker, Rare, RunnerEnv};
use crate::exec::ExecShared;
use crate::telemetry::{StepSpan, is_traced};

/// Boxes for first polls that a thread keeps.
const SPARE_BOXES: usize = 32;

/// An attempt between its first poll and its place.
pub(super) struct Begun {
    pub(super) key: ExecKey,
    pub(super) step: StepIx,
    pub(super) attempt: u32,
    pub(super) started: Time,
    pub(super) shared: Option<Arc<ExecShared>>,
}

impl Dispatch {
    /// Runs an execution that got a worker slot: a new attempt, or a parked one that goes on.
    pub(crate) fn run(&mut self, core: &mut RunCore, key: ExecKey) {
        if core.cmds.observe {
            self.running_frame(core, key);
        }
        // In most runs nothing ever outlives its first poll.
        let entry = if core.entries.is_empty() { None } else { core.take_entry(key) };
        match entry {
            None => self.begin(core, key, None),
            Some(Entry { place: Place::Parked(future), step, attempt, started, shared, left, .. }) => {
                self.go_on(core, Begun { key, step, attempt, started, shared }, future, left);
            }
            Some(entry) => self.begin(core, key, entry.shared),
        }
    }

    /// Polls a parked attempt again.
    fn go_on(
        &mut self,
        core: &mut RunCore,
        begun: Begun,
        mut future: BoxFuture<'static, StepOutput>,
        left: Option<std::time::Duration>,
    ) {
        if is_traced() {
            self.env.run.wake_trace(core.now);
        }
        if self.env.run.program.is_slow(begun.step) {
            return self.give_task(core, begun, future, left);
        }
        let probe = ProbeWaker::fresh(&mut core.probe);
        if let Some(shared) = &begun.shared {
            shared.polled_with(probe.waker.data() as usize);
        }
        let timed = self.env.run.program.is_timed(begun.step).then(Instant::now);
        let poll = place::poll_attempt(&mut future, &mut Context::from_waker(&probe.waker));
        place::judge(&self.env.run.program, begun.step, timed.is_some(), place::was_long(timed));
        let first = match poll {
            Poll::Ready(output) => {
                place::drop_quietly(future);
                First::Ready(output)
            }
            Poll::Pending => First::Pending(future),
        };
        self.place(core, begun, first, left);
    }

    /// Begins an attempt and polls it once in place.
    fn begin(&mut self, core: &mut RunCore, key: ExecKey, before: Option<Arc<ExecShared>>) {
        let Some((step, attempt, input)) = core.state.exec_input(key) else { return };
        let plain = attempt == 1 && before.is_none() && core.more.is_none();
        let rare = if plain { None } else { rare(&core.state, core.more.as_deref_mut(), key, attempt, before) };
        let probe = ProbeWaker::fresh(&mut core.probe);
        self.env.begin(key, step, attempt, &probe.waker, rare);
        let program = &self.env.run.program;
        let def = program.def.step(step);
        #[cfg(feature = "testing")]
        let injected = core.more.as_ref().and_then(|more| more.test.as_ref()?.fault(def.name(), attempt));
        #[cfg(not(feature = "testing"))]
        let injected: Option<StepError> = None;
        let traced = is_traced();
        if traced {
            self.env.run.wake_trace(core.now);
        }
        let (slow, timed) = (program.is_slow(step), program.is_timed(step));
        let since = timed.then(Instant::now);
        let call = StepCall::new(input, self.env.run.instance(), &self.env);
        // Taking the parameters clones events, so it is user code as much as the body and its destructor.
        let first = catch_unwind(AssertUnwindSafe(|| {
            if let Some(error) = injected {
                return First::Ready(Err(error));
            }
            let invoked = match slow || traced {
                true => def.body().invoke(call),
                false => with_spare(step, |spare| {
                    let in_place = InPlace::new(&probe.waker, spare);
                    def.body().invoke(call.polled_in_place(Some(in_place)))
                }),
            };
            match invoked {
                Invocation::Gave(event) => First::Gave(event),
                Invocation::Ended(output) => First::Ready(output),
                Invocation::Begun(future) => First::Pending(future),
                Invocation::Future(future) => {
                    let mut future = if traced { self.span(key, step, attempt).around(future) } else { future };
                    if slow {
                        return First::Slow(future);
                    }
                    match future.as_mut().poll(&mut Context::from_waker(&probe.waker)) {
                        Poll::Ready(output) => First::Ready(output),
                        Poll::Pending => First::Pending(future),
                    }
                }
                Invocation::Blocking(body) if traced => {
                    First::Blocking(self.span(key, step, attempt).around_body(body))
                }
                Invocation::Blocking(body) => First::Blocking(body),
                Invocation::Refused(error) => First::Ready(Err(StepError::from(error).fatal())),
            }
        }));
        if timed && !slow {
            place::judge(&self.env.run.program, step, true, place::was_long(since));
        }
        core.polled |= 1 << (step % 64);
        let shared = self.env.finish();
        let first = match first {
            Ok(First::Gave(event)) if shared.is_none() && core.journal.is_some() => {
                match self.kept_pass_on(core, key, event) {
                    None => return,
                    Some(event) => First::Gave(event),
                }
            }
            Ok(First::Gave(event)) if shared.is_none() => {
                let def = &self.env.run.program.def;
                let back = pass_on(def, &mut core.state, core.now, key, attempt, event, &mut core.cmds);
                if !core.cmds.is_empty() {
                    self.apply(core);
                }
                match back {
                    None => return,
                    Some(event) => First::Gave(event),
                }
            }
            Ok(first) => first,
            Err(panic) => First::Ready(Err(place::panicked(&*panic))),
        };
        let begun = Begun { key, step, attempt, started: core.now, shared };
        self.place(core, begun, first, def_timeout(&self.env, step));
    }

    /// What has ended is reported; what goes on is parked if only its run can bring it on, and else kept here or
    /// given a task.
    fn place(&mut self, core: &mut RunCore, begun: Begun, first: First, timeout: Option<std::time::Duration>) {
        match first {
            First::Gave(event) => self.end_attempt(core, begun, Ok(Outputs::from(event))),
            First::Ready(output) => {
                self.end_attempt(core, begun, output);
            }
            First::Pending(future)
                if begun.shared.is_some() && core.probe.as_ref().is_some_and(ProbeWaker::was_ignored) =>
            {
                self.park(core, begun, future, timeout);
            }
            First::Pending(future) if self.env.run.program.is_slow(begun.step) => {
                self.give_task(core, begun, future, timeout)
            }
            First::Pending(future) => self.keep(core, begun, future, timeout),
            First::Slow(future) => {
                self.give_task(core, begun, future, timeout);
            }
            First::Blocking(body) => {
                self.block(core, begun, body);
            }
        }
    }

    /// The span of an attempt.
    fn span(&self, key: ExecKey, step: StepIx, attempt: u32) -> StepSpan {
        StepSpan::new(&self.env.run, key, step, attempt)
    }
}

/// What an attempt brings with it that is not the first of an execution in this process.
fn rare(
    state: &RunState,
    more: Option<&mut More>,
    key: ExecKey,
    attempt: u32,
    before: Option<Arc<ExecShared>>,
) -> Option<Box<Rare>> {
    let log = match before {
        Some(shared) => Some(std::mem::take(&mut *shared.log())),
        None => more.and_then(|more| more.restored.remove(&key.serial)),
    };
    (log.is_some() || attempt > 1).then(|| {
        let view = state.exec(key);
        let last_failure = view.as_ref().and_then(|view| view.last_failure).map(|(error, at)| (error.clone(), at));
        let first_started = view.and_then(|view| view.first_started);
        Box::new(Rare { log: log.unwrap_or_default(), first_started, last_failure })
    })
}

/// What a first poll came to.
enum First {
    /// It has ended with one event.
    Gave(Payload),
    Ready(StepOutput),
    Pending(BoxFuture<'static, StepOutput>),
    /// Not polled: the step is known to be slow.
    Slow(BoxFuture<'static, StepOutput>),
    Blocking(Box<dyn FnOnce() -> StepOutput + Send>),
}

/// The box that the last future of a step with this number left on this thread. Of which workflow does not matter: the
/// next one looks whether it fits.
fn with_spare<R>(step: StepIx, then: impl FnOnce(&SpareBox) -> R) -> R {
    thread_local! {
        static SPARES: [SpareBox; SPARE_BOXES] = const { [const { SpareBox::new() }; SPARE_BOXES] };
    }
    SPARES.with(|spares| then(&spares[step as usize % SPARE_BOXES]))
}

fn def_timeout(env: &RunnerEnv, step: StepIx) -> Option<std::time::Duration> {
    env.run.def().step(step).timeout()
}
