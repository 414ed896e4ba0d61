//! The backend: what reads goes to a connection that reads, what writes to the thread that writes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use stepcast_core::backend::*;
use stepcast_core::engine::Time;

use crate::error::{OpenError, io, storage};
use crate::open::{self, SqliteOptions};
use crate::owner::{Owners, Who};
use crate::read;
use crate::readers::Readers;
use crate::schema;
use crate::sql::Stored;
use crate::writer::{self, Call, Job, Jobs, Setup};

/// Keeps runs in an SQLite file.
pub struct SqliteBackend {
    path: PathBuf,
    me: i64,
    owners: Owners,
    pub(crate) readers: Readers,
    watcher: Arc<Mutex<Option<Watcher>>>,
    /// The way to the writer, unless the file is only read.
    jobs: Option<Jobs>,
    /// The thread that writes, until it is closed.
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteBackend {
    /// Opens the store at `path`, or makes one where there is no file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        SqliteOptions::default().open(path)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn start(path: &Path, options: SqliteOptions) -> Result<Self, OpenError> {
        let path = open::absolute(path);
        let owners = Owners::beside(&path);
        let watcher = Arc::new(Mutex::new(None));
        let readers = Readers::new(path.clone(), options.clone());
        if options.read_only {
            let failed = |source| OpenError::Storage { path: path.clone(), source };
            let conn = open::reader(&path, &options).map_err(|error| failed(storage(error)))?;
            schema::verify(&conn, &path)?;
            return Ok(SqliteBackend { path, me: 0, owners, readers, watcher, jobs: None, writer: Mutex::new(None) });
        }
        let (conn, me, alive) = open::writer(&path, &owners, &options)?;
        let failed = |error| OpenError::Storage { path: path.clone(), source: storage(error) };
        let version = conn.query_row("PRAGMA data_version", [], |row| row.get(0)).map_err(failed)?;
        let setup = Setup { conn, version, me, alive, owners: owners.clone(), options, watcher: watcher.clone() };
        let (jobs, queue) = writer::queue();
        let thread = std::thread::Builder::new()
            .name("stepcast-sqlite".to_owned())
            .spawn(move || writer::write_until_closed(setup, &queue))
            .map_err(|error| OpenError::Storage { path: path.clone(), source: io(error) })?;
        let writer = Mutex::new(Some(thread));
        Ok(SqliteBackend { path, me, owners, readers, watcher, jobs: Some(jobs), writer })
    }

    fn queue(&self, job: Job) -> Stored<()> {
        match &self.jobs {
            Some(jobs) if jobs.send(job) => Ok(()),
            Some(_) => Err(StorageError::Closed),
            None => Err(self.refused()),
        }
    }

    fn refused(&self) -> StorageError {
        let source = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "it was opened to be read only");
        StorageError::ReadOnly { source: Arc::new(source) }
    }

    /// Has the writer do something, and waits until it is durable.
    fn change<T, E, F>(&self, change: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnMut(&mut writer::Work<'_>) -> Stored<Result<T, E>> + Send + 'static,
    {
        let (told, answer) = mpsc::channel();
        self.queue(Job::Call(Box::new(Change { change, made: None, told })))?;
        answer.recv().unwrap_or_else(|_| Err(E::from(StorageError::Closed)))
    }

    fn end(&self) -> Stored<()> {
        let taken = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.readers.close();
        let Some(jobs) = &self.jobs else { return Ok(()) };
        let Some(thread) = taken else { return Err(StorageError::Closed) };
        let (told, answer) = mpsc::channel();
        let sent = jobs.send(Job::Close(told));
        if thread.thread().id() == std::thread::current().id() {
            // The last holder let go within a `Done`: the thread closes when it comes to it, and cannot wait for itself.
            return Ok(());
        }
        let result = if sent { answer.recv().unwrap_or(Err(StorageError::Closed)) } else { Err(StorageError::Closed) };
        let _ = thread.join();
        result
    }

    pub(crate) fn who(&self) -> Who<'_> {
        Who { me: self.me, owners: &self.owners }
    }

    /// Frees the runs of processes that are gone, if there are any.
    fn reap(&self) -> Stored<()> {
        let others = self.readers.read(read::owners)?;
        let gone = others.into_iter().any(|owner| owner != self.me && !self.owners.is_alive(owner));
        if gone && self.jobs.is_some() { self.change(|work| work.reap().map(Ok)) } else { Ok(()) }
    }
}

/// A change with what it gave.
struct Change<F, T, E> {
    change: F,
    made: Option<Result<T, E>>,
    told: Sender<Result<T, E>>,
}

impl<T, E, F> Call for Change<F, T, E>
where
    T: Send,
    E: From<StorageError> + Send,
    F: FnMut(&mut writer::Work<'_>) -> Stored<Result<T, E>> + Send,
{
    fn make(&mut self, work: &mut writer::Work<'_>) -> Stored<bool> {
        let made = (self.change)(work)?;
        Ok(self.made.insert(made).is_ok())
    }

    fn answer(self: Box<Self>, outcome: Stored<()>) {
        let answer = match (outcome, self.made) {
            (Ok(()), Some(made)) => made,
            (Ok(()), None) => Err(E::from(StorageError::Closed)),
            (Err(error), _) => Err(E::from(error)),
        };
        // Whoever asked may be gone.
        let _ = self.told.send(answer);
    }
}

impl Drop for SqliteBackend {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// So that a runtime takes it as it is.
impl From<SqliteBackend> for Arc<dyn Backend> {
    fn from(backend: SqliteBackend) -> Self {
        Arc::new(backend)
    }
}

impl fmt::Debug for SqliteBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteBackend").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Backend for SqliteBackend {
    fn write(&self, batch: Box<Batch>, done: Done) {
        match &self.jobs {
            // One that nobody takes is dropped, and with it `done`, which says so.
            Some(jobs) => _ = jobs.write(Owed { batch, done }),
            None => done.call(Err(WriteError::Storage(self.refused()))),
        }
    }

    fn claim(&self, runs: &[&str]) -> Vec<Result<Lease, ClaimError>> {
        let asked: Vec<String> = runs.iter().map(|run| (*run).to_owned()).collect();
        let claims: Result<_, StorageError> = self.change(move |work| {
            let claims: Stored<Vec<_>> = asked.iter().map(|run| work.claim(run)).collect();
            claims.map(Ok)
        });
        claims.unwrap_or_else(|error| runs.iter().map(|_| Err(ClaimError::Storage(error.clone()))).collect())
    }

    fn load(&self, run: &str) -> Result<StoredRun, LoadError> {
        self.readers.read(|conn| read::load(conn, run, self.who()))
    }

    fn run(&self, run: &str) -> Result<Option<RunRecord>, StorageError> {
        self.readers.read(|conn| read::run(conn, run, self.who()))
    }

    fn runs(&self, filter: &RunFilter, after: Option<RunCursor>, limit: usize) -> Result<Vec<RunRecord>, StorageError> {
        if filter.unclaimed {
            self.reap()?;
        }
        self.readers.read(|conn| read::runs(conn, self.who(), filter, after, limit))
    }

    fn definition(&self, hash: &str) -> Result<Option<Arc<str>>, StorageError> {
        self.readers.read(|conn| read::definition(conn, hash))
    }

    fn events(&self, run: &str, after: u64, limit: usize) -> Result<Vec<StreamRow>, LoadError> {
        self.readers.read(|conn| read::events(conn, run, after, limit))
    }

    fn last_seq(&self, run: &str) -> Result<u64, LoadError> {
        self.readers.read(|conn| read::last_seq(conn, run))
    }

    fn inputs(
        &self,
        filter: &InputFilter,
        after: Option<InputCursor>,
        limit: usize,
    ) -> Result<Vec<InputRecord>, StorageError> {
        self.readers.read(|conn| read::inputs(conn, filter, after, limit))
    }

    fn answer(&self, answer: Answer) -> Result<(), AnswerError> {
        self.change(move |work| work.answer(&answer))
    }

    fn send(&self, letter: Letter) -> Result<Sent, SendError> {
        self.change(move |work| work.send(&letter))
    }

    fn mail(&self, run: &str, after: u64) -> Result<Vec<Mail>, LoadError> {
        self.readers.read(|conn| read::mail(conn, run, after))
    }

    fn mailed(&self) -> Result<Vec<Arc<str>>, StorageError> {
        self.readers.read(|conn| read::mailed(conn, self.me))
    }

    fn purge(&self, run: &str) -> Result<(), PurgeError> {
        let run = run.to_owned();
        self.change(move |work| work.purge(&run))
    }

    fn purge_ended(&self, before: Time, limit: usize) -> Result<usize, StorageError> {
        self.change(move |work| work.purge_ended(before, limit).map(Ok))
    }

    fn cache_get(&self, key: &str) -> Result<Option<CacheRow>, StorageError> {
        self.readers.read(|conn| read::cached(conn, key))
    }

    fn cache_put(&self, row: CacheRow) -> Result<(), StorageError> {
        self.change(move |work| work.cache_put(&row).map(Ok))
    }

    fn cache_purge(&self, before: Time, limit: usize) -> Result<usize, StorageError> {
        self.change(move |work| work.cache_purge(before, limit).map(Ok))
    }

    fn watch(&self, watcher: Watcher) {
        *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(watcher);
        // So that the thread looks around from now on; a closed one has nothing to look for.
        let _ = self.queue(Job::Watched);
    }

    fn close(&self) -> Result<(), StorageError> {
        self.end()
    }
}
