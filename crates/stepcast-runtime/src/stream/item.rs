use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stepcast_core::backend::LoadError;
use stepcast_core::engine::Time;
use stepcast_core::{AnyEvent, Event};

/// What a subscriber of a run's stream receives.
#[derive(Clone, Debug)]
pub enum StreamItem {
    /// An event.
    Event(StreamEvent),
    /// Events that are not retained any more: the subscriber asked too late or read too slowly.
    Lagged {
        /// Sequence number of the first one missed.
        from: u64,
        /// Sequence number of the last one missed.
        to: u64,
    },
    /// Stored events that could not be read back. The stream goes on after them; where the store could not be read, a
    /// subscription that starts after `from - 1` asks for them again.
    Unreadable {
        /// Sequence number of the first one.
        from: u64,
        /// Sequence number of the last one.
        to: u64,
        /// Why.
        error: StreamReadError,
    },
}

/// Stored events of a run's stream could not be read back.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamReadError {
    /// What is stored is not an event.
    #[error("The stored event {seq} of the run `{run}` is not one: {source}. Restore the store from a copy.")]
    NotAnEvent {
        /// The run.
        run: String,
        /// The event's number.
        seq: u64,
        /// What serde found.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// The store could not be read, or has lost them.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The tokio runtime is being shut down.
    #[error("The tokio runtime is being shut down.")]
    ShuttingDown,
}

/// An event on a run's stream.
#[derive(Clone, Debug)]
pub struct StreamEvent {
    /// For a logged event its own number in the log, 1..n without gaps; for any other that of the event it came after.
    pub seq: u64,
    /// Whether it is in the log.
    pub kind: EventKind,
    /// When it was logged. Known of a run's last event, of runs that a backend keeps, and of those in memory that began with
    /// [`RunOptions::record_times`](crate::RunOptions::record_times); of frames it is not.
    pub at: Option<Time>,
    /// The event.
    pub event: AnyEvent,
}

/// How an event on a run's stream is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// In the log: every subscriber sees it once.
    Logged,
    /// A passing frame, such as a token or a percentage: only who listens at that moment sees it.
    Ephemeral,
    /// A frame of the runtime itself.
    Internal,
}

impl StreamItem {
    /// The event, if the item is an `E`.
    pub fn get<E: Event>(&self) -> Option<&E> {
        match self {
            StreamItem::Event(item) => item.event.get(),
            StreamItem::Lagged { .. } | StreamItem::Unreadable { .. } => None,
        }
    }

    /// The event, if the item is one.
    pub fn event(&self) -> Option<&AnyEvent> {
        match self {
            StreamItem::Event(item) => Some(&item.event),
            StreamItem::Lagged { .. } | StreamItem::Unreadable { .. } => None,
        }
    }

    /// The sequence number of a logged event.
    pub fn seq(&self) -> Option<u64> {
        match self {
            StreamItem::Event(item) if item.kind == EventKind::Logged => Some(item.seq),
            _ => None,
        }
    }
}
