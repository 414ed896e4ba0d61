//! The crates a user might take instead, each as its own documentation recommends, and no slower than need be: where a
//! bounded mailbox only adds waiting, an unbounded one.

#[cfg(feature = "peers")]
mod actix;
#[cfg(feature = "peers")]
mod blazen;
#[cfg(feature = "peers")]
mod graph_flow;
#[cfg(feature = "peers")]
mod kameo;
#[cfg(feature = "peers")]
mod ractor;

use crate::measure::Suite;

#[cfg(feature = "peers")]
pub fn register(suite: &mut Suite) {
    actix::register(suite);
    graph_flow::register(suite);
    ractor::register(suite);
    kameo::register(suite);
    blazen::register(suite);
}

#[cfg(not(feature = "peers"))]
pub fn register(_: &mut Suite) {}
