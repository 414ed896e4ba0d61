//! Workflow definitions: what the macros' constants and the builder become once, before the first run.

mod decl;
mod lookup;
mod tables;

pub use decl::{CatchDecl, StepBody, StepDecl};
pub use tables::{EventDef, EventIx, InputShape, OpenerDef, RunPolicy, StepDef, StepIx, Taker, WorkflowDef};
