//! Runs that a backend keeps: what is asked of the store, and how a run is written to it and brought back.

mod answers;
mod error;
mod records;

pub use error::{AnswerRunError, AttachError, SendRunError};
