//! From tokens to plain data: attribute arguments, durations, and what is written around them.

pub(crate) mod args;
pub(crate) mod duration;
pub(crate) mod event_args;
pub(crate) mod krate;
pub(crate) mod nearest;
pub(crate) mod retry_args;
pub(crate) mod step_args;
pub(crate) mod workflow_args;
pub(crate) mod workflow_list;
