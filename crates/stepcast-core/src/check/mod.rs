//! The graph check: one algorithm in `const fn`, run by the compiler for `#[workflow]` and `workflow!`, and by
//! `build()` for graphs made at run time, where it reports every fault at once.
//!
//! At compile time:
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

mod report;
mod text;

pub use report::Report;
pub use text::FaultText;
