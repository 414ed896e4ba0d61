//! Workflows as drawings: the graph as data, and its Mermaid, DOT, text and SVG forms, plain or with what a run did.

mod build;
mod data;
mod dot;
mod layered;
mod mermaid;
mod overlay;
mod picture;
#[cfg(feature = "svg")]
mod svg;
#[cfg(test)]
mod tests;
mod text;

pub use data::{GraphEdge, GraphNode, NodeKind, WorkflowGraph};
pub use overlay::{GraphOverlay, StepOverlay};
pub use text::TextStyle;
