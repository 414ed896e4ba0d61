//! Word of batches on its way to their dispatchers. A backend tells of many batches at once, from a thread of its own;
//! waking each dispatcher from there would cost a system call each, so one task is woken, and wakes the others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::run::{RunShared, lock};

/// Where runs wait to be told that their batch has landed.
#[derive(Default)]
pub(crate) struct Landing {
    waiting: Mutex<Vec<Arc<RunShared>>>,
    news: Notify,
    /// Whether the task is there.
    served: AtomicBool,
    closed: AtomicBool,
}

impl Landing {
    /// Starts the task on the tokio runtime at hand, unless there is one already.
    pub(crate) fn start(self: &Arc<Self>, tokio: &Handle) {
        if !self.served.swap(true, Ordering::SeqCst) {
            tokio.spawn(serve(Served(Arc::clone(self))));
        }
    }

    /// There is word of a run's batch. One that landed alone is told at once: the way by the task is longer.
    pub(crate) fn tell(&self, run: &Arc<RunShared>, together: bool) {
        if !together || !self.served.load(Ordering::SeqCst) {
            return run.landed();
        }
        let mut waiting = lock(&self.waiting);
        waiting.push(Arc::clone(run));
        let first = waiting.len() == 1;
        drop(waiting);
        if first {
            self.news.notify_one();
        }
        // The task may have gone with its tokio runtime in between.
        if !self.served.load(Ordering::SeqCst) {
            self.tell_all();
        }
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.news.notify_one();
    }

    fn tell_all(&self) {
        loop {
            let runs = std::mem::take(&mut *lock(&self.waiting));
            if runs.is_empty() {
                return;
            }
            runs.iter().for_each(|run| run.landed());
        }
    }
}

/// The task's end of it.
struct Served(Arc<Landing>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.served.store(false, Ordering::SeqCst);
        self.0.tell_all();
    }
}

async fn serve(served: Served) {
    while !served.0.closed.load(Ordering::SeqCst) {
        served.0.news.notified().await;
        served.0.tell_all();
    }
}
