//! The test kit.

mod hooks;

pub use hooks::TestHooks;
