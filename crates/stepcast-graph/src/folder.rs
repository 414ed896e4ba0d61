//! A folder that keeps graphs: a file per version.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::{ParseError, parse};
use crate::graph::Graph;
use crate::registry::{Graphs, PutGraphError};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;
/// Where documents go that are removed.
const REMOVED: &str = "removed";
/// The file of the ids that stand for a version that is not the highest.
const LOWER: &str = ".lower-versions";

/// The folder of graphs does not do what it has to.
#[derive(Debug, thiserror::Error)]
#[error("The folder of graphs cannot be used: {path}: {source}.", path = path.display())]
pub struct GraphFolderError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// A file in a folder of graphs that is not used, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphFileFault {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}.", path = path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It has more than 16 MiB.
    #[error("{path} has {size} bytes; graphs have at most {MAX_FILE}.", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        size: u64,
    },
    /// It is neither JSON nor YAML.
    #[error("{path}: {source}", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: ParseError,
    },
    /// There can be no such graph.
    #[error("{path}: {source}", path = path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<PutGraphError>,
    },
}

/// The files of the graphs of a program.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    files: BTreeMap<String, BTreeMap<u64, PathBuf>>,
    lower: BTreeMap<String, Lower>,
}

/// An id stands for `version` for as long as `below` is the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lower {
    version: u64,
    below: u64,
}

/// A document of the folder.
struct Found {
    path: PathBuf,
    source: Value,
}

impl Found {
    fn id(&self) -> &str {
        self.source.get("id").and_then(Value::as_str).unwrap_or_default()
    }

    /// As the graph will have it; what is no number is found by the check.
    fn version(&self) -> u64 {
        self.source.get("version").and_then(Value::as_u64).unwrap_or(1)
    }
}

impl Folder {
    /// Puts what is in a folder, and keeps what is put later.
    pub(crate) fn load(path: PathBuf, graphs: &Graphs) -> Result<Vec<GraphFileFault>, GraphFolderError> {
        let at = |source| GraphFolderError { path: path.clone(), source };
        fs::create_dir_all(&path).map_err(at)?;
        let mut faults = Vec::new();
        let found = read_all(&path, &mut faults).map_err(at)?;
        let removed = match read_all(&path.join(REMOVED), &mut faults) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            removed => removed.map_err(at)?,
        };
        let lower = fs::read(path.join(LOWER)).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let mut folder = Folder { path: path.clone(), files: BTreeMap::new(), lower: lower.unwrap_or_default() };
        let left = put_removed(removed, graphs)?;
        folder.put_found(found, graphs, &mut faults);
        // Others may have taken their names.
        for found in left.into_iter().filter(|found| graphs.version(found.id(), found.version()).is_none()) {
            if let Err(source) = graphs.put_removed(&found.source) {
                faults.push(GraphFileFault::Refused { path: found.path, source: Box::new(source) });
            }
        }
        graphs.keep_in(folder);
        Ok(faults)
    }

    /// The version of each graph that its id stands for goes first, so that it is the one that others run.
    fn put_found(&mut self, found: Vec<Found>, graphs: &Graphs, faults: &mut Vec<GraphFileFault>) {
        let mut highest: BTreeMap<String, u64> = BTreeMap::new();
        for one in &found {
            let known = highest.entry(one.id().to_owned()).or_default();
            *known = (*known).max(one.version());
        }
        self.lower.retain(|id, lower| highest.get(id) == Some(&lower.below));
        let current = |one: &Found| match self.lower.get(one.id()) {
            Some(lower) => lower.version == one.version(),
            None => highest.get(one.id()) == Some(&one.version()),
        };
        let (current, mut others): (Vec<Found>, Vec<Found>) = found.into_iter().partition(current);
        others.sort_by_key(Found::version);
        let sources: Vec<Value> = current.iter().map(|one| one.source.clone()).collect();
        let mut stands: BTreeMap<String, Value> = BTreeMap::new();
        for (one, put) in current.into_iter().zip(graphs.put_each(&sources)) {
            if put.is_ok() {
                stands.insert(one.id().to_owned(), one.source.clone());
            }
            self.note(one.path, put, faults);
        }
        for one in others {
            let put = graphs.put(&one.source);
            // Only what is put last is what the id stands for.
            if let Some(current) = put.as_ref().ok().and_then(|graph| stands.get(graph.id())) {
                let _ = graphs.put(current);
            }
            self.note(one.path, put, faults);
        }
    }

    fn note(&mut self, path: PathBuf, put: Result<Graph, PutGraphError>, faults: &mut Vec<GraphFileFault>) {
        match put {
            Ok(graph) => {
                self.files.entry(graph.id().to_owned()).or_default().insert(graph.version(), path);
            }
            Err(source) => faults.push(GraphFileFault::Refused { path, source: Box::new(source) }),
        }
    }

    /// Keeps a graph that its id stands for from now on.
    pub(crate) fn put(&mut self, graph: &Graph) -> Result<(), GraphFolderError> {
        let (id, version) = (graph.id(), graph.version());
        let versions = self.files.get(id);
        if versions.is_none_or(|versions| !versions.contains_key(&version)) {
            let file = place(&self.path, id, version);
            let text = serde_json::to_vec_pretty(graph.source()).map_err(io::Error::other);
            text.and_then(|text| write(&file, &text)).map_err(|source| self.fault(&file, source))?;
            self.files.entry(id.to_owned()).or_default().insert(version, file);
        }
        let highest = self.files.get(id).and_then(|versions| versions.keys().next_back().copied());
        let lower = highest.filter(|below| *below > version).map(|below| Lower { version, below });
        self.stands_for(id, lower)
    }

    /// Puts the files of a graph aside.
    pub(crate) fn remove(&mut self, id: &str) -> Result<(), GraphFolderError> {
        let aside = self.path.join(REMOVED);
        fs::create_dir_all(&aside).map_err(|source| self.fault(&aside, source))?;
        for (version, file) in self.files.get(id).cloned().unwrap_or_default() {
            match fs::rename(&file, place(&aside, id, version)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.fault(&file, error)),
                // One that somebody else took away is as good as removed.
                _ => {}
            }
            if let Some(versions) = self.files.get_mut(id) {
                versions.remove(&version);
            }
        }
        self.files.remove(id);
        self.stands_for(id, None)
    }

    fn stands_for(&mut self, id: &str, lower: Option<Lower>) -> Result<(), GraphFolderError> {
        if self.lower.get(id) == lower.as_ref() {
            return Ok(());
        }
        let mut all = self.lower.clone();
        match lower {
            Some(lower) => drop(all.insert(id.to_owned(), lower)),
            None => drop(all.remove(id)),
        }
        let file = self.path.join(LOWER);
        let text = serde_json::to_vec_pretty(&all).map_err(io::Error::other);
        text.and_then(|text| write(&file, &text)).map_err(|source| self.fault(&file, source))?;
        self.lower = all;
        Ok(())
    }

    fn fault(&self, path: &Path, source: io::Error) -> GraphFolderError {
        GraphFolderError { path: path.to_owned(), source }
    }
}

/// Puts what was removed, each finding the others, and takes it out again. Gives those that need what was not removed.
fn put_removed(removed: Vec<Found>, graphs: &Graphs) -> Result<Vec<Found>, GraphFolderError> {
    let sources: Vec<Value> = removed.iter().map(|one| one.source.clone()).collect();
    let mut left = Vec::new();
    for (one, put) in removed.into_iter().zip(graphs.put_each(&sources)) {
        if put.is_err() {
            left.push(one);
        }
    }
    for known in graphs.list() {
        graphs.remove(&known.id)?;
    }
    Ok(left)
}

/// The documents of a folder, by the names of their files.
fn read_all(folder: &Path, faults: &mut Vec<GraphFileFault>) -> io::Result<Vec<Found>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let known = path.extension().is_some_and(|end| end == "json" || end == "yaml" || end == "yml");
        if known && !hidden && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        match read(&path) {
            Ok(source) => found.push(Found { path, source }),
            Err(fault) => faults.push(fault),
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Value, GraphFileFault> {
    let unread = |source| GraphFileFault::Unread { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(unread)?.len();
    if size > MAX_FILE {
        return Err(GraphFileFault::TooLarge { path: path.to_owned(), size });
    }
    let text = fs::read_to_string(path).map_err(unread)?;
    parse(&text).map_err(|source| GraphFileFault::Parse { path: path.to_owned(), source })
}

/// The file for a version of a graph, which is not there yet or has it. An id may have slashes in it, and two ids may
/// differ in what a file system takes for the same.
fn place(folder: &Path, id: &str, version: u64) -> PathBuf {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_') { letter } else { '_' };
    let name: String = id.chars().map(plain).collect();
    let first = folder.join(format!("{name}@{version}.json"));
    let more = (2..).map(|again: u64| folder.join(format!("{name}@{version}~{again}.json")));
    let mine = |path: &PathBuf| {
        let found = |source| Found { path: path.clone(), source };
        !path.exists() || read(path).map(found).is_ok_and(|found| found.id() == id && found.version() == version)
    };
    std::iter::once(first.clone()).chain(more).find(mine).unwrap_or(first)
}

/// Writes a file whole or not at all.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.new"));
    let mut file = fs::File::create(&beside)?;
    file.write_all(text)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
