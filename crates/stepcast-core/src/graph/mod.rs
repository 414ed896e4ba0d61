//! Workflows as drawings: the graph as data, and its Mermaid, DOT and text forms, plain or with what a run did.

mod build;
mod data;
mod dot;
mod layered;
mod mermaid;
mod overlay;
mod picture;
#[cfg(test)]
mod tests;
mod text;

pub use data::{GraphEdge, GraphNode, NodeKind, WorkflowGraph};
pub use overlay::{GraphOverlay, StepOverlay};
pub use text::TextStyle;
