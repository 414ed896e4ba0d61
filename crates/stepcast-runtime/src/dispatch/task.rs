//! The task of a run. What tokio holds is small: the dispatcher is made at its first poll, in the room that the thread's
//! last run left, and many a run ends in that poll.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use stepcast_core::Payload;

use super::{Dispatch, PutAway, RunCore};
use crate::run::RunShared;

/// The future of a run's task.
pub(crate) struct RunTask(Stage);

enum Stage {
    /// Not polled yet.
    Before(Arc<RunShared>, Little),
    /// Absent only while it is polled, and after the end.
    Begun(Option<Box<Dispatch>>),
}

impl Stage {
    fn take(&mut self) -> Stage {
        std::mem::replace(self, Stage::Begun(None))
    }
}

/// What a run begins with that has no dispatcher yet. No larger than an event: it makes half of the task.
enum Little {
    Start(Payload),
    PutAway(Box<PutAway>),
}

impl Little {
    fn into_core(self, run: &RunShared) -> Box<RunCore> {
        match self {
            Little::Start(start) => RunCore::begin(run, start),
            Little::PutAway(away) => away.take_up(run),
        }
    }
}

/// What a run's task begins with.
#[derive(Debug)]
pub(crate) enum First {
    /// The start event of a new run.
    Start(Payload),
    /// A run that was put away.
    PutAway(Box<PutAway>),
    /// A large one, or one that was restored.
    Core(Box<RunCore>),
}

impl First {
    pub(crate) fn into_core(self, run: &RunShared) -> Box<RunCore> {
        match self {
            First::Start(start) => Little::Start(start).into_core(run),
            First::PutAway(away) => Little::PutAway(away).into_core(run),
            First::Core(core) => core,
        }
    }
}

impl RunTask {
    pub(crate) fn new(run: Arc<RunShared>, first: First) -> Self {
        RunTask(match first {
            First::Start(start) => Stage::Before(run, Little::Start(start)),
            First::PutAway(away) => Stage::Before(run, Little::PutAway(away)),
            First::Core(core) => Stage::Begun(Some(Box::new(Dispatch::new(run, core)))),
        })
    }
}

impl Future for RunTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.take() {
            Stage::Before(run, first) => {
                let core = first.into_core(&run);
                let mut dispatch = Dispatch::new(run, core);
                let poll = Pin::new(&mut dispatch).poll(cx);
                if poll.is_pending() {
                    self.0 = Stage::Begun(Some(Box::new(dispatch)));
                }
                poll
            }
            Stage::Begun(Some(mut dispatch)) => {
                let poll = Pin::new(&mut *dispatch).poll(cx);
                if poll.is_pending() {
                    self.0 = Stage::Begun(Some(dispatch));
                }
                poll
            }
            Stage::Begun(None) => Poll::Ready(()),
        }
    }
}

impl Drop for RunTask {
    /// The tokio runtime is going away before the first poll: the dispatcher's own end does what is to be done.
    fn drop(&mut self) {
        if let Stage::Before(run, first) = self.0.take() {
            let core = first.into_core(&run);
            drop(Dispatch::new(run, core));
        }
    }
}
