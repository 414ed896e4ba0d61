//! stepcast itself.

#[cfg(feature = "stepcast")]
mod graph;
#[cfg(feature = "stepcast")]
pub mod stepcast;

use crate::measure::Suite;

#[cfg(feature = "stepcast")]
pub fn register(suite: &mut Suite) {
    stepcast::register(suite);
    graph::register(suite);
    graph::register_check(suite);
}

#[cfg(not(feature = "stepcast"))]
pub fn register(_: &mut Suite) {}
