//! The part of stepcast that knows no clock, no executor and no disk: events, step signatures, workflow
//! definitions, the graph check and the pure reducer. Users depend on the `stepcast` crate, which re-exports it.

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod backend;
mod catalogue;
pub mod check;
mod definition;
pub mod engine;
mod event;
mod graph;
mod guard;
pub mod hash;
pub mod journal;
mod json;
mod retry;
mod signature;
pub mod state_cell;
mod step;
pub mod store;
mod usage;
mod workflow;

pub use catalogue::*;
pub use definition::*;
pub use event::*;
pub use graph::*;
pub use retry::*;
pub use signature::*;
pub use step::*;
pub use store::*;
pub use usage::*;
pub use workflow::*;
