//! The way to the writer: many put in, one takes out, and is woken once for all that it waits for.

use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::Job;

/// The end where jobs are put in.
#[derive(Clone)]
pub(crate) struct Jobs {
    way: Sender<Job>,
    shared: Arc<Shared>,
}

/// The end where they are taken out. When it is gone, so are the jobs.
pub(crate) struct Queue {
    way: Receiver<Job>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// How many jobs there are. One that is taken before it was counted makes it less than it is, for a moment.
    len: AtomicIsize,
    /// How many the taker sleeps for; 0 while it is awake.
    wanted: AtomicIsize,
    taker: OnceLock<Thread>,
}

pub(crate) fn queue() -> (Jobs, Queue) {
    let (put, take) = channel();
    let shared = Arc::<Shared>::default();
    (Jobs { way: put, shared: shared.clone() }, Queue { way: take, shared })
}

impl Jobs {
    /// Whether somebody will take the job. If not, it is dropped, which calls others.
    pub(crate) fn send(&self, job: Job) -> bool {
        if self.way.send(job).is_err() {
            return false;
        }
        let Shared { len, wanted, taker } = &*self.shared;
        let len = len.fetch_add(1, Ordering::SeqCst) + 1;
        let enough = wanted.load(Ordering::SeqCst);
        if enough > 0
            && len >= enough
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
        let len = || self.shared.len.load(Ordering::Acquire);
        if len() < wanted as isize {
            let end = Instant::now() + awake;
            while len() < wanted as isize && Instant::now() < end {
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
        let (mut taken, mut last) = (0, false);
        loop {
            let before = taken;
            while taken < most
                && let Ok(job) = self.way.try_recv()
            {
                into.push(job);
                taken += 1;
            }
            self.shared.len.fetch_sub((taken - before) as isize, Ordering::SeqCst);
            if taken >= wanted.min(most) || last {
                return;
            }
            last = !self.sleep(wanted - taken, until);
        }
    }

    /// Sleeps until there are `wanted` jobs; `false` when it is time to go on without them.
    fn sleep(&self, wanted: usize, until: Option<Instant>) -> bool {
        let Shared { len, wanted: noted, taker } = &*self.shared;
        taker.get_or_init(std::thread::current);
        noted.store(wanted as isize, Ordering::SeqCst);
        let mut in_time = true;
        // Whoever puts in enough takes the note away; a wake-up without that is somebody else's.
        while len.load(Ordering::SeqCst) < wanted as isize && noted.load(Ordering::SeqCst) > 0 {
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
