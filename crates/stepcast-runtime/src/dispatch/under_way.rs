//! Attempts that did not end in their first poll: parked, kept by the dispatcher, or in a task of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::stream::FuturesUnordered;
use stepcast_core::engine::{ExecKey, TickKind};
use stepcast_core::{BoxFuture, StepOutput};

use super::attempt::Begun;
use super::core::RunCore;
use super::place::{self, AbortFlag, Entry, Local, LocalEnd, Place, Settled};
use super::{Dispatch, Round, SLICE};
use crate::run::{Handed, Message};

impl Dispatch {
    pub(super) fn park(
        &mut self,
        core: &mut RunCore,
        begun: Begun,
        future: BoxFuture<'static, StepOutput>,
        left: Option<Duration>,
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
    pub(super) fn keep(
        &mut self,
        core: &mut RunCore,
        begun: Begun,
        future: BoxFuture<'static, StepOutput>,
        timeout: Option<Duration>,
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
    pub(super) fn give_task(
        &mut self,
        core: &mut RunCore,
        begun: Begun,
        mut future: BoxFuture<'static, StepOutput>,
        timeout: Option<Duration>,
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
                    polled.poll_begins(cx);
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

    pub(super) fn block(&mut self, core: &mut RunCore, begun: Begun, body: Box<dyn FnOnce() -> StepOutput + Send>) {
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
    pub(super) fn note(&mut self, core: &mut RunCore, mut entry: Entry, timeout: Option<Duration>) {
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
            let Some(done) = core.next_local(cx) else { return round };
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
                        let come = entry.shared.as_ref().is_some_and(|shared| shared.log().has_result());
                        // What it waits for may have come while it was looked at.
                        match come || core.is_resuming(begun.key) {
                            true => self.keep(core, begun, future, left),
                            false => self.park(core, begun, future, left),
                        }
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
        let come = core.ended || shared.log().has_result() || core.is_resuming(key);
        let begun = Begun { key, step, attempt, started, shared: Some(shared) };
        // What it waits for may have come while it was on its way here.
        match come {
            true => self.give_task(core, begun, future, left),
            false => self.park(core, begun, future, left),
        }
    }
}
