//! Workflows to try the command on. A user's own binary has its own instead.

mod approval;
mod countdown;
mod failing;
mod fan_out;
mod greet;
mod paused;
