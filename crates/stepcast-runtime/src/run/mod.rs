//! A run from outside: its shared record, its handle, its options and its end.

mod data;
mod end;
mod error;
mod handle;
mod id;
mod inbox;
mod look;
mod options;
mod outside;
mod shared;
mod start;
mod step;

pub(crate) use data::{AnyCell, Cell, RunData};
pub(crate) use end::RunEnd;
pub use error::{RespondError, RunError, SendError, SharedError, StoredError};
pub use handle::{AnyRun, Run};
pub use id::RunId;
pub(crate) use inbox::{Deadline, Given, Handed, Held, Inbox, Message, Request, Task};
pub use options::{Mailbox, RunOptions};
pub(crate) use outside::{NotTaken, from_outside, single_takers, taken_from_outside};
pub(crate) use shared::{RunShared, lock};
pub use start::RunWorkflow;
pub(crate) use start::{Begin, ChildFlow, NewChild, Ties, launch, refused, shared_instance, start_child};
pub use step::{DispatchOutcome, Dispatched, Stepped};
