//! Stores that survive the runtimes that use them: the same test runs on each.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use stepcast::backend::{Backend, MemoryBackend, StorageError};
use stepcast_sqlite::SqliteBackend;

/// A store that can be opened any number of times, as processes would.
pub struct Store {
    kind: Kind,
    open: Mutex<Vec<Arc<dyn Backend>>>,
}

enum Kind {
    Memory(MemoryBackend),
    Sqlite(tempfile::TempDir),
}

impl Store {
    /// One of each kind.
    pub fn all() -> Vec<Store> {
        vec![Store::memory(), Store::sqlite()]
    }

    pub fn memory() -> Store {
        Store::of(Kind::Memory(MemoryBackend::new()))
    }

    pub fn sqlite() -> Store {
        Store::of(Kind::Sqlite(tempfile::tempdir().expect("a folder")))
    }

    /// Another instance of the store.
    pub fn open(&self) -> Arc<dyn Backend> {
        let opened: Arc<dyn Backend> = match &self.kind {
            Kind::Memory(memory) => Arc::new(memory.beside()),
            Kind::Sqlite(_) => Arc::new(SqliteBackend::open(self.file()).expect("it opens")),
        };
        self.open.lock().expect("unpoisoned").push(Arc::clone(&opened));
        opened
    }

    /// The file of an SQLite store.
    pub fn file(&self) -> PathBuf {
        match &self.kind {
            Kind::Sqlite(folder) => folder.path().join("runs.db"),
            Kind::Memory(_) => unreachable!("a store in memory has no file"),
        }
    }

    fn of(kind: Kind) -> Store {
        Store { kind, open: Mutex::default() }
    }

    /// Runs a process's worth of work, and kills it: its tasks are dropped where they are, and its leases end.
    pub fn process<T>(&self, work: impl Future<Output = T>) -> T {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let tokio = tokio.expect("a runtime");
        let result = tokio.block_on(super::within(work));
        tokio.shutdown_background();
        for backend in self.open.lock().expect("unpoisoned").drain(..) {
            // A runtime that was shut down has closed it.
            let closed = backend.close();
            assert!(matches!(closed, Ok(()) | Err(StorageError::Closed)), "{closed:?}");
        }
        result
    }

    pub fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Memory(_) => "memory",
            Kind::Sqlite(_) => "sqlite",
        }
    }
}
