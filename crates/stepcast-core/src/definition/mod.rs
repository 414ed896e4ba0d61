//! Workflow definitions: what the macros' constants and the builder become once, before the first run.

mod build;
mod builder;
mod decl;
mod error;
mod lookup;
mod tables;

pub use builder::{ClosureStep, WorkflowBuilder};
pub use decl::{CatchDecl, StepBody, StepDecl};
pub use error::DefinitionError;
pub use tables::{EventDef, EventIx, InputShape, OpenerDef, RunPolicy, StepDef, StepIx, Taker, WorkflowDef};
