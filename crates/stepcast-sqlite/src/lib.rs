//! The embedded durable backend of stepcast: runs in an SQLite file, for any number of processes of one machine.
//!
//! One thread owns the connection that writes. It takes what is queued, writes it in one transaction, and says to each
//! what became of it after the one `fsync` that they share. The journal is a table that only grows at its end: its rows
//! lie in the order in which they were written, each with the place of the row before it in its run, and the place of a
//! run's last row is noted only now and then (see [`SqliteBackend::check`] for what is verified).

mod backend;
mod check;
mod error;
mod events;
mod journal;
mod open;
mod owner;
mod read;
mod readers;
mod schema;
mod sql;
mod upkeep;
mod writer;

pub use backend::SqliteBackend;
pub use check::{CheckReport, Damage};
pub use error::OpenError;
pub use open::SqliteOptions;
pub use upkeep::FileInfo;
#[doc(hidden)]
pub use writer::FaultPoint;
