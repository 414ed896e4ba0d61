//! Signatures are the graph: what a parameter takes and what a return value gives, as traits with constants.

mod either;
mod outputs;
mod param;
mod returns;
mod take;
mod tree;

pub use either::Either;
pub use outputs::{OutEvent, OutToken, Outputs};
pub use param::{EventInput, ExtractError, StepCall, StepParam};
pub use returns::IntoEvents;
pub use take::Take;
pub use tree::{EventSet, Injected, Need, OutSpec, ParamSpec};
