//! The thread that writes: it takes what is queued, writes it in one transaction, and then says what became of it.

mod append;
mod batch;
mod cache;
mod calls;
mod children;
mod create;
mod ends;
mod group;
mod inputs;
mod known;
mod landed;
mod lines;
mod many;
mod queue;
mod rows;
mod tail;
mod transaction;
mod work;

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use stepcast_core::backend::{Notice, Owed, ReceivesAll, StorageError, Watcher};

use crate::open::SqliteOptions;
use crate::owner::{Alive, Owners};
use crate::sql::Stored;
pub(crate) use group::Group;
pub(crate) use queue::{Jobs, Queue, queue};
pub(crate) use tail::Ends;
pub(crate) use work::{Often, Work};

/// The most jobs of one transaction.
const GROUP: usize = 1024;
/// The longest wait for those who shared the last commit.
const COMPANY: Duration = Duration::from_micros(300);
/// While they come, so many are written at once: each look into the queue keeps those out who put something in.
const TOGETHER: usize = 8;
/// How long to stay awake for the next job: whoever was told and goes on at once needs no longer, and to fall asleep and
/// be woken would cost a lone writer a sixth of its time.
const AWAKE: Duration = Duration::from_micros(50);

/// Something to write.
pub(crate) enum Job {
    /// A batch of a run, and where it is taken back with others.
    Batch(Owed, Option<Arc<dyn ReceivesAll>>),
    /// The next lines of the group, so many of them.
    Lines(usize),
    /// Anything else.
    Call(Box<dyn Call>),
    /// Nothing more.
    Close(Sender<Stored<()>>),
    /// Somebody watches from now on.
    Watched,
}

impl Job {
    /// How many lines it stands for.
    fn lines(&self) -> usize {
        if let Job::Lines(many) = self { *many } else { 0 }
    }

    /// How many jobs it is.
    fn many(&self) -> usize {
        self.lines().max(1)
    }
}

/// A change with an answer. It may have to be made twice: once with others, and again alone if that failed.
pub(crate) trait Call: Send {
    /// Makes the change. `false` takes it back without failing the others.
    fn make(&mut self, work: &mut Work<'_>) -> Stored<bool>;
    /// Gives the answer when it is durable, or says why it is not.
    fn answer(self: Box<Self>, outcome: Stored<()>);
}

/// Between which two steps the writer is.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPoint {
    /// A transaction began.
    Begun,
    /// A statement of a batch is done.
    Statement,
    /// A whole job is in the transaction.
    Job,
    /// Everything is in the transaction.
    BeforeCommit,
    /// The transaction is durable, and nobody knows.
    Committed,
    /// Somebody was told.
    Told,
}

/// What the thread needs besides the connection.
pub(crate) struct Setup {
    pub(crate) conn: Connection,
    /// What SQLite said of the writes of others when the file was opened: whoever opened it may have looked at once.
    pub(crate) version: i64,
    pub(crate) me: i64,
    pub(crate) alive: Alive,
    pub(crate) owners: Owners,
    pub(crate) options: SqliteOptions,
    pub(crate) watcher: Arc<Mutex<Option<Watcher>>>,
}

/// The thread's work, until it is told to close.
pub(crate) fn write_until_closed(setup: Setup, queue: &Queue) {
    let Setup { conn, version, me, alive, owners, options, watcher } = setup;
    let poll = options.poll;
    let mut look = Instant::now() + poll;
    // Opening the file has seen that they can be prepared; if not, everybody is told that the store is closed.
    let Ok(often) = Often::prepare(&conn) else { return };
    let mut work = Work::new(&conn, often, version, me, owners, options);
    let mut group = Group::default();
    let (mut company, mut awake) = (1, Duration::ZERO);
    let watching = || watcher.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let told = loop {
        let watched = watching();
        if watched.is_some() && Instant::now() >= look {
            work.look_around();
            tell(&watched, &mut work.notices);
            look = Instant::now() + poll;
        }
        queue.take(&mut group, GROUP, 1, std::mem::take(&mut awake), watched.is_some().then_some(look));
        let mut more = More { queue, company, until: None, closing: None };
        more.sort_out(&mut group, 0);
        if !group.jobs.is_empty() {
            company = work.write_group(&mut group, &mut more);
            awake = AWAKE;
        }
        let closing = more.closing;
        // Somebody may watch since the wait for a job began.
        tell(&watching(), &mut work.notices);
        if let Some(told) = closing {
            break told;
        }
    };
    let left = work.leave();
    drop(work);
    drop(alive);
    let _ = told.send(left);
}

/// What else goes into a transaction that has begun. Those who shared the last commit are about to write again, just
/// after they were told of it: without a short wait for them, every second group would be a small one.
struct More<'a> {
    queue: &'a Queue,
    /// How many shared the last commit.
    company: usize,
    /// When the wait for them ends.
    until: Option<Instant>,
    closing: Option<Sender<Stored<()>>>,
}

impl More<'_> {
    /// Adds what is queued to a group, and says whether that was anything.
    fn join(&mut self, group: &mut Group) -> bool {
        let (old, jobs) = (group.many(), group.jobs.len());
        if self.closing.is_some() || old >= GROUP {
            return false;
        }
        self.queue.take(group, GROUP - old, 0, Duration::ZERO, None);
        if group.jobs.len() == jobs && old < self.company {
            let until = *self.until.get_or_insert_with(|| Instant::now() + COMPANY);
            let left = self.company - old;
            if !self.queue.watch(left.min(TOGETHER), AWAKE) {
                // They take their time: it is enough to be woken for the last of them.
                self.queue.take(group, GROUP - old, left, Duration::ZERO, Some(until));
            } else {
                self.queue.take(group, GROUP - old, 0, Duration::ZERO, None);
            }
        }
        self.sort_out(group, jobs);
        group.jobs.len() > jobs
    }

    /// Takes out what is nothing to write. What came after the end is dropped, and learns so.
    fn sort_out(&mut self, group: &mut Group, from: usize) {
        let mut at = from;
        while at < group.jobs.len() {
            if self.closing.is_some() {
                group.truncate(at);
            } else if matches!(group.jobs[at], Job::Watched | Job::Close(_)) {
                if let Job::Close(told) = group.jobs.remove(at) {
                    self.closing = Some(told);
                }
            } else {
                at += 1;
            }
        }
    }
}

fn tell(watcher: &Option<Watcher>, notices: &mut Vec<Notice>) {
    match watcher {
        Some(watcher) => notices.drain(..).for_each(|notice| watcher(notice)),
        None => notices.clear(),
    }
}

/// What nothing is written after.
fn is_final(error: &StorageError) -> bool {
    // After a failed fsync the system may have dropped what it could not write; only a new look at the file tells.
    matches!(error, StorageError::Io { .. })
}
