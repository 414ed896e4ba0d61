//! Word of batches on its way to their dispatchers. A backend tells of many batches at once, from a thread of its own;
//! waking each dispatcher from there would cost a system call each, so one task is woken, and wakes the others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use stepcast_core::backend::{Acts, Receipt};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::run::{RunShared, lock};

/// Where receipts wait for their runs to be told that their batch has landed. What is a run's own is touched only by the
/// thread that goes on with it: two that take turns at it would wait for each other's caches.
#[derive(Default)]
pub(crate) struct Landing {
    waiting: Mutex<Vec<Landed>>,
    /// Room for those who come while others are told.
    spare: Mutex<Vec<Landed>>,
    /// Whether some of them do not know of it yet, and nobody was asked to tell them.
    due: AtomicBool,
    news: Notify,
    /// Whether the task is there.
    served: AtomicBool,
    closed: AtomicBool,
}

type Landed = (Arc<RunShared>, Receipt);

/// So many have a place that stays.
const ROOM: usize = 256;

impl Landing {
    /// Starts the task on the tokio runtime at hand, unless there is one already.
    pub(crate) fn start(self: &Arc<Self>, tokio: &Handle) {
        if !self.served.swap(true, Ordering::SeqCst) {
            tokio.spawn(serve(Served(Arc::clone(self))));
        }
    }

    /// Whether there is somebody to tell runs of their receipts.
    pub(super) fn is_served(&self) -> bool {
        self.served.load(Ordering::SeqCst)
    }

    /// Takes a run's receipt. Whether somebody has to be asked to tell of it.
    pub(super) fn list(&self, run: Arc<RunShared>, receipt: Receipt) -> bool {
        lock(&self.waiting).push((run, receipt));
        !self.due.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.news.notify_one();
    }

    fn tell_all(&self) {
        let mut landed = std::mem::take(&mut *lock(&self.spare));
        loop {
            std::mem::swap(&mut landed, &mut *lock(&self.waiting));
            if landed.is_empty() {
                break;
            }
            for (run, receipt) in landed.drain(..) {
                run.put_receipt(receipt);
                run.landed();
            }
        }
        if landed.capacity() <= ROOM {
            *lock(&self.spare) = landed;
        }
    }
}

impl Acts for Landing {
    /// Has the runs told that were listed: a group of them with one wake.
    fn act(self: Arc<Self>) {
        if !self.due.swap(false, Ordering::SeqCst) {
            return;
        }
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
