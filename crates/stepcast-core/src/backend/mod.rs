//! The seam between a runtime and what keeps its runs: plain data to write and to read, and the trait that does it.
//!
//! A run is a gapless journal of rows that only the runtime understands, at most one snapshot that stands for the rows
//! up to its own, and what others want to read without knowing the rows: a status, stream events, pending inputs.
//! Everything that belongs to one moment of a run is one [`Batch`], which is kept whole or not at all.

mod batch;
mod done;
mod error;
mod memory;
mod record;

pub use batch::*;
pub use done::*;
pub use error::*;
pub use memory::MemoryBackend;
pub use record::*;

use std::fmt::Debug;
use std::sync::Arc;

use crate::engine::Time;

/// What keeps runs. An instance is one owner of runs: two processes, or two instances in one, never hold a lease of
/// the same run at a time, and the runs of an instance are anybody's as soon as it is closed or its process is gone.
///
/// Everything but [`write`](Backend::write) blocks until it is done, and until it is durable where it changes anything.
/// No method may be called from within a [`Done`] or a [`Watcher`], except `write`.
pub trait Backend: Send + Sync + Debug + 'static {
    /// Queues a batch and returns. `done` is called once, from a thread of the backend's or before this returns: with
    /// `Ok` when the batch is durable, and otherwise when it is known that nothing of it was kept. Only after [`StorageError::Io`] does but the next opening of the store
    /// tell whether the last batches were kept, for a disk that fails to say that they are may still have them. Batches of one run are written in the order
    /// in which they were queued. After one failed, the later ones of its run fail with [`WriteError::Stopped`] until
    /// the run is claimed anew, so that no gap can arise.
    ///
    /// Batches of several runs share one commit. Queue nothing more of a new run before its first batch is done: its id
    /// may turn out to be taken.
    fn write(&self, batch: Box<Batch>, done: Done);

    /// Takes leases of stored runs, in one transaction, with an answer for each. A run that this instance holds already
    /// is given anew: its former fence is worth nothing from then on. A run whose holder is alive is refused; one whose
    /// holder is gone is taken over. A lease ends with a batch that releases it or that ends the run.
    fn claim(&self, runs: &[&str]) -> Vec<Result<Lease, ClaimError>>;

    /// A run with all that is needed to go on from where it was.
    fn load(&self, run: &str) -> Result<StoredRun, LoadError>;

    /// What is known of a run without its journal.
    fn run(&self, run: &str) -> Result<Option<RunRecord>, StorageError>;

    /// Runs, the latest created first, at most `limit`; the next page starts after [`RunRecord::cursor`] of the last.
    /// A filter for unclaimed runs finds those whose holder is gone.
    fn runs(&self, filter: &RunFilter, after: Option<RunCursor>, limit: usize) -> Result<Vec<RunRecord>, StorageError>;

    /// The document with this hash, which stored runs were created with. It goes with the last of them.
    fn definition(&self, hash: &str) -> Result<Option<Arc<str>>, StorageError>;

    /// Stream events of a run with numbers greater than `after`, in order, at most `limit`.
    fn events(&self, run: &str, after: u64, limit: usize) -> Result<Vec<StreamRow>, LoadError>;

    /// The number of a run's last stream event; 0 if it has none.
    fn last_seq(&self, run: &str) -> Result<u64, LoadError>;

    /// Inputs of all runs, the oldest first, at most `limit`; the next page starts after [`InputRecord::cursor`].
    fn inputs(
        &self,
        filter: &InputFilter,
        after: Option<InputCursor>,
        limit: usize,
    ) -> Result<Vec<InputRecord>, StorageError>;

    /// Answers a pending input, wherever its run sleeps: the answer is recorded and put into the run's mailbox, both or
    /// neither. The first wins; a second learns who did. Whether the answer is a valid one is the caller's to check.
    fn answer(&self, answer: Answer) -> Result<(), AnswerError>;

    /// Puts something into a run's mailbox, where it stays until a batch of the run takes it.
    fn send(&self, letter: Letter) -> Result<Sent, SendError>;

    /// The mailbox of a run, in order, from after the letter `after`; 0 for all.
    fn mail(&self, run: &str, after: u64) -> Result<Vec<Mail>, LoadError>;

    /// Runs that this instance holds and that have mail.
    fn mailed(&self) -> Result<Vec<Arc<str>>, StorageError>;

    /// Removes a run that has ended or that nobody holds, with everything of it.
    fn purge(&self, run: &str) -> Result<(), PurgeError>;

    /// Removes runs that ended before `before`, at most `limit`, and says how many. Their room is given back.
    fn purge_ended(&self, before: Time, limit: usize) -> Result<usize, StorageError>;

    /// A result that calls of any run may share, by its key.
    fn cache_get(&self, key: &str) -> Result<Option<CacheRow>, StorageError>;

    /// Keeps a result for calls of any run, in place of what its key had.
    fn cache_put(&self, row: CacheRow) -> Result<(), StorageError>;

    /// Removes shared results that were kept before `before`, at most `limit`, and says how many.
    fn cache_purge(&self, before: Time, limit: usize) -> Result<usize, StorageError>;

    /// Names who is told what others do. One at a time: a second replaces the first.
    fn watch(&self, watcher: Watcher);

    /// Writes what is queued, gives all leases back and ends. Everything later fails with [`StorageError::Closed`].
    fn close(&self) -> Result<(), StorageError>;
}

/// Called with what may be of interest, from a thread of the backend's; it must not block.
pub type Watcher = Arc<dyn Fn(Notice) + Send + Sync>;

/// Something happened that whoever runs the runs of this instance may have to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A letter or an answer for this run was recorded through this instance, by a batch of another run too.
    Mail(Arc<str>),
    /// Another instance wrote: there may be mail in [`Backend::mailed`], and new runs.
    Elsewhere,
    /// The holder of some runs is gone: there are unclaimed runs.
    Unclaimed,
}

/// Leave to write a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Greater than that of every earlier lease of the run. Whoever writes with a lesser one is fenced off.
    pub fence: u64,
}
