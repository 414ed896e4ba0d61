//! Where an execution is while it is under way, and what its steps find around them.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use futures_util::task::AtomicWaker;
use stepcast_core::engine::{ExecKey, Time};
use stepcast_core::{BoxFuture, ErrorInfo, StepCall, StepError, StepIx, StepOutput, StepPanicked};
use tokio::task::AbortHandle;

use crate::exec::{ExecShared, OpLog};
use crate::program::Program;
use crate::run::{Message, RunShared};

/// A poll that takes longer is worth a task of its own.
const LONG_POLL_MICROS: u128 = 100;

/// An execution that did not end in its first poll, or is between two attempts.
pub(crate) struct Entry {
    pub(crate) key: ExecKey,
    pub(crate) step: StepIx,
    pub(crate) attempt: u32,
    pub(crate) started: Time,
    /// When this attempt has used up its step's timeout.
    pub(crate) deadline: Option<Time>,
    /// What is left of the timeout while the execution is parked.
    pub(crate) left: Option<std::time::Duration>,
    pub(crate) shared: Option<Arc<ExecShared>>,
    pub(crate) place: Place,
}

impl Entry {
    /// Its shared part, if it is at work where it can be parked.
    pub(super) fn movable(&mut self) -> Option<&ExecShared> {
        match self.place {
            Place::Local(_) | Place::Task(_) => self.shared.as_deref(),
            Place::Parked(_) | Place::Blocking | Place::Between => None,
        }
    }
}

/// Where an execution's future is.
pub(crate) enum Place {
    /// Here: only its run can bring it on.
    Parked(BoxFuture<'static, StepOutput>),
    /// Among the futures that the dispatcher polls when they wake.
    Local(Option<Arc<AbortFlag>>),
    /// In a task of its own.
    Task(AbortHandle),
    /// In the blocking pool, which cannot be stopped.
    Blocking,
    /// Between two attempts.
    Between,
}

/// Notes whether a first poll's waker was woken.
#[derive(Default)]
pub(crate) struct Probe {
    woken: AtomicBool,
    /// Who is woken by it.
    then: Option<Waker>,
}

impl Wake for Probe {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
        if let Some(then) = &self.then {
            then.wake_by_ref();
        }
    }
}

thread_local! {
    static SPARE: Cell<Option<ProbeWaker>> = const { Cell::new(None) };
}

/// The waker of first polls. It tells whether somebody kept it, or woke it at once; ignored, it serves the next one.
pub(crate) struct ProbeWaker {
    probe: Arc<Probe>,
    pub(crate) waker: Waker,
}

impl Default for ProbeWaker {
    fn default() -> Self {
        ProbeWaker::of(Probe::default())
    }
}

impl ProbeWaker {
    fn of(probe: Probe) -> Self {
        let probe = Arc::new(probe);
        let waker = Waker::from(Arc::clone(&probe));
        ProbeWaker { probe, waker }
    }

    /// One that wakes another whenever it is woken.
    fn before(waker: &Waker) -> Self {
        ProbeWaker::of(Probe { woken: AtomicBool::new(false), then: Some(waker.clone()) })
    }

    /// The waker that this thread's last dispatcher left; runs take turns with one.
    pub(crate) fn borrow() -> Option<ProbeWaker> {
        SPARE.take()
    }

    /// Leaves a waker for the next dispatcher on this thread.
    pub(crate) fn give_back(waker: Option<ProbeWaker>) {
        if waker.is_some() {
            SPARE.set(waker);
        }
    }

    /// The waker for the next first poll: the last one, unless somebody kept or woke it.
    pub(crate) fn fresh(slot: &mut Option<ProbeWaker>) -> &ProbeWaker {
        if !slot.as_ref().is_some_and(ProbeWaker::was_ignored) {
            *slot = None;
        }
        slot.get_or_insert_default()
    }

    /// Whether nobody but the dispatcher has the waker and nobody woke it.
    pub(crate) fn was_ignored(&self) -> bool {
        let is_ours_alone = Arc::strong_count(&self.probe) == 2;
        // Whoever had it and let it go may have woken it before.
        fence(Ordering::Acquire);
        is_ours_alone && !self.probe.woken.load(Ordering::Relaxed)
    }
}

/// What steps find around them when their parameters are taken.
pub(crate) struct RunnerEnv {
    pub(crate) run: Arc<RunShared>,
    /// The attempt that is about to begin. Cells, because most steps ask for none of it.
    key: Cell<ExecKey>,
    step: Cell<StepIx>,
    attempt: Cell<u32>,
    waker: Cell<usize>,
    shared: RefCell<Option<Arc<ExecShared>>>,
    rare: RefCell<Option<Box<Rare>>>,
}

/// What an attempt brings with it that is not its execution's first.
#[derive(Default)]
pub(crate) struct Rare {
    pub(crate) log: OpLog,
    pub(crate) first_started: Option<Time>,
    pub(crate) last_failure: Option<(ErrorInfo, Time)>,
}

impl RunnerEnv {
    pub(crate) fn new(run: Arc<RunShared>) -> Self {
        RunnerEnv {
            run,
            key: Cell::new(ExecKey { lane: 0, serial: 0 }),
            step: Cell::new(0),
            attempt: Cell::new(1),
            waker: Cell::new(0),
            shared: RefCell::new(None),
            rare: RefCell::new(None),
        }
    }

    pub(crate) fn begin(&self, key: ExecKey, step: StepIx, attempt: u32, waker: &Waker, rare: Option<Box<Rare>>) {
        self.key.set(key);
        self.step.set(step);
        self.attempt.set(attempt);
        self.waker.set(waker.data() as usize);
        if rare.is_some() {
            *self.rare.borrow_mut() = rare;
        }
    }

    /// Whether nothing that the attempt does has to be recorded: the first one of an execution of a run in memory, of which
    /// no parameter has asked for the shared part.
    pub(crate) fn is_plain(&self) -> bool {
        self.shared.borrow().is_none() && self.rare.borrow().is_none() && self.run.keeping().is_none()
    }

    /// The attempt's shared part, if a parameter asked for it or an earlier attempt left records.
    pub(crate) fn finish(&self) -> Option<Arc<ExecShared>> {
        let shared = self.shared.borrow_mut().take();
        match self.rare.borrow_mut().take() {
            Some(rare) if shared.is_none() && !rare.log.is_empty() => Some(self.make(rare.log)),
            _ => shared,
        }
    }

    /// The attempt's shared part, made when the first parameter asks for it.
    pub(crate) fn exec(&self) -> Arc<ExecShared> {
        let mut shared = self.shared.borrow_mut();
        if let Some(shared) = &*shared {
            return Arc::clone(shared);
        }
        let log = self.rare.borrow_mut().as_mut().map(|rare| std::mem::take(&mut rare.log));
        let made = self.make(log.unwrap_or_default());
        *shared = Some(Arc::clone(&made));
        made
    }

    pub(crate) fn attempt(&self) -> crate::params::Attempt {
        let rare = self.rare.borrow();
        let rare = rare.as_deref();
        let first_started = rare.and_then(|rare| rare.first_started);
        let last_failure = rare.and_then(|rare| rare.last_failure.clone());
        crate::params::Attempt::new(self.attempt.get(), first_started, last_failure)
    }

    fn make(&self, log: OpLog) -> Arc<ExecShared> {
        let made = ExecShared::new(Arc::clone(&self.run), self.key.get(), self.step.get(), self.attempt.get(), log);
        made.polled_with(self.waker.get());
        Arc::new(made)
    }
}

/// The shared part of the attempt that a call belongs to.
pub(crate) fn env_exec(call: &StepCall<'_>) -> Option<Arc<ExecShared>> {
    call.env::<RunnerEnv>().map(RunnerEnv::exec)
}

/// Polls an attempt; a panic becomes its error.
pub(crate) fn poll_attempt(future: &mut BoxFuture<'static, StepOutput>, cx: &mut Context<'_>) -> Poll<StepOutput> {
    match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(Err(panicked(&*panic))),
    }
}

/// A panic as a step's error.
#[cold]
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> StepError {
    StepPanicked { message: panic_message(panic) }.into()
}

/// What a panic says.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a value that is not a text".to_owned())
}

/// Drops what users made; a panic in a destructor ends here.
pub(crate) fn drop_quietly<T>(value: T) {
    quietly(|| drop(value));
}

/// Does something of which a panic ends here.
pub(crate) fn quietly(what: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(what));
}

/// An attempt that something outside its run will wake, polled by the dispatcher.
pub(crate) struct Local {
    pub(crate) key: ExecKey,
    pub(crate) attempt: u32,
    pub(crate) step: StepIx,
    pub(crate) program: Arc<Program>,
    pub(crate) started: Time,
    pub(crate) future: Option<BoxFuture<'static, StepOutput>>,
    /// Only for steps with a timeout.
    pub(crate) abort: Option<Arc<AbortFlag>>,
    pub(crate) shared: Option<Arc<ExecShared>>,
}

/// Lets a [`Local`] be dropped before it wakes by itself.
#[derive(Default)]
pub(crate) struct AbortFlag {
    set: AtomicBool,
    waker: AtomicWaker,
}

impl AbortFlag {
    pub(crate) fn abort(&self) {
        self.set.store(true, Ordering::Release);
        self.waker.wake();
    }

    fn is_set(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.set.load(Ordering::Acquire)
    }
}

/// A [`Local`] that is done with.
pub(crate) struct LocalDone {
    pub(crate) key: ExecKey,
    pub(crate) attempt: u32,
    pub(crate) step: StepIx,
    pub(crate) started: Time,
    pub(crate) end: LocalEnd,
}

/// What became of a [`Local`].
pub(crate) enum LocalEnd {
    Output(StepOutput),
    /// It took long, so it gets a task of its own.
    Heavy(BoxFuture<'static, StepOutput>),
    /// It has come to a wait, and only its run can bring it on.
    Waits(BoxFuture<'static, StepOutput>),
    Aborted,
}

impl Future for Local {
    type Output = LocalDone;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (key, attempt, step, started) = (this.key, this.attempt, this.step, this.started);
        let end = |end| Poll::Ready(LocalDone { key, attempt, step, started, end });
        if this.abort.as_ref().is_some_and(|abort| abort.is_set(cx)) {
            drop_quietly(this.future.take());
            return end(LocalEnd::Aborted);
        }
        let Some(future) = &mut this.future else { return end(LocalEnd::Aborted) };
        let timed = this.program.is_timed(this.step).then(Instant::now);
        let poll = poll_attempt(future, cx);
        let long = timed.is_some_and(|since| since.elapsed().as_micros() > LONG_POLL_MICROS);
        judge(&this.program, this.step, timed.is_some(), long);
        match (poll, this.future.take()) {
            (Poll::Ready(output), future) => {
                drop_quietly(future);
                end(LocalEnd::Output(output))
            }
            (Poll::Pending, Some(future)) if long => end(LocalEnd::Heavy(future)),
            (Poll::Pending, Some(mut future)) => {
                match this.shared.as_deref().map(|shared| settle(&mut future, shared, cx)) {
                    Some(Settled::Ready(output)) => {
                        drop_quietly(future);
                        end(LocalEnd::Output(output))
                    }
                    Some(Settled::Waits) => end(LocalEnd::Waits(future)),
                    Some(Settled::GoesOn) | None => {
                        this.future = Some(future);
                        Poll::Pending
                    }
                }
            }
            (Poll::Pending, None) => Poll::Pending,
        }
    }
}

/// What a pending attempt waits for.
pub(crate) enum Settled {
    /// It ended while that was found out.
    Ready(StepOutput),
    /// Only its run can bring it on.
    Waits,
    /// Something else will wake it.
    GoesOn,
}

/// Finds out whether a pending attempt that has come to a wait also waits for something outside its run: polls it with
/// a waker of its own and looks whether anybody kept that.
pub(crate) fn settle(
    future: &mut BoxFuture<'static, StepOutput>,
    shared: &ExecShared,
    cx: &mut Context<'_>,
) -> Settled {
    {
        let mut log = shared.log();
        if log.is_sending() {
            log.polled_with(cx.waker());
        }
        if !log.is_waiting() {
            return Settled::GoesOn;
        }
    }
    let probe = ProbeWaker::before(cx.waker());
    shared.polled_with(probe.waker.data() as usize);
    let poll = poll_attempt(future, &mut Context::from_waker(&probe.waker));
    shared.polled_with(0);
    match poll {
        Poll::Ready(output) => Settled::Ready(output),
        Poll::Pending if probe.was_ignored() => {
            shared.log().parks();
            Settled::Waits
        }
        // Whoever kept the probe wakes the attempt by it. It is not polled once more for that: it might come to wait for
        // its run alone, and nobody would look.
        Poll::Pending => {
            let stays = {
                let mut log = shared.log();
                log.wake_by(cx.waker());
                log.stays()
            };
            if stays {
                shared.run.post(Message::Stays);
            }
            Settled::GoesOn
        }
    }
}

/// Notes how long a poll took.
pub(crate) fn judge(program: &Program, step: StepIx, timed: bool, long: bool) {
    match (timed, long) {
        (true, true) => program.saw_long_poll(step),
        (true, false) => program.saw_short_poll(step),
        (false, _) => {}
    }
}

/// Whether a poll that began then was long.
pub(crate) fn was_long(since: Option<Instant>) -> bool {
    since.is_some_and(|since| since.elapsed().as_micros() > LONG_POLL_MICROS)
}
