//! A backend whose writes fail, or are kept back, when they are told to.

#![allow(dead_code)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use stepcast::backend::*;
use stepcast::engine::Time;

/// Hands everything on, but fails every write from the n-th on.
#[derive(Debug)]
pub struct Failing {
    pub inner: Arc<dyn Backend>,
    /// Writes that still succeed.
    pub left: AtomicU64,
    /// Only writes of runs with this in their id count, and fail.
    pub only: &'static str,
    /// Writes that failed.
    pub failed: AtomicU64,
    /// So many writes fail at the most.
    pub most: AtomicU64,
    /// Letters fail too, once writes do: the process is gone.
    pub letters: AtomicBool,
    how: How,
}

#[derive(Debug)]
enum How {
    /// The store does not hear of the batch.
    Error(fn(&Batch) -> WriteError),
    /// The store gets the batch as this leaves it, and refuses it.
    Spoilt(fn(&mut Batch)),
    /// The store gets the batch later.
    Later(Mutex<Vec<(Box<Batch>, Done)>>),
}

impl Failing {
    pub fn after(inner: Arc<dyn Backend>, writes: u64) -> Arc<Failing> {
        Failing::after_for(inner, writes, "")
    }

    pub fn after_for(inner: Arc<dyn Backend>, writes: u64, only: &'static str) -> Arc<Failing> {
        Failing::with(inner, writes, only, |_| {
            let source: Cause = Arc::new(std::io::Error::other("the disk is on fire"));
            WriteError::Storage(StorageError::Full { source })
        })
    }

    pub fn with(
        inner: Arc<dyn Backend>,
        writes: u64,
        only: &'static str,
        error: fn(&Batch) -> WriteError,
    ) -> Arc<Failing> {
        Failing::made(inner, writes, only, How::Error(error))
    }

    /// One write is handed on in a form that the store itself refuses.
    pub fn once_spoilt(inner: Arc<dyn Backend>, writes: u64, spoil: fn(&mut Batch)) -> Arc<Failing> {
        let failing = Failing::made(inner, writes, "", How::Spoilt(spoil));
        failing.most.store(1, Ordering::SeqCst);
        failing
    }

    /// Writes of runs with this in their id are kept back until they are let go.
    pub fn later_for(inner: Arc<dyn Backend>, only: &'static str) -> Arc<Failing> {
        Failing::made(inner, 0, only, How::Later(Mutex::default()))
    }

    /// How many writes are kept back.
    pub fn kept_back(&self) -> usize {
        match &self.how {
            How::Later(batches) => batches.lock().expect("unpoisoned").len(),
            How::Error(_) | How::Spoilt(_) => 0,
        }
    }

    /// The store gets what was kept back, and from now on all writes.
    pub fn let_go(&self) {
        self.heal();
        if let How::Later(batches) = &self.how {
            for (batch, done) in std::mem::take(&mut *batches.lock().expect("unpoisoned")) {
                self.inner.write(batch, done);
            }
        }
    }

    fn made(inner: Arc<dyn Backend>, writes: u64, only: &'static str, how: How) -> Arc<Failing> {
        let (left, failed, most) = (AtomicU64::new(writes), AtomicU64::new(0), AtomicU64::new(u64::MAX));
        Arc::new(Failing { inner, left, only, failed, most, letters: AtomicBool::new(false), how })
    }

    /// From now on, all writes succeed.
    pub fn heal(&self) {
        self.left.store(u64::MAX, Ordering::SeqCst);
    }
}

impl Backend for Failing {
    fn write(&self, mut batch: Box<Batch>, done: Done) {
        if !batch.run.contains(self.only) {
            return self.inner.write(batch, done);
        }
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => self.inner.write(batch, done),
            Err(_) => {
                if self.failed.fetch_add(1, Ordering::SeqCst) + 1 >= self.most.load(Ordering::SeqCst) {
                    self.heal();
                }
                match self.how {
                    How::Error(error) => done.call(Err(error(&batch))),
                    How::Spoilt(spoil) => {
                        spoil(&mut batch);
                        self.inner.write(batch, done);
                    }
                    How::Later(ref batches) => batches.lock().expect("unpoisoned").push((batch, done)),
                }
            }
        }
    }

    fn claim(&self, runs: &[&str]) -> Vec<Result<Lease, ClaimError>> {
        self.inner.claim(runs)
    }
    fn load(&self, run: &str) -> Result<StoredRun, LoadError> {
        self.inner.load(run)
    }
    fn run(&self, run: &str) -> Result<Option<RunRecord>, StorageError> {
        self.inner.run(run)
    }
    fn runs(&self, filter: &RunFilter, after: Option<RunCursor>, limit: usize) -> Result<Vec<RunRecord>, StorageError> {
        self.inner.runs(filter, after, limit)
    }
    fn definition(&self, hash: &str) -> Result<Option<Arc<str>>, StorageError> {
        self.inner.definition(hash)
    }
    fn events(&self, run: &str, after: u64, limit: usize) -> Result<Vec<StreamRow>, LoadError> {
        self.inner.events(run, after, limit)
    }
    fn last_seq(&self, run: &str) -> Result<u64, LoadError> {
        self.inner.last_seq(run)
    }
    fn inputs(
        &self,
        filter: &InputFilter,
        after: Option<InputCursor>,
        limit: usize,
    ) -> Result<Vec<InputRecord>, StorageError> {
        self.inner.inputs(filter, after, limit)
    }
    fn answer(&self, answer: Answer) -> Result<(), AnswerError> {
        self.inner.answer(answer)
    }
    fn send(&self, letter: Letter) -> Result<Sent, SendError> {
        if self.letters.load(Ordering::SeqCst) && self.left.load(Ordering::SeqCst) == 0 {
            return Err(StorageError::Closed.into());
        }
        self.inner.send(letter)
    }
    fn mail(&self, run: &str, after: u64) -> Result<Vec<Mail>, LoadError> {
        self.inner.mail(run, after)
    }
    fn mailed(&self) -> Result<Vec<Arc<str>>, StorageError> {
        self.inner.mailed()
    }
    fn purge(&self, run: &str) -> Result<(), PurgeError> {
        self.inner.purge(run)
    }
    fn purge_ended(&self, before: Time, limit: usize) -> Result<usize, StorageError> {
        self.inner.purge_ended(before, limit)
    }
    fn cache_get(&self, key: &str) -> Result<Option<CacheRow>, StorageError> {
        self.inner.cache_get(key)
    }
    fn cache_put(&self, row: CacheRow) -> Result<(), StorageError> {
        self.inner.cache_put(row)
    }
    fn cache_purge(&self, before: Time, limit: usize) -> Result<usize, StorageError> {
        self.inner.cache_purge(before, limit)
    }
    fn watch(&self, watcher: Watcher) {
        self.inner.watch(watcher);
    }
    fn close(&self) -> Result<(), StorageError> {
        self.inner.close()
    }
}
