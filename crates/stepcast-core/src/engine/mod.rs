//! The engine: a run as plain data, and the pure reducer that changes it.

mod choose;
mod collect;
mod command;
mod exec;
mod ids;
mod index;
mod inputs;
mod joins;
mod journaled;
mod judge;
mod pairs;
mod reduce;
mod rest;
mod restore;
mod scopes;
mod slab;
mod small_map;
mod snapshot;
mod state;
mod tick;
mod verify;
mod view;
mod waits;

pub use command::{Command, Commands, InputChange, OpResult, Outcome, RunFailure, StuckReason};
pub use ids::{ExecKey, OpId, OpKind, Time};
pub use inputs::{InputReason, PendingInput};
pub(crate) use journaled::NextLanes;
pub use judge::{FilterQuery, Judge};
pub use reduce::{begin, pass_on, reduce};
pub use rest::Resting;
pub(crate) use restore::list;
pub use restore::{Difference, RestoreError};
pub use snapshot::StateSnapshot;
pub use state::RunState;
pub(crate) use tick::Verdict;
pub use tick::{
    Answer, CollectRequest, Commit, External, Failure, FailureChoice, Filter, Matches, Operation, Report, SenderSeq,
    Tick, TickKind, WaitRequest,
};
pub use view::{ExecView, Expected, Stage};
