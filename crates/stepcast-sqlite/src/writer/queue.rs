//! The way to the writer: many put in, one takes out, and is woken once for all that it waits for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Job;

/// The end where jobs are put in.
#[derive(Clone)]
pub(crate) struct Jobs(Arc<Shared>);

/// The end where they are taken out. When it is gone, so are the jobs.
pub(crate) struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// How many jobs there are, for a look without the lock.
    len: AtomicUsize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// How many the taker sleeps for; 0 while it is awake.
    wanted: usize,
    closed: bool,
}

pub(crate) fn queue() -> (Jobs, Queue) {
    let shared = Arc::<Shared>::default();
    (Jobs(shared.clone()), Queue(shared))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    /// Whether somebody will take the job. If not, it is dropped, which calls others and so is not done under the lock.
    pub(crate) fn send(&self, job: Job) -> bool {
        let mut state = self.0.lock();
        if state.closed {
            drop(state);
            drop(job);
            return false;
        }
        state.jobs.push_back(job);
        let len = state.jobs.len();
        self.0.len.store(len, Ordering::Release);
        let wake = state.wanted != 0 && len >= state.wanted;
        if wake {
            state.wanted = 0;
        }
        drop(state);
        if wake {
            self.0.wake.notify_one();
        }
        true
    }
}

impl Queue {
    /// Waits without going to sleep until there are `wanted` jobs, at most for `awake`. Whether there are any.
    pub(super) fn watch(&self, wanted: usize, awake: Duration) -> bool {
        let len = || self.0.len.load(Ordering::Acquire);
        if len() < wanted {
            let end = Instant::now() + awake;
            while len() < wanted && Instant::now() < end {
                std::thread::yield_now();
            }
        }
        len() > 0
    }

    /// Moves at most `most` jobs to `into`, and waits until there are `wanted`: for `awake` without going to sleep, and
    /// asleep until `until`, or for good without one.
    pub(super) fn take(
        &self,
        into: &mut Vec<Job>,
        most: usize,
        wanted: usize,
        awake: Duration,
        until: Option<Instant>,
    ) {
        if !awake.is_zero() {
            self.watch(wanted, awake);
        }
        let mut state = self.0.lock();
        while state.jobs.len() < wanted {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            state.wanted = wanted;
            state = match left {
                Some(Duration::ZERO) => break,
                Some(left) => self.0.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.0.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.wanted = 0;
        let many = most.min(state.jobs.len());
        into.extend(state.jobs.drain(..many));
        self.0.len.store(state.jobs.len(), Ordering::Release);
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let left = {
            let mut state = self.0.lock();
            state.closed = true;
            std::mem::take(&mut state.jobs)
        };
        drop(left);
    }
}
