//! The end of a runtime.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Runtime;
use crate::durable::ask;
use crate::run::{AnyRun, Message, RunError};

impl Runtime {
    /// Begins no new runs and waits until the live ones have ended, at most so long; then cancels the rest and waits
    /// for their end. Gives how many were cancelled.
    ///
    /// Runs that a backend keeps are not cancelled: each leaves memory as soon as it rests, the rest stop where they are
    /// at the deadline and are not counted. All of them go on when a runtime takes them up again; handles of them give
    /// [`RunError::ShuttingDown`]. Then the backend is closed.
    pub async fn shutdown(&self, deadline: Duration) -> usize {
        self.inner.closing.store(true, Ordering::Release);
        let kept = |run: &AnyRun| run.shared().keeping().is_some();
        // The list is not locked while runs leave it, and what is collected counts as no handle.
        let runs: Vec<_> = self.inner.live().filter(kept).map(|run| Arc::clone(run.shared())).collect();
        for run in runs {
            run.ask_to_leave();
        }
        let in_time = tokio::time::timeout(deadline, self.drain()).await.is_ok();
        let rest: Vec<AnyRun> = self.inner.live().collect();
        let mut cancelled = 0;
        for run in &rest {
            if kept(run) {
                run.shared().post(Message::Stop(RunError::ShuttingDown));
            } else if !in_time {
                run.cancel();
                cancelled += 1;
            }
        }
        for run in &rest {
            let _ = run.outcome().await;
        }
        if let Some(host) = &self.inner.host {
            host.look();
            match ask(host.backend(), |backend| backend.close()).await {
                Some(Ok(())) | None => {}
                Some(Err(error)) => tracing::error!(target: "stepcast", %error, "the backend could not be closed"),
            }
        }
        cancelled
    }

    async fn drain(&self) {
        loop {
            let drained = self.inner.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            // A kept run that somebody holds rests where it is.
            let waits_for = |run: &AnyRun| run.shared().rests_since().is_none();
            if !self.inner.live().any(|run| waits_for(&run)) {
                return;
            }
            drained.await;
        }
    }
}
