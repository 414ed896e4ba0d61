//! Word of runs for those who list them, so that nobody has to look through all.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::{Runtime, RuntimeLink};
use crate::run::{AnyRun, RunId, RunShared, lock};

/// Where a runtime's runs that live in memory alone are told of that begin as children of others, or ask something of a
/// person: from [`Runtime::watch_runs`].
#[derive(Debug)]
pub struct RunWatch {
    news: Arc<News>,
}

/// Those who watch.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    any: AtomicBool,
    all: Mutex<Vec<Weak<News>>>,
}

type News = Mutex<Told>;

#[derive(Debug, Default)]
struct Told {
    /// With the order in which they were told of first.
    runs: HashMap<RunId, (u64, Weak<RunShared>)>,
    next: u64,
    /// So many there may be before those that are gone are taken out.
    room: usize,
}

impl Runtime {
    /// Watches the runs that live in memory alone. What happened before is not told.
    pub fn watch_runs(&self) -> RunWatch {
        let watches = &self.inner.watches;
        let news = Arc::<News>::default();
        let mut all = lock(&watches.all);
        all.retain(|news| news.strong_count() > 0);
        all.push(Arc::downgrade(&news));
        watches.any.store(true, Ordering::Release);
        RunWatch { news }
    }
}

impl RunWatch {
    /// The runs that began as children or asked something since this was last called, in that order, each once, as far as
    /// they are still there.
    pub fn take(&self) -> Vec<AnyRun> {
        let runs = std::mem::take(&mut lock(&self.news).runs);
        let mut told: Vec<_> = runs.into_values().collect();
        told.sort_unstable_by_key(|(order, _)| *order);
        let live = told.into_iter().filter_map(|(_, run)| run.upgrade()).filter(|run| !run.has_ended());
        live.map(|run| {
            run.add_handle();
            AnyRun::first(run)
        })
        .collect()
    }
}

impl Watches {
    fn tell(&self, run: &Arc<RunShared>) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        for news in lock(&self.all).iter().filter_map(Weak::upgrade) {
            let mut told = lock(&news);
            let order = told.next;
            told.next += 1;
            if told.runs.len() >= told.room {
                told.runs.retain(|_, (_, run)| run.strong_count() > 0);
                told.room = 2 * told.runs.len().max(32);
            }
            told.runs.entry(run.id().clone()).or_insert_with(|| (order, Arc::downgrade(run)));
        }
    }
}

impl RunShared {
    /// Tells those who watch the runtime's runs of this one.
    pub(crate) fn tell_watches(self: &Arc<Self>) {
        // A child is tied to its runtime by the run above it.
        let mut above = Arc::clone(self);
        let inner = loop {
            if let Some(link) = above.link() {
                break RuntimeLink::inner(link);
            }
            above = match above.parent() {
                Some(parent) => parent,
                None => return,
            };
        };
        if let Some(inner) = inner {
            inner.watches.tell(self);
        }
    }
}
