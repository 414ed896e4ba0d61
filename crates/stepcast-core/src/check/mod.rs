//! The graph check: one algorithm in `const fn`, run by the compiler for `#[workflow]` and `flow!`, and by
//! `build()` for graphs made at run time, where it reports every fault at once.
//!
//! In a constant:
//!
//! ```text
//! const _: () = {
//!     const SPEC: &WorkflowSpec = &<Flow as Workflow>::SPEC;
//!     const REPORT: &Report<{ SPEC.steps.len() }> = &Report::of(SPEC);
//!     // once per step, spanned at the step's name:
//!     const _: () = if let Some(text) = REPORT.step_fault(0) { panic!("{}", text.as_str()) };
//!     // once per workflow, spanned at the start and at the stop type:
//!     const _: () = if let Some(text) = REPORT.start_fault() { panic!("{}", text.as_str()) };
//!     const _: () = if let Some(text) = REPORT.stop_fault() { panic!("{}", text.as_str()) };
//! };
//! ```
//!
//! At run time [`check`] lists every fault of a [`GraphSpec`], which [`GraphSpec::from`] makes of a
//! [`WorkflowSpec`](crate::WorkflowSpec) and builders and JSON graphs fill themselves. [`analyse`] also says which
//! steps collect the members of each batch.
//!
//! A graph becomes flat tables of steps, edges and events. Over these a work-list finds the batch levels at which each
//! event occurs and each step runs; a level is the `Vec` that opened the innermost batch, or the run itself. Rules then
//! read the tables. Everything is linear in edges and in levels, and hashes stand for tags, because the compiler
//! refuses constants that take it long.

mod fault;
mod flatten;
mod graph;
mod hints;
mod levels;
mod loops;
mod placement;
mod report;
mod routes;
mod runtime;
mod signature;
mod spec;
mod table;
mod text;
mod wording;
mod work;

pub use fault::{Fault, FaultKind};
pub use report::Report;
pub use runtime::{Analysis, Opener, analyse, check};
pub use spec::{GraphCatch, GraphEvent, GraphOut, GraphParam, GraphSpec, GraphStep};
pub use text::FaultText;

#[cfg(test)]
mod tests;
