//! Opening a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use stepcast_core::backend::StorageError;

use crate::SqliteBackend;
use crate::error::{OpenError, storage};
use crate::owner::{Alive, Owners};
use crate::schema;
use crate::writer::{FaultPoint, Often};

/// How soon a file is tried again that others are just opening.
const AGAIN: Duration = Duration::from_millis(2);

pub(crate) type FaultHook = Arc<dyn Fn(FaultPoint) + Send + Sync>;

/// How to open a store. The default suits nearly everybody.
#[derive(Clone)]
pub struct SqliteOptions {
    pub(crate) read_only: bool,
    pub(crate) lock_wait: Duration,
    pub(crate) max_pages: Option<u32>,
    pub(crate) poll: Duration,
    pub(crate) fault: Option<FaultHook>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        SqliteOptions {
            read_only: false,
            lock_wait: Duration::from_secs(10),
            max_pages: None,
            poll: Duration::from_millis(50),
            fault: None,
        }
    }
}

impl SqliteOptions {
    /// Only reads; whatever would write fails with `StorageError::ReadOnly`.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// How long to wait for another process that holds the write lock. 10 s by default.
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// The most pages (of 4 KiB) that the file may have; past that the store is full.
    #[must_use]
    pub fn max_pages(mut self, pages: u32) -> Self {
        self.max_pages = Some(pages);
        self
    }

    /// How often to look for what other processes wrote, while somebody watches. 50 ms by default.
    #[must_use]
    pub fn poll(mut self, every: Duration) -> Self {
        self.poll = every;
        self
    }

    /// Called by the writer between any two of its steps, so that tests can end the process there.
    #[doc(hidden)]
    #[must_use]
    pub fn on_fault_point(mut self, hook: impl Fn(FaultPoint) + Send + Sync + 'static) -> Self {
        self.fault = Some(Arc::new(hook));
        self
    }

    pub(crate) fn fault(&self, point: FaultPoint) {
        if let Some(hook) = &self.fault {
            hook(point);
        }
    }

    /// Opens a store, or makes one where there is no file.
    pub fn open(self, path: impl AsRef<Path>) -> Result<SqliteBackend, OpenError> {
        SqliteBackend::start(path.as_ref(), self)
    }
}

impl std::fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteOptions")
            .field("read_only", &self.read_only)
            .field("lock_wait", &self.lock_wait)
            .field("max_pages", &self.max_pages)
            .field("poll", &self.poll)
            .finish_non_exhaustive()
    }
}

/// A connection that reads.
pub(crate) fn reader(path: &Path, options: &SqliteOptions) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(options.lock_wait)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// A connection to a file that has a write-ahead log, or is given one.
fn with_log(path: &Path, options: &SqliteOptions) -> Result<Connection, OpenError> {
    let began = Instant::now();
    loop {
        match switched(path, options) {
            // SQLite gives up at once where two give a new file its log.
            Err(OpenError::Storage { source: StorageError::Locked { .. }, .. })
                if began.elapsed() < options.lock_wait =>
            {
                std::thread::sleep(AGAIN);
            }
            result => return result,
        }
    }
}

fn switched(path: &Path, options: &SqliteOptions) -> Result<Connection, OpenError> {
    let failed = |error| OpenError::Storage { path: path.to_owned(), source: storage(error) };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(failed)?;
    conn.busy_timeout(options.lock_wait).map_err(failed)?;
    // Nothing of a file that is not ours is changed, not even its journal mode.
    schema::verify_or_empty(&conn, path)?;
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(failed)?;
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(failed)?;
    match mode.eq_ignore_ascii_case("wal") {
        true => Ok(conn),
        false => Err(OpenError::NoWriteAheadLog { path: path.to_owned(), mode }),
    }
}

/// The connection that writes, and this instance's sign of life.
pub(crate) fn writer(
    path: &Path,
    owners: &Owners,
    options: &SqliteOptions,
) -> Result<(Connection, i64, Alive), OpenError> {
    let failed = |error| OpenError::Storage { path: path.to_owned(), source: storage(error) };
    let conn = with_log(path, options)?;
    conn.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    // A log that is written over is synced faster than one that grows, so it is kept short.
    conn.pragma_update(None, "wal_autocheckpoint", 1000).map_err(failed)?;
    conn.pragma_update(None, "journal_size_limit", 64 << 20).map_err(failed)?;
    if let Some(pages) = options.max_pages {
        conn.pragma_update(None, "max_page_count", pages).map_err(failed)?;
    }
    conn.set_prepared_statement_cache_capacity(64);

    conn.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    let entered = schema::prepare(&conn, path).and_then(|()| {
        Often::prepare(&conn).map_err(|source| OpenError::Storage { path: path.to_owned(), source })?;
        conn.execute("INSERT INTO owners(pid) VALUES(?1)", [std::process::id()]).map_err(failed)?;
        let me = conn.last_insert_rowid();
        let alive = owners.enter(me).map_err(|source| OpenError::Storage { path: path.to_owned(), source })?;
        conn.execute_batch("COMMIT").map_err(failed)?;
        Ok((me, alive))
    });
    let (me, alive) = entered?;
    // From here on the writer waits for the lock by itself, in shorter steps than SQLite's.
    conn.busy_timeout(Duration::ZERO).map_err(failed)?;
    Ok((conn, me, alive))
}

/// A path that does not change with the process's folder.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
