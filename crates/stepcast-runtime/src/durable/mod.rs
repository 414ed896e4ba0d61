//! Runs that a backend keeps: what ties them to it, how they are brought back, and what is asked of the store.

mod adopt;
mod answers;
mod aside;
mod away;
mod check;
mod defined;
mod error;
mod host;
mod keeping;
mod landing;
mod load;
mod records;

pub(crate) use answers::record_answer;
pub(crate) use aside::end_in_store;
pub(crate) use away::come_back;
pub(crate) use check::{Misfit, misfit, normal_of};
pub use defined::{DefineError, Definitions};
pub use error::{AnswerRunError, AttachError, SendRunError};
pub(crate) use host::{Host, fetch_letters};
pub(crate) use keeping::{BeginsChild, Keeping};
pub(crate) use landing::Landing;
pub(crate) use load::{Found, Loaded, claim, load, load_claimed, new_run, read_anew};
pub(crate) use records::{EventLetter, Older, ask, older_events};
