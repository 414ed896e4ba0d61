//! The journal of a run: one row per tick, and the fold that makes the run of them again.
//!
//! A host adds a row with [`write_tick`] **before** it applies the tick, and does what the reducer asks for once the row
//! is durable. [`fold`] gives the run as its host had it after the last row; [`Folded::take_over`] makes of it what
//! another process goes on with, and [`write_takeover`] is that process's first row.
//!
//! **What is in a row.** Its number (from 1, without gaps), the tick's time, the tick, and what has happened since the row
//! before: operations of the row's execution, changed cells, the stream's position ([`RowExtras`]). A step is one row: its
//! report. What must not wait for the report (the result of a `ctx.call`, an edit that others saw) can have a row of its
//! own, [`write_between`]. Starts of executions and parking are in no row: who holds a worker slot does not last. Results
//! of waits and collections are not either: a fold finds them again. What filters said is in the rows, so it asks none;
//! what [`OfferKept`](crate::engine::Command::OfferKept) asks for comes with the row of
//! [`Kept`](crate::engine::TickKind::Kept) that follows.
//!
//! **Fast paths.** [`begin`](crate::engine::begin) and [`pass_on`](crate::engine::pass_on) come to what a start and a
//! report do, but there is no tick to write before them. A host that keeps a journal writes the row of such a report with
//! [`write_gave`] before it calls `pass_on`; where either refuses, and for a start, it makes the tick and calls
//! [`reduce`](crate::engine::reduce).
//!
//! **Names.** Steps are written by name, events by tag, executions by serial number; the fold finds the numbers of the
//! definition at hand. Rows lead where the definition routes them, so they are read only by one with the same
//! [`fingerprint`]. A [`Checkpoint`] may meet a changed one, under the rules of a restored snapshot; so may rows with the
//! [description](describe) of the definition that they were written under, which folds them first ([`open`]).
//!
//! **The format** is JSON, with events by their own serde code straight into the row, without a `Value` between. Measured
//! on a report with one event of three fields (204 bytes): 0.5 us to write by the rows' own serde code, and half of that by
//! the short cut for such reports, which for events of whole numbers, bools and texts alone asks no serde code but what
//! `#[event]` wrote; 1.2 us to read. `rmp-serde` with named fields takes 153 bytes
//! and 0.1 us less for the same struct. That is no reason for a second format beside the one that events, snapshots and
//! streams have: a store can be read with any tool, one reader knows all of them, and the rest is the disk's time. `v` is
//! the version: a reader refuses any other. Within one version only fields may be added that an older reader can pass
//! over.
//!
//! **Damage.** Any bytes are a typed error or the journal of another run, never a panic. A flipped bit inside a number can
//! be neither seen nor repaired here; pages with checksums are the store's part.

mod base;
mod borrowed;
mod calls;
mod entry;
mod error;
mod fold;
mod log;
mod open;
mod past;
mod plain;
mod read;
mod resolve;
mod scan;
mod shape;
mod write;

pub use base::{Checkpoint, Kept, Logs, fingerprint};
pub use calls::{StoredCall, stored_calls};
pub use entry::{Answered, Attempt, CommitOp, CommitPoint, Entry, EntryKind, Given, Place};
pub use error::{JournalError, WriteRowError};
pub use fold::{Fold, Folded, fold};
pub use log::{CallRecord, ExecLog, LabelDelta, LabelLog, Recorded};
pub use open::{Opened, open};
pub use read::Row;
pub(crate) use scan::is_readable;
pub use shape::{Shape, describe, described};
pub use write::{RowExtras, write_between, write_gave, write_takeover, write_tick};

/// The version of the format that is written and read here.
pub const VERSION: u64 = 1;
