//! Where results are kept that calls of several runs share.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use stepcast_core::BoxFuture;
use stepcast_core::backend::{Backend, CacheRow, StorageError};

use crate::run::lock;

/// Whether a call's result may come from the cache that runs share, and go there. Only calls with
/// [`Effect::Read`](super::Effect::Read) and a key are ever in it, and only if they succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CachePolicy {
    /// A cached result is used; without one, the call is made and its result cached.
    #[default]
    Auto,
    /// The cache is neither asked nor filled.
    Disabled,
    /// A cached result is used; nothing is put into the cache.
    ReadOnly,
    /// The cache is not asked; the call is made and its result replaces the cached one.
    Refresh,
}

/// What a cache says went wrong. The call is made without it then.
pub type CacheError = Box<dyn Error + Send + Sync>;

/// Keeps results of calls for any run that asks for the same. For caches of one's own; see [`CallCache::new`].
pub trait ResultCache: Debug + Send + Sync + 'static {
    /// What is kept under a key.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<CacheRow>, CacheError>>;

    /// Keeps a result under its key, in place of what was there.
    fn put(&self, row: CacheRow) -> BoxFuture<'_, Result<(), CacheError>>;
}

/// A cache of results that several runs may share. Clones are the same cache.
///
/// ```
/// use stepcast_runtime::{CallCache, RunOptions};
///
/// let cache = CallCache::memory(1_000);
/// let (one, other) = (RunOptions::new().call_cache(cache.clone()), RunOptions::new().call_cache(cache));
/// # let _ = (one, other);
/// ```
#[derive(Clone, Debug)]
pub struct CallCache {
    cache: Arc<dyn ResultCache>,
}

impl CallCache {
    /// A cache of one's own making.
    pub fn new(cache: impl ResultCache) -> Self {
        CallCache { cache: Arc::new(cache) }
    }

    /// In memory, of the last `entries` results.
    pub fn memory(entries: usize) -> Self {
        CallCache::new(MemoryCache { entries: entries.max(1), kept: Mutex::default() })
    }

    /// In a backend, beside its runs. The runs of a [`Runtime`](crate::Runtime) on a backend have this one by
    /// themselves.
    pub fn on(backend: Arc<dyn Backend>) -> Self {
        CallCache::new(BackendCache { backend })
    }

    pub(super) fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<CacheRow>, CacheError>> {
        self.cache.get(key)
    }

    pub(super) fn put(&self, row: CacheRow) -> BoxFuture<'_, Result<(), CacheError>> {
        self.cache.put(row)
    }
}

/// The last results.
#[derive(Debug)]
struct MemoryCache {
    entries: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    rows: HashMap<String, CacheRow>,
    /// Keys in the order in which they came.
    order: VecDeque<String>,
}

impl ResultCache for MemoryCache {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<CacheRow>, CacheError>> {
        let row = lock(&self.kept).rows.get(key).cloned();
        Box::pin(std::future::ready(Ok(row)))
    }

    fn put(&self, row: CacheRow) -> BoxFuture<'_, Result<(), CacheError>> {
        let mut kept = lock(&self.kept);
        let key = row.key.clone();
        if kept.rows.insert(key.clone(), row).is_none() {
            kept.order.push_back(key);
        }
        if kept.rows.len() > self.entries
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.rows.remove(&oldest);
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A backend blocks, so it is asked on the threads for that.
#[derive(Debug)]
struct BackendCache {
    backend: Arc<dyn Backend>,
}

impl BackendCache {
    fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Backend) -> Result<T, StorageError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, CacheError>> {
        let backend = Arc::clone(&self.backend);
        Box::pin(async move { Ok(tokio::task::spawn_blocking(move || ask(&*backend)).await??) })
    }
}

impl ResultCache for BackendCache {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<CacheRow>, CacheError>> {
        let key = key.to_owned();
        self.ask(move |backend| backend.cache_get(&key))
    }

    fn put(&self, row: CacheRow) -> BoxFuture<'_, Result<(), CacheError>> {
        self.ask(move |backend| backend.cache_put(row))
    }
}
