//! Attempts: begun and polled once in place; parked, kept here, or given a task of their own if they go on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use stepcast_core::engine::{ExecKey, Failure, Report, RunState, TickKind, Time, pass_on};
use stepcast_core::{
    BoxFuture, ErrorInfo, FanOutTooWide, InPlace, Invocation, Outputs, Payload, RetryInput, RetryVerdict, SpareBox,
    StepCall, StepError, StepIx, StepOutput, StepTimedOut, retry_seed,
};

use super::core::{More, RunCore};
use super::place::{self, AbortFlag, Entry, Local, LocalEnd, Place, ProbeWaker, Rare, RunnerEnv, Settled};
use super::{Dispatch, Round, SLICE};
use crate::exec::ExecShared;
use crate::run::{Handed, Message};

/// Boxes for first polls that a thread keeps.
const SPARE_BOXES: usize = 32;

/// An attempt between its first poll and its place.
struct Begun {
    key: ExecKey,
    step: StepIx,
    attempt: u32,
    started: Time,
    shared: Option<Arc<ExecShared>>,
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
        let traced = tracing::enabled!(target: "stepcast", tracing::Level::DEBUG);
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
                Invocation::Future(future) if slow => First::Slow(future),
                Invocation::Future(future) => {
                    let mut future = if traced { self.traced(key, step, attempt, future) } else { future };
                    match future.as_mut().poll(&mut Context::from_waker(&probe.waker)) {
                        Poll::Ready(output) => First::Ready(output),
                        Poll::Pending => First::Pending(future),
                    }
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

    fn park(
        &mut self,
        core: &mut RunCore,
        begun: Begun,
        future: BoxFuture<'static, StepOutput>,
        left: Option<std::time::Duration>,
    ) {
        let Begun { key, step, attempt, started, shared } = begun;
        core.put_entry(Entry {
            key,
            step,
            attempt,
            started,
            deadline: None,
            left,
            shared,
            place: Place::Parked(future),
        });
        self.tick(core, TickKind::Parked { exec: key });
    }

    /// Keeps a pending attempt among those that the dispatcher polls when they wake.
    fn keep(
        &mut self,
        core: &mut RunCore,
        begun: Begun,
        future: BoxFuture<'static, StepOutput>,
        timeout: Option<std::time::Duration>,
    ) {
        let Begun { key, step, attempt, started, shared } = begun;
        if let Some(shared) = &shared {
            shared.polled_with(0);
        }
        let abort = timeout.map(|_| Arc::<AbortFlag>::default());
        let program = Arc::clone(&self.env.run.program);
        let (future, flag, polled) = (Some(future), abort.clone(), shared.clone());
        let local = Local { key, attempt, step, program, started, future, abort: flag, shared: polled };
        core.locals.get_or_insert_with(|| Box::new(FuturesUnordered::new())).push(local);
        self.note(
            core,
            Entry { key, step, attempt, started, deadline: None, left: None, shared, place: Place::Local(abort) },
            timeout,
        );
    }

    /// Keeps what was parked when the run ended for the grace; between two attempts there is nothing to keep.
    pub(crate) fn keep_to_the_end(&mut self, core: &mut RunCore, entry: Entry) {
        let Entry { key, step, attempt, started, shared, place, .. } = entry;
        match place {
            Place::Parked(future) => self.keep(core, Begun { key, step, attempt, started, shared }, future, None),
            place => place::drop_quietly((place, shared)),
        }
    }

    /// Moves an attempt to a task of its own, so that it can use another core.
    fn give_task(
        &mut self,
        core: &mut RunCore,
        begun: Begun,
        mut future: BoxFuture<'static, StepOutput>,
        timeout: Option<std::time::Duration>,
    ) {
        let Begun { key, step, attempt, started, shared } = begun;
        if let Some(shared) = &shared {
            shared.polled_with(0);
        }
        let (run, polled) = (Arc::clone(&self.env.run), shared.clone());
        // The dispatcher itself runs on this runtime.
        let handle = tokio::spawn(async move {
            let mut first = true;
            let output = std::future::poll_fn(|cx| {
                let timed = std::mem::take(&mut first).then(Instant::now);
                if let Some(polled) = &polled {
                    polled.poll_begins();
                }
                let mut poll = place::poll_attempt(&mut future, cx).map(Some);
                let long = place::was_long(timed);
                if let (Poll::Pending, Some(polled)) = (&poll, &polled) {
                    poll = match place::settle(&mut future, polled, cx) {
                        Settled::Ready(output) => Poll::Ready(Some(output)),
                        Settled::Waits => Poll::Ready(None),
                        Settled::GoesOn => Poll::Pending,
                    };
                }
                if let Some(polled) = &polled {
                    polled.poll_ends(!matches!(poll, Poll::Ready(Some(_))));
                }
                place::judge(&run.program, step, timed.is_some(), long);
                poll
            })
            .await;
            let message = match output {
                Some(output) => {
                    place::drop_quietly(future);
                    Message::Ended { exec: key, attempt, output }
                }
                None => Message::Waits { exec: key, attempt, future: Handed(future) },
            };
            if let Some(too_late) = run.post(message) {
                place::drop_quietly(too_late);
            }
        });
        core.in_tasks += 1;
        let place = Place::Task(handle.abort_handle());
        self.note(core, Entry { key, step, attempt, started, deadline: None, left: None, shared, place }, timeout);
    }

    fn block(&mut self, core: &mut RunCore, begun: Begun, body: Box<dyn FnOnce() -> StepOutput + Send>) {
        let Begun { key, step, attempt, started, shared } = begun;
        let run = Arc::clone(&self.env.run);
        tokio::task::spawn_blocking(move || {
            let output = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(place::panicked(&*panic)));
            run.post(Message::Ended { exec: key, attempt, output });
        });
        core.in_tasks += 1;
        let timeout = self.env.run.def().step(step).timeout();
        self.note(
            core,
            Entry { key, step, attempt, started, deadline: None, left: None, shared, place: Place::Blocking },
            timeout,
        );
    }

    /// Remembers an attempt that somebody may have to reach: by a result, or by its timeout.
    fn note(&mut self, core: &mut RunCore, mut entry: Entry, timeout: Option<std::time::Duration>) {
        if let Some(timeout) = timeout {
            let at = core.now.after(timeout);
            entry.deadline = Some(at);
            core.more().deadlines.insert((at, entry.key), ());
        }
        if entry.shared.is_some() || entry.deadline.is_some() || !matches!(entry.place, Place::Local(_)) {
            core.put_entry(entry);
        }
    }

    /// Polls the attempts that were woken.
    pub(crate) fn poll_locals(&mut self, core: &mut RunCore, cx: &mut Context<'_>) -> Round {
        let mut round = Round::Dry;
        for _ in 0..SLICE {
            let Some(locals) = core.locals.as_deref_mut().filter(|locals| !locals.is_empty()) else { return round };
            let Poll::Ready(Some(done)) = locals.poll_next_unpin(cx) else { return round };
            round = Round::Worked;
            // One that ran out of time has made way for the next attempt already.
            let here = core
                .entry(done.key)
                .is_some_and(|entry| entry.attempt == done.attempt && matches!(entry.place, Place::Local(_)));
            let entry = if here { core.take_entry(done.key) } else { None };
            let begun = Begun {
                key: done.key,
                step: done.step,
                attempt: done.attempt,
                started: done.started,
                shared: entry.as_ref().and_then(|entry| entry.shared.clone()),
            };
            match done.end {
                LocalEnd::Output(output) => self.end_attempt(core, begun, output),
                LocalEnd::Heavy(future) => {
                    let left = entry.and_then(|entry| entry.deadline).map(|at| at.since(core.now));
                    self.give_task(core, begun, future, left);
                }
                LocalEnd::Waits(future) => match entry {
                    Some(entry) => {
                        let left = entry.deadline.map(|at| at.since(core.now));
                        self.park(core, begun, future, left);
                    }
                    None => place::drop_quietly(future),
                },
                LocalEnd::Aborted => {}
            }
            if core.ended {
                return round;
            }
        }
        round
    }

    /// An attempt in a task of its own has ended.
    pub(crate) fn task_ended(&mut self, core: &mut RunCore, key: ExecKey, attempt: u32, output: StepOutput) {
        // One that ran out of time may still come to its end, while its records are kept for the next attempt.
        let known =
            core.entry(key).is_some_and(|entry| entry.attempt == attempt && !matches!(entry.place, Place::Between));
        if !known {
            return place::drop_quietly(output);
        }
        let Some(entry) = core.take_entry(key) else { return };
        if let Place::Blocking = entry.place {
            core.in_tasks -= 1;
        }
        let begun = Begun { key, step: entry.step, attempt, started: entry.started, shared: entry.shared };
        self.end_attempt(core, begun, output);
    }

    /// An attempt in a task of its own has come to a wait, and only its run can bring it on.
    pub(crate) fn task_waits(
        &mut self,
        core: &mut RunCore,
        key: ExecKey,
        attempt: u32,
        future: BoxFuture<'static, StepOutput>,
    ) {
        let known =
            core.entry(key).is_some_and(|entry| entry.attempt == attempt && matches!(entry.place, Place::Task(_)));
        let entry = if known { core.take_entry(key) } else { None };
        let Some(Entry { step, started, deadline, shared: Some(shared), .. }) = entry else {
            return place::drop_quietly(future);
        };
        let left = deadline.map(|at| at.since(core.now));
        let come = core.ended || shared.log().has_result();
        let begun = Begun { key, step, attempt, started, shared: Some(shared) };
        // What it waits for may have come while it was on its way here.
        match come {
            true => self.give_task(core, begun, future, left),
            false => self.park(core, begun, future, left),
        }
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
    fn end_attempt(&mut self, core: &mut RunCore, begun: Begun, output: StepOutput) {
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
        let matches = match &outcome {
            Ok(outputs) if self.env.run.program.has_waits => self.match_outputs(core, outputs),
            _ => Default::default(),
        };
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

    /// A root span linked to its run: spans nested along the events would grow without bound.
    fn traced(
        &self,
        key: ExecKey,
        step: StepIx,
        attempt: u32,
        future: BoxFuture<'static, StepOutput>,
    ) -> BoxFuture<'static, StepOutput> {
        let (run, step) = (self.env.run.id().as_str(), self.env.run.def().step(step).name());
        let span = tracing::debug_span!(target: "stepcast", parent: None, "execution", run, step, execution = key.serial, attempt);
        span.follows_from(self.env.run.span());
        Box::pin(tracing::Instrument::instrument(future, span))
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
