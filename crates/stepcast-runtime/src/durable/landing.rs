//! Word of batches on its way to their dispatchers. A backend tells of many batches at once, from a thread of its own;
//! waking each dispatcher from there would cost a system call each, so one task is woken, and wakes the others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use stepcast_core::backend::{Owed, ReceivesAll};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::run::lock;

/// Where batches that landed wait for their runs to be told of it. What is a run's own is touched only by the thread that
/// goes on with it: two that take turns at it would wait for each other's caches.
#[derive(Default)]
pub(crate) struct Landing {
    waiting: Mutex<Vec<Vec<Owed>>>,
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

    /// Whether there is somebody to tell runs of their batches.
    pub(super) fn is_served(&self) -> bool {
        self.served.load(Ordering::SeqCst)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.news.notify_one();
    }

    fn tell_all(&self) {
        let landed = std::mem::take(&mut *lock(&self.waiting));
        landed.into_iter().flatten().for_each(|owed| owed.settle(Ok(())));
    }
}

impl ReceivesAll for Landing {
    /// Has their runs told: all of them with one wake.
    fn receive_all(self: Arc<Self>, landed: Vec<Vec<Owed>>) {
        lock(&self.waiting).extend(landed);
        self.news.notify_one();
        // The task may have gone with its tokio runtime in between.
        if !self.is_served() {
            self.tell_all();
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
