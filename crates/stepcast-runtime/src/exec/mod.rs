//! One execution in this process: what it recorded, what it has not delivered yet, and how it is reached.

mod log;
mod record;
mod shared;

pub(crate) use log::{LogSnapshot, OpLog, Predicate};
pub(crate) use record::Recorded;
pub(crate) use shared::ExecShared;
