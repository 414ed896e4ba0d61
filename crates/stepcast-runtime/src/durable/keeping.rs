//! What a kept run has beside others, where everybody who holds the run reaches it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use stepcast_core::AnyEvent;
use stepcast_core::backend::{Backend, Batch, Done, Receipt, Receiver, ReceivesAll, WriteError};

use super::{AttachError, Host, Landing, Loaded};
use crate::dispatch::{AtRest, Journal};
use crate::exec::{ExecShared, OpLog};
use crate::run::{Cell, RunId, RunShared, Task, lock};
use crate::wakers::WakerSet;

/// Ties a run to the backend that keeps it.
///
/// Its locks are the last to be taken: nothing else is locked while one of them is held.
pub(crate) struct Keeping {
    store: Arc<Store>,
    desk: Mutex<Desk>,
    dirt: AtomicBool,
    /// No stream event is taken any more: the last one is in a batch.
    sealed: AtomicBool,
    landed: AtomicBool,
    /// Whether the dispatcher is handing a batch over.
    sending: AtomicBool,
    has_reloaded: AtomicBool,
    /// Whether it is settled that the store has the run, and if it has not, why.
    pub(crate) recorded: OnceLock<Result<(), Arc<WriteError>>>,
    /// Whether the run may have had a child.
    pub(crate) has_children: AtomicBool,
    /// Whether a step ever wrote what is only shown in passing.
    pub(crate) shows_passing: AtomicBool,
    /// Those for whom the run has to stay in memory.
    stays: AtomicU32,
    /// Children that are on their way into the store.
    begins: AtomicU32,
    /// When the run last had something to do, in microseconds.
    pub(crate) quiet_since: std::sync::atomic::AtomicU64,
}

/// What all runs of a runtime have in common that is kept.
pub(super) struct Store {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) landing: Arc<Landing>,
}

impl Store {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Arc<Self> {
        Arc::new(Store { backend, landing: Arc::default() })
    }
}

/// What changes hands.
struct Desk {
    /// What the dispatcher begins with until it is made, and goes on with after a rest.
    journal: Option<AtRest>,
    /// Absent while the run rests.
    work: Option<Box<Work>>,
    /// Who waits to know that the store has the run.
    // Boxed: mostly nobody does.
    waiting: Option<Box<WakerSet>>,
}

/// What the dispatcher is going to look at.
#[derive(Default)]
struct Work {
    /// Executions with something on record that the journal does not have yet.
    touched: Vec<Arc<ExecShared>>,
    /// What steps wrote to the stream, until it is in a batch.
    written: Vec<AnyEvent>,
    /// What became of the batch under way.
    receipt: Option<Receipt>,
    /// The state as it was read anew.
    // Boxed: it is large, and rare.
    reloaded: Option<Box<Result<Loaded, AttachError>>>,
}

impl Desk {
    fn work(&mut self) -> &mut Work {
        self.work.get_or_insert_default()
    }
}

impl Work {
    fn is_empty(&self) -> bool {
        self.touched.is_empty() && self.written.is_empty() && self.receipt.is_none() && self.reloaded.is_none()
    }
}

impl Keeping {
    /// Without a journal, the run has ended.
    pub(crate) fn new(host: &Host, journal: Option<Box<Journal>>) -> Self {
        // Made here rather than where the first receipt comes from, which is a thread of the backend's.
        let work = journal.is_some().then(Box::default);
        Keeping {
            store: Arc::clone(&host.store),
            desk: Mutex::new(Desk { journal: journal.map(AtRest::Whole), work, waiting: None }),
            dirt: AtomicBool::new(false),
            sealed: AtomicBool::new(false),
            landed: AtomicBool::new(false),
            sending: AtomicBool::new(false),
            has_reloaded: AtomicBool::new(false),
            recorded: OnceLock::new(),
            has_children: AtomicBool::new(false),
            shows_passing: AtomicBool::new(false),
            stays: AtomicU32::new(0),
            begins: AtomicU32::new(0),
            quiet_since: std::sync::atomic::AtomicU64::new(u64::MAX),
        }
    }

    /// Of a run that was taken up. Steps that are over may have left it children, of which its journal need not say anything
    /// any more.
    pub(crate) fn taken_up(host: &Host, journal: Option<Box<Journal>>) -> Self {
        Keeping { has_children: AtomicBool::new(true), ..Keeping::new(host, journal) }
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.store.backend
    }

    /// Keeps the run in memory for as long as the guard is there.
    pub(crate) fn stay(&self) -> Stay<'_> {
        self.stays.fetch_add(1, Ordering::AcqRel);
        Stay(&self.stays)
    }

    /// Whether somebody needs the run in memory.
    pub(crate) fn has_to_stay(&self) -> bool {
        self.stays.load(Ordering::Acquire) > 0
    }

    /// Whether the store may not have a child yet that an execution waits for. A run that was said to wait by then would be
    /// woken by nobody, if the process ended now.
    pub(crate) fn begins_child(&self) -> bool {
        self.begins.load(Ordering::Acquire) > 0
    }

    pub(crate) fn take_journal(&self, run: &RunId) -> Option<Box<Journal>> {
        let journal = lock(&self.desk).journal.take();
        journal.map(|journal| journal.take_up(run))
    }

    /// Keeps the journal while the dispatcher is at rest.
    pub(crate) fn put_journal(&self, journal: Box<Journal>) {
        let journal = AtRest::of(journal);
        let mut desk = lock(&self.desk);
        desk.journal = Some(journal);
        desk.work.take_if(|work| work.is_empty());
    }

    /// Whether steps did something that no batch has.
    pub(crate) fn has_dirt(&self) -> bool {
        self.dirt.load(Ordering::Acquire)
    }

    /// The executions with something new. Called with the run's data and cells locked.
    pub(crate) fn take_touched(&self) -> Vec<Arc<ExecShared>> {
        self.dirt.store(false, Ordering::Release);
        lock(&self.desk).work.as_deref_mut().map(|work| std::mem::take(&mut work.touched)).unwrap_or_default()
    }

    /// Takes a stream event, unless the last one is in a batch. Called with the run's data locked.
    pub(crate) fn write(&self, event: AnyEvent) {
        if !self.sealed.load(Ordering::Relaxed) {
            lock(&self.desk).work().written.push(event);
            self.dirt.store(true, Ordering::Release);
        }
    }

    /// What was written to the stream since this was last asked. Called with the run's data locked.
    pub(crate) fn take_written(&self) -> Vec<AnyEvent> {
        lock(&self.desk).work.as_deref_mut().map(|work| std::mem::take(&mut work.written)).unwrap_or_default()
    }

    pub(crate) fn seal(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    /// Whether the run's end is on its way into the store, or there.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    /// Hands a batch to the backend.
    pub(crate) fn send(&self, run: &Arc<RunShared>, batch: Box<Batch>) {
        self.sending.store(true, Ordering::SeqCst);
        self.store.backend.write(batch, Done::to(Arc::clone(run) as Arc<dyn Receiver>));
        self.sending.store(false, Ordering::SeqCst);
    }

    pub(super) fn put_reloaded(&self, loaded: Result<Loaded, AttachError>) {
        lock(&self.desk).work().reloaded = Some(Box::new(loaded));
        self.has_reloaded.store(true, Ordering::SeqCst);
    }

    pub(crate) fn take_reloaded(&self) -> Option<Result<Loaded, AttachError>> {
        self.has_reloaded.store(false, Ordering::SeqCst);
        let reloaded = lock(&self.desk).work.as_deref_mut()?.reloaded.take();
        reloaded.map(|loaded| *loaded)
    }

    /// Whether there is word of the batch under way, or of what is read anew.
    pub(crate) fn has_landed(&self) -> bool {
        self.landed.load(Ordering::SeqCst) || self.has_reloaded.load(Ordering::SeqCst)
    }

    /// What became of the batch under way, once it is known.
    pub(crate) fn take_receipt(&self) -> Option<Receipt> {
        if !self.landed.swap(false, Ordering::AcqRel) {
            return None;
        }
        lock(&self.desk).work.as_deref_mut()?.receipt.take()
    }

    /// Settles whether the store has the run, and tells who waits for that.
    pub(crate) fn settle_recorded(&self, result: Result<(), Arc<WriteError>>) {
        let _ = self.recorded.set(result);
        let waiting = lock(&self.desk).waiting.take();
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// Ready once it is settled whether the store has the run.
    pub(crate) fn poll_recorded(&self, cx: &mut Context<'_>) -> Poll<Result<(), Arc<WriteError>>> {
        let mut desk = lock(&self.desk);
        match self.recorded.get() {
            Some(recorded) => Poll::Ready(recorded.clone()),
            None => {
                desk.waiting.get_or_insert_default().add(cx.waker());
                Poll::Pending
            }
        }
    }
}

/// As long as it is there, its run stays in memory.
pub(crate) struct Stay<'a>(&'a AtomicU32);

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// As long as it is there, a child of its run is on its way into the store.
pub(crate) struct BeginsChild(Arc<RunShared>);

impl BeginsChild {
    /// Nothing, if no backend keeps the run.
    pub(crate) fn of(run: &Arc<RunShared>) -> Option<Self> {
        run.keeping()?.begins.fetch_add(1, Ordering::AcqRel);
        Some(BeginsChild(Arc::clone(run)))
    }

    /// Until the child is there, or it is known that it will not be.
    pub(crate) async fn until_recorded(self, child: &RunShared) {
        let Some(keeping) = child.keeping() else { return };
        tokio::select! {
            _ = std::future::poll_fn(|cx| keeping.poll_recorded(cx)) => {}
            () = child.ended() => {}
        }
    }
}

impl Drop for BeginsChild {
    fn drop(&mut self) {
        let last = self.0.keeping().is_some_and(|keeping| keeping.begins.fetch_sub(1, Ordering::AcqRel) == 1);
        if last {
            // Now the store may learn that the run waits.
            self.0.nudge();
        }
    }
}

impl Receiver for RunShared {
    fn receive(self: Arc<Self>, receipt: Receipt) {
        self.put_receipt(receipt);
        // A dispatcher that is still sending looks by itself afterwards.
        if !self.keeping().is_some_and(|keeping| keeping.sending.load(Ordering::SeqCst)) {
            self.landed();
        }
    }

    fn of_all(&self) -> Option<Arc<dyn ReceivesAll>> {
        let landing = &self.keeping()?.store.landing;
        landing.is_served().then(|| Arc::clone(landing) as Arc<dyn ReceivesAll>)
    }
}

impl std::fmt::Debug for Keeping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeping").field("backend", self.backend()).finish_non_exhaustive()
    }
}

impl RunShared {
    /// What ties the run to a backend, if one keeps it.
    pub(crate) fn keeping(&self) -> Option<&Keeping> {
        self.extra_if_any()?.keeping.get().map(|keeping| &**keeping)
    }

    /// Notes for a journal that a cell was changed, while that is still locked.
    pub(crate) fn changed<S>(&self, cell: &Cell<S>) {
        cell.changed.store(true, Ordering::Relaxed);
        if let Some(keeping) = self.keeping() {
            keeping.dirt.store(true, Ordering::Release);
        }
    }

    /// Makes the dispatcher of a kept run look at what is new.
    pub(crate) fn nudge(self: &Arc<Self>) {
        if self.keeping().is_some() {
            self.rouse(lock(&self.inbox));
        }
    }

    /// Leaves the dispatcher what became of its batch.
    fn put_receipt(&self, receipt: Receipt) {
        if let Some(keeping) = self.keeping() {
            lock(&keeping.desk).work().receipt = Some(receipt);
            keeping.landed.store(true, Ordering::SeqCst);
        }
    }

    /// Wakes the dispatcher, which finds its batch landed. It is in its task: it does not leave that while it writes.
    fn landed(&self) {
        let mut inbox = lock(&self.inbox);
        if let Task::Asleep(_) = inbox.task
            && let Task::Asleep(waker) = std::mem::replace(&mut inbox.task, Task::Active)
        {
            drop(inbox);
            waker.wake();
        }
    }
}

impl ExecShared {
    /// Makes the dispatcher look at what `touch` noted, once nothing is locked any more.
    pub(crate) fn nudge(&self) {
        if self.is_kept {
            self.run.nudge();
        }
    }

    /// Notes that there is something new on record; called while what it changed is still locked.
    pub(crate) fn touch(self: &Arc<Self>, log: &mut OpLog) {
        if !self.is_kept {
            return;
        }
        let Some(keeping) = self.run.keeping() else { return };
        if log.touch() {
            lock(&keeping.desk).work().touched.push(Arc::clone(self));
        }
        keeping.dirt.store(true, Ordering::Release);
    }
}
