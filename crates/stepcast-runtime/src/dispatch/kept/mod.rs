//! The dispatcher of a run that a backend keeps. It has one batch under way at a time. What a tick leads to is held until
//! the batch with its row is durable: until then nobody sees a stream event, an answer's effect or the run's end, and no
//! execution starts. Meanwhile nothing is reduced, so the state is never more than one batch ahead of the store.

mod batch;
mod capture;
mod end;
mod inputs;
mod journal;
mod left;
mod letters;
mod packed;
mod rest;
mod round;
mod tick;

pub(crate) use end::{StoredFailure, status_of};
pub(super) use inputs::record;
pub(crate) use journal::{Held, Journal, Place};
pub(crate) use left::room_for_new;
pub(crate) use packed::AtRest;
