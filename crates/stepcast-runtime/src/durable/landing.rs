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
    /// Whether some of them do not know of it yet, and nobody was asked to tell them.
    due: AtomicBool,
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

    /// Notes a run whose batch has landed. `false` if nobody is there to tell it.
    pub(super) fn list(&self, run: &Arc<RunShared>) -> bool {
        if !self.served.load(Ordering::SeqCst) {
            return false;
        }
        lock(&self.waiting).push(Arc::clone(run));
        self.due.store(true, Ordering::SeqCst);
        true
    }

    /// Has the runs told that were listed: a group of them with one wake.
    pub(super) fn tell(&self) {
        if !self.due.swap(false, Ordering::SeqCst) {
            return;
        }
        self.news.notify_one();
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
