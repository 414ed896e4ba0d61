//! The thread that writes: it takes what is queued, writes it in one transaction, and then says what became of it.

mod append;
mod batch;
mod calls;
mod group;
mod inputs;
mod work;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use stepcast_core::backend::{Batch, Done, Notice, StorageError, Watcher};

use crate::open::SqliteOptions;
use crate::owner::{Alive, Owners};
use crate::sql::Stored;
pub(crate) use work::Work;

/// The most jobs of one transaction.
const GROUP: usize = 1024;
/// The longest wait for those who shared the last commit.
const COMPANY: Duration = Duration::from_micros(300);

/// Something to write.
pub(crate) enum Job {
    /// A batch of a run.
    Batch(Box<Batch>, Done),
    /// Anything else.
    Call(Box<dyn Call>),
    /// Nothing more.
    Close(Sender<Stored<()>>),
    /// Somebody watches from now on.
    Watched,
}

/// A change with an answer. It may have to be made twice: once with others, and again alone if that failed.
pub(crate) trait Call: Send {
    /// Makes the change. `false` takes it back without failing the others.
    fn make(&mut self, work: &mut Work) -> Stored<bool>;
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
    pub(crate) me: i64,
    pub(crate) alive: Alive,
    pub(crate) owners: Owners,
    pub(crate) options: SqliteOptions,
    pub(crate) watcher: Arc<Mutex<Option<Watcher>>>,
}

/// The thread's work, until it is told to close or nobody is left to tell it anything.
pub(crate) fn write_until_closed(setup: Setup, jobs: &Receiver<Job>) {
    let Setup { conn, me, alive, owners, options, watcher } = setup;
    let poll = options.poll;
    let mut work = Work::new(conn, me, owners, options);
    let mut group = Vec::new();
    let mut company = 1;
    let closing = loop {
        let watched = watcher.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let first = match &watched {
            Some(_) => jobs.recv_timeout(poll),
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let first = match first {
            Ok(Job::Close(told)) => break Some(told),
            Ok(Job::Watched) => continue,
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                work.look_around();
                tell(&watched, &mut work.notices);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break None,
        };
        group.push(first);
        let mut more = More { jobs, company, until: None, closing: None };
        company = work.write_group(&mut group, &mut more);
        let closing = more.closing;
        tell(&watched, &mut work.notices);
        if closing.is_some() {
            break closing;
        }
    };
    let left = work.leave();
    drop(work);
    drop(alive);
    if let Some(told) = closing {
        let _ = told.send(left);
    }
}

/// What else goes into a transaction that has begun. Those who shared the last commit are about to write again, just
/// after they were told of it: without a short wait for them, every second group would be a small one.
struct More<'a> {
    jobs: &'a Receiver<Job>,
    /// How many shared the last commit.
    company: usize,
    /// When the wait for them ends.
    until: Option<Instant>,
    closing: Option<Sender<Stored<()>>>,
}

impl More<'_> {
    /// The next job for a group that has `len` already.
    fn next(&mut self, len: usize) -> Option<Job> {
        while len < GROUP && self.closing.is_none() {
            let job = match self.jobs.try_recv() {
                Ok(job) => job,
                Err(_) if len >= self.company => return None,
                Err(_) => {
                    let until = *self.until.get_or_insert_with(|| Instant::now() + COMPANY);
                    self.jobs.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?
                }
            };
            match job {
                Job::Close(told) => self.closing = Some(told),
                Job::Watched => {}
                job => return Some(job),
            }
        }
        None
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
