//! Graphs of files on a server: put there, unless another one has the name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stepcast_client::{Client, GraphReport, RequestError};
use stepcast_graph::Document;

use crate::app::App;
use crate::error::CliError;
use crate::graphs::{Told, line, read};
use crate::out::{self, DIM, paint};

/// What becomes of a graph that the server has under the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Whatever says something else is refused.
    Refuse,
    /// A version that is not there is put, as its number says.
    Newer,
    /// The file becomes a version, with another number if its own is taken.
    Replace,
}

/// A graph that the server has now.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) id: String,
    pub(crate) version: u64,
    /// Whether it was put just now: its name stands for another version than before, or for the first.
    pub(crate) put: bool,
}

impl Served {
    /// The workflow that is this version and no other.
    pub(crate) fn workflow(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }
}

/// A file with its graph.
struct File<'a> {
    path: &'a Path,
    id: String,
    document: Value,
    /// The graphs that it runs.
    uses: BTreeSet<String>,
}

impl<'a> File<'a> {
    fn read(path: &'a Path) -> Result<Self, CliError> {
        let document = read(path)?;
        let id = document.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let Some(id) = id.map(str::to_owned) else {
            let text = format!("The graph of {} has no `id`, under which the server would have it.", path.display());
            return Err(CliError::new("SC0122", text));
        };
        let uses = Document::graphs(&document);
        Ok(File { path, id, document, uses })
    }

    fn version(&self) -> u64 {
        self.document.get("version").and_then(Value::as_u64).unwrap_or(1)
    }
}

/// Sees to it that the server has the graphs of these files, those first that others run. They are given in the order of
/// the files.
pub(crate) async fn put_all(
    app: &App,
    client: &Client,
    paths: &[PathBuf],
    taken: Taken,
) -> Result<Vec<Served>, CliError> {
    let files = paths.iter().map(|path| File::read(path)).collect::<Result<Vec<_>, _>>()?;
    let mut served: BTreeMap<usize, Served> = BTreeMap::new();
    for at in order(&files) {
        let file = &files[at];
        // What runs a graph has it as it was when it was put.
        let below = served.values().any(|below| below.put && file.uses.contains(&below.id));
        let one = put(client, file, taken, below).await?;
        if one.put {
            told(app, &one)?;
        }
        served.insert(at, one);
    }
    Ok(served.into_values().collect())
}

fn told(app: &App, one: &Served) -> Result<(), CliError> {
    match app.json {
        true => out::json(&json!({ "kind": "graph_put", "id": one.id, "version": one.version }))?,
        false => out::note(paint(DIM, format!("put {} on the server", one.workflow()))),
    }
    Ok(())
}

async fn put(client: &Client, file: &File<'_>, taken: Taken, below: bool) -> Result<Served, CliError> {
    let version = file.version();
    let is = |version: u64, put: bool| Served { id: file.id.clone(), version, put };
    let current = match client.graph(&file.id).await {
        Ok(graph) => Some(graph),
        Err(error) if error.code() == Some("graph_not_found") => None,
        Err(error) => return Err(error.into()),
    };
    let Some(current) = current else {
        let put = client.put_graph(&file.id, &file.document).await.map_err(|error| refused(file, error))?;
        return Ok(is(put.info.version, true));
    };
    let versions = &current.info.versions;
    if same(&current.document, &file.document) && !below {
        return Ok(is(current.info.version, false));
    }
    // Perhaps it is a version that the name does not stand for.
    let own = match versions.contains(&version) && !below {
        true => Some(client.graph_version(&file.id, version).await?),
        false => None,
    };
    let is_own = own.is_some_and(|own| same(&own.document, &file.document));
    let (free, highest) = (!versions.contains(&version), versions.last().copied().unwrap_or_default());
    let next = match taken {
        Taken::Refuse if is_own => return Ok(is(version, false)),
        Taken::Refuse => return Err(another(client, file, current.info.version, below)),
        Taken::Replace if !free && !is_own => highest.saturating_add(1),
        Taken::Replace | Taken::Newer => version,
    };
    let mut document = file.document.clone();
    if next != version {
        document["version"] = next.into();
    }
    let put = client.put_graph(&file.id, &document).await.map_err(|error| refused(file, error))?;
    Ok(is(put.info.version, put.is_new || put.info.version != current.info.version))
}

/// Whether two documents are one but for the number of their version.
fn same(a: &Value, b: &Value) -> bool {
    let bare = |document: &Value| {
        let mut document = document.clone();
        document.as_object_mut().map(|fields| fields.remove("version"));
        document
    };
    bare(a) == bare(b)
}

/// Places of files, those first that others run. Of those that run each other any may be first: none can be put.
fn order(files: &[File<'_>]) -> Vec<usize> {
    fn visit(at: usize, files: &[File<'_>], seen: &mut [bool], order: &mut Vec<usize>) {
        if std::mem::replace(&mut seen[at], true) {
            return;
        }
        for below in (0..files.len()).filter(|below| files[at].uses.contains(&files[*below].id)) {
            visit(below, files, seen, order);
        }
        order.push(at);
    }
    let (mut seen, mut order) = (vec![false; files.len()], Vec::new());
    (0..files.len()).for_each(|at| visit(at, files, &mut seen, &mut order));
    order
}

fn another(client: &Client, file: &File<'_>, current: u64, below: bool) -> CliError {
    let (id, path) = (&file.id, file.path.display());
    let text = match below {
        true => format!("The server's graph `{id}` runs graphs as they were before; {path} would have to be put anew."),
        false => format!("The server has another graph `{id}` than {path}, in version {current}."),
    };
    let url = client.address();
    let shown = format!("`stepcast --server {} graph get {id}` shows the server's", url.trim_end_matches('/'));
    let replace = "`--replace` puts the file as a version of its own, for which the name stands from then on; runs that \
                   began go on with theirs";
    CliError::new("SC0126", text).help(replace).help(shown)
}

/// The server did not take a file.
fn refused(file: &File<'_>, error: RequestError) -> CliError {
    match error.graph_report() {
        Some(report) => faults(&file.id, file.path, &report),
        None => error.into(),
    }
}

fn faults(id: &str, path: &Path, report: &GraphReport) -> CliError {
    let text = format!("The graph `{id}` of {} cannot run on the server.", path.display());
    let errors = report.errors.iter().cloned().map(Told::from);
    errors.fold(CliError::new("SC0122", text), |error, issue| error.cause(line(&issue)))
}

/// What the server would say of a document of these files, which know each other.
pub(crate) async fn check(client: &Client, document: &Value, files: &[Value]) -> Result<GraphReport, CliError> {
    let mut report = client.check_graph(document).await?;
    let named = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let beside = |id: &str| files.iter().any(|file| file.get("id").and_then(Value::as_str) == Some(id));
    report.errors.retain(|issue| {
        issue.code != "unknown_reference"
            || !issue.pointer.ends_with("/graph")
            || !named(&issue.pointer).is_some_and(beside)
    });
    Ok(report)
}
