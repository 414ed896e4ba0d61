//! What a stored run keeps of its graph: the document, and those of the graphs that it runs.

use serde_json::Value;

use crate::document::{Document, parse};
use crate::graph::{Graph, GraphError};
use crate::host::Host;

/// Where the documents of the graphs that a document runs are, beside its own fields.
const GRAPHS: &str = "$graphs";

/// The documents of the graphs that a document runs, and those that they run before them.
pub(crate) fn uses(document: &Document, host: &Host) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let graphs = document.steps.iter().filter_map(|step| host.graph_named(step.graph.as_deref()?));
    for graph in graphs {
        for source in graph.uses().iter().chain([graph.source()]) {
            // Of two with one name the later counts, so one that is there already may have to come again.
            let same_name = |known: &&Value| known.get("id") == source.get("id");
            if all.iter().rfind(same_name) != Some(source) {
                all.push(source.clone());
            }
        }
    }
    all
}

/// The document with those that it runs.
pub(crate) fn text(source: &Value, uses: &[Value]) -> String {
    let mut whole = source.clone();
    if let Some(fields) = whole.as_object_mut() {
        fields.remove(GRAPHS);
        if !uses.is_empty() {
            fields.insert(GRAPHS.to_owned(), uses.into());
        }
    }
    whole.to_string()
}

/// The graph of a text, with the graphs that it ran then in place of those of the host.
pub(crate) fn read(text: &str, mut host: Host) -> Result<Graph, GraphError> {
    let mut source = parse(text)?;
    let uses = source.as_object_mut().and_then(|fields| fields.remove(GRAPHS));
    for used in uses.as_ref().and_then(Value::as_array).into_iter().flatten() {
        host.add_graph(&Graph::new(used, &host)?);
    }
    Graph::new(&source, &host)
}
