//! Retry policies: which errors are worth another attempt, how long to wait before it, and when to stop trying.

mod condition;
mod policy;
mod seed;
mod stop;
mod wait;

pub use condition::Condition;
pub use policy::{RetryInput, RetryPolicy, RetryVerdict};
pub use seed::retry_seed;
pub use stop::Stop;
pub use wait::Wait;
