//! Operations that the dispatcher completes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use stepcast_core::engine::{OpId, OpResult};

use crate::exec::ExecShared;
use crate::run::{Message, Request};

/// Why a context can do nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    Run,
    Execution,
}

impl Gone {
    pub(crate) fn check(exec: &ExecShared) -> Option<Gone> {
        if exec.run.has_ended() {
            Some(Gone::Run)
        } else if exec.is_over() {
            Some(Gone::Execution)
        } else {
            None
        }
    }
}

/// Waits for the result of an operation that was handed to the dispatcher.
pub(crate) struct OpFuture {
    exec: Arc<ExecShared>,
    id: OpId,
    done: bool,
    /// Tell the dispatcher when nobody waits any more.
    withdraw: bool,
}

impl OpFuture {
    pub(crate) fn begin(exec: &Arc<ExecShared>, id: OpId, request: Request) -> Self {
        exec.log().expect(id.clone());
        exec.run.post(Message::Operation { exec: exec.key, attempt: exec.attempt, request });
        OpFuture { exec: Arc::clone(exec), id, done: false, withdraw: false }
    }

    /// Waits for a result that somebody else asks the dispatcher for.
    pub(crate) fn join(exec: &Arc<ExecShared>, id: OpId) -> Self {
        exec.log().expect(id.clone());
        OpFuture { exec: Arc::clone(exec), id, done: false, withdraw: false }
    }

    pub(crate) fn withdrawn_when_dropped(mut self) -> Self {
        self.withdraw = true;
        self
    }
}

impl Future for OpFuture {
    type Output = Result<OpResult, Gone>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = self.exec.log().poll(&self.id, self.exec.waker(cx));
        if let Poll::Ready(result) = result {
            self.done = true;
            return Poll::Ready(Ok(result));
        }
        match Gone::check(&self.exec) {
            Some(gone) => {
                self.done = true;
                Poll::Ready(Err(gone))
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for OpFuture {
    fn drop(&mut self) {
        if self.done || Gone::check(&self.exec).is_some() {
            return;
        }
        self.exec.abandon(&self.id, self.withdraw);
    }
}
