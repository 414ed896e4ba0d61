//! Workflows to try the command on. A user's own binary has its own instead.

mod greet;
