//! Workflows as drawings: the graph as data, and its Mermaid and DOT forms, plain or with what a run did.

mod build;
mod data;
mod dot;
mod mermaid;
mod overlay;
mod picture;
#[cfg(test)]
mod tests;

pub use data::{GraphEdge, GraphNode, NodeKind, WorkflowGraph};
pub use overlay::{GraphOverlay, StepOverlay};
