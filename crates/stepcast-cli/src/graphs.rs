//! Graphs from files: read, checked, made to run.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stepcast::backend::RunRecord;
use stepcast::{Runtime, RuntimeError};
use stepcast_client::GraphIssue;
use stepcast_graph::{Graph, GraphError, Graphs, Host, Issue, PutGraphError, RegisterGraph, parse};

use crate::app::App;
use crate::codes::Coded;
use crate::error::CliError;
use crate::text::short;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// Graphs that a command may need.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct GraphArgs {
    /// A graph that the run's graph runs as a subgraph: a JSON or YAML file; may be given several times
    #[arg(long = "graph", value_name = "FILE")]
    pub(crate) graphs: Vec<PathBuf>,
}

/// Whether a text names a file of a graph rather than a workflow.
pub(crate) fn is_file(name: &str) -> bool {
    let end = Path::new(name).extension().map(|end| end.to_ascii_lowercase());
    end.is_some_and(|end| end == "json" || end == "yaml" || end == "yml")
}

/// The document of a file.
pub(crate) fn read(file: &Path) -> Result<Value, CliError> {
    let unread = |why: String| CliError::new("SC0120", format!("The graph's file {file:?} cannot be read: {why}."));
    let found = fs::metadata(file).map_err(|error| unread(error.to_string()))?;
    if !found.is_file() {
        return Err(unread("it is no file".to_owned()));
    }
    if found.len() > MAX_FILE {
        return Err(unread(format!("it has {} bytes, and {MAX_FILE} are the most", found.len())));
    }
    let text = fs::read_to_string(file).map_err(|error| unread(error.to_string()))?;
    parse(&text).map_err(|error| CliError::new("SC0121", format!("{}: {error}", file.display())))
}

/// The name that the workflow of a document has.
pub(crate) fn name_of(source: &Value) -> String {
    let id = source.get("id").and_then(Value::as_str).unwrap_or_default();
    format!("{id}@{}", source.get("version").and_then(Value::as_u64).unwrap_or(1))
}

/// Graphs that may run each other, of documents from files, in their order.
pub(crate) fn load(files: &[(PathBuf, Value)], host: Host) -> Result<Vec<Graph>, CliError> {
    let sources: Vec<Value> = files.iter().map(|(_, source)| source.clone()).collect();
    let graphs = Graphs::new(&Runtime::new(), host);
    let put = graphs.put_each(&sources).into_iter().zip(files);
    put.map(|(put, (file, _))| put.map_err(|error| refused(file, error))).collect()
}

/// Lets a runtime run graphs; their ids stand for them in this order.
pub(crate) fn register(runtime: &Runtime, graphs: &[Graph]) -> Result<(), CliError> {
    for graph in graphs {
        runtime.register_graph(graph).map_err(|error| match error {
            RuntimeError::DuplicateWorkflow { .. } => CliError::new("SC0123", error.to_string()),
            error => CliError::from(error),
        })?;
    }
    Ok(())
}

/// The graph that a stored run was started with.
pub(crate) fn of_run(record: &RunRecord, document: &str, host: Host) -> Result<Graph, CliError> {
    Graph::stored(document, host).map_err(|error| {
        let text = format!("The run {} is of `{}`, which cannot run here.", short(&record.run), record.workflow);
        let error = match error {
            GraphError::Refused { report, .. } => {
                report.errors().fold(CliError::new("SC0034", text), |error, issue| error.cause(line(&issue.into())))
            }
            error => CliError::new("SC0034", text).cause(error),
        };
        error.help("use the binary that has what the graph names")
    })
}

fn refused(file: &Path, error: PutGraphError) -> CliError {
    match error {
        PutGraphError::Graph(GraphError::Refused { id, report }) => {
            let text = format!("The graph `{id}` of {} cannot run.", file.display());
            report.errors().fold(CliError::new("SC0122", text), |error, issue| error.cause(line(&issue.into())))
        }
        PutGraphError::Graph(error) => CliError::new("SC0122", error.to_string()),
        PutGraphError::Runtime(error) => CliError::new(error.code(), error.to_string()),
        error => CliError::new("SC0123", error.to_string()),
    }
}

/// What is wrong with a document, as it is told: found here, or by a server.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The word for what it is about.
    pub(crate) code: String,
    pub(crate) pointer: String,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl From<&Issue> for Told {
    fn from(issue: &Issue) -> Self {
        let code = serde_json::to_value(issue.code).ok().and_then(|code| code.as_str().map(str::to_owned));
        Told {
            code: code.unwrap_or_default(),
            pointer: issue.pointer.clone(),
            message: issue.message.clone(),
            hint: issue.hint.clone(),
        }
    }
}

impl From<GraphIssue> for Told {
    fn from(issue: GraphIssue) -> Self {
        Told { code: issue.code, pointer: issue.pointer, message: issue.message, hint: issue.hint }
    }
}

/// An issue in a line.
pub(crate) fn line(issue: &Told) -> String {
    let at = if issue.pointer.is_empty() { String::new() } else { format!(" {}", issue.pointer) };
    format!("[{}]{at}: {} {}", issue.code, issue.message, issue.hint)
}

impl App {
    /// The workflow that an argument names: a linked one, or that of a file. Its graph, and those beside it, are there from
    /// now on.
    pub(crate) fn workflow_of(&self, name: &str, more: &GraphArgs) -> Result<String, CliError> {
        if !is_file(name) || stepcast::Catalogue::global()?.workflow(name).is_some() {
            self.add_files(&more.graphs)?;
            return Ok(name.to_owned());
        }
        let own = PathBuf::from(name);
        let others = more.graphs.iter().filter(|file| **file != own).cloned().collect::<Vec<_>>();
        Ok(self.add_files(&[vec![own], others].concat())?.swap_remove(0))
    }
}
