use std::sync::Arc;

use stepcast_runtime::{AnyWorkflow, DefineError, Definitions, Runtime, RuntimeError};

use crate::graph::Graph;
use crate::host::Host;
use crate::snapshot;

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

    /// Takes up stored runs of graphs that are not registered here, or have another document by now, with the document
    /// that each was started with. A run that needs what the host does not have stays as it is, unclaimed;
    /// [`attach`](Runtime::attach) says what is missing. A second host replaces the first.
    fn take_up_graphs(&self, host: Host);
}

impl RegisterGraph for Runtime {
    fn register_graph(&self, graph: &Graph) -> Result<(), RuntimeError> {
        self.register_built(graph.workflow(), Some(graph.id()))
    }

    fn take_up_graphs(&self, host: Host) {
        self.define_with(Arc::new(Stored(host.workflows_of(self))));
    }
}

/// Makes the graphs of stored runs again, with what a host has.
struct Stored(Host);

impl Definitions for Stored {
    fn define(&self, _workflow: &str, document: &str) -> Result<AnyWorkflow, DefineError> {
        Ok(snapshot::read(document, self.0.clone())?.workflow().into())
    }
}
