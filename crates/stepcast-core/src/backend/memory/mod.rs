//! A backend that keeps runs in memory: for tests, and as the plainest statement of what every backend does.

mod read;
mod run;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::run::MemoryRun;
use super::*;

/// Keeps runs for as long as one instance of it is there. It calls a [`Done`] before `write` returns.
pub struct MemoryBackend {
    world: Arc<Mutex<World>>,
    me: u64,
}

/// What all instances of a store share.
#[derive(Default)]
struct World {
    runs: HashMap<Arc<str>, MemoryRun>,
    /// Runs by their place in the list.
    order: BTreeMap<u64, Arc<str>>,
    /// Documents of workflows by their hashes, with how many runs were created with them.
    definitions: HashMap<Arc<str>, (Arc<str>, usize)>,
    /// Results that calls share, by key.
    cache: HashMap<String, CacheRow>,
    /// Instances that are there, with who is told of news.
    owners: BTreeMap<u64, Option<Watcher>>,
    /// The last number given, whatever to.
    last: u64,
}

impl World {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Who is to be told of a letter for `run` that `me` recorded.
    fn tell(&self, me: u64, run: &Arc<str>) -> Vec<(Watcher, Notice)> {
        let told = self.owners.iter().filter_map(|(owner, watcher)| Some((*owner, watcher.clone()?)));
        told.map(|(owner, watcher)| match owner == me {
            true => (watcher, Notice::Mail(run.clone())),
            false => (watcher, Notice::Elsewhere),
        })
        .collect()
    }
}

/// So that a runtime takes it as it is.
impl From<MemoryBackend> for Arc<dyn Backend> {
    fn from(backend: MemoryBackend) -> Self {
        Arc::new(backend)
    }
}

impl MemoryBackend {
    /// An empty store.
    pub fn new() -> Self {
        let mut world = World::default();
        let me = world.number();
        world.owners.insert(me, None);
        MemoryBackend { world: Arc::new(Mutex::new(world)), me }
    }

    /// Another instance of the same store, as another process would have it.
    #[must_use]
    pub fn beside(&self) -> Self {
        let mut world = self.world();
        let me = world.number();
        world.owners.insert(me, None);
        MemoryBackend { world: self.world.clone(), me }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        // Nothing under the lock is left half done by a panic: no code of others runs there.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, World>, StorageError> {
        let world = self.world();
        if world.owners.contains_key(&self.me) { Ok(world) } else { Err(StorageError::Closed) }
    }

    fn leave(&self) -> bool {
        let mut world = self.world();
        let was_open = world.owners.remove(&self.me).is_some();
        let mut freed = false;
        for run in world.runs.values_mut().filter(|run| run.holder == Some(self.me)) {
            run.holder = None;
            freed = true;
        }
        let told: Vec<Watcher> = world.owners.values().flatten().cloned().collect();
        drop(world);
        if freed {
            told.iter().for_each(|watcher| watcher(Notice::Unclaimed));
        }
        was_open
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for MemoryBackend {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend").field("runs", &self.world().runs.len()).finish_non_exhaustive()
    }
}

impl Backend for MemoryBackend {
    fn write(&self, batch: Box<Batch>, done: Done) {
        // What others may act on; they need not hear of every row.
        let is_news = batch.created.is_some() || batch.release;
        let mut told = Vec::new();
        let result = self.open().map_err(WriteError::Storage).and_then(|mut world| {
            for run in world.write(self.me, *batch)? {
                told.extend(world.tell(self.me, &run));
            }
            if is_news {
                let others = world.owners.iter().filter(|(owner, _)| **owner != self.me);
                told.extend(others.filter_map(|(_, watcher)| Some((watcher.clone()?, Notice::Elsewhere))));
            }
            Ok(())
        });
        done.call(result);
        told.into_iter().for_each(|(watcher, notice)| watcher(notice));
    }

    fn claim(&self, runs: &[&str]) -> Vec<Result<Lease, ClaimError>> {
        match self.open() {
            Ok(mut world) => runs.iter().map(|run| world.claim(self.me, run)).collect(),
            Err(closed) => runs.iter().map(|_| Err(ClaimError::Storage(closed.clone()))).collect(),
        }
    }

    fn load(&self, run: &str) -> Result<StoredRun, LoadError> {
        let world = self.open()?;
        world.found(run).map(|stored| stored.load(run, self.me))
    }

    fn run(&self, run: &str) -> Result<Option<RunRecord>, StorageError> {
        Ok(self.open()?.runs.get_key_value(run).map(|(id, stored)| stored.record(id, self.me)))
    }

    fn runs(&self, filter: &RunFilter, after: Option<RunCursor>, limit: usize) -> Result<Vec<RunRecord>, StorageError> {
        Ok(self.open()?.list_runs(self.me, filter, after, limit))
    }

    fn definition(&self, hash: &str) -> Result<Option<Arc<str>>, StorageError> {
        Ok(self.open()?.definitions.get(hash).map(|(json, _)| Arc::clone(json)))
    }

    fn events(&self, run: &str, after: u64, limit: usize) -> Result<Vec<StreamRow>, LoadError> {
        let world = self.open()?;
        let events = &world.found(run)?.events;
        let from = events.partition_point(|event| event.seq <= after);
        Ok(events.iter().skip(from).take(limit).cloned().collect())
    }

    fn last_seq(&self, run: &str) -> Result<u64, LoadError> {
        Ok(self.open()?.found(run)?.last_seq())
    }

    fn inputs(
        &self,
        filter: &InputFilter,
        after: Option<InputCursor>,
        limit: usize,
    ) -> Result<Vec<InputRecord>, StorageError> {
        Ok(self.open()?.list_inputs(filter, after, limit))
    }

    fn answer(&self, answer: Answer) -> Result<(), AnswerError> {
        let mut world = self.open()?;
        world.answer(&answer)?;
        let told = world.tell(self.me, &answer.run);
        drop(world);
        told.into_iter().for_each(|(watcher, notice)| watcher(notice));
        Ok(())
    }

    fn send(&self, letter: Letter) -> Result<Sent, SendError> {
        let mut world = self.open()?;
        let run = letter.run.clone();
        let sent = world.send(letter)?;
        let told = world.tell(self.me, &run);
        drop(world);
        if sent != Sent::Duplicate {
            told.into_iter().for_each(|(watcher, notice)| watcher(notice));
        }
        Ok(sent)
    }

    fn mail(&self, run: &str, after: u64) -> Result<Vec<Mail>, LoadError> {
        let world = self.open()?;
        let mail = &world.found(run)?.mail;
        Ok(mail.iter().map(|(_, mail)| mail).filter(|mail| mail.id > after).cloned().collect())
    }

    fn mailed(&self) -> Result<Vec<Arc<str>>, StorageError> {
        let world = self.open()?;
        let mine = world.runs.iter().filter(|(_, run)| run.holder == Some(self.me) && !run.mail.is_empty());
        Ok(mine.map(|(id, _)| id.clone()).collect())
    }

    fn purge(&self, run: &str) -> Result<(), PurgeError> {
        self.open()?.purge(run)
    }

    fn purge_ended(&self, before: Time, limit: usize) -> Result<usize, StorageError> {
        let mut world = self.open()?;
        let old = world
            .order
            .values()
            .filter(|id| world.runs.get(*id).is_some_and(|run| run.status.is_end() && run.changed < before));
        let old: Vec<Arc<str>> = old.take(limit).cloned().collect();
        for id in &old {
            world.remove(id);
        }
        Ok(old.len())
    }

    fn cache_get(&self, key: &str) -> Result<Option<CacheRow>, StorageError> {
        Ok(self.open()?.cache.get(key).cloned())
    }

    fn cache_put(&self, row: CacheRow) -> Result<(), StorageError> {
        self.open()?.cache.insert(row.key.clone(), row);
        Ok(())
    }

    fn cache_purge(&self, before: Time, limit: usize) -> Result<usize, StorageError> {
        let mut world = self.open()?;
        let old = world.cache.values().filter(|row| row.at < before).take(limit);
        let old: Vec<String> = old.map(|row| row.key.clone()).collect();
        for key in &old {
            world.cache.remove(key);
        }
        Ok(old.len())
    }

    fn watch(&self, watcher: Watcher) {
        if let Some(place) = self.world().owners.get_mut(&self.me) {
            *place = Some(watcher);
        }
    }

    fn close(&self) -> Result<(), StorageError> {
        if self.leave() { Ok(()) } else { Err(StorageError::Closed) }
    }
}
