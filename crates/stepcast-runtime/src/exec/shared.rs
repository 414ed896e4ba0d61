use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Waker};

use stepcast_core::engine::{ExecKey, OpId};
use stepcast_core::{StepDef, StepIx};
use tokio_util::sync::CancellationToken;

use super::OpLog;
use crate::run::{Message, Request, RunShared, lock};

/// One attempt of an execution, as its context reaches it. Made only for steps that take something injected.
#[derive(Debug)]
pub(crate) struct ExecShared {
    pub(crate) run: Arc<RunShared>,
    pub(crate) key: ExecKey,
    pub(crate) step: StepIx,
    pub(crate) attempt: u32,
    log: Mutex<OpLog>,
    /// Address of the waker that the dispatcher polls with in place; 0 once the future has a task of its own.
    in_place: AtomicUsize,
    over: AtomicBool,
    /// The attempt is being polled in a task of its own.
    in_poll: AtomicBool,
    cancel: OnceLock<CancellationToken>,
    /// Whether a backend keeps the run: asked at every operation.
    pub(crate) is_kept: bool,
}

impl ExecShared {
    pub(crate) fn new(run: Arc<RunShared>, key: ExecKey, step: StepIx, attempt: u32, log: OpLog) -> Self {
        let is_kept = run.keeping().is_some();
        ExecShared {
            is_kept,
            run,
            key,
            step,
            attempt,
            log: Mutex::new(log),
            in_place: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            in_poll: AtomicBool::new(false),
            cancel: OnceLock::new(),
        }
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, OpLog> {
        lock(&self.log)
    }

    pub(crate) fn step_def(&self) -> &StepDef {
        self.run.def().step(self.step)
    }

    /// The waker to keep for an operation that the dispatcher will complete.
    ///
    /// Polled in place, none: the dispatcher knows by itself to poll again, and a kept waker would tell it that
    /// something else can wake the future.
    pub(crate) fn waker<'a>(&self, cx: &'a Context<'_>) -> Option<&'a Waker> {
        let in_place = self.in_place.load(Ordering::Relaxed);
        (cx.waker().data() as usize != in_place).then(|| cx.waker())
    }

    /// The address of the waker that the dispatcher is about to poll with in place; 0 from when it does not any more.
    pub(crate) fn polled_with(&self, waker: usize) {
        self.in_place.store(waker, Ordering::Relaxed);
    }

    /// A poll in the attempt's own task begins. What the body stops waiting for during it is withdrawn only if the body
    /// goes on: a failing one drops its waits too, and those are the next attempt's.
    pub(crate) fn poll_begins(&self, cx: &Context<'_>) {
        self.in_poll.store(true, Ordering::Relaxed);
        self.log().polled_with(cx.waker());
    }

    pub(crate) fn poll_ends(&self, goes_on: bool) {
        if goes_on {
            self.in_poll.store(false, Ordering::Relaxed);
            let dropped = self.log().take_dropped();
            dropped.into_iter().for_each(|id| self.withdraw(id));
        }
    }

    /// Nobody waits for this operation any more.
    pub(crate) fn abandon(&self, id: &OpId, withdraw: bool) {
        if withdraw && self.in_poll.load(Ordering::Relaxed) {
            self.log().abandon_later(id);
        } else if self.log().abandon(id) && withdraw {
            self.withdraw(id.clone());
        }
    }

    fn withdraw(&self, id: OpId) {
        let request = Request::Withdraw { id };
        self.run.post(Message::Operation { exec: self.key, attempt: self.attempt, request });
    }

    /// Waits until everything that the execution has on record is kept; at once where the run lives in memory alone.
    pub(crate) async fn kept(self: &Arc<Self>) {
        if !self.is_kept {
            return;
        }
        self.touch(&mut self.log());
        let (reply, kept) = tokio::sync::oneshot::channel();
        if self.run.post(Message::Kept(reply)).is_none() {
            // Without an answer the run has ended, and nothing is repeated.
            let _ = kept.await;
        }
    }

    /// Ends the attempt: what still holds its context can do nothing with it any more.
    pub(crate) fn close(&self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(token) = self.cancel.get() {
            token.cancel();
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Cancelled with the run, or when this attempt is dropped.
    pub(crate) fn cancel_token(&self) -> CancellationToken {
        let token = self.cancel.get_or_init(|| self.run.cancel_token().child_token());
        if self.is_over() {
            token.cancel();
        }
        token.clone()
    }
}
