//! `stepcast graph list`, `get`, `put` and `remove`: the graphs of a server.

use std::path::PathBuf;

use serde_json::json;
use stepcast_client::Client;

use crate::app::App;
use crate::commands::Outcome;
use crate::error::CliError;
use crate::exit::Exit;
use crate::out::{self, BOLD, PLAIN, Table};
use crate::remote::graphs::{Taken, put_all};

#[derive(Debug, clap::Args)]
pub(crate) struct GetArgs {
    /// The graph
    id: String,
    /// One of its versions [default: the one that its name stands for]
    #[arg(long)]
    version: Option<u64>,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PutArgs {
    /// JSON or YAML; those that others run are put before them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where a version is there already and says something else, put the file as the next one
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// The graphs, with all their versions
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

pub(super) async fn list(app: &App) -> Outcome {
    let graphs = server(app)?.graphs().await?;
    if app.json {
        graphs.iter().try_for_each(|graph| {
            out::json(&json!({
                "id": graph.id, "name": graph.name, "version": graph.version, "versions": graph.versions,
            }))
        })?;
        return Ok(Exit::Completed);
    }
    if graphs.is_empty() {
        out::line(format!("No graphs on {}.", app.store.name()))?;
        return Ok(Exit::Completed);
    }
    let mut table = Table::new(&["GRAPH", "VERSION", "VERSIONS", "NAME"]);
    for graph in graphs {
        let versions: Vec<String> = graph.versions.iter().map(u64::to_string).collect();
        table.row(vec![
            (graph.id, BOLD),
            (graph.version.to_string(), PLAIN),
            (versions.join(", "), PLAIN),
            (graph.name.unwrap_or_default(), PLAIN),
        ]);
    }
    table.print()?;
    Ok(Exit::Completed)
}

pub(super) async fn get(app: &App, args: &GetArgs) -> Outcome {
    let client = server(app)?;
    let graph = match args.version {
        Some(version) => client.graph_version(&args.id, version).await?,
        None => client.graph(&args.id).await?,
    };
    super::document::write(app, &graph.document, args.output.as_deref())
}

pub(super) async fn put(app: &App, args: &PutArgs) -> Outcome {
    let taken = if args.replace { Taken::Replace } else { Taken::Newer };
    for graph in put_all(app, server(app)?, &args.files, taken).await?.iter().filter(|graph| !graph.put && !app.json) {
        out::line(format!("{} is there already", graph.workflow()))?;
    }
    Ok(Exit::Completed)
}

pub(super) async fn remove(app: &App, args: &RemoveArgs) -> Outcome {
    let client = server(app)?;
    for id in &args.ids {
        client.remove_graph(id).await?;
        match app.json {
            true => out::json(&json!({ "kind": "graph_removed", "id": id }))?,
            false => out::line(format!("removed {id}"))?,
        }
    }
    Ok(Exit::Completed)
}

fn server(app: &App) -> Result<&Client, CliError> {
    app.server().ok_or_else(|| {
        let text =
            "A store has no graphs but those of its runs; which there are to begin runs of is known to a server.";
        CliError::new("SC0127", text)
    })
}
