//! One look at everything that could be done, in a kept run.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use stepcast_core::backend::WriteError;
use stepcast_core::engine::{Command, ExecKey, OpId, TickKind};

use super::journal::{Held, Journal};
use crate::clock;
use crate::dispatch::place::LocalDone;
use crate::dispatch::{Dispatch, Round, RunCore, SLICE};
use crate::durable::Keeping;

/// So many slices of kept runs on one thread have one after which the clock is read, where nothing but the batch's landing
/// follows. A prime number, so that it hits all steps of runs that go on in turns.
const LOOKS: u32 = 13;

/// Whether it is this slice's turn.
fn is_looked_at() -> bool {
    thread_local! {
        static SLICES: Cell<u32> = const { Cell::new(0) };
    }
    let slices = (SLICES.get() + 1) % LOOKS;
    SLICES.set(slices);
    slices == 0
}

impl Dispatch {
    pub(in crate::dispatch) fn kept_round(&mut self, core: &mut RunCore, cx: &mut Context<'_>) -> Round {
        if core.journal.as_deref().is_some_and(Journal::is_writing) {
            match self.landing(core) {
                // What follows from it is done in this same look.
                Some(Ok(())) => {}
                Some(Err(error @ WriteError::AnsweredBefore { .. })) => {
                    self.reload(core, error);
                    return Round::Worked;
                }
                Some(Err(error)) => {
                    self.lost(core, error);
                    return Round::Worked;
                }
                None => {
                    self.await_locals(core, cx);
                    return self.take_reloaded(core);
                }
            }
        }
        self.shorten(core);
        let mut worked = match core.start.take() {
            Some(event) => {
                self.take_first_state(core);
                self.tick(core, TickKind::Start { event });
                true
            }
            None => self.has_messages(core) && self.take_messages(core),
        };
        if core.ended {
            return self.wind_down(core, cx);
        }
        if let Some(journal) = core.journal.as_deref_mut().filter(|journal| !journal.found.is_empty()) {
            let found = std::mem::take(&mut journal.found);
            self.letters(core, found);
        }
        self.early_letters(core);
        let mut begun = None;
        if !self.flush(core) {
            if core.has_locals() {
                match self.poll_locals(core, cx) {
                    Round::Worked => worked = true,
                    Round::Yield => return Round::Yield,
                    Round::Dry => {}
                }
            }
            let before = core.now;
            match self.start_kept(core, cx) {
                Round::Worked => (worked, begun) = (true, Some(before)),
                Round::Yield => return Round::Yield,
                Round::Dry => {}
            }
            let fired = if worked { core.is_due() && self.fire_timers(core, cx) } else { self.fire_timers(core, cx) };
            let room = core.waits_for_room() && (self.use_room(core) || (!worked && !fired && self.refuse_room(core)));
            worked |= fired || room;
        } else {
            worked = true;
        }
        if core.journal.as_deref().is_some_and(|journal| !journal.is_writing()) && self.flush(core) {
            worked = true;
        }
        let has_to_wait = worked && self.has_to_wait(core);
        if let Some(before) = begun.filter(|_| !has_to_wait || is_looked_at()) {
            core.now = clock::now();
            core.judge_slice(&self.env.run.program, before);
        }
        if has_to_wait {
            return Round::Dry;
        }
        match worked {
            true => Round::Worked,
            false if core.is_stepped() => self.step_on(core, cx),
            false => Round::Dry,
        }
    }

    /// Starts what is queued now, a slice at a time. What it leads to starts once that is durable.
    fn start_kept(&mut self, core: &mut RunCore, cx: &mut Context<'_>) -> Round {
        if !core.state.has_ready() || core.state.has_ended() {
            return Round::Dry;
        }
        core.polled = 0;
        if core.slice == 0 || core.state.running() >= core.max_running {
            return Round::Dry;
        }
        let Some(first) = core.take_ready() else { return Round::Dry };
        if !core.state.has_ready() {
            if pin!(tokio::task::coop::consume_budget()).poll(cx).is_pending() {
                core.state.put_back(first);
                return Round::Yield;
            }
            self.run(core, first);
            return Round::Worked;
        }
        let mut starting =
            core.journal.as_deref_mut().map(|journal| std::mem::take(&mut journal.starting)).unwrap_or_default();
        starting.push(first);
        while starting.len() < core.slice && core.state.running() < core.max_running {
            let Some(key) = core.take_ready() else { break };
            starting.push(key);
        }
        let mut round = Round::Dry;
        let mut begun = 0;
        for key in &starting {
            if pin!(tokio::task::coop::consume_budget()).poll(cx).is_pending() {
                round = Round::Yield;
                break;
            }
            (round, begun) = (Round::Worked, begun + 1);
            // Another one in this slice may have made it needless.
            if core.state.exec(*key).is_some() {
                self.run(core, *key);
            }
        }
        for key in starting.drain(..).skip(begun).rev() {
            if core.state.exec(key).is_some() {
                core.state.put_back(key);
            }
        }
        if let Some(journal) = core.journal.as_deref_mut() {
            journal.starting = starting;
        }
        round
    }

    fn has_messages(&self, core: &RunCore) -> bool {
        core.more.is_some() || self.env.run.mail.load(Ordering::Acquire)
    }

    /// Whether another look would find nothing: a batch is under way, and no attempt with it.
    fn has_to_wait(&self, core: &RunCore) -> bool {
        let is_alone = core.locals.as_deref().is_none_or(|locals| locals.is_empty());
        is_alone && core.is_writing() && !self.env.run.keeping().is_some_and(Keeping::has_landed)
    }

    /// Lets attempts go on while a batch is under way; those that end wait for it.
    fn await_locals(&mut self, core: &mut RunCore, cx: &mut Context<'_>) {
        for _ in 0..SLICE {
            let Some(locals) = core.locals.as_deref_mut().filter(|locals| !locals.is_empty()) else { return };
            let Poll::Ready(Some(done)) = locals.poll_next_unpin(cx) else { return };
            if let Some(journal) = core.journal.as_deref_mut() {
                journal.finished.push_back(done);
            }
        }
        cx.waker().wake_by_ref();
    }
}

impl RunCore {
    fn has_locals(&self) -> bool {
        self.locals.is_some() || self.journal.as_deref().is_some_and(|journal| !journal.finished.is_empty())
    }

    /// The next attempt among the dispatcher's own that has come to an end.
    pub(in crate::dispatch) fn next_local(&mut self, cx: &mut Context<'_>) -> Option<LocalDone> {
        if let Some(done) = self.journal.as_deref_mut().and_then(|journal| journal.finished.pop_front()) {
            return Some(done);
        }
        let locals = self.locals.as_deref_mut().filter(|locals| !locals.is_empty())?;
        match locals.poll_next_unpin(cx) {
            Poll::Ready(done) => done,
            Poll::Pending => None,
        }
    }

    /// Whether a result for this execution is held until it is durable.
    pub(in crate::dispatch) fn is_resuming(&self, key: ExecKey) -> bool {
        let Some(journal) = self.journal.as_deref() else { return false };
        let held = journal.held.iter().chain(journal.flight.iter().flatten());
        held.into_iter().any(|held| matches!(held, Held::Command(Command::Resume { exec, .. }) if *exec == key))
    }

    /// Whether an operation's result is there, or held until it is durable.
    pub(in crate::dispatch) fn is_answered(&mut self, key: ExecKey, id: &OpId) -> bool {
        let Some(journal) = self.journal.as_deref() else { return false };
        let mut held = journal.held.iter().chain(journal.flight.iter().flatten());
        let answers =
            |held: &Held| matches!(held, Held::Command(Command::Resume { exec, op, .. }) if *exec == key && op == id);
        if held.any(answers) {
            return true;
        }
        let shared = self.entry(key).and_then(|entry| entry.shared.as_ref());
        shared.is_some_and(|shared| {
            let log = shared.log();
            log.recorded(id.kind, &id.label, id.ordinal).is_some() && !log.is_open(id)
        })
    }

    /// Whether nothing of the run goes on by itself.
    pub(super) fn rests(&self) -> bool {
        let finished = self.journal.as_deref().is_none_or(|journal| journal.finished.is_empty());
        self.is_quiet() && finished && !self.state.is_busy() && self.start.is_none()
    }
}
