//! How events, times and streams look on the wire.

mod envelope;
mod json;
pub(crate) mod stream;
pub(crate) mod time;

pub(crate) use envelope::{PROMPTS, answer, data, envelope, prompt, question};
pub(crate) use json::{about_run, id};
