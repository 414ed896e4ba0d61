//! `stepcast resume RUN`: goes on with a stored run.

use stepcast::RunId;
use stepcast::backend::{Holder, RunRecord};
use stepcast_client::Client;

use super::Outcome;
use super::run::MannerArgs;
use crate::app::App;
use crate::drive::{Manner, drive};
use crate::error::CliError;
use crate::text::{now, relative, short};
use crate::{find, remote};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run
    #[arg(default_value = "latest")]
    run: String,
    #[command(flatten)]
    manner: MannerArgs,
}

pub(crate) async fn execute(app: &App, args: &Args) -> Outcome {
    let store = app.store.read()?;
    let mut record = find::run(&*store, &args.run)?;
    // A child goes on with the run that started it.
    while let Some(parent) = &record.parent {
        record = find::run(&*store, parent)?;
    }
    drop(store);
    if let Some(client) = app.server() {
        return resume_there(app, client, &record, args.manner).await;
    }
    resume(app, &record, args.manner).await
}

/// Takes a run up and drives it.
pub(crate) async fn resume(app: &App, record: &RunRecord, manner: MannerArgs) -> Outcome {
    let id = short(&record.run);
    if record.status.is_end() {
        let status = record.status.name().replace('_', " ");
        let text = format!("The run {id} has ended: {status} {}.", relative(now(), record.changed));
        return Err(CliError::new("SC0031", text).help(app.command(&format!("rerun {id}"))));
    }
    if record.holder != Holder::Nobody {
        let text = format!("The run {id} is driven by another process.");
        return Err(
            CliError::new("SC0033", text).help(format!("watch it with {}", app.command(&format!("logs {id} -f"))))
        );
    }
    // One of a graph has its document with it.
    let of_graph = record.definition.is_some();
    if !of_graph {
        drop(app.linked(&record.workflow).map_err(|_| elsewhere(record))?);
    }
    let store = app.store.change()?;
    // What was shown while it ran elsewhere is not shown again.
    let after = store.load(&record.run)?.last_seq;
    let runtime = app.runtime(Some(store.clone()))?;
    if !of_graph {
        app.register(&runtime, &record.workflow).await?;
    }
    let run = runtime.attach(&RunId::from(record.run.clone())).await?;
    let outcome = drive(app, run, Manner { after, ..manner.here(app, true) }).await;
    app.close(Some(store));
    outcome
}

/// Has the server take a run up, and follows it.
async fn resume_there(app: &App, client: &Client, record: &RunRecord, manner: MannerArgs) -> Outcome {
    let run = client.run(&*record.run);
    run.resume().await?;
    remote::follow(app, client, run, manner.here(app, true)).await
}

fn elsewhere(record: &RunRecord) -> CliError {
    let text = format!(
        "The run {} is of the workflow `{}`, which is not in this binary.",
        short(&record.run),
        record.workflow
    );
    CliError::new("SC0034", text)
}
