//! The graphs of a program, in their versions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use stepcast_runtime::{AnyWorkflow, DefineError, Definitions, Runtime, RuntimeError};

use crate::check::{Code, Report};
use crate::graph::{Graph, GraphError};
use crate::host::Host;
use crate::register::RegisterGraph;
use crate::snapshot;

/// The graphs of a [`Runtime`]: checked for one host, listed, replaced by new versions. Clones are the same graphs.
#[derive(Clone, Debug)]
pub struct Graphs {
    runtime: Runtime,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    host: Host,
    known: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    current: u64,
    versions: BTreeMap<u64, Graph>,
}

/// A graph in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GraphInfo {
    /// Its name.
    pub id: String,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version that its id stands for.
    pub version: u64,
    /// All versions that there are.
    pub versions: Vec<u64>,
}

/// A graph could not be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutGraphError {
    /// The document has errors.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// This version is there already, and says something else.
    #[error(
        "The graph `{id}` has a version {version} already, and it is another one; give this one a higher `version`."
    )]
    SameVersion {
        /// The graph.
        id: String,
        /// The version.
        version: u64,
    },
    /// The runtime does not take it.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl Graphs {
    /// No graphs yet, for this runtime. Stored runs of graphs that are not here any more, or have another document by now,
    /// are taken up too, as with [`take_up_graphs`](RegisterGraph::take_up_graphs).
    pub fn new(runtime: &Runtime, host: Host) -> Self {
        let inner = Arc::new(Mutex::new(Inner { host, known: BTreeMap::new() }));
        runtime.define_with(Arc::new(Stored(Arc::clone(&inner))));
        Graphs { runtime: runtime.clone(), inner }
    }

    /// Adds a graph, or a version of one. Its id stands for it from now on; runs of other versions go on as they were.
    /// What is there already, word for word, is not added again, but its id stands for it again. Later graphs may run it
    /// as a subgraph.
    ///
    /// # Errors
    /// When the document has errors, or the version is there and says something else. Nothing has changed then.
    pub fn put(&self, source: &Value) -> Result<Graph, PutGraphError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.add(&mut inner, source)
    }

    /// Adds several graphs that may run each other, in whatever order they are given. If one cannot be added, those that
    /// it needs may have been.
    ///
    /// # Errors
    /// As for [`put`](Self::put), and when graphs would run each other without an end.
    pub fn put_all(&self, sources: &[Value]) -> Result<Vec<Graph>, PutGraphError> {
        let order = in_order(sources)?;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        order.into_iter().map(|at| self.add(&mut inner, &sources[at])).collect()
    }

    fn add(&self, inner: &mut Inner, source: &Value) -> Result<Graph, PutGraphError> {
        let graph = Graph::new(source, &inner.host)?;
        let (id, version) = (graph.id().to_owned(), graph.version());
        let known = inner.known.get_mut(&id);
        let graph = match known.as_ref().and_then(|known| known.versions.get(&version)) {
            Some(same) if same.source() == source => {
                let same = same.clone();
                self.runtime.alias_built(same.workflow(), &id)?;
                same
            }
            Some(_) => return Err(PutGraphError::SameVersion { id, version }),
            None => {
                self.runtime.register_graph(&graph)?;
                graph
            }
        };
        inner.host.add_graph(&graph);
        let known = inner.known.entry(id).or_insert_with(|| Known { current: version, versions: BTreeMap::new() });
        known.current = version;
        known.versions.insert(version, graph.clone());
        Ok(graph)
    }

    /// The version of a graph that its id stands for.
    pub fn get(&self, id: &str) -> Option<Graph> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let known = inner.known.get(id)?;
        known.versions.get(&known.current).cloned()
    }

    /// A version of a graph.
    pub fn version(&self, id: &str, version: u64) -> Option<Graph> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.known.get(id)?.versions.get(&version).cloned()
    }

    /// All graphs, by name.
    pub fn list(&self) -> Vec<GraphInfo> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let info = |(id, known): (&String, &Known)| GraphInfo {
            id: id.clone(),
            name: known.versions.get(&known.current).and_then(|graph| graph.document().name.clone()),
            version: known.current,
            versions: known.versions.keys().copied().collect(),
        };
        inner.known.iter().map(info).collect()
    }

    /// Everything that is wrong with a document, as [`put`](Self::put) would find it.
    pub fn check(&self, source: &Value) -> Report {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Graph::check(source, &inner.host)
    }
}

/// Makes the graphs of stored runs again, with what the host has by now.
struct Stored(Arc<Mutex<Inner>>);

impl Definitions for Stored {
    fn define(&self, _workflow: &str, document: &str) -> Result<AnyWorkflow, DefineError> {
        let host = self.0.lock().unwrap_or_else(PoisonError::into_inner).host.clone();
        Ok(snapshot::read(document, host)?.workflow().into())
    }
}

/// The documents, with those that others run before them.
fn in_order(sources: &[Value]) -> Result<Vec<usize>, GraphError> {
    let id = |source: &Value| source.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let by_id: BTreeMap<String, usize> = sources.iter().enumerate().map(|(at, source)| (id(source), at)).collect();
    let needs: Vec<Vec<(usize, String)>> = sources.iter().map(|source| needs(source, &by_id)).collect();
    let mut left: Vec<usize> =
        needs.iter().map(|needs| needs.iter().map(|(at, _)| *at).collect::<BTreeSet<_>>().len()).collect();
    let mut users: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); sources.len()];
    for (at, needs) in needs.iter().enumerate() {
        for (needed, _) in needs {
            users[*needed].insert(at);
        }
    }
    let mut ready: Vec<usize> = (0..sources.len()).filter(|at| left[*at] == 0).collect();
    let mut order = Vec::with_capacity(sources.len());
    while let Some(at) = ready.pop() {
        order.push(at);
        for user in &users[at] {
            left[*user] -= 1;
            if left[*user] == 0 {
                ready.push(*user);
            }
        }
    }
    match (0..sources.len()).find(|at| left[*at] > 0) {
        None => Ok(order),
        Some(at) => {
            let mut report = Report::default();
            for (needed, place) in needs[at].iter().filter(|(needed, _)| left[*needed] > 0) {
                let text = format!("`{}` runs `{}`, which comes back to it.", id(&sources[at]), id(&sources[*needed]));
                report.error(Code::Recursion, place.clone(), text, "Graphs cannot run each other in a circle.");
            }
            Err(GraphError::Refused { id: id(&sources[at]), report })
        }
    }
}

fn needs(source: &Value, by_id: &BTreeMap<String, usize>) -> Vec<(usize, String)> {
    let key = if source.get("steps").is_some() { "steps" } else { "nodes" };
    let steps = source.get(key).and_then(Value::as_array).into_iter().flatten().enumerate();
    let graphs = steps.filter_map(|(at, step)| {
        let graph = step.get("graph").or_else(|| step.get("config")?.get("graph"))?.as_str()?;
        Some((*by_id.get(graph)?, format!("/{key}/{at}/graph")))
    });
    graphs.collect()
}
