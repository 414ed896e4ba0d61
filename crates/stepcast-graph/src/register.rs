use stepcast_runtime::{Runtime, RuntimeError};

use crate::graph::Graph;

/// Graphs of a [`Runtime`].
pub trait RegisterGraph {
    /// Registers a version of a graph. Runs of it are started under the graph's id, which stands for the version that was
    /// registered last, and stored under `id@version`: each goes on with the version that it began with, in another process
    /// too, once that version is registered there.
    ///
    /// # Errors
    /// When this version is registered already, or the id is the name of a workflow that is not a graph. The runtime is
    /// then as it was.
    fn register_graph(&self, graph: &Graph) -> Result<(), RuntimeError>;
}

impl RegisterGraph for Runtime {
    fn register_graph(&self, graph: &Graph) -> Result<(), RuntimeError> {
        self.register_built(graph.workflow(), Some(graph.id()))
    }
}
