//! The way to the writer: many put in, one takes out all there is, and is woken once for all that it waits for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::Job;

/// Lists that had to have room for more jobs are made anew: a burst is over, and what waits for the next one is not small.
const MOST_ROOM: usize = 128;

/// The end where jobs are put in.
#[derive(Clone)]
pub(crate) struct Jobs(Arc<Shared>);

/// The end where they are taken out. When it is gone, so are the jobs.
pub(crate) struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    // One list whose room stays: a channel would ask for memory for every few jobs.
    waiting: Mutex<Waiting>,
    /// How many jobs there are, for a look without the lock.
    len: AtomicUsize,
    /// How many the taker sleeps for; 0 while it is awake.
    wanted: AtomicUsize,
    taker: OnceLock<Thread>,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Nobody takes them any more.
    closed: bool,
}

pub(crate) fn queue() -> (Jobs, Queue) {
    let shared = Arc::<Shared>::default();
    (Jobs(Arc::clone(&shared)), Queue(shared))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    /// Whether somebody will take the job. If not, it is dropped, which calls others.
    pub(crate) fn send(&self, job: Job) -> bool {
        let Shared { len, wanted, taker, .. } = &*self.0;
        let mut waiting = self.0.lock();
        if waiting.closed {
            drop(waiting);
            return false;
        }
        waiting.jobs.push_back(job);
        let many = waiting.jobs.len();
        len.store(many, Ordering::SeqCst);
        drop(waiting);
        let enough = wanted.load(Ordering::SeqCst);
        if enough > 0
            && many >= enough
            && wanted.swap(0, Ordering::SeqCst) > 0
            && let Some(taker) = taker.get()
        {
            taker.unpark();
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
        if into.is_empty() && into.capacity() > MOST_ROOM {
            *into = Vec::new();
        }
        let (mut taken, mut last) = (0, false);
        loop {
            taken += self.take_waiting(into, most - taken);
            if taken >= wanted.min(most) || last {
                return;
            }
            last = !self.sleep(wanted - taken, until);
        }
    }

    /// Moves at most `most` of the jobs that are there, and says how many.
    fn take_waiting(&self, into: &mut Vec<Job>, most: usize) -> usize {
        if self.0.len.load(Ordering::SeqCst) == 0 {
            return 0;
        }
        let mut waiting = self.0.lock();
        let many = waiting.jobs.len().min(most);
        into.extend(waiting.jobs.drain(..many));
        if waiting.jobs.is_empty() && waiting.jobs.capacity() > MOST_ROOM {
            waiting.jobs = VecDeque::new();
        }
        self.0.len.store(waiting.jobs.len(), Ordering::SeqCst);
        many
    }

    /// Sleeps until there are `wanted` jobs; `false` when it is time to go on without them.
    fn sleep(&self, wanted: usize, until: Option<Instant>) -> bool {
        let Shared { len, wanted: noted, taker, .. } = &*self.0;
        taker.get_or_init(std::thread::current);
        noted.store(wanted, Ordering::SeqCst);
        let mut in_time = true;
        // Whoever puts in enough takes the note away; a wake-up without that is somebody else's.
        while len.load(Ordering::SeqCst) < wanted && noted.load(Ordering::SeqCst) > 0 {
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => {
                    in_time = false;
                    break;
                }
                Some(left) => std::thread::park_timeout(left),
                None => std::thread::park(),
            }
        }
        noted.store(0, Ordering::SeqCst);
        in_time
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let left = {
            let mut waiting = self.0.lock();
            waiting.closed = true;
            self.0.len.store(0, Ordering::SeqCst);
            std::mem::take(&mut waiting.jobs)
        };
        // Who hears of it may put something in.
        drop(left);
    }
}
