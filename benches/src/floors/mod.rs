//! The least that could do each shape's work: what a ratio of stepcast's is against.

mod chain;
mod fanout;
mod paused;
mod runs;
pub mod store;
mod stream;

use crate::measure::Suite;

pub fn register(suite: &mut Suite) {
    chain::register(suite);
    fanout::register(suite);
    runs::register(suite);
    paused::register(suite);
    stream::register(suite);
    store::register(suite);
    crate::cold::register(suite, "empty", "--child-empty");
}
