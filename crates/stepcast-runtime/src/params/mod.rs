//! What the runtime supplies to steps beside events and contexts.

mod attempt;
mod cancel;
mod res;
mod state;

pub use attempt::Attempt;
pub use cancel::CancelToken;
pub use res::Res;
pub use state::{EditStateError, State};
