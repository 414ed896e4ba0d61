//! Attempts: begun and polled once in place; parked, kept here, or given a task of their own if they go on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use stepcast_core::engine::{ExecKey, Failure, Report, TickKind, Time};
use stepcast_core::{
    BoxFuture, Invocation, RetryInput, RetryVerdict, StepCall, StepError, StepIx, StepOutput, StepTimedOut, retry_seed,
};

use super::core::RunCore;
use super::place::{self, AbortFlag, Current, Entry, Local, LocalEnd, Place, Probe};
use super::{Dispatch, Round, SLICE};
use crate::exec::ExecShared;
use crate::run::Message;

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
        let parked = match core.entry(key) {
            Some(entry) if matches!(entry.place, Place::Parked(_)) => core.take_entry(key),
            Some(_) => None,
            None => None,
        };
        match parked {
            Some(entry) => self.go_on(core, entry),
            None => self.begin(core, key),
        }
    }

    fn go_on(&mut self, core: &mut RunCore, entry: Entry) {
        let Entry { key, step, attempt, started, shared, place, left, .. } = entry;
        let Place::Parked(future) = place else { return };
        if core.cmds.observe {
            self.running_frame(core, key);
        }
        let begun = Begun { key, step, attempt, started, shared };
        self.first_poll(core, begun, future, left);
    }

    fn begin(&mut self, core: &mut RunCore, key: ExecKey) {
        let before = core.take_entry(key).and_then(|entry| entry.shared);
        if core.cmds.observe {
            self.running_frame(core, key);
        }
        let log = match &before {
            Some(shared) => std::mem::take(&mut *shared.log()),
            None => core.more.as_deref_mut().and_then(|more| more.restored.remove(&key.serial)).unwrap_or_default(),
        };
        let Some(view) = core.state.exec(key) else { return };
        let (step, attempt) = (view.step, view.attempt);
        self.env.begin(Current {
            key: Some(key),
            step,
            attempt,
            log,
            shared: None,
            first_started: view.first_started,
            last_failure: view.last_failure.map(|(error, at)| (error.clone(), at)),
        });
        let def = &self.env.run.program.def;
        let call = StepCall::new(view.input, self.env.run.instance.as_ref(), &self.env);
        #[cfg(feature = "testing")]
        let injected = core.more.as_ref().and_then(|more| more.test.as_ref()?.fault(def.step(step).name(), attempt));
        #[cfg(not(feature = "testing"))]
        let injected: Option<StepError> = None;
        // Taking the parameters clones events: user code.
        let invocation = match injected {
            Some(error) => Err(error),
            None => catch_unwind(AssertUnwindSafe(|| def.step(step).body().invoke(call)))
                .map_err(|panic| place::panicked(&*panic)),
        };
        let begun = Begun { key, step, attempt, started: core.now, shared: self.env.finish() };
        match invocation {
            Ok(Invocation::Future(future)) => {
                let future = self.traced(&begun, future);
                if self.env.run.program.is_slow(step) {
                    let timeout = self.env.run.def().step(step).timeout();
                    self.give_task(core, begun, future, timeout);
                } else {
                    let timeout = self.env.run.def().step(step).timeout();
                    self.first_poll(core, begun, future, timeout);
                }
            }
            Ok(Invocation::Blocking(body)) => self.block(core, begun, body),
            Ok(Invocation::Refused(error)) => self.end_attempt(core, begun, Err(StepError::from(error).fatal())),
            Err(error) => self.end_attempt(core, begun, Err(error)),
        }
    }

    /// Polls in place. What stays pending is parked if only its run can bring it on, and kept or given a task otherwise.
    fn first_poll(
        &mut self,
        core: &mut RunCore,
        begun: Begun,
        mut future: BoxFuture<'static, StepOutput>,
        timeout: Option<std::time::Duration>,
    ) {
        let program = &self.env.run.program;
        let probe = core.probe.take().filter(Probe::is_free).unwrap_or_default();
        let waker = Waker::from(Arc::clone(&probe));
        if let Some(shared) = &begun.shared {
            shared.polled_in_place(Some(&waker));
        }
        let timed = program.is_timed(begun.step).then(Instant::now);
        let poll = place::poll_attempt(&mut future, &mut Context::from_waker(&waker));
        place::judge(program, begun.step, timed.is_some(), place::was_long(timed));
        core.polled.push(begun.step);
        match poll {
            Poll::Ready(output) => {
                drop(waker);
                core.probe = Some(probe);
                place::drop_quietly(future);
                self.end_attempt(core, begun, output);
            }
            Poll::Pending if Probe::was_ignored(&probe) && begun.shared.is_some() => {
                drop(waker);
                core.probe = Some(probe);
                self.park(core, begun, future, timeout);
            }
            Poll::Pending => {
                if let Some(shared) = &begun.shared {
                    shared.polled_in_place(None);
                }
                if program.is_slow(begun.step) {
                    self.give_task(core, begun, future, timeout);
                } else {
                    self.keep(core, begun, future, timeout);
                }
            }
        }
    }

    fn park(&mut self, core: &mut RunCore, begun: Begun, future: BoxFuture<'static, StepOutput>, left: Option<std::time::Duration>) {
        let Begun { key, step, attempt, started, shared } = begun;
        core.put_entry(Entry { key, step, attempt, started, deadline: None, left, shared, place: Place::Parked(future) });
        self.tick(core, TickKind::Parked { exec: key });
    }

    /// Keeps a pending attempt among those that the dispatcher polls when they wake.
    fn keep(&mut self, core: &mut RunCore, begun: Begun, future: BoxFuture<'static, StepOutput>, timeout: Option<std::time::Duration>) {
        let Begun { key, step, attempt, started, shared } = begun;
        let abort = timeout.map(|_| Arc::<AbortFlag>::default());
        let program = Arc::clone(&self.env.run.program);
        let local = Local { key, attempt, step, program, started, future: Some(future), abort: abort.clone() };
        core.locals.get_or_insert_with(|| Box::new(FuturesUnordered::new())).push(local);
        self.note(core, Entry { key, step, attempt, started, deadline: None, left: None, shared, place: Place::Local(abort) }, timeout);
    }

    /// Moves an attempt to a task of its own, so that it can use another core.
    fn give_task(&mut self, core: &mut RunCore, begun: Begun, mut future: BoxFuture<'static, StepOutput>, timeout: Option<std::time::Duration>) {
        let Begun { key, step, attempt, started, shared } = begun;
        if let Some(shared) = &shared {
            shared.polled_in_place(None);
        }
        let run = Arc::clone(&self.env.run);
        // The dispatcher itself runs on this runtime.
        let handle = tokio::spawn(async move {
            let mut first = true;
            let output = std::future::poll_fn(|cx| {
                let timed = std::mem::take(&mut first).then(Instant::now);
                let poll = place::poll_attempt(&mut future, cx);
                place::judge(&run.program, step, timed.is_some(), place::was_long(timed));
                poll
            })
            .await;
            place::drop_quietly(future);
            run.post(Message::Ended { exec: key, attempt, output });
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
        self.note(core, Entry { key, step, attempt, started, deadline: None, left: None, shared, place: Place::Blocking }, timeout);
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
            let entry = core.take_entry(done.key);
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
        let known = core.entry(key).is_some_and(|entry| entry.attempt == attempt);
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
            let begun = Begun { key, step: entry.step, attempt: entry.attempt, started: entry.started, shared: entry.shared };
            self.end_attempt(core, begun, Err(StepTimedOut { after }.into()));
        }
    }

    /// Reports the end of an attempt to the reducer.
    fn end_attempt(&mut self, core: &mut RunCore, begun: Begun, output: StepOutput) {
        let Begun { key, step, attempt, started, shared } = begun;
        let outcome = match output {
            Ok(outputs) => match &shared {
                None => Ok(outputs),
                Some(shared) => {
                    shared.close();
                    let mut sent = std::mem::take(&mut shared.log().outbox);
                    sent.append(outputs);
                    Ok(sent)
                }
            },
            Err(error) => {
                let failure = self.judge_failure(core, key, step, attempt, started, &error);
                if failure.retry_after.is_none() {
                    core.more().last_error = Some((key.serial, error));
                }
                if let Some(shared) = &shared {
                    shared.close();
                    shared.log().rewind(true);
                }
                Err(failure)
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
    }

    /// What the step's policy says to a failure. It is user code, so it is asked here and not in the reducer.
    fn judge_failure(&self, core: &RunCore, key: ExecKey, step: StepIx, attempt: u32, started: Time, error: &StepError) -> Failure {
        let def = self.env.run.def().step(step);
        let mut info = error.info();
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

    fn traced(&self, begun: &Begun, future: BoxFuture<'static, StepOutput>) -> BoxFuture<'static, StepOutput> {
        if !tracing::enabled!(target: "stepcast", tracing::Level::DEBUG) {
            return future;
        }
        // A root span linked to its run: spans nested along the events would grow without bound.
        let name = self.env.run.def().step(begun.step).name();
        let run = self.env.run.id().as_str();
        let span = tracing::debug_span!(target: "stepcast", parent: None, "execution", run, step = name, execution = begun.key.serial, attempt = begun.attempt);
        span.follows_from(self.env.run.span());
        Box::pin(tracing::Instrument::instrument(future, span))
    }
}
