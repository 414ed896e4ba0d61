use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use serde_json::Value;
use stepcast_core::engine::FailureChoice;
use stepcast_core::state_cell::State;
use stepcast_core::store::StorePath;
use stepcast_core::{AnyEvent, Event, GraphOverlay, Payload, StepIx, StepStateChanged, WorkflowDef};
use tokio::sync::oneshot;

use super::outside::{NotTaken, from_outside, single_takers, taken_from_outside};
use super::{Given, Message, RespondError, RunEnd, RunError, RunId, RunShared, SendError, Task, lock};
use crate::snapshot::{RunSnapshot, SnapshotError, StoreSnapshot};
use crate::stream::{EventStream, StreamStart, Wanted};
use crate::telemetry::TraceContext;
use crate::trace::Trace;
use crate::view::{InputId, InputRecord};

/// A handle of a run whose stop event is an `S`. Awaited, it gives the stop event. Dropped, it detaches: the run goes on.
///
/// Everything else it can do is on [`AnyRun`], which it dereferences to.
pub struct Run<S> {
    run: AnyRun,
    stop: PhantomData<fn() -> S>,
}

/// A handle of a run of any workflow. Clones are handles of the same run.
pub struct AnyRun {
    shared: Arc<RunShared>,
}

impl<S: Event> Run<S> {
    pub(crate) fn new(run: AnyRun) -> Self {
        Run { run, stop: PhantomData }
    }

    /// The stop event, once the run has ended; the handle stays usable.
    ///
    /// # Errors
    /// [`RunError`] when the run ended without a stop event.
    pub async fn result(&self) -> Result<S, RunError> {
        self.run.shared.ended().await;
        self.run.stop_event()
    }

    /// A handle that does not know the stop event's type.
    pub fn into_any(self) -> AnyRun {
        self.run
    }
}

impl<S> Deref for Run<S> {
    type Target = AnyRun;

    fn deref(&self) -> &AnyRun {
        &self.run
    }
}

impl<S: Event> Future for Run<S> {
    type Output = Result<S, RunError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.run.shared.poll_ended(cx) {
            Poll::Ready(()) => Poll::Ready(self.run.stop_event()),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S> std::fmt::Debug for Run<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.run, f)
    }
}

impl Clone for AnyRun {
    fn clone(&self) -> Self {
        self.shared.add_handle();
        AnyRun { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for AnyRun {
    fn drop(&mut self) {
        self.shared.drop_handle();
    }
}

impl std::fmt::Debug for AnyRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("workflow", &self.workflow())
            .field("id", self.run_id())
            .field("done", &self.is_done())
            .finish()
    }
}

impl AnyRun {
    /// The handle of whoever launched the run.
    pub(crate) fn first(shared: Arc<RunShared>) -> Self {
        AnyRun { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<RunShared> {
        &self.shared
    }

    /// The run's id.
    pub fn run_id(&self) -> &RunId {
        self.shared.id()
    }

    /// The name of the run's workflow.
    pub fn workflow(&self) -> &str {
        self.shared.def().name()
    }

    /// The document that the run's workflow was made of, as JSON, if it is one of data.
    pub fn document(&self) -> Option<&str> {
        self.shared.def().document().map(|json| &**json)
    }

    /// The definition of the run's workflow, which need not be registered anywhere.
    pub fn definition(&self) -> Arc<WorkflowDef> {
        Arc::clone(&self.shared.program.def)
    }

    /// The id of the run that started this one as its child.
    pub fn parent_id(&self) -> Option<RunId> {
        self.shared.parent().map(|parent| parent.id().clone())
    }

    /// Handles of the run's live children, and of theirs.
    pub fn children(&self) -> Vec<AnyRun> {
        let below = self.shared.with_children().into_iter().skip(1).filter(|run| !run.has_ended());
        below
            .map(|shared| {
                shared.add_handle();
                AnyRun { shared }
            })
            .collect()
    }

    /// Whether the run has ended.
    pub fn is_done(&self) -> bool {
        self.shared.has_ended()
    }

    /// When the run ended, in microseconds since the Unix epoch.
    pub fn ended_at(&self) -> Option<u64> {
        self.shared.outcome().map(|end| end.at.0)
    }

    /// Executions that were given up under `on_failure = "continue"`, once the run has ended.
    pub fn failures(&self) -> u32 {
        self.shared.outcome().map_or(0, |end| end.failures)
    }

    /// Waits until the run has ended, or is gone from memory for good; [`outcome`](Self::outcome) says how.
    pub async fn ended(&self) {
        self.shared.ended().await;
    }

    /// The run's last event, once it has ended: its stop event, whatever type that has.
    ///
    /// # Errors
    /// [`RunError`] when the run ended without a stop event.
    pub async fn outcome(&self) -> Result<AnyEvent, RunError> {
        self.ended().await;
        match self.shared.outcome().map(RunEnd::result) {
            Some(Ok(stop)) => RunEnd::copy_of(stop).map(AnyEvent::from_payload),
            Some(Err(error)) => Err(error.clone()),
            None => Err(RunError::Dropped),
        }
    }

    fn stop_event<S: Event>(&self) -> Result<S, RunError> {
        self.shared.outcome().map_or(Err(RunError::Dropped), |end| end.stop_event())
    }

    /// The run's stream from its beginning: what steps wrote, announcements, questions, the terminal event, and
    /// ephemeral frames while they pass. Any number of times, also after the end.
    pub fn stream_events(&self) -> EventStream {
        self.stream_from(StreamStart::Beginning)
    }

    /// The run's stream from a place of choice.
    pub fn stream_from(&self, start: StreamStart) -> EventStream {
        EventStream::new(Arc::clone(&self.shared), start, Wanted::Ephemeral)
    }

    /// As [`stream_events`](Self::stream_events), with the runtime's own frames: step state changes, unhandled events,
    /// calls. They are made while somebody subscribes, or from the first on with `RunOptions::record_internal`.
    pub fn events_internal(&self) -> EventStream {
        EventStream::new(Arc::clone(&self.shared), StreamStart::Beginning, Wanted::All)
    }

    /// Sends an event to the run: to the steps that take it, to who waits for it, or kept for who will.
    ///
    /// # Errors
    /// [`SendError`] with the event when the workflow does not take it from outside, when the run has ended, or when
    /// its mailbox is full.
    pub fn send_event(&self, event: impl Into<AnyEvent>) -> Result<(), SendError> {
        let (event, payload) = self.outside_event(event.into())?;
        self.post_external(event, payload, None)
    }

    /// Sends an event to one step only.
    ///
    /// # Errors
    /// As for [`send_event`](Self::send_event), and when there is no such step or it does not take the event.
    pub fn send_event_to(&self, step: &str, event: impl Into<AnyEvent>) -> Result<(), SendError> {
        let (event, payload) = self.outside_event(event.into())?;
        let def = self.shared.def();
        let takers = single_takers(def, payload.meta().tag);
        match def.step_named(step).filter(|ix| takers.contains(ix)) {
            Some(ix) => self.post_external(event, payload, Some(ix)),
            None => Err(SendError::Step {
                workflow: self.workflow().to_owned(),
                step: step.to_owned(),
                event,
                takers: takers.iter().map(|ix| def.step(*ix).name().to_owned()).collect(),
            }),
        }
    }

    /// Sends an event, waiting for room in the run's mailbox.
    ///
    /// # Errors
    /// As for [`send_event`](Self::send_event), except for a full mailbox.
    pub async fn send_event_wait(&self, event: impl Into<AnyEvent>) -> Result<(), SendError> {
        let (event, payload) = self.outside_event(event.into())?;
        let mut next = Some((event, payload));
        std::future::poll_fn(|cx| {
            let Some((event, payload)) = next.take() else { return Poll::Ready(Ok(())) };
            let bound = self.shared.mailbox().bound;
            let mut inbox = lock(&self.shared.inbox);
            if inbox.external >= bound && !matches!(inbox.task, Task::Ended) {
                inbox.room.get_or_insert_default().add(cx.waker());
                next = Some((event, payload));
                return Poll::Pending;
            }
            drop(inbox);
            Poll::Ready(self.post_external(event, payload, None))
        })
        .await
    }

    /// The event as a typed one, if it may come from outside.
    fn outside_event(&self, event: AnyEvent) -> Result<(AnyEvent, Payload), SendError> {
        let def = self.shared.def();
        match from_outside(def, &event) {
            Ok(payload) => Ok((event, payload)),
            Err(NotTaken::Data(source)) => Err(SendError::Data { event, source: Arc::new(source) }),
            Err(not_taken) => {
                let (workflow, expected) = (self.workflow().to_owned(), taken_from_outside(def));
                Err(match not_taken {
                    NotTaken::Undeclared => SendError::Undeclared { workflow, event, expected },
                    _ => SendError::NotExternal { workflow, event, expected },
                })
            }
        }
    }

    fn post_external(&self, event: AnyEvent, payload: Payload, to: Option<StepIx>) -> Result<(), SendError> {
        let mailbox = self.shared.mailbox();
        let context = TraceContext::current();
        let mut inbox = lock(&self.shared.inbox);
        if matches!(inbox.task, Task::Ended) || self.shared.has_ended() {
            return Err(SendError::Ended { event });
        }
        if inbox.external >= mailbox.bound {
            drop(inbox);
            if mailbox.drop_when_full {
                self.shared.report_dropped(&event);
                return Ok(());
            }
            return Err(SendError::Full { event, bound: mailbox.bound });
        }
        self.shared.woken_by(context);
        inbox.external += 1;
        inbox.messages.push(Message::External { event: payload, to, id: None });
        self.shared.rouse(inbox);
        Ok(())
    }

    /// Waits until the store has the run; at once where the run lives in memory alone. What is said of the run before may
    /// be lost with the process.
    ///
    /// # Errors
    /// When the backend refused the run or could not write it.
    pub async fn recorded(&self) -> Result<(), RunError> {
        let Some(keeping) = self.shared.keeping() else { return Ok(()) };
        let settled = |result: Result<(), _>| result.map_err(|source| RunError::Storage { source });
        tokio::select! {
            biased;
            result = std::future::poll_fn(|cx| keeping.poll_recorded(cx)) => settled(result),
            () = self.shared.ended() => match keeping.recorded.get() {
                Some(Ok(())) => Ok(()),
                _ => self.outcome().await.map(drop),
            },
        }
    }

    /// What the run and its children ask of people, oldest first.
    pub async fn pending_inputs(&self) -> Vec<InputRecord> {
        let ask = |run: &Arc<RunShared>| {
            let (reply, inputs) = oneshot::channel();
            run.post(Message::Inputs(reply)).is_none().then_some(inputs)
        };
        // The run itself is asked before anything is waited for: one that rests then says so again to who reads it.
        let mut own = ask(&self.shared);
        let _held = self.shared.bring_children().await;
        let mut all = Vec::new();
        for run in self.shared.with_children() {
            let is_self = Arc::ptr_eq(&run, &self.shared);
            let Some(inputs) = (if is_self { own.take() } else { ask(&run) }) else { continue };
            for input in inputs.await.unwrap_or_default() {
                all.push(InputRecord { id: InputId { run_id: run.id().clone(), number: input.id }, input });
            }
        }
        all
    }

    /// Answers a pending input of the run or of one of its children with an event.
    ///
    /// # Errors
    /// [`RespondError`]; a second answer to one input is a conflict and not used.
    pub async fn respond(&self, input: &InputId, event: impl Into<AnyEvent>) -> Result<(), RespondError> {
        self.give(input, Given::Event(event.into())).await
    }

    /// Answers a pending input with data in the form of the event that it takes.
    ///
    /// # Errors
    /// As for [`respond`](Self::respond).
    pub async fn respond_value(&self, input: &InputId, value: Value) -> Result<(), RespondError> {
        self.give(input, Given::Value(value)).await
    }

    /// Says what becomes of a step that failed under `on_failure = "pause"`.
    ///
    /// # Errors
    /// As for [`respond`](Self::respond).
    pub async fn respond_failure(&self, input: &InputId, choice: FailureChoice) -> Result<(), RespondError> {
        self.give(input, Given::Choice(choice)).await
    }

    async fn give(&self, input: &InputId, answer: Given) -> Result<(), RespondError> {
        let id = || input.to_string();
        let find = || self.shared.with_children().into_iter().find(|run| *run.id() == input.run_id && !run.has_left());
        let (mut found, mut held) = (find(), Vec::new());
        if found.is_none() {
            held = self.shared.bring_children().await;
            found = find();
        }
        let Some(run) = found else {
            // A child that asked has ended meanwhile.
            let below = input.run_id.as_str().strip_prefix(self.run_id().as_str());
            if below.is_some_and(|rest| rest.starts_with('.')) {
                return Err(RespondError::Conflict { id: id() });
            }
            let pending = self.pending_inputs().await;
            return Err(RespondError::Unknown {
                id: id(),
                pending: pending.iter().map(|input| input.id.to_string()).collect(),
            });
        };
        run.woken_by(TraceContext::current());
        let (reply, answered) = oneshot::channel();
        if run.post(Message::Respond { input: input.number, answer, reply }).is_some() {
            return Err(RespondError::Ended { id: id() });
        }
        let answered = answered.await.unwrap_or_else(|_| Err(RespondError::Ended { id: id() }));
        drop(held);
        answered
    }

    /// Ends the run. Its executions get a cancelled token and a grace; awaiting it gives `RunError::Cancelled`.
    pub fn cancel(&self) {
        self.shared.post(Message::Cancel);
    }

    /// The whole run as data, taken between two ticks: it can go on from there in another process.
    ///
    /// # Errors
    /// When an event or a state of the run cannot be serialized.
    pub async fn snapshot(&self) -> Result<RunSnapshot, SnapshotError> {
        self.shared.take_snapshot().await
    }

    /// A copy of the run's store and typed state.
    pub fn store_snapshot(&self) -> StoreSnapshot {
        StoreSnapshot::of(&self.shared)
    }

    /// What the run did so far, to draw over its workflow's graph: executions, failures and times per step, events by
    /// tag. Counted from the internal frames that are kept, so start the run with `RunOptions::record_internal`.
    pub fn overlay(&self) -> GraphOverlay {
        let data = self.shared.data();
        let frames = data.frames.iter().flat_map(|frames| frames.iter());
        Trace::of(frames.filter_map(|frame| frame.event.get::<StepStateChanged>())).overlay()
    }

    /// A value of the run's store, by dot path.
    pub fn store_value(&self, path: &str) -> Option<Value> {
        let path = StorePath::new(path).ok()?;
        self.shared.data().store.as_deref().and_then(|store| store.get(&path)).cloned()
    }

    /// A copy of the run's typed state; its default if no step has used it.
    pub fn state<S: State>(&self) -> Option<S> {
        let cell = self.shared.data().cell::<S>().ok()?;
        let value = lock(&cell.value).clone();
        Some(value)
    }
}
