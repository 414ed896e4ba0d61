//! `stepcast status RUN`: where a run stands.

use stepcast::backend::RunRecord;

use super::Outcome;
use super::runs::{record_json, words};
use crate::app::App;
use crate::exit::Exit;
use crate::find;
use crate::out::{self, BOLD, DIM, PLAIN, Table, status_style};
use crate::text::{between, now, relative};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run
    #[arg(default_value = "latest")]
    run: String,
    /// End with the exit code of the run's status instead of 0
    #[arg(long)]
    exit_code: bool,
}

pub(crate) fn execute(app: &App, args: &Args) -> Outcome {
    let store = app.store.read()?;
    let record = find::run(&*store, &args.run)?;
    let exit = if args.exit_code { Exit::of_status(record.status) } else { Exit::Completed };
    if app.json {
        out::json(&record_json(&record))?;
        return Ok(exit);
    }
    let mut table = Table::plain();
    rows(&mut table, &record, "");
    table.print()?;
    Ok(exit)
}

/// What stands first of every run: which it is, and how far it has come.
pub(super) fn rows(table: &mut Table, record: &RunRecord, indent: &str) {
    let now = now();
    let mut row = |name: &str, text: String, style| table.row(vec![(format!("{indent}{name}"), DIM), (text, style)]);
    row("run", record.run.to_string(), BOLD);
    row("workflow", record.workflow.clone(), PLAIN);
    row("status", words(record), status_style(record.status));
    row("started", relative(now, record.created), PLAIN);
    match record.status.is_end() {
        true => row("took", between(record.created, record.changed), PLAIN),
        false => row("changed", relative(now, record.changed), PLAIN),
    }
}
