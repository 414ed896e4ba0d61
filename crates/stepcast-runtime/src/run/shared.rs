use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};

use stepcast_core::engine::Time;
use stepcast_core::{AnyEvent, UnhandledEvent, WorkflowDef};
use tokio_util::sync::CancellationToken;

use super::{Held, Inbox, Message, RunData, RunEnd, RunId, RunOptions, Task};
use crate::dispatch::{First, RunTask};
use crate::durable::{self, Keeping};
use crate::program::Program;
use crate::resources::Resolved;
use crate::runtime::RuntimeLink;
use crate::stream::{EventKind, Frame};
use crate::telemetry::RunTrace;

/// Retained stream events, by default.
pub(crate) const STREAM_BOUND: usize = 65_536;

/// A run as everybody holds it: handles, streams, contexts and its dispatcher.
pub(crate) struct RunShared {
    pub(crate) program: Arc<Program>,
    /// Absent where the program keeps one for all its runs.
    instance: Option<Arc<dyn Any + Send + Sync>>,
    pub(crate) inbox: Mutex<Inbox>,
    /// Whether the inbox may hold messages: a look without its lock.
    pub(crate) mail: AtomicBool,
    data: Mutex<RunData>,
    end: OnceLock<RunEnd>,
    id: OnceLock<RunId>,
    /// Those who want internal frames.
    observers: AtomicU32,
    /// Handles that could still send; begins with the one of whoever launches the run, so that it is never without.
    handles: AtomicU32,
    pub(crate) ending: AtomicBool,
    extra: OnceLock<Box<Extra>>,
}

/// What few runs need, kept out of the others.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    pub(crate) options: OnceLock<Box<RunOptions>>,
    /// Only of runs that belong to a trace, or where somebody wants spans.
    pub(crate) trace: OnceLock<Box<RunTrace>>,
    pub(crate) runtime: OnceLock<RuntimeLink>,
    pub(crate) keeping: OnceLock<Box<Keeping>>,
    rare: OnceLock<Box<Rare>>,
    /// The run goes on only step by step.
    pub(crate) still: AtomicBool,
}

/// What few runs of a runtime need: kept ones may be many, and rest for long.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub(crate) parent: Mutex<Weak<RunShared>>,
    pub(crate) children: Mutex<Vec<Weak<RunShared>>>,
    pub(crate) token: OnceLock<CancellationToken>,
    pub(crate) resolved: OnceLock<Resolved>,
    /// Snapshots of children that ran when this run was stored, by run id.
    pub(crate) stored_children: Mutex<Vec<(String, crate::snapshot::RunSnapshot)>>,
}

/// A lock whose holder panicked still guards whole data: every change under it is complete before user code runs.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RunShared {
    pub(crate) fn new(
        program: Arc<Program>,
        instance: Option<Arc<dyn Any + Send + Sync>>,
        stream_bound: usize,
        keeping: Option<Keeping>,
    ) -> Self {
        let extra = |keeping| Box::new(Extra { keeping: OnceLock::from(Box::new(keeping)), ..Extra::default() });
        RunShared {
            program,
            instance,
            inbox: Mutex::new(Inbox::new()),
            mail: AtomicBool::new(false),
            data: Mutex::new(RunData::new(stream_bound)),
            end: OnceLock::new(),
            id: OnceLock::new(),
            observers: AtomicU32::new(0),
            handles: AtomicU32::new(1),
            ending: AtomicBool::new(false),
            extra: keeping.map(|keeping| OnceLock::from(extra(keeping))).unwrap_or_default(),
        }
    }

    /// The workflow, for steps that are its methods.
    pub(crate) fn instance(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.instance.as_ref().or_else(|| self.program.unit.get())
    }

    pub(crate) fn def(&self) -> &WorkflowDef {
        &self.program.def
    }

    pub(crate) fn id(&self) -> &RunId {
        self.id.get_or_init(RunId::random)
    }

    pub(crate) fn set_id(&self, id: RunId) {
        // Only the run's maker sets it, before anybody else holds the run.
        let _ = self.id.set(id);
    }

    pub(crate) fn extra(&self) -> &Extra {
        self.extra.get_or_init(Box::default)
    }

    pub(crate) fn extra_if_any(&self) -> Option<&Extra> {
        self.extra.get().map(|extra| &**extra)
    }

    pub(crate) fn rare(&self) -> &Rare {
        self.extra().rare.get_or_init(Box::default)
    }

    pub(crate) fn rare_if_any(&self) -> Option<&Rare> {
        self.extra_if_any()?.rare.get().map(|rare| &**rare)
    }

    pub(crate) fn options(&self) -> Option<&RunOptions> {
        self.extra_if_any()?.options.get().map(|options| &**options)
    }

    /// What ties the run to its runtime, if it was started by one.
    pub(crate) fn link(&self) -> Option<&RuntimeLink> {
        self.extra_if_any()?.runtime.get()
    }

    #[inline]
    pub(crate) fn data(&self) -> MutexGuard<'_, RunData> {
        lock(&self.data)
    }

    pub(crate) fn outcome(&self) -> Option<&RunEnd> {
        self.end.get()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.end.get().is_some()
    }

    pub(crate) fn cancel_token(&self) -> CancellationToken {
        let token = self.rare().token.get_or_init(CancellationToken::new);
        if self.has_ended() {
            token.cancel();
        }
        token.clone()
    }

    pub(crate) fn wants_internal(&self) -> bool {
        self.observers.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn observe(&self, change: isize) {
        if change > 0 {
            self.observers.fetch_add(1, Ordering::Relaxed);
        } else {
            self.observers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn drop_handle(self: &Arc<Self>) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 && !self.has_ended() {
            // Who could send to a run could answer its children too.
            for run in self.with_children() {
                run.post(Message::HandleGone);
            }
        }
    }

    /// Whether somebody outside could still send to the run.
    pub(crate) fn can_be_sent_to(&self) -> bool {
        self.keeping().is_some()
            || self.handles.load(Ordering::Acquire) > 0
            || self.parent().is_some_and(|parent| parent.can_be_sent_to())
    }

    /// Leaves word for the dispatcher and sees to it that it looks. Gives the message back if the run has ended.
    pub(crate) fn post(self: &Arc<Self>, message: Message) -> Option<Message> {
        let mut inbox = lock(&self.inbox);
        if let Task::Ended = inbox.task {
            return Some(message);
        }
        inbox.messages.push(message);
        self.rouse(inbox);
        None
    }

    /// Wakes the dispatcher, or starts it again if it was put away.
    pub(crate) fn rouse(self: &Arc<Self>, mut inbox: MutexGuard<'_, Inbox>) {
        self.mail.store(true, Ordering::Release);
        match std::mem::replace(&mut inbox.task, Task::Active) {
            Task::Active | Task::Leaving => {}
            Task::Asleep(waker) => {
                drop(inbox);
                waker.wake();
            }
            Task::PutAway(away) => {
                drop(inbox);
                if let Some(tokio) = away.tokio() {
                    tokio.spawn(RunTask::new(Arc::clone(self), First::PutAway(away)));
                }
            }
            Task::Held(held) => {
                drop(inbox);
                let Held { start, tokio } = *held;
                tokio.spawn(RunTask::new(Arc::clone(self), First::Start(start)));
            }
            Task::Idle(mut core) => {
                drop(inbox);
                if let Some(tokio) = core.tokio.take() {
                    tokio.spawn(RunTask::new(Arc::clone(self), First::Core(core)));
                }
            }
            Task::Away(tokio) => {
                drop(inbox);
                durable::come_back(self, &tokio);
            }
            Task::Ended => inbox.task = Task::Ended,
        }
    }

    pub(crate) fn parent(&self) -> Option<Arc<RunShared>> {
        lock(&self.rare_if_any()?.parent).upgrade()
    }

    /// Whether the run's executions are there, at work or at rest.
    pub(crate) fn is_in_memory(&self) -> bool {
        !matches!(lock(&self.inbox).task, Task::Ended | Task::Away(_))
    }

    /// Whether the run's end is waited for by a parent that is in memory, which would not hear of it from another record.
    pub(crate) fn is_awaited(&self) -> bool {
        self.parent().is_some_and(|parent| parent.is_in_memory())
    }

    /// Makes a run a child of this one.
    pub(crate) fn take_child(self: &Arc<Self>, child: &Arc<RunShared>) {
        *lock(&child.rare().parent) = Arc::downgrade(self);
        let mut children = lock(&self.rare().children);
        // Those that are gone make room, where there is none.
        if children.len() == children.capacity() {
            children.retain(|child| child.strong_count() > 0);
            let room = children.len().max(4);
            children.reserve(room);
        }
        children.push(Arc::downgrade(child));
        drop(children);
        // One that comes after the end has missed what the others were told. A backend tells it by itself.
        if self.keeping().is_none() && self.has_ended() {
            child.post(Message::Cancel);
        }
    }

    /// As [`take_child`](Self::take_child), of a run that may be one already.
    pub(crate) fn adopt_child(self: &Arc<Self>, child: &Arc<RunShared>) {
        lock(&self.rare().children).retain(|known| known.as_ptr() != Arc::as_ptr(child));
        self.take_child(child);
    }

    /// Whether the run has left memory without an end: who waits for one has to look elsewhere.
    pub(crate) fn has_left(&self) -> bool {
        matches!(lock(&self.inbox).task, Task::Ended) && !self.ending.load(Ordering::Acquire)
    }

    /// The children that are still held by somebody.
    pub(crate) fn children(&self) -> Vec<Arc<RunShared>> {
        let Some(rare) = self.rare_if_any() else { return Vec::new() };
        lock(&rare.children).iter().filter_map(Weak::upgrade).collect()
    }

    /// The run and everything below it.
    pub(crate) fn with_children(self: &Arc<Self>) -> Vec<Arc<RunShared>> {
        let mut all = vec![Arc::clone(self)];
        let mut at = 0;
        while at < all.len() {
            let below = all[at].children();
            all.extend(below);
            at += 1;
        }
        all
    }

    pub(crate) fn mailbox(&self) -> super::Mailbox {
        self.options().map(|options| options.mailbox).unwrap_or_default()
    }

    /// Reports an event from outside that found no room.
    pub(crate) fn report_dropped(&self, event: &AnyEvent) {
        let frame = UnhandledEvent {
            event_type: event.tag().to_owned(),
            qualified_name: event.meta().map(|meta| meta.qualified_name.to_owned()),
            step_name: None,
            idle: false,
        };
        tracing::warn!(target: "stepcast", event = event.tag(), "the run's mailbox is full; an event was dropped");
        self.frame(EventKind::Internal, AnyEvent::new(frame));
    }

    /// Ready once the run has ended.
    pub(crate) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_ended() {
            return Poll::Ready(());
        }
        let mut inbox = lock(&self.inbox);
        // The end is set before the inbox is asked who waits for it.
        if self.has_ended() {
            return Poll::Ready(());
        }
        inbox.end.add(cx.waker());
        Poll::Pending
    }

    pub(crate) async fn ended(&self) {
        std::future::poll_fn(|cx| self.poll_ended(cx)).await;
    }

    /// Records the end, once, and wakes everybody who waits for it.
    pub(crate) fn finish(&self, end: RunEnd) {
        self.ending.store(true, Ordering::Release);
        if self.end.set(end).is_err() {
            return;
        }
        let readers = {
            let mut data = self.data();
            data.ended = true;
            data.log.take_wakers()
        };
        let (waiting, room) = {
            let mut inbox = lock(&self.inbox);
            (inbox.end.take(), inbox.room.take())
        };
        readers.wake();
        waiting.wake();
        if let Some(room) = room {
            room.wake();
        }
        if let Some(token) = self.rare_if_any().and_then(|rare| rare.token.get()) {
            token.cancel();
        }
        if let Some(link) = self.link() {
            link.ended(self.id(), self.outcome());
        }
    }

    /// Handles, the one of a runtime's list among them.
    pub(crate) fn handles(&self) -> u32 {
        self.handles.load(Ordering::Acquire)
    }

    /// Whether somebody reads the run's stream.
    pub(crate) fn is_watched(&self) -> bool {
        self.data().frames.as_deref().is_some_and(|frames| frames.listeners > 0)
    }

    /// Whether a kept run can leave memory while somebody holds it or reads its stream. The log stays where it is; but steps
    /// begin anew when the run comes back, and who sees frames in passing would see theirs again.
    pub(crate) fn may_go_away(&self) -> bool {
        let Some(keeping) = self.keeping() else { return false };
        let (listeners, recorded) =
            self.data().frames.as_deref().map_or((0, 0), |frames| (frames.listeners, u32::from(frames.record)));
        let is_seen_within = self.observers.load(Ordering::Relaxed) > recorded;
        listeners == 0 || !(is_seen_within || keeping.shows_passing.load(Ordering::Relaxed))
    }

    /// Appends an event to the log and wakes its readers. A kept run says when it recorded the event.
    pub(crate) fn publish(&self, event: AnyEvent, at: Option<Time>) {
        let wakers = {
            let mut data = self.data();
            // The terminal event has the last number: a child that goes on for a moment adds nothing.
            if data.ended {
                return;
            }
            let at = at.or_else(|| data.times.now());
            data.log.push(event, at);
            data.log.take_wakers()
        };
        wakers.wake();
    }

    /// Shows a frame to whoever listens.
    pub(crate) fn frame(&self, kind: EventKind, event: AnyEvent) {
        let wakers = {
            let mut data = self.data();
            let after = data.log.last();
            let Some(frames) = data.frames.as_deref_mut() else { return };
            frames.push(Frame { after, kind, event });
            data.log.take_wakers()
        };
        wakers.wake();
    }
}

impl std::fmt::Debug for RunShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunShared")
            .field("workflow", &self.def().name())
            .field("ended", &self.has_ended())
            .finish_non_exhaustive()
    }
}
