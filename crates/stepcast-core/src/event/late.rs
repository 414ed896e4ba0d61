//! Events that are made when somebody looks at them.

use std::any::Any;
use std::fmt;
use std::sync::OnceLock;

use serde_json::Value;

use super::{ErasedEvent, Event, EventMeta};

/// Has what an event is made of. Many an event on a run's stream is never read.
///
/// ```
/// use std::sync::Arc;
///
/// use stepcast_core::{AnyEvent, LateEvent, MakeEvent, StopEvent};
///
/// #[derive(Clone)]
/// struct Sum(u32, u32);
///
/// impl MakeEvent for Sum {
///     type Event = StopEvent;
///
///     fn make(&self) -> StopEvent {
///         StopEvent::new(self.0 + self.1)
///     }
/// }
///
/// let event = AnyEvent::late(Arc::new(LateEvent::new(Sum(1, 2))));
/// assert_eq!(event.get::<StopEvent>().unwrap().result(), Some(&3.into()));
/// ```
pub trait MakeEvent: Clone + Send + Sync + 'static {
    /// The event's type.
    type Event: Event;

    /// Makes it, always the same. It is made once and kept.
    fn make(&self) -> Self::Event;
}

/// An event that is made when somebody looks at it, for [`AnyEvent::late`](super::AnyEvent::late).
pub struct LateEvent<M: MakeEvent> {
    maker: M,
    // Boxed: most are never made.
    made: OnceLock<Box<M::Event>>,
}

impl<M: MakeEvent> LateEvent<M> {
    /// One that this makes.
    pub fn new(maker: M) -> Self {
        LateEvent { maker, made: OnceLock::new() }
    }

    fn event(&self) -> &M::Event {
        self.made.get_or_init(|| Box::new(self.maker.make()))
    }
}

impl<M: MakeEvent> ErasedEvent for LateEvent<M> {
    fn meta(&self) -> &'static EventMeta {
        const { &<M::Event as Event>::META }
    }

    fn to_value(&self) -> Result<Value, serde_json::Error> {
        self.event().to_value()
    }

    fn as_serialize(&self) -> &dyn erased_serde::Serialize {
        self.event().as_serialize()
    }

    fn write_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        self.event().write_json(out)
    }

    fn clone_boxed(&self) -> Box<dyn ErasedEvent> {
        Box::new(LateEvent::new(self.maker.clone()))
    }

    fn made(&self) -> Option<&dyn Any> {
        Some(self.event())
    }
}

impl<M: MakeEvent> fmt::Debug for LateEvent<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.event(), f)
    }
}
