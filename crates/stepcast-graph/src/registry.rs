//! The graphs of a program, in their versions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::Value;
use stepcast_runtime::{AnyWorkflow, DefineError, Definitions, Runtime, RuntimeError};

use crate::check::Report;
use crate::folder::{Folder, GraphFileFault, GraphFolderError};
use crate::graph::{Graph, GraphError};
use crate::host::Host;
use crate::order::in_order;
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
    /// What was removed: put again as it was, it is the same.
    removed: BTreeMap<(String, u64), Graph>,
    /// Where the documents are kept.
    folder: Option<Folder>,
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
    /// The folder does not take it.
    #[error(transparent)]
    Folder(#[from] GraphFolderError),
    /// The runtime does not take it.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl Graphs {
    /// No graphs yet, for this runtime. Stored runs of graphs that are not here any more, or have another document by now,
    /// are taken up too, as with [`take_up_graphs`](RegisterGraph::take_up_graphs). They may run the compiled workflows of
    /// this runtime.
    pub fn new(runtime: &Runtime, host: Host) -> Self {
        let host = host.workflows_of(runtime);
        let inner = Inner { host, known: BTreeMap::new(), removed: BTreeMap::new(), folder: None };
        let inner = Arc::new(Mutex::new(inner));
        runtime.define_with(Arc::new(Stored(Arc::clone(&inner))));
        Graphs { runtime: runtime.clone(), inner }
    }

    /// The graphs of a folder: every file in it that ends in `.json`, `.yaml` or `.yml`, in whatever order they need each
    /// other. What is put is written there, and what is removed goes to its folder `removed`, so that runs that have not
    /// ended find it there the next time. An id stands for its highest version, or for the lower one that was put after it.
    ///
    /// A file that cannot be used is left as it is, and told of; the others are there all the same. The folder is made if
    /// it is not there. It is for one program at a time.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn in_folder(
        runtime: &Runtime,
        host: Host,
        folder: impl Into<PathBuf>,
    ) -> Result<(Self, Vec<GraphFileFault>), GraphFolderError> {
        let graphs = Graphs::new(runtime, host);
        let faults = Folder::load(folder.into(), &graphs)?;
        Ok((graphs, faults))
    }

    /// Adds a graph, or a version of one. Its id stands for it from now on; runs of other versions go on as they were.
    /// What is there already, word for word, is not added again, but its id stands for it again. Later graphs may run it
    /// as a subgraph.
    ///
    /// # Errors
    /// When the document has errors, or the version is there and says something else. Nothing has changed then.
    pub fn put(&self, source: &Value) -> Result<Graph, PutGraphError> {
        let mut inner = self.lock();
        self.add(&mut inner, source)
    }

    /// Adds several graphs that may run each other, in whatever order they are given. If one cannot be added, those that
    /// it needs may have been.
    ///
    /// # Errors
    /// As for [`put`](Self::put), and when graphs would run each other without an end.
    pub fn put_all(&self, sources: &[Value]) -> Result<Vec<Graph>, PutGraphError> {
        let order = in_order(sources)?;
        let mut inner = self.lock();
        order.into_iter().map(|at| self.add(&mut inner, &sources[at])).collect()
    }

    /// As [`put_all`](Self::put_all), each for itself: what is wrong with one keeps only those away that need it.
    pub fn put_each(&self, sources: &[Value]) -> Vec<Result<Graph, PutGraphError>> {
        // Of those that go round in a circle, each is told that another one is missing.
        let order = in_order(sources).unwrap_or_else(|_| (0..sources.len()).collect());
        let mut inner = self.lock();
        let mut put: Vec<_> = order.into_iter().map(|at| (at, self.add(&mut inner, &sources[at]))).collect();
        put.sort_by_key(|(at, _)| *at);
        put.into_iter().map(|(_, put)| put).collect()
    }

    /// Removes a graph with all its versions: no new runs of it begin, and later graphs cannot run it as a subgraph. Runs
    /// of it go on, and so do graphs that run it. Another graph may have its name and its versions then. Gives whether there
    /// was one.
    ///
    /// # Errors
    /// When the folder of the graphs cannot be changed. The graph is then still there.
    pub fn remove(&self, id: &str) -> Result<bool, GraphFolderError> {
        let mut inner = self.lock();
        if !inner.known.contains_key(id) {
            return Ok(false);
        }
        if let Some(folder) = &mut inner.folder {
            folder.remove(id)?;
        }
        self.take_out(&mut inner, id);
        Ok(true)
    }

    fn take_out(&self, inner: &mut Inner, id: &str) {
        let versions = inner.known.remove(id).map(|known| known.versions).unwrap_or_default();
        for (version, graph) in versions {
            self.runtime.retire_built(graph.definition().name());
            inner.removed.insert((id.to_owned(), version), graph);
        }
        inner.host.remove_graph(id);
    }

    /// From now on the documents are kept in this folder, and in it are these.
    pub(crate) fn keep_in(&self, folder: Folder) {
        self.lock().folder = Some(folder);
    }

    /// A graph that was removed before this program began.
    pub(crate) fn put_removed(&self, source: &Value) -> Result<(), PutGraphError> {
        let mut inner = self.lock();
        let graph = Graph::new(source, &inner.host)?;
        // Its runs have a name of their own; the id may stand for another graph.
        self.runtime.register_built(graph.workflow(), None)?;
        self.runtime.retire_built(graph.definition().name());
        inner.removed.insert((graph.id().to_owned(), graph.version()), graph);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, inner: &mut Inner, source: &Value) -> Result<Graph, PutGraphError> {
        let mut graph = Graph::new(source, &inner.host)?;
        let (id, version) = (graph.id().to_owned(), graph.version());
        let known = inner.known.get(&id).and_then(|known| known.versions.get(&version)).cloned();
        let removed = inner.removed.get(&(id.clone(), version)).cloned();
        match (&known, removed) {
            (Some(same), _) if same.source() != source => return Err(PutGraphError::SameVersion { id, version }),
            (Some(same), _) => graph = same.clone(),
            (None, Some(same)) if same.source() == source => graph = same,
            (None, _) => {}
        }
        match known {
            Some(_) => self.runtime.alias_built(graph.workflow(), &id)?,
            None => self.runtime.register_graph(&graph)?,
        }
        let written = inner.folder.as_mut().map_or(Ok(()), |folder| folder.put(&graph));
        if let Err(error) = written {
            self.put_back(inner, &graph, known.is_some());
            return Err(error.into());
        }
        inner.removed.remove(&(id.clone(), version));
        inner.host.add_graph(&graph);
        let known = inner.known.entry(id).or_insert_with(|| Known { current: version, versions: BTreeMap::new() });
        known.current = version;
        known.versions.insert(version, graph.clone());
        Ok(graph)
    }

    /// What the runtime had before a graph that could not be kept.
    fn put_back(&self, inner: &mut Inner, graph: &Graph, known: bool) {
        if !known {
            self.runtime.retire_built(graph.definition().name());
            inner.removed.insert((graph.id().to_owned(), graph.version()), graph.clone());
        }
        let before = inner.known.get(graph.id()).and_then(|known| known.versions.get(&known.current));
        if let Some(before) = before {
            // It stood for this one until now, so it may again.
            let _ = self.runtime.alias_built(before.workflow(), graph.id());
        }
    }

    /// The version of a graph that its id stands for.
    pub fn get(&self, id: &str) -> Option<Graph> {
        let inner = self.lock();
        let known = inner.known.get(id)?;
        known.versions.get(&known.current).cloned()
    }

    /// A version of a graph.
    pub fn version(&self, id: &str, version: u64) -> Option<Graph> {
        let inner = self.lock();
        inner.known.get(id)?.versions.get(&version).cloned()
    }

    /// The versions of a graph; none if there is no such graph.
    pub fn versions(&self, id: &str) -> Vec<u64> {
        let inner = self.lock();
        inner.known.get(id).map(|known| known.versions.keys().copied().collect()).unwrap_or_default()
    }

    /// All graphs, by name.
    pub fn list(&self) -> Vec<GraphInfo> {
        let inner = self.lock();
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
        let inner = self.lock();
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
