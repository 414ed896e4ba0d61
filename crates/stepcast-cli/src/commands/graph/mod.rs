//! `stepcast graph`: a workflow as a drawing, and the documents of graphs.

mod check;
mod document;
mod remote;
mod served;

use std::path::{Path, PathBuf};

use serde_json::json;
use stepcast::backend::{Backend, RunRecord};
use stepcast::{GraphOverlay, TextStyle, WorkflowGraph};
use stepcast_graph::Document;

use super::Outcome;
use crate::app::App;
use crate::deliver::deliver;
use crate::error::CliError;
use crate::exit::Exit;
use crate::graphs::{is_file, read};
use crate::timeline::{Story, overlay};
use crate::{find, out};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    document: Option<DocumentCommand>,
    /// The workflow, or the JSON or YAML file of a graph; with `--run` that of the run
    #[arg(required_unless_present = "run")]
    workflow: Option<String>,
    /// Draw what this run did on it
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Write the document that the run was started with; of a compiled workflow its structure
    #[arg(long = "document", requires = "run", conflicts_with_all = ["workflow", "Form", "width"])]
    whole: bool,
    #[command(flatten)]
    form: Form,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The most columns of the drawing in text; a wider one becomes a list
    #[arg(long, value_name = "COLUMNS")]
    width: Option<usize>,
}

/// What concerns documents.
#[derive(Debug, clap::Subcommand)]
enum DocumentCommand {
    /// Checks graphs in JSON or YAML and lists every error and warning
    Check(check::Args),
    /// Writes the JSON Schema of such documents, for editors
    Schema,
    /// Lists the graphs of a server
    #[command(visible_alias = "ls")]
    List,
    /// Writes the document of a server's graph
    Get(served::GetArgs),
    /// Puts files on a server, for whoever starts runs there
    Put(served::PutArgs),
    /// Removes graphs from a server; runs that began go on
    #[command(visible_alias = "rm")]
    Remove(served::RemoveArgs),
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Form {
    /// A Mermaid flowchart
    #[arg(long)]
    mermaid: bool,
    /// DOT, for Graphviz
    #[arg(long)]
    dot: bool,
    /// An SVG image
    #[arg(long)]
    svg: bool,
    /// Text, for terminals; this is what it is without any of these
    #[arg(long)]
    ascii: bool,
}

pub(crate) async fn execute(app: &App, args: &Args) -> Outcome {
    match &args.document {
        Some(DocumentCommand::Check(args)) => return check::execute(app, args).await,
        Some(DocumentCommand::List) => return served::list(app).await,
        Some(DocumentCommand::Get(args)) => return served::get(app, args).await,
        Some(DocumentCommand::Put(args)) => return served::put(app, args).await,
        Some(DocumentCommand::Remove(args)) => return served::remove(app, args).await,
        Some(DocumentCommand::Schema) => {
            let schema = serde_json::to_string_pretty(&stepcast_graph::json_schema()).unwrap_or_default();
            deliver(&format!("{schema}\n"), None)?;
            return Ok(Exit::Completed);
        }
        None => {}
    }
    let (graph, overlay, gaps) = match &args.run {
        None => (graph_of(app, args.workflow.as_deref().unwrap_or_default())?, None, Vec::new()),
        Some(run) => {
            let store = app.store.read()?;
            if args.whole {
                let record = find::run(&*store, run)?;
                let document = document::of_run(app, &record, &*store).await?;
                return document::write(app, &document, args.output.as_deref());
            }
            if let Some(client) = app.server() {
                let record = find::run(&*store, run)?;
                let drawing = remote::drawing(app, client, &*store, &record, args.workflow.as_deref()).await?;
                return show(app, args, &drawing.graph, Some(&drawing.overlay), &drawing.gaps);
            }
            let story = Story::read(&*store, &find::run(&*store, run)?.run)?;
            let graph = match &args.workflow {
                Some(name) => graph_of(app, name)?,
                None => graph_of_run(app, &story.record, &*store)?,
            };
            let gaps = story.gaps();
            (graph, Some(overlay(&story)), gaps)
        }
    };
    show(app, args, &graph, overlay.as_ref(), &gaps)
}

fn show(app: &App, args: &Args, graph: &WorkflowGraph, overlay: Option<&GraphOverlay>, gaps: &[String]) -> Outcome {
    gaps.iter().for_each(out::note);
    if app.json {
        out::json(&json!({ "graph": graph, "overlay": overlay }))?;
        return Ok(Exit::Completed);
    }
    deliver(&drawn(graph, overlay, args), args.output.as_deref())?;
    Ok(Exit::Completed)
}

fn drawn(graph: &WorkflowGraph, overlay: Option<&GraphOverlay>, args: &Args) -> String {
    let form = &args.form;
    match overlay {
        Some(overlay) if form.mermaid => graph.to_mermaid_with(overlay),
        Some(overlay) if form.dot => graph.to_dot_with(overlay),
        Some(overlay) if form.svg => graph.to_svg_with(overlay),
        Some(overlay) => graph.to_text_with(overlay, style(args)),
        None if form.mermaid => graph.to_mermaid(),
        None if form.dot => graph.to_dot(),
        None if form.svg => graph.to_svg(),
        None => graph.to_text(style(args)),
    }
}

fn style(args: &Args) -> TextStyle {
    TextStyle { width: args.width.unwrap_or_else(out::width), plain: !unicode() }
}

/// Whether the terminal's language has more than ASCII characters. Where it does not say, it has.
fn unicode() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let language = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    language.is_none_or(|language| {
        let language = language.to_lowercase();
        language.contains("utf-8") || language.contains("utf8")
    })
}

/// The graph of a linked workflow or of a file, also of one that does not check.
pub(crate) fn graph_of(app: &App, name: &str) -> Result<WorkflowGraph, CliError> {
    if is_file(name) && stepcast::Catalogue::global()?.workflow(name).is_none() {
        return Ok(Document::drawing(&read(Path::new(name))?));
    }
    match stepcast::Catalogue::global()?.workflow(name) {
        Some(linked) => Ok(WorkflowGraph::of(linked.spec)),
        // Registered under a name of choice, or not at all: the error says which there are.
        None => match app.definition(name)?.linked {
            Some(linked) => Ok(WorkflowGraph::of(linked.spec)),
            None => Err(CliError::new("SC0102", format!("The workflow `{name}` has no entry in the catalogue."))),
        },
    }
}

/// The graph of a run's workflow: of one of data the document that the run was started with.
pub(crate) fn graph_of_run(app: &App, record: &RunRecord, store: &dyn Backend) -> Result<WorkflowGraph, CliError> {
    let document = record.definition.as_deref().map(|hash| store.definition(hash)).transpose()?.flatten();
    match document.and_then(|document| serde_json::from_str(&document).ok()) {
        Some(document) => Ok(Document::drawing(&document)),
        None => graph_of(app, &record.workflow).map_err(|error| not_linked(error, &record.workflow)),
    }
}

fn not_linked(error: CliError, name: &str) -> CliError {
    match error.code() {
        "SC0040" => CliError::new("SC0102", format!("The run is of `{name}`, which is not in this binary.")),
        _ => error,
    }
}
