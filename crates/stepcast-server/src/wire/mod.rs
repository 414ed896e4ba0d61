//! How events, times and streams look on the wire.

mod envelope;
pub(crate) mod stream;
pub(crate) mod time;

pub(crate) use envelope::{PROMPTS, answer, envelope, prompt, question};
