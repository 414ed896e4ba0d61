//! The way to the writer: many put in, one takes out all there is, and is woken once for all that it waits for.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use stepcast_core::backend::Owed;

use super::Job;
use super::group::{Group, ROOM};
use super::lines::{Lines, MOST};

/// The end where jobs are put in.
#[derive(Clone)]
pub(crate) struct Jobs(Arc<Shared>);

/// The end where they are taken out. When it is gone, so are the jobs.
pub(crate) struct Queue {
    shared: Arc<Shared>,
    /// Changes places with what others put in, which is locked for no longer than that.
    spare: RefCell<(VecDeque<Job>, Lines)>,
}

#[derive(Default)]
struct Shared {
    // One list whose room stays: a channel would ask for memory for every few jobs.
    waiting: Mutex<Waiting>,
    /// There is what the taker waits for.
    enough: Apart,
    taker: OnceLock<Thread>,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Those that `Job::Lines` stand for.
    lines: Lines,
    /// How many all are.
    many: usize,
    /// How many jobs the taker waits for; 0 while it waits for none.
    wanted: usize,
    /// Whether it sleeps for them.
    asleep: bool,
    /// Nobody takes them any more.
    closed: bool,
}

/// Looked at all the time by the taker while it waits, and written once for all that it waits for. In lines of cache of its
/// own: otherwise each look would take the list away from those who put something in.
#[derive(Default)]
#[repr(align(128))]
struct Apart(AtomicBool);

pub(crate) fn queue() -> (Jobs, Queue) {
    let shared = Arc::<Shared>::default();
    (Jobs(Arc::clone(&shared)), Queue { shared, spare: RefCell::default() })
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_enough(&self) -> bool {
        self.enough.0.load(Ordering::Acquire)
    }
}

impl Jobs {
    /// Whether somebody will take the job. If not, it is dropped, which calls others.
    pub(crate) fn send(&self, job: Job) -> bool {
        self.put(job, |waiting, job| waiting.jobs.push_back(job))
    }

    /// As `send`, for a batch: most go with others in one piece.
    pub(crate) fn write(&self, owed: Owed) -> bool {
        let of_all = owed.done.of_all();
        let fits = of_all.is_some() && Lines::suit(&owed.batch);
        self.put((owed, of_all), |Waiting { jobs, lines, .. }, (owed, of_all)| {
            // Pieces are taken whole, with the jobs before them.
            if fits && jobs.len() < MOST && lines.have_room_for(&of_all) {
                lines.push(owed, of_all);
                match jobs.back_mut() {
                    Some(Job::Lines(many)) => *many += 1,
                    _ => jobs.push_back(Job::Lines(1)),
                }
            } else {
                jobs.push_back(Job::Batch(owed, of_all));
            }
        })
    }

    fn put<T>(&self, new: T, put: impl FnOnce(&mut Waiting, T)) -> bool {
        let mut waiting = self.0.lock();
        if waiting.closed {
            drop(waiting);
            return false;
        }
        put(&mut waiting, new);
        waiting.many += 1;
        if waiting.wanted == 0 || waiting.many < waiting.wanted {
            return true;
        }
        waiting.wanted = 0;
        let asleep = waiting.asleep;
        self.0.enough.0.store(true, Ordering::Release);
        drop(waiting);
        if let Some(taker) = self.0.taker.get().filter(|_| asleep) {
            taker.unpark();
        }
        true
    }
}

impl Queue {
    /// Waits without going to sleep until there are `wanted` jobs, at most for `awake`. Whether there are any.
    pub(super) fn watch(&self, wanted: usize, awake: Duration) -> bool {
        if self.ask_for(wanted, false) {
            return true;
        }
        let end = Instant::now() + awake;
        while !self.shared.has_enough() && Instant::now() < end {
            std::thread::yield_now();
        }
        self.ask_no_more()
    }

    /// Moves the jobs that are there to `into`, only about `most` of very many, and waits until there are `wanted`: for
    /// `awake` without going to sleep, and asleep until `until`, or for good without one.
    pub(super) fn take(&self, into: &mut Group, most: usize, wanted: usize, awake: Duration, until: Option<Instant>) {
        if !awake.is_zero() {
            self.watch(wanted, awake);
        }
        let (mut taken, mut last) = (0, false);
        loop {
            taken += self.take_waiting(into, most.saturating_sub(taken));
            if taken >= wanted.min(most) || last {
                return;
            }
            last = !self.sleep(wanted - taken, until);
        }
    }

    /// Moves the jobs that are there, of many only the first ones, and says how many.
    fn take_waiting(&self, into: &mut Group, most: usize) -> usize {
        let (taken, lines) = &mut *self.spare.borrow_mut();
        let mut waiting = self.shared.lock();
        std::mem::swap(&mut waiting.lines, lines);
        // Those before the last line, at least.
        let most = most.max(MOST);
        let many = if waiting.jobs.len() <= most {
            std::mem::swap(&mut waiting.jobs, taken);
            std::mem::take(&mut waiting.many)
        } else {
            taken.extend(waiting.jobs.drain(..most));
            let many = taken.iter().map(Job::many).sum();
            waiting.many -= many;
            many
        };
        drop(waiting);
        into.add_lines(lines);
        into.jobs.extend(taken.drain(..));
        if taken.capacity() > ROOM {
            *taken = VecDeque::new();
        }
        many
    }

    /// Sleeps until there are `wanted` jobs; `false` when it is time to go on without them.
    fn sleep(&self, wanted: usize, until: Option<Instant>) -> bool {
        self.shared.taker.get_or_init(std::thread::current);
        if self.ask_for(wanted, true) {
            return true;
        }
        let mut in_time = true;
        // A wake-up before there are enough is somebody else's.
        while in_time && !self.shared.has_enough() {
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => in_time = false,
                Some(left) => std::thread::park_timeout(left),
                None => std::thread::park(),
            }
        }
        self.ask_no_more();
        in_time
    }

    /// Waits for so many jobs from now on, unless they are there.
    fn ask_for(&self, wanted: usize, asleep: bool) -> bool {
        let mut waiting = self.shared.lock();
        if waiting.many >= wanted {
            return true;
        }
        // While nothing is wanted, nobody sets it.
        self.shared.enough.0.store(false, Ordering::Relaxed);
        (waiting.wanted, waiting.asleep) = (wanted, asleep);
        false
    }

    /// Waits for nothing any more. Whether there are any jobs.
    fn ask_no_more(&self) -> bool {
        let mut waiting = self.shared.lock();
        waiting.wanted = 0;
        !waiting.jobs.is_empty()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let left = {
            let mut waiting = self.shared.lock();
            waiting.closed = true;
            (std::mem::take(&mut waiting.jobs), std::mem::take(&mut waiting.lines))
        };
        // Who hears of it may put something in.
        drop(left);
    }
}
