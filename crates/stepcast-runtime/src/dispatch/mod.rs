//! The dispatcher: one task per busy run. It owns the run's state, feeds ticks to the reducer and polls executions.

mod apply;
mod attempt;
mod core;
mod filters;
mod finish;
mod kept;
mod messages;
mod over;
mod place;
mod requests;
mod rest;
mod room;
mod spares;
mod stepping;
mod task;
mod under_way;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use stepcast_core::engine::{TickKind, begin};
use stepcast_core::{AnyEvent, Payload, WorkflowIdleEvent};
use tokio::runtime::Handle;

pub(crate) use self::core::RunCore;
pub(crate) use self::kept::{AtRest, Journal, Place, StoredFailure, room_for_new, status_of};
use self::place::ProbeWaker;
pub(crate) use self::place::{RunnerEnv, env_exec, panic_message, panicked};
pub(crate) use self::rest::PutAway;
pub(crate) use self::task::{First, RunTask};
use crate::clock;
use crate::durable::Keeping;
use crate::run::{RunShared, Task, lock};
use crate::stream::EventKind;

/// Polls between two looks at the clock and at the inbox. A run that stands still begins none by itself.
const SLICE: usize = 64;

/// The dispatcher's future.
pub(crate) struct Dispatch {
    pub(crate) env: RunnerEnv,
    /// Absent only while the run is put away or gone.
    pub(crate) core: Option<Box<RunCore>>,
}

/// What a round of the dispatcher came to.
pub(crate) enum Round {
    /// Something was done; look again.
    Worked,
    /// The task has used up its share of the thread.
    Yield,
    /// There is nothing to do.
    Dry,
}

impl Dispatch {
    pub(crate) fn new(shared: Arc<RunShared>, core: Box<RunCore>) -> Self {
        Dispatch { env: RunnerEnv::new(shared), core: Some(core) }
    }

    pub(crate) fn shared(&self) -> &Arc<RunShared> {
        &self.env.run
    }

    /// Ends a run before its first step.
    pub(crate) fn refuse(&mut self, error: crate::run::RunError) {
        if let Some(core) = &mut self.core {
            core.let_go(&self.env.run);
            core.ended = true;
            core.start = None;
            self.env.run.finish(crate::run::RunEnd::refused(error, core.now));
        }
    }

    fn round(&mut self, core: &mut RunCore, cx: &mut Context<'_>) -> Round {
        if core.journal.is_some() {
            return self.kept_round(core, cx);
        }
        // A run that waits for its turn may run nothing yet.
        let start = if core.max_running > 0 { core.start.take() } else { None };
        let begun = start.is_some_and(|event| self.start(core, event));
        let mut worked = !begun && self.take_messages(core);
        if core.ended {
            return self.wind_down(core, cx);
        }
        match self.poll_locals(core, cx) {
            Round::Worked => worked = true,
            Round::Yield => return Round::Yield,
            Round::Dry => {}
        }
        match self.start_ready(core, cx) {
            Round::Worked => worked = true,
            Round::Yield => return Round::Yield,
            Round::Dry => {}
        }
        // A run that is never idle comes to its timers all the same.
        let fired = if worked { core.is_due() && self.fire_timers(core, cx) } else { self.fire_timers(core, cx) };
        let room = core.waits_for_room() && (self.use_room(core) || (!worked && !fired && self.refuse_room(core)));
        if core.ended && !self.env.run.mail.load(Ordering::Acquire) {
            return self.wind_down(core, cx);
        }
        match core.ended || worked || fired || room {
            true => Round::Worked,
            false if core.is_stepped() => self.step_on(core, cx),
            false => Round::Dry,
        }
    }

    /// Begins the run. `true` if its first execution is to run before anything else is looked at.
    fn start(&mut self, core: &mut RunCore, event: Payload) -> bool {
        let event = match self.env.run.mail.load(Ordering::Acquire) {
            true => Some(event),
            false => begin(&self.env.run.program.def, &mut core.state, event, &mut core.cmds),
        };
        match event {
            Some(event) => {
                self.tick(core, TickKind::Start { event });
                false
            }
            None => true,
        }
    }

    /// Starts queued executions, a slice at a time.
    fn start_ready(&mut self, core: &mut RunCore, cx: &mut Context<'_>) -> Round {
        if core.cmds.next.is_none() && !core.state.has_ready() {
            return Round::Dry;
        }
        let mut round = Round::Dry;
        let before = core.now;
        core.polled = 0;
        for _ in 0..core.slice {
            if core.cmds.next.is_none() && core.state.running() >= core.max_running {
                break;
            }
            // Ready channels inside a step look pending once the task's budget is gone, so it is used up here.
            if pin!(tokio::task::coop::consume_budget()).poll(cx).is_pending() {
                core.put_back();
                core.now = clock::now();
                return Round::Yield;
            }
            let Some(key) = core.cmds.next.take().or_else(|| core.take_ready()) else { break };
            round = Round::Worked;
            self.run(core, key);
            if core.ended {
                break;
            }
        }
        core.put_back();
        // A run that has just ended needs no time any more.
        if !core.ended {
            core.now = clock::now();
            core.judge_slice(&self.env.run.program, before);
        }
        round
    }

    /// Goes to sleep, or puts the run away, unless word has come in between.
    fn rest(&mut self, mut core: Box<RunCore>, cx: &mut Context<'_>) -> Poll<()> {
        self.note_rest(&core);
        if core.is_writing() && core.state.has_ready() && !core.ended {
            // What is ready begins once the batch has landed, so nothing else is looked at.
            return self.sleep(core, cx);
        }
        if core.is_quiet() && !self.env.run.can_be_sent_to() && !core.ended {
            // Nobody can send any more: the reducer decides whether that matters.
            self.tick(&mut core, TickKind::SendersGone);
            if core.ended {
                cx.waker().wake_by_ref();
                self.core = Some(core);
                return Poll::Pending;
            }
        }
        let writing = core.is_writing();
        if core.cmds.observe && core.is_quiet() && !core.ended && !writing {
            self.env.run.frame(EventKind::Internal, AnyEvent::new(WorkflowIdleEvent {}));
        }
        if self.env.run.has_trace() && core.is_quiet() && !writing && !self.env.run.mail.load(Ordering::Acquire) {
            self.env.run.rest_trace(core.ended, core.next_due());
        }
        let away = !core.ended && core.is_quiet() && !core.has_timer() && !writing;
        if self.may_leave(&core) {
            return self.try_to_leave(core, cx);
        }
        let run = &self.env.run;
        let mut inbox = lock(&run.inbox);
        // While a batch is under way, only its landing counts.
        let word = match (run.keeping(), writing) {
            (Some(keeping), true) => keeping.has_landed(),
            (Some(_), false) => run.mail.load(Ordering::Acquire),
            (None, _) => !inbox.messages.is_empty(),
        };
        if word {
            drop(inbox);
            cx.waker().wake_by_ref();
            self.core = Some(core);
            return Poll::Pending;
        }
        if core.ended && core.is_quiet() {
            inbox.task = Task::Ended;
            drop(inbox);
            core.leave();
            return Poll::Ready(());
        }
        if away {
            inbox.task = match core.put_away(&self.env.run) {
                Ok(away) => Task::PutAway(away),
                Err(mut core) => {
                    core.shrink();
                    core.tokio = Handle::try_current().ok();
                    Task::Idle(core)
                }
            };
            return Poll::Ready(());
        }
        inbox.task = Task::Asleep(cx.waker().clone());
        core.asleep = true;
        self.core = Some(core);
        Poll::Pending
    }

    /// Goes to sleep until the batch under way has landed, unless it has.
    fn sleep(&mut self, mut core: Box<RunCore>, cx: &mut Context<'_>) -> Poll<()> {
        let run = &self.env.run;
        let mut inbox = lock(&run.inbox);
        if run.keeping().is_some_and(Keeping::has_landed) {
            drop(inbox);
            cx.waker().wake_by_ref();
        } else {
            inbox.task = Task::Asleep(cx.waker().clone());
            core.asleep = true;
        }
        self.core = Some(core);
        Poll::Pending
    }
}

impl Future for Dispatch {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(mut core) = this.core.take() else { return Poll::Ready(()) };
        core.now = clock::now();
        core.probe = ProbeWaker::borrow();
        // Whoever told a kept run of its batch has noted that it is awake.
        let is_told = core.journal.is_some() && this.env.run.keeping().is_some_and(Keeping::has_landed);
        if std::mem::take(&mut core.asleep) && !is_told {
            // Whoever writes now need not wake a task that is awake.
            let mut inbox = lock(&this.env.run.inbox);
            if let Task::Asleep(_) = inbox.task {
                inbox.task = Task::Active;
            }
        }
        loop {
            core.cmds.observe = this.env.run.wants_internal();
            match catch_unwind(AssertUnwindSafe(|| this.round(&mut core, cx))) {
                Ok(Round::Worked) => {}
                Ok(Round::Yield) => {
                    ProbeWaker::give_back(core.probe.take());
                    this.core = Some(core);
                    return Poll::Pending;
                }
                Ok(Round::Dry) => {
                    ProbeWaker::give_back(core.probe.take());
                    let rest = catch_unwind(AssertUnwindSafe(|| this.rest(core, cx)));
                    return rest.unwrap_or_else(|panic| this.broken(None, &*panic));
                }
                Err(panic) => return this.broken(Some(core), &*panic),
            }
        }
    }
}

impl Drop for Dispatch {
    /// The tokio runtime is going away under a run that has not ended.
    fn drop(&mut self) {
        let Some(core) = self.core.take() else { return };
        if !core.ended {
            self.env.run.ending.store(true, Ordering::Release);
            self.abandon();
        }
        lock(&self.env.run.inbox).task = Task::Ended;
        place::drop_quietly(core);
    }
}

impl std::fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatch").finish_non_exhaustive()
    }
}
