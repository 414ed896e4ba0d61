use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;

use stepcast_core::engine::{OpId, OpKind, OpResult};
use stepcast_core::{BoxFuture, Event, EventMeta, Payload};

use super::op::{Gone, OpFuture};
use super::{Context, SendSet};
use crate::exec::{ExecShared, Recorded};
use crate::run::Request;

/// What a dynamic collection hands out when it is complete: a tuple of event types, in this order.
pub trait CollectSet: Sized + Send + 'static {
    /// The event types, in order; one type may occur several times.
    fn wanted() -> Vec<&'static EventMeta>;
    /// The set from its events, in order.
    fn assemble(events: &[Payload]) -> Option<Self>;
}

macro_rules! collect_sets {
    ($($name:ident $at:tt),+) => {
        impl<$($name: Event),+> CollectSet for ($($name,)+) {
            fn wanted() -> Vec<&'static EventMeta> {
                vec![$(const { &$name::META }),+]
            }

            fn assemble(events: &[Payload]) -> Option<Self> {
                Some(($(events.get($at)?.downcast_ref::<$name>()?.clone(),)+))
            }
        }
    };
}

collect_sets!(A 0);
collect_sets!(A 0, B 1);
collect_sets!(A 0, B 1, C 2);
collect_sets!(A 0, B 1, C 2, D 3);
collect_sets!(A 0, B 1, C 2, D 3, E 4);
collect_sets!(A 0, B 1, C 2, D 3, E 4, F 5);

/// A dynamic collection, made by [`Context::collect_events`] or [`Context::collect_n`]. Await it.
#[must_use = "a collection does nothing until it is awaited"]
pub struct CollectEvents<T> {
    exec: Arc<ExecShared>,
    buffer: String,
    key: Option<String>,
    event: Payload,
    wanted: Vec<&'static EventMeta>,
    assemble: fn(&[Payload]) -> Option<T>,
    result: PhantomData<fn() -> T>,
}

/// An event could not be collected.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The event is not of a type that the set consists of.
    #[error("The event `{event}` is not part of the set to collect ({}); collect it in another buffer.", wanted.join(", "))]
    NotWanted {
        /// Tag of the event.
        event: &'static str,
        /// Tags of the set's events.
        wanted: Vec<&'static str>,
    },
    /// The workflow does not declare one of the set's event types.
    #[error("No step of the workflow gives or takes `{event}`, so the set can never be complete.")]
    Undeclared {
        /// Tag of the event.
        event: &'static str,
    },
    /// The buffer is full.
    #[error(
        "The buffer `{buffer}` holds {bound} events, the most it may; the event was not added. Complete sets more often, or use more buffers."
    )]
    BufferFull {
        /// The buffer.
        buffer: String,
        /// The bound.
        bound: usize,
    },
    /// The execution has recorded as many results as it may.
    #[error("The execution has recorded {bound} results, the most it may; split the step.")]
    RecordFull {
        /// The bound.
        bound: usize,
    },
    /// What is recorded of the collection does not fit it.
    #[error("The record of this collection does not fit the set it now asks for; give it a buffer of its own.")]
    Record,
    /// The run has ended.
    #[error("The run has ended; nothing is collected any more.")]
    RunEnded,
    /// The execution that this context belongs to is over.
    #[error("The execution that this context belongs to is over; collect inside the step's own body.")]
    ExecutionEnded,
}

impl From<Gone> for CollectError {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Run => CollectError::RunEnded,
            Gone::Execution => CollectError::ExecutionEnded,
        }
    }
}

impl<S: SendSet> Context<S> {
    /// Adds an event to a buffer and gives the full set once the buffer holds one: `None` until then. A surplus event
    /// stays for the next set. Prefer `Vec<E>` and join parameters where the shape is known.
    ///
    /// Giving a set is a commit point. On re-execution the event is not added again and the same answer is given.
    pub fn collect_events<T: CollectSet>(&self, event: impl Event) -> CollectEvents<T> {
        self.collecting(Payload::new(event), T::wanted(), T::assemble)
    }

    /// As [`collect_events`](Self::collect_events), for `n` events of one type.
    pub fn collect_n<E: Event>(&self, event: E, n: usize) -> CollectEvents<Vec<E>> {
        let wanted = vec![const { &E::META }; n];
        self.collecting(Payload::new(event), wanted, |events| {
            events.iter().map(|event| event.downcast_ref::<E>().cloned()).collect()
        })
    }

    fn collecting<T>(
        &self,
        event: Payload,
        wanted: Vec<&'static EventMeta>,
        assemble: fn(&[Payload]) -> Option<T>,
    ) -> CollectEvents<T> {
        let exec = Arc::clone(&self.exec);
        CollectEvents { exec, buffer: "default".to_owned(), key: None, event, wanted, assemble, result: PhantomData }
    }
}

impl<T: Send + 'static> CollectEvents<T> {
    /// Uses a buffer of this name instead of the step's default one.
    pub fn buffer(mut self, name: impl Into<String>) -> Self {
        self.buffer = name.into();
        self
    }

    /// Only events with the same correlation key make a set.
    pub fn key(mut self, key: impl ToString) -> Self {
        self.key = Some(key.to_string());
        self
    }

    async fn run(self) -> Result<Option<T>, CollectError> {
        if let Some(gone) = Gone::check(&self.exec) {
            return Err(gone.into());
        }
        let def = self.exec.run.def();
        let found = self.event.meta();
        if self.wanted.is_empty() {
            return Ok((self.assemble)(&[]));
        }
        if !self.wanted.iter().any(|meta| meta.hash == found.hash) {
            let wanted = self.wanted.iter().map(|meta| meta.tag).collect();
            return Err(CollectError::NotWanted { event: found.tag, wanted });
        }
        let mut expected = Vec::with_capacity(self.wanted.len());
        for meta in &self.wanted {
            expected.push(def.event_by_hash(meta.hash).ok_or(CollectError::Undeclared { event: meta.tag })?);
        }
        // A separator that no name can hold keeps a buffer and a key apart from another buffer.
        let buffer = match &self.key {
            Some(key) => format!("{}\u{1f}{key}", self.buffer),
            None => self.buffer.clone(),
        };
        let id = {
            let mut log = self.exec.log();
            let ordinal = log.next(OpKind::Collect, &buffer);
            match log.recorded(OpKind::Collect, &buffer, ordinal) {
                Some(Recorded::Kept) => return Ok(None),
                Some(Recorded::Set(set)) => return (self.assemble)(set).map(Some).ok_or(CollectError::Record),
                _ => {}
            }
            let bound = def.policy().max_records;
            if log.is_full(bound) {
                return Err(CollectError::RecordFull { bound });
            }
            OpId { kind: OpKind::Collect, label: buffer.as_str().into(), ordinal }
        };
        let request = Request::Collect { id: id.clone(), buffer, event: self.event, expected };
        match OpFuture::begin(&self.exec, id, request).await? {
            OpResult::Collected(set) => (self.assemble)(&set).map(Some).ok_or(CollectError::Record),
            OpResult::BufferFull => {
                Err(CollectError::BufferFull { buffer: self.buffer, bound: def.policy().max_collect })
            }
            _ => Ok(None),
        }
    }
}

impl<T: Send + 'static> IntoFuture for CollectEvents<T> {
    type Output = Result<Option<T>, CollectError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<T> std::fmt::Debug for CollectEvents<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollectEvents").field("buffer", &self.buffer).field("key", &self.key).finish_non_exhaustive()
    }
}
