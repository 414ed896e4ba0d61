//! Shared helpers of the cross-crate tests: random workflows, a seeded scheduler that drives the pure reducer without
//! an executor, and a slow model of what it must do.

// Nobody but the tests uses this: a field is told by its name, and what cannot be stops the test.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)]

mod acts;
mod drive;
mod events;
mod garbage;
mod graphs;
mod journaled;
mod model;
mod plan;
mod race_free;
mod rng;
mod text;

pub use acts::*;
pub use drive::*;
pub use events::*;
pub use garbage::*;
pub use graphs::*;
pub use journaled::*;
pub use model::*;
pub use plan::*;
pub use race_free::*;
pub use rng::*;
pub use text::*;
