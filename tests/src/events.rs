//! A fixed pool of event types. Every event carries a number of its own, so that none can be mistaken for another.

use stepcast::prelude::*;
use stepcast::{EventMeta, Payload};

/// A type of the pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolType {
    /// Its description.
    pub meta: &'static EventMeta,
    make: fn(u64) -> Payload,
    id: fn(&Payload) -> Option<u64>,
}

/// Position of a type in the [`POOL`].
pub type Kind = usize;

macro_rules! pool {
    ($($(#[$event:meta])+ $name:ident),+ $(,)?) => {
        $(
            /// An event of the pool.
            $(#[$event])+
            pub struct $name {
                /// Its own number.
                pub id: u64,
                /// Whether the number is odd, for filters on a field.
                pub odd: bool,
            }
        )+

        /// The types of the pool.
        pub const POOL: &[PoolType] = &[$(PoolType {
            meta: const { &<$name as Event>::META },
            make: |id| Payload::new($name { id, odd: id % 2 == 1 }),
            id: |payload| payload.downcast_ref::<$name>().map(|event| event.id),
        }),+];
    };
}

pool!(
    #[event(start)]
    Begin,
    #[event(stop)]
    End,
    #[event(input_required)]
    Ask,
    #[event(human_response)]
    Reply,
    #[event(external)]
    Poke,
    #[event]
    P0,
    #[event]
    P1,
    #[event]
    P2,
    #[event]
    P3,
    #[event]
    P4,
    #[event]
    P5,
    #[event]
    P6,
    #[event]
    P7,
    #[event]
    P8,
    #[event]
    P9,
    #[event]
    P10,
    #[event]
    P11,
    #[event]
    P12,
    #[event]
    P13,
    #[event]
    P14,
    #[event]
    P15,
    #[event]
    P16,
    #[event]
    P17,
    #[event]
    P18,
    #[event]
    P19,
    #[event]
    P20,
    #[event]
    P21,
    #[event]
    P22,
    #[event]
    P23,
    #[event]
    P24,
    #[event]
    P25,
    #[event]
    P26,
    #[event]
    P27,
    #[event]
    P28,
    #[event]
    P29,
    #[event]
    P30,
    #[event]
    P31,
);

/// The start event.
pub const BEGIN: Kind = 0;
/// The stop event.
pub const END: Kind = 1;
/// A question to a person.
pub const ASK: Kind = 2;
/// A person's answer.
pub const REPLY: Kind = 3;
/// An event from outside.
pub const POKE: Kind = 4;
/// The first ordinary event.
pub const PLAIN: Kind = 5;

/// An event of the pool.
pub fn make(kind: Kind, id: u64) -> Payload {
    (POOL[kind].make)(id)
}

/// Kind and number of an event; a failure handed to a `catch` step has no kind, and the number of what failed.
///
/// # Panics
/// When it is neither.
pub fn identify(payload: &Payload) -> (Option<Kind>, u64) {
    if let Some(failed) = payload.downcast_ref::<StepFailedEvent>() {
        let id = failed.input_event.as_ref().map_or(0, identify_any);
        return (None, failure_id(&failed.step_name, id));
    }
    let found = POOL.iter().enumerate().find_map(|(kind, entry)| Some((kind, (entry.id)(payload)?)));
    let (kind, id) = found.expect("every event is of the pool");
    (Some(kind), id)
}

/// The number of an event that may be known by its data alone.
///
/// # Panics
/// When it is of no type of the pool.
pub fn identify_any(event: &AnyEvent) -> u64 {
    match event.as_erased() {
        Some(typed) => identify(&Payload::from_arc(std::sync::Arc::clone(typed))).1,
        None => event.value()["id"].as_u64().expect("every event is of the pool"),
    }
}

/// The number of the failure of this step for an input that begins with this event.
pub fn failure_id(step: &str, input: u64) -> u64 {
    crate::mix([stepcast::hash::fnv1a(step), input])
}
