//! A run's stream: an append-only log with cursors, and internal and ephemeral frames beside it.

mod frames;
mod item;
mod log;
mod reader;
mod word;

pub(crate) use frames::{Frame, Frames};
pub use item::{EventKind, StreamEvent, StreamItem, StreamReadError};
pub(crate) use log::{StreamLog, Times};
pub(crate) use reader::Wanted;
pub use reader::{EventStream, StreamStart};
pub use word::Teller;
