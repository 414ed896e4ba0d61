//! One execution in this process: what it recorded, what it has not delivered yet, and how it is reached.

mod log;
mod shared;

pub(crate) use log::{OpLog, Predicate};
pub(crate) use shared::ExecShared;
pub(crate) use stepcast_core::journal::{ExecLog, Recorded};
