//! `stepcast run WORKFLOW`: starts a run and drives it.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use stepcast::RunOptions;
use stepcast_client::{Client, StartOptions};

use super::{Outcome, detach};
use crate::app::App;
use crate::drive::{Manner, drive};
use crate::error::CliError;
use crate::graphs::{GraphArgs, is_file};
use crate::input::{Given, InputArgs};
use crate::remote::{
    self,
    graphs::{Taken, put_all},
};
use crate::text::{now, parse_length, relative};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The workflow's name, which `workflows` lists, or the JSON or YAML file of a graph
    workflow: String,
    #[command(flatten)]
    input: InputArgs,
    /// The run's id [default: a new one]
    #[arg(long)]
    id: Option<String>,
    /// Longest time in which something of the run is queued or running: 30s, 15m, 2h
    #[arg(long, value_name = "TIME", value_parser = parse_length)]
    timeout: Option<Duration>,
    /// Leave the run to a process of its own: its id is printed at once, and the run goes on after this command
    #[arg(long, short, conflicts_with_all = ["wait", "no_input"])]
    detach: bool,
    #[command(flatten)]
    graphs: GraphArgs,
    /// With `--server`: put the graph's file there even where another graph has its name, as a version of its own
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    manner: MannerArgs,
}

/// How a run is driven.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct MannerArgs {
    /// Ask nothing on this terminal; a run that waits for a person is left, with exit code 3
    #[arg(long)]
    no_input: bool,
    /// Stay with a run that waits for a person, until it is answered from elsewhere
    #[arg(long)]
    wait: bool,
}

impl MannerArgs {
    /// As it is possible here.
    pub(crate) fn here(self, app: &App, stored: bool) -> Manner {
        let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        Manner { ask: terminal && !self.no_input && !app.json, wait: self.wait, stored, after: 0 }
    }
}

pub(crate) async fn execute(app: &App, args: &Args) -> Outcome {
    if let Some(client) = app.server() {
        return there(app, client, args).await;
    }
    let workflow = app.workflow_of(&args.workflow, &args.graphs)?;
    let given = args.input.read()?;
    let mut options = RunOptions::new().record_internal();
    if let Some(id) = &args.id {
        options = options.run_id(check_id(id)?);
    }
    if let Some(timeout) = args.timeout {
        options = options.timeout(timeout);
    }
    if let Some(id) = &args.id {
        free_id(app, id)?;
    }
    if args.detach {
        let run = detach::Detached { workflow: &workflow, named: &args.workflow, graphs: &args.graphs, given: &given };
        return detach::detach(app, run, args.id.as_deref(), args.timeout).await;
    }
    start(app, &workflow, &given, options, args.manner).await
}

/// Starts a run on a server, which is to have the graph of a file.
async fn there(app: &App, client: &Client, args: &Args) -> Outcome {
    let run_id = args.id.as_deref().map(check_id).transpose()?.map(str::to_owned);
    let given = args.input.read()?;
    // What the workflow takes is known there.
    let input = if given.is_empty() { Value::Object(Map::new()) } else { given.value()? };
    let workflow = match is_file(&args.workflow) {
        true => put(app, client, args).await?,
        false if args.graphs.graphs.is_empty() => args.workflow.clone(),
        false => {
            let text = "`--graph` names what the graph of a file runs; a workflow of the server has what it runs.";
            return Err(CliError::new("SC0112", text).help("put the files there with `stepcast graph put`"));
        }
    };
    let options = StartOptions { run_id, timeout: args.timeout.map(|timeout| timeout.as_secs_f64()) };
    if args.detach {
        let run = client.start_value(&workflow, input, options).await?;
        return detach::tell(app, &workflow, run.run_id());
    }
    remote::start(app, client, &workflow, input, options, args.manner.here(app, true)).await
}

/// Puts the file on the server, unless it is there, and gives the workflow that is this version of it.
async fn put(app: &App, client: &Client, args: &Args) -> Result<String, CliError> {
    let own = PathBuf::from(&args.workflow);
    let others = args.graphs.graphs.iter().filter(|file| **file != own).cloned();
    let files: Vec<PathBuf> = std::iter::once(own.clone()).chain(others).collect();
    let taken = if args.replace { Taken::Replace } else { Taken::Refuse };
    let served = put_all(app, client, &files, taken).await?;
    Ok(served[0].workflow())
}

/// Starts a run and drives it.
pub(crate) async fn start(
    app: &App,
    workflow: &str,
    given: &Given,
    options: RunOptions,
    manner: MannerArgs,
) -> Outcome {
    // A slip of the finger is told before a store is made.
    if let Some(def) = app.linked(workflow)? {
        given.value_for(def.event(def.start()), "SC0045")?;
    }
    let store = app.store.write()?;
    let runtime = app.runtime(store.clone())?;
    let def = app.register(&runtime, workflow).await?;
    let start = given.value_for(def.event(def.start()), "SC0045")?;
    let run = runtime.start(workflow, start, options)?;
    let outcome = drive(app, run, manner.here(app, store.is_some())).await;
    app.close(store);
    outcome
}

/// Refuses the id of a run that is stored.
pub(crate) fn free_id(app: &App, id: &str) -> Result<(), CliError> {
    match app.store.read()?.run(id)? {
        None => Ok(()),
        Some(run) => {
            let status = run.status.name().replace('_', " ");
            let text =
                format!("A run `{id}` exists: {}, {status}, begun {}.", run.workflow, relative(now(), run.created));
            Err(CliError::new("SC0038", text))
        }
    }
}

/// A text that can be the id of a run.
pub(crate) fn check_id(id: &str) -> Result<&str, CliError> {
    let wrong = |text: &str| CliError::new("SC0039", format!("{id:?} cannot be the id of a run: {text}."));
    match id {
        "" => Err(wrong("it is empty")),
        "latest" | "memory" => Err(wrong("the word has a meaning of its own")),
        _ if id.chars().count() > 128 => Err(CliError::new("SC0039", "An id of a run has at most 128 characters.")),
        _ if id.starts_with('-') => Err(wrong("it begins like an option")),
        _ if id.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '\\')) => {
            Err(wrong("it has a space, a slash or a control character"))
        }
        _ => Ok(id),
    }
}
