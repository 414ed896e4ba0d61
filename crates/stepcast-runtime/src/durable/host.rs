//! A runtime's care for the runs of its store: it takes up those that nobody holds, brings them what was left for them,
//! wakes them at their deadlines, and lets those that rest leave memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use stepcast_core::backend::*;
use stepcast_core::engine::Time;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::aside::{Stopped, end_orphan};
use super::defined::Defined;
use super::keeping::Store;
use super::{AttachError, ask};
use crate::clock;
use crate::run::{Message, RunId, RunShared, lock};
use crate::runtime::{Inner, Runtime};

/// Runs that are claimed at once.
const PAGE: usize = 256;

/// How often a run is looked for that comes and goes.
const TRIES: usize = 3;

/// How far ahead deadlines are looked for in the store.
const HORIZON: Duration = Duration::from_secs(30);

/// When the store is asked again that could not be read.
const AGAIN: Duration = Duration::from_millis(500);

/// How long a run rests before it leaves memory, unless the runtime is told otherwise.
pub(crate) const IDLE: Duration = Duration::from_secs(60);

/// What a runtime knows of its store.
pub(crate) struct Host {
    pub(super) store: Arc<Store>,
    started: AtomicBool,
    news: Notify,
    /// For those who wait for something in the store to change.
    stirred: Notify,
    /// Runs of this runtime that were left letters.
    mailed: Mutex<Vec<Arc<str>>>,
    /// Something may have to be taken up.
    look: AtomicBool,
    /// Deadlines of runs that sleep in the store, as far as they are near.
    sleepers: Mutex<BTreeMap<(Time, RunId), ()>>,
    idle_micros: AtomicU64,
    /// Stored runs are taken up only where they are asked for.
    only_asked: AtomicBool,
    /// With that, runs that have left memory here and have not ended.
    left: Mutex<BTreeSet<RunId>>,
    /// Runs that cannot go on here: they are left to others until they change.
    refused: Mutex<HashMap<RunId, Refusal>>,
    /// What was made of the documents that runs were created with.
    pub(super) defined: Defined,
    /// Runs that could not be written.
    pub(super) stopped: Mutex<Stopped>,
    /// Runs are taken up one page at a time.
    pub(crate) taking_up: tokio::sync::Mutex<()>,
}

/// Why a run is left alone.
struct Refusal {
    /// When the run was last changed.
    changed: Time,
    /// Its workflow could not be made of its document: it may be once something else is registered.
    undefined: bool,
}

impl Host {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Arc<Self> {
        let host = Arc::new(Host {
            store: Store::new(backend),
            started: AtomicBool::new(false),
            news: Notify::new(),
            stirred: Notify::new(),
            mailed: Mutex::default(),
            look: AtomicBool::new(false),
            sleepers: Mutex::default(),
            idle_micros: AtomicU64::new(IDLE.as_micros() as u64),
            only_asked: AtomicBool::new(false),
            left: Mutex::default(),
            refused: Mutex::default(),
            defined: Defined::default(),
            stopped: Mutex::default(),
            taking_up: tokio::sync::Mutex::new(()),
        });
        let weak = Arc::downgrade(&host);
        host.backend().watch(Arc::new(move |notice| {
            if let Some(host) = weak.upgrade() {
                host.heard(notice);
            }
        }));
        host
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.store.backend
    }

    /// Called from the backend's threads.
    fn heard(&self, notice: Notice) {
        match notice {
            Notice::Mail(run) => lock(&self.mailed).push(run),
            _ => self.look.store(true, Ordering::Release),
        }
        self.news.notify_one();
        self.stirred.notify_waiters();
    }

    /// What is to be done next has changed.
    pub(super) fn wake_up(&self) {
        self.news.notify_one();
    }

    /// There may be runs to take up.
    pub(crate) fn look(&self) {
        self.look.store(true, Ordering::Release);
        self.news.notify_one();
    }

    /// Waits until something in the store may have changed. What changes from the call on counts.
    pub(crate) fn stirs(&self) -> impl Future<Output = ()> + '_ {
        let stirred = self.stirred.notified();
        async move { drop(tokio::time::timeout(HORIZON, stirred).await) }
    }

    pub(crate) fn set_idle(&self, idle: Duration) {
        self.idle_micros.store(u64::try_from(idle.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.news.notify_one();
    }

    pub(crate) fn take_up_only_asked(&self) {
        self.only_asked.store(true, Ordering::Relaxed);
    }

    /// A run that is driven here leaves memory, and is still ours to take up.
    pub(crate) fn leaves(&self, run: &RunId) {
        if self.only_asked.load(Ordering::Relaxed) {
            lock(&self.left).insert(run.clone());
        }
    }

    pub(crate) fn has_ended(&self, run: &RunId) {
        if self.only_asked.load(Ordering::Relaxed) {
            lock(&self.left).remove(run);
        }
    }

    /// Whether a run that nobody drives may be taken up unasked.
    fn may_take_up(&self, run: &RunId) -> bool {
        !self.only_asked.load(Ordering::Relaxed) || lock(&self.left).contains(run)
    }

    fn idle(&self) -> Duration {
        Duration::from_micros(self.idle_micros.load(Ordering::Relaxed))
    }

    /// A run that was last changed then cannot go on here, unless only the store failed: it is not taken up again by
    /// itself.
    pub(crate) fn note_refusal(&self, run: &RunId, changed: Time, error: &AttachError) {
        let undefined = matches!(error, AttachError::Document { .. });
        if undefined || matches!(error, AttachError::Journal { .. }) {
            lock(&self.refused).insert(run.clone(), Refusal { changed, undefined });
        }
    }

    /// Whether the run could not go on here, and has not changed since.
    pub(crate) fn refused(&self, run: &RunId, changed: Time) -> bool {
        lock(&self.refused).get(run).is_some_and(|refusal| refusal.changed == changed)
    }

    /// Runs whose workflow could not be made are looked at again.
    pub(super) fn forget_undefined(&self) {
        lock(&self.refused).retain(|_, refusal| !refusal.undefined);
    }

    /// A run that has left memory is to be taken up again then.
    pub(crate) fn sleeps_until(&self, run: &RunId, due: Time) {
        lock(&self.sleepers).insert((due, run.clone()), ());
        self.news.notify_one();
    }

    fn next_due(&self) -> Option<Time> {
        let sleeper = lock(&self.sleepers).first_key_value().map(|((due, _), ())| *due);
        [sleeper, lock(&self.stopped).next()].into_iter().flatten().min()
    }

    fn take_due(&self, now: Time) -> Vec<RunId> {
        let mut sleepers = lock(&self.sleepers);
        let later = sleepers.split_off(&(Time(now.0.saturating_add(1)), RunId::from("")));
        std::mem::replace(&mut *sleepers, later).into_keys().map(|(_, run)| run).collect()
    }

    /// Begins to care, once there is a tokio runtime to do it on.
    pub(crate) fn start(self: &Arc<Self>, inner: &Arc<Inner>) {
        let Ok(tokio) = Handle::try_current() else { return };
        self.store.landing.start(&tokio);
        if !self.started.swap(true, Ordering::AcqRel) {
            tokio.spawn(care(Arc::clone(self), Arc::downgrade(inner)));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.store.landing.close();
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("backend", self.backend()).finish_non_exhaustive()
    }
}

/// Lives as long as the runtime.
async fn care(host: Arc<Host>, inner: Weak<Inner>) {
    let mut looked = clock::now();
    let mut swept = clock::now();
    let mut again: Option<Time> = None;
    loop {
        let sweep = host.idle().min(HORIZON).max(Duration::from_millis(1)) / 2;
        let next = looked.after(HORIZON).min(swept.after(sweep)).min(host.next_due().unwrap_or(Time(u64::MAX)));
        let next = again.map_or(next, |at| next.min(at));
        tokio::select! {
            () = host.news.notified() => {}
            () = tokio::time::sleep_until(clock::instant(next)) => {}
        }
        let Some(inner) = inner.upgrade() else { return };
        if inner.is_closed() {
            return;
        }
        let runtime = Runtime::of(inner);
        let now = clock::now();
        let mut ids: Vec<RunId> = host.take_due(now);
        // One that is held sleeps through its own deadline.
        ids.iter().filter_map(|id| runtime.shared_of(id)).for_each(|run| run.nudge());
        ids.extend(std::mem::take(&mut *lock(&host.mailed)).into_iter().map(RunId::from));
        runtime.wake(&host, ids).await;
        if host.give_back(now).await {
            host.look.store(true, Ordering::Release);
        }
        if host.look.swap(false, Ordering::AcqRel) || now >= looked.after(HORIZON) || again.is_some_and(|at| now >= at)
        {
            looked = now;
            again = match runtime.look_around(&host, now).await {
                Ok(()) => None,
                Err(error) => {
                    tracing::warn!(target: "stepcast", %error, "the store could not be looked through; it is tried again");
                    Some(clock::now().after(AGAIN))
                }
            };
        }
        if now >= swept.after(sweep) {
            swept = now;
            runtime.sweep(host.idle(), now);
        }
    }
}

impl Runtime {
    /// Looks through the store: runs that nobody holds and that have something to do, letters, and deadlines.
    async fn look_around(&self, host: &Arc<Host>, now: Time) -> Result<(), StorageError> {
        let mailed = ask(host.backend(), |backend| backend.mailed()).await.unwrap_or(Err(StorageError::Closed))?;
        self.wake(host, mailed.into_iter().map(RunId::from).collect()).await;
        if host.only_asked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let unclaimed = || RunFilter { unclaimed: true, ..RunFilter::default() };
        // Where workflows are made of documents, those of any name may be.
        let names = if host.defines() { Vec::new() } else { self.workflows() };
        // An index has those of one workflow in their order. What is left then is of none that is registered.
        for workflow in names.into_iter().map(Some).chain([None]) {
            let running = RunFilter { workflow, statuses: vec![RunStatus::Running], ..unclaimed() };
            self.take_up(host, running).await?;
        }
        self.take_up(host, RunFilter { mailed: true, ..unclaimed() }).await?;
        self.note_deadlines(host, RunFilter { due_by: Some(now.after(HORIZON)), ..unclaimed() }).await
    }

    /// Takes up runs, and for children whose workflow only their parent's step knows, their parents.
    async fn take_up(&self, host: &Arc<Host>, filter: RunFilter) -> Result<(), StorageError> {
        let mut after = None;
        while let Some(page) = self.next_page(&filter, &mut after).await? {
            let (ours, others): (Vec<_>, Vec<_>) = page.into_iter().partition(|run| self.can_be_ours(host, run));
            self.adopt(host, ours).await;
            let children = others.into_iter().filter(|run| run.parent.is_some());
            self.wake(host, children.map(|run| RunId::from(run.run)).collect()).await;
        }
        Ok(())
    }

    async fn note_deadlines(&self, host: &Arc<Host>, filter: RunFilter) -> Result<(), StorageError> {
        let mut after = None;
        while let Some(page) = self.next_page(&filter, &mut after).await? {
            let mut sleepers = lock(&host.sleepers);
            let ours = page.into_iter().filter(|run| run.parent.is_some() || self.can_be_ours(host, run));
            let due = ours.filter_map(|record| Some(((record.due?, RunId::from(record.run)), ())));
            sleepers.extend(due);
        }
        Ok(())
    }

    /// The next runs of a list; `None` after the last.
    async fn next_page(
        &self,
        filter: &RunFilter,
        after: &mut Option<RunCursor>,
    ) -> Result<Option<Vec<RunRecord>>, StorageError> {
        let page = self.list_runs(filter.clone(), *after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        *after = Some(last.cursor);
        Ok(Some(page))
    }

    /// Brings live runs their letters, and takes up the others.
    async fn wake(&self, host: &Arc<Host>, runs: Vec<RunId>) {
        // One that was left two letters is to be taken up once: a second claim would fence the first off.
        let mut left: Vec<RunId> = runs.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        // A run may leave memory, or come back, while it is looked for.
        for _ in 0..TRIES {
            let mut asleep = Vec::new();
            for id in std::mem::take(&mut left) {
                if !self.reach(&id).await {
                    asleep.push(id);
                }
            }
            for page in asleep.chunks(PAGE) {
                let ids = page.to_vec();
                let records = ask(host.backend(), move |backend| {
                    ids.iter().filter_map(|id| backend.run(id.as_str()).ok().flatten()).collect::<Vec<_>>()
                });
                let records = records.await.unwrap_or_default().into_iter();
                let (records, others): (Vec<_>, Vec<_>) = records
                    .filter(|record| !record.status.is_end() && record.holder != Holder::Other)
                    .filter(|record| host.may_take_up(&RunId::from(Arc::clone(&record.run))))
                    .partition(|record| self.can_be_ours(host, record));
                left.extend(self.parents_of(host, others).await);
                let ids: Vec<RunId> = records.iter().map(|record| RunId::from(Arc::clone(&record.run))).collect();
                self.adopt(host, records).await;
                // What somebody else has taken up meanwhile may have been read before its letter came.
                for id in ids {
                    if !self.reach(&id).await {
                        left.push(id);
                    }
                }
            }
        }
    }

    /// The parents of children whose workflow perhaps only their parent's step knows, as far as they are not in memory and
    /// have not ended. Whether they have, the store says: a parent in memory may not have heard of its end yet.
    async fn parents_of(&self, host: &Host, mut children: Vec<RunRecord>) -> Vec<RunId> {
        if children.is_empty() {
            return Vec::new();
        }
        let left = ask(host.backend(), |backend| {
            children.retain(|child| {
                let ended = end_orphan(backend, child).unwrap_or_else(|error| {
                    let run = &child.run;
                    tracing::warn!(target: "stepcast", %run, %error, "a child whose parent has ended could not be cancelled");
                    true
                });
                !ended
            });
            children
        });
        let mut asleep = Vec::new();
        for child in left.await.unwrap_or_default() {
            match self.parent_of(&child) {
                Some(parent) => parent.nudge(),
                None => asleep.extend(child.parent.map(RunId::from)),
            }
        }
        asleep
    }

    /// Whether the workflow of a run is registered here, or may be made of its document.
    fn can_be_ours(&self, host: &Host, record: &RunRecord) -> bool {
        self.find(&record.workflow).is_ok() || host.may_define(record)
    }

    /// Brings a run its letters, if it lives.
    async fn reach(&self, id: &RunId) -> bool {
        match self.shared_of(id) {
            Some(run) => fetch_letters(&run).await,
            None => false,
        }
    }

    /// Lets runs leave memory that have had nothing to do for long.
    fn sweep(&self, idle: Duration, now: Time) {
        for run in self.resting_since(Time(now.0.saturating_sub(idle.as_micros() as u64))) {
            run.ask_to_leave();
        }
    }
}

/// Brings a live run what is in its mailbox. `false` if it has left memory meanwhile.
pub(crate) async fn fetch_letters(run: &Arc<RunShared>) -> bool {
    let Some(keeping) = run.keeping() else { return true };
    let id = run.id().clone();
    match ask(keeping.backend(), move |backend| backend.mail(id.as_str(), 0)).await {
        Some(Ok(letters)) if !letters.is_empty() => return run.post(Message::Letters(letters)).is_none(),
        Some(Err(error)) => {
            tracing::warn!(target: "stepcast", run = %run.id(), %error, "the run's letters cannot be read");
        }
        _ => {}
    }
    true
}
