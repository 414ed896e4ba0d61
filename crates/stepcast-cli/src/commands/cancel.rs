//! `stepcast cancel RUN`: asks a run to end.

use serde_json::json;
use stepcast::backend::{Holder, Letter, MailKind};

use super::Outcome;
use crate::app::App;
use crate::error::CliError;
use crate::exit::Exit;
use crate::out::{self, DIM, YELLOW, paint};
use crate::text::{now, short};
use crate::{find, text};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run
    run: String,
}

pub(crate) fn execute(app: &App, args: &Args) -> Outcome {
    let record = find::run(&*app.store.read()?, &args.run)?;
    let id = short(&record.run);
    if record.status.is_end() {
        let status = out::status_name(record.status).replace('_', " ");
        let since = text::relative(now(), record.changed);
        return Err(CliError::new("SC0031", format!("The run {id} has ended: {status} {since}.")).no_help());
    }
    let store = app.store.change()?;
    let json = "null".to_owned();
    store.send(Letter { run: record.run.clone(), kind: MailKind::Cancel, json, dedup: None, at: now() })?;
    app.close(Some(store));
    let driven = record.holder != Holder::Nobody;
    if app.json {
        out::json(&json!({ "run_id": &*record.run, "cancel": "requested", "driven": driven }))?;
        return Ok(Exit::Completed);
    }
    out::line(format!("{} {id} to end", paint(YELLOW, "asked")))?;
    if !driven {
        let resume = app.command(&format!("resume {id}"));
        out::line(paint(DIM, format!("no process drives it now; it ends when one does: {resume}")))?;
    }
    Ok(Exit::Completed)
}
