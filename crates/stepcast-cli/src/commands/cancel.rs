//! `stepcast cancel RUN`: ends a run, wherever it is.

use std::time::Duration;

use serde_json::json;
use stepcast::backend::{Backend, Holder, Letter, RunRecord};
use stepcast::{RunId, Runtime};

use super::Outcome;
use crate::app::App;
use crate::error::CliError;
use crate::exit::Exit;
use crate::out::{self, DIM, YELLOW, paint};
use crate::text::{now, short};
use crate::{find, text};

/// How long the end of a run that is taken up here may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run
    run: String,
}

pub(crate) async fn execute(app: &App, args: &Args) -> Outcome {
    let record = find::run(&*app.store.read()?, &args.run)?;
    let id = short(&record.run);
    if record.status.is_end() {
        let status = record.status.name().replace('_', " ");
        let since = text::relative(now(), record.changed);
        return Err(CliError::new("SC0031", format!("The run {id} has ended: {status} {since}.")).no_help());
    }
    let store = app.store.change()?;
    store.send(Letter::cancel(record.run.clone(), now()))?;
    let driven = record.holder != Holder::Nobody;
    // Somebody has to read the letter. A child's is read by whoever goes on with its parent.
    let ended = !driven && record.parent.is_none() && end_here(app, store.clone(), &record).await;
    app.close(Some(store));
    if app.json {
        let state = if ended { "done" } else { "requested" };
        out::json(&json!({ "run_id": &*record.run, "cancel": state, "driven": driven }))?;
        return Ok(Exit::Completed);
    }
    match ended {
        true => out::line(format!("{} {id}", paint(YELLOW, "cancelled")))?,
        false => out::line(format!("{} {id} to end", paint(YELLOW, "asked")))?,
    }
    if !driven && !ended {
        let resume = app.command(&format!("resume {id}"));
        out::line(paint(DIM, format!("no process drives it now; it ends when one does: {resume}")))?;
    }
    Ok(Exit::Completed)
}

/// Takes the run up, so that it reads the letter and ends. Whether it did.
async fn end_here(app: &App, store: std::sync::Arc<dyn Backend>, record: &RunRecord) -> bool {
    if record.definition.is_none() && app.linked(&record.workflow).is_err() {
        return false;
    }
    let Ok(runtime) = app.runtime(Some(store)) else { return false };
    tokio::time::timeout(PATIENCE, outcome(app, &runtime, record)).await.is_ok_and(|ended| ended.is_some())
}

async fn outcome(app: &App, runtime: &Runtime, record: &RunRecord) -> Option<()> {
    if record.definition.is_none() {
        app.register(runtime, &record.workflow).await.ok()?;
    }
    let run = runtime.attach(&RunId::from(record.run.clone())).await.ok()?;
    // Its letters were read with it; that one is the answer to the other.
    let _ = run.outcome().await;
    Some(())
}
