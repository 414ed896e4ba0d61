use std::borrow::Cow;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use stepcast_core::engine::{Filter, OpKind, OpResult, Time};
use stepcast_core::store::StorePath;
use stepcast_core::{Event, Payload};

use super::op::{Gone, OpFuture};
use super::{Context, SendSet};
use crate::exec::{ExecShared, Predicate, Recorded};
use crate::run::{Deadline, Request};

/// A wait for one event, made by [`Context::wait_for_event`]. Await it.
#[must_use = "a wait does nothing until it is awaited"]
pub struct WaitForEvent<E> {
    exec: Arc<ExecShared>,
    label: Option<String>,
    filter: Filter,
    predicate: Option<Predicate>,
    bad_path: Option<String>,
    shared: bool,
    announce: Option<Payload>,
    deadline: Option<Deadline>,
    event: PhantomData<fn() -> E>,
}

/// A wait ended without an event.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The deadline passed first.
    #[error("No `{event}` came before the deadline.")]
    TimedOut {
        /// Tag of the awaited event.
        event: &'static str,
    },
    /// The step does not declare that it waits for this event.
    #[error("The step `{step}` does not declare that it waits for `{event}`; it declares: {}. Add it to `#[step(waits(..))]`.", declared.join(", "))]
    Undeclared {
        /// The step.
        step: String,
        /// Tag of the event.
        event: &'static str,
        /// Tags of the events it declares.
        declared: Vec<&'static str>,
    },
    /// The path of `where_field` is not a path.
    #[error("`{path}` is not a path into an event; write field names and list positions separated by dots.")]
    BadPath {
        /// What was given.
        path: String,
    },
    /// What is recorded of the wait does not fit it.
    #[error(
        "The record of this wait holds something other than a `{event}`; give the wait an id of its own with `id`."
    )]
    Record {
        /// Tag of the awaited event.
        event: &'static str,
    },
    /// The execution has recorded as many results as it may.
    #[error("The execution has recorded {bound} results, the most it may; split the step.")]
    RecordFull {
        /// The bound.
        bound: usize,
    },
    /// The run has ended.
    #[error("The run has ended; no `{event}` will come.")]
    RunEnded {
        /// Tag of the awaited event.
        event: &'static str,
    },
    /// The execution that this context belongs to is over.
    #[error("The execution that this context belongs to is over; wait inside the step's own body.")]
    ExecutionEnded {
        /// Tag of the awaited event.
        event: &'static str,
    },
}

impl<S: SendSet> Context<S> {
    /// Waits for an event; meanwhile the execution holds no worker slot. It is a commit point: what was sent before is
    /// delivered. The step declares the type with `#[step(waits(E))]`. An event that came earlier and that nobody
    /// waited for satisfies the wait, unless it announces something.
    ///
    /// On re-execution a wait that got its event gets the same one again.
    pub fn wait_for_event<E: Event>(&self) -> WaitForEvent<E> {
        WaitForEvent {
            exec: Arc::clone(&self.exec),
            label: None,
            filter: Filter::Any,
            predicate: None,
            bad_path: None,
            shared: false,
            announce: None,
            deadline: None,
            event: PhantomData,
        }
    }
}

impl<E: Event> WaitForEvent<E> {
    /// A stable name for this wait, where a step has several for one type that may change places.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.label = Some(id.into());
        self
    }

    /// Only events that the predicate accepts. It is code: after a restore, events are held until the execution has
    /// come to this wait again. A predicate that panics accepts nothing.
    pub fn matching(mut self, accepts: impl Fn(&E) -> bool + Send + 'static) -> Self {
        self.filter = Filter::Code;
        self.predicate = Some(Box::new(move |event| event.downcast_ref::<E>().is_some_and(&accepts)));
        self
    }

    /// Only events whose field at a dot path equals a value. It is data: it holds across a restore by itself.
    pub fn where_field(mut self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        let path = path.into();
        match StorePath::new(path.as_str()) {
            Ok(_) => self.filter = Filter::Field { path, value: value.into() },
            Err(_) => self.bad_path = Some(path),
        }
        self
    }

    /// Publishes an event, once, when the wait begins, and makes a pending input of it. Then only what arrives after
    /// it satisfies the wait.
    pub fn announce<A: Event>(mut self, event: A) -> Self {
        self.announce = Some(Payload::new(event));
        self
    }

    /// Gives up after so long, counted from the wait's beginning by the wall clock, also across restarts.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.deadline = Some(Deadline::After(timeout));
        self
    }

    /// Gives up at a moment, also across restarts.
    pub fn deadline(mut self, at: SystemTime) -> Self {
        let micros =
            at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX));
        self.deadline = Some(Deadline::At(Time(micros)));
        self
    }

    /// Lets every other shared wait that the event satisfies have it too.
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Registers the wait with the dispatcher; `Ok(Err(..))` is a result that is there already.
    fn begin(self) -> Result<OpFuture, Result<E, WaitError>> {
        let event = E::META.tag;
        if let Some(why) = Gone::check(&self.exec) {
            return Err(Err(why.wait(event)));
        }
        if let Some(path) = self.bad_path {
            return Err(Err(WaitError::BadPath { path }));
        }
        let def = self.exec.run.def();
        let step = self.exec.step_def();
        let Some(ix) = def.event_by_hash(E::META.hash).filter(|ix| step.may_wait_for(*ix)) else {
            let declared = step.waits().iter().map(|ix| def.event(*ix).tag).collect();
            return Err(Err(WaitError::Undeclared { step: step.name().to_owned(), event, declared }));
        };
        let label = self.label.map_or(Cow::Borrowed(event), Cow::Owned);
        let id = {
            let mut log = self.exec.log();
            let ordinal = log.next(OpKind::Wait, &label);
            match log.recorded(OpKind::Wait, &label, ordinal) {
                Some(Recorded::Event(payload)) => return Err(typed(payload, event)),
                Some(Recorded::TimedOut) => return Err(Err(WaitError::TimedOut { event })),
                Some(_) => return Err(Err(WaitError::Record { event })),
                None => {}
            }
            let bound = def.policy().max_records;
            if log.is_full(bound) {
                return Err(Err(WaitError::RecordFull { bound }));
            }
            log.id(OpKind::Wait, &label, ordinal)
        };
        let request = Request::Wait {
            id: id.clone(),
            event: ix,
            filter: self.filter,
            predicate: self.predicate,
            shared: self.shared,
            announce: self.announce,
            deadline: self.deadline,
        };
        Ok(OpFuture::begin(&self.exec, id, request).withdrawn_when_dropped())
    }
}

impl Gone {
    fn wait(self, event: &'static str) -> WaitError {
        match self {
            Gone::Run => WaitError::RunEnded { event },
            Gone::Execution => WaitError::ExecutionEnded { event },
        }
    }
}

/// The future of a [`WaitForEvent`]. Small once it waits, because a paused run is little more than this.
#[must_use = "a wait does nothing until it is awaited"]
pub struct Waiting<E>(Stage<E>);

enum Stage<E> {
    New(Box<WaitForEvent<E>>),
    Waiting(OpFuture),
    Done,
}

impl<E: Event> Future for Waiting<E> {
    type Output = Result<E, WaitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let event = E::META.tag;
        if let Stage::New(_) = self.0
            && let Stage::New(wait) = std::mem::replace(&mut self.0, Stage::Done)
        {
            match wait.begin() {
                Ok(operation) => self.0 = Stage::Waiting(operation),
                Err(result) => return Poll::Ready(result),
            }
        }
        let Stage::Waiting(operation) = &mut self.0 else { return Poll::Pending };
        let Poll::Ready(result) = Pin::new(operation).poll(cx) else { return Poll::Pending };
        self.0 = Stage::Done;
        Poll::Ready(match result {
            Ok(OpResult::Event(payload)) => typed(&payload, event),
            Ok(OpResult::TimedOut) => Err(WaitError::TimedOut { event }),
            Ok(_) => Err(WaitError::Record { event }),
            Err(why) => Err(why.wait(event)),
        })
    }
}

impl<E> std::fmt::Debug for Waiting<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

fn typed<E: Event>(payload: &Payload, event: &'static str) -> Result<E, WaitError> {
    payload.downcast_ref::<E>().cloned().ok_or(WaitError::Record { event })
}

impl<E: Event> IntoFuture for WaitForEvent<E> {
    type Output = Result<E, WaitError>;
    type IntoFuture = Waiting<E>;

    fn into_future(self) -> Waiting<E> {
        Waiting(Stage::New(Box::new(self)))
    }
}

impl<E> std::fmt::Debug for WaitForEvent<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaitForEvent").field("id", &self.label).field("filter", &self.filter).finish_non_exhaustive()
    }
}
