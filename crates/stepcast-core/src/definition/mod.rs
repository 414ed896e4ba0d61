//! Workflow definitions: what the macros' constants and the builder become once, before the first run.

mod build;
mod builder;
mod decl;
mod error;
mod lookup;
mod policy;
mod tables;

pub use builder::{ClosureStep, WorkflowBuilder};
pub use decl::{CatchDecl, StepBody, StepDecl};
pub use error::DefinitionError;
pub use policy::RunPolicy;
pub use tables::{EventDef, EventIx, InputShape, OpenerDef, StepDef, StepIx, Taker, WorkflowDef};
