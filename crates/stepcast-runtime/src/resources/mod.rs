//! Resources: what a run supplies to its steps by type, and the factories that make it.

mod config;
mod container;
mod error;
mod scope;
#[cfg(test)]
mod tests;
mod waits;

pub use config::ConfigFileError;
pub use container::{Resolved, Resources};
pub use error::ResourceError;
pub use scope::ResourceScope;
