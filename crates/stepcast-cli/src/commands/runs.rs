//! `stepcast runs`: the runs of the store.

use serde_json::{Value, json};
use stepcast::backend::{Holder, RunFilter, RunRecord, RunStatus};

use super::Outcome;
use crate::app::App;
use crate::exit::Exit;
use crate::out::{BOLD, DIM, PLAIN, Table, status_style};
use crate::text::{date, now, relative, short};
use crate::{find, out, wire};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only runs of this workflow
    #[arg(long, short)]
    workflow: Option<String>,
    /// Only runs with this status; may be given several times
    #[arg(long, short, value_enum)]
    status: Vec<Status>,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 20)]
    limit: usize,
    /// Runs that other runs started, too
    #[arg(long)]
    children: bool,
}

/// A status as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Status {
    Running,
    Waiting,
    /// With or without failures on the way.
    #[value(alias = "done", alias = "succeeded")]
    Completed,
    Failed,
    Cancelled,
    #[value(alias = "timed_out")]
    TimedOut,
}

impl Status {
    fn statuses(self) -> &'static [RunStatus] {
        match self {
            Status::Running => &[RunStatus::Running],
            Status::Waiting => &[RunStatus::Waiting],
            Status::Completed => &[RunStatus::Completed, RunStatus::CompletedWithFailures],
            Status::Failed => &[RunStatus::Failed],
            Status::Cancelled => &[RunStatus::Cancelled],
            Status::TimedOut => &[RunStatus::TimedOut],
        }
    }
}

pub(crate) fn execute(app: &App, args: &Args) -> Outcome {
    let store = app.store.read()?;
    let statuses = args.status.iter().flat_map(|status| status.statuses()).copied().collect();
    let filter = RunFilter { workflow: args.workflow.clone(), statuses, ..RunFilter::default() };
    let (mut found, mut more) = (Vec::new(), false);
    find::each(&*store, &filter, |record| {
        if record.parent.is_none() || args.children {
            more = found.len() >= args.limit;
            found.extend((!more).then_some(record));
        }
        !more
    })?;
    if app.json {
        found.iter().try_for_each(|record| out::json(&record_json(record)))?;
        return Ok(Exit::Completed);
    }
    if found.is_empty() {
        let any = args.workflow.is_none() && args.status.is_empty();
        out::line(if any { format!("No runs yet in {}.", app.store.name()) } else { "No such runs.".to_owned() })?;
        return Ok(Exit::Completed);
    }
    let now = now();
    let mut table = Table::new(&["RUN", "WORKFLOW", "STATUS", "STARTED", "CHANGED"]);
    for record in &found {
        table.row(vec![
            (short(&record.run).to_owned(), BOLD),
            (record.workflow.clone(), PLAIN),
            (words(record), status_style(record.status)),
            (relative(now, record.created), PLAIN),
            (relative(now, record.changed), PLAIN),
        ]);
    }
    table.print()?;
    if more {
        out::line(out::paint(DIM, format!("… and more; the latest {} are shown, see --limit", args.limit)))?;
    }
    Ok(Exit::Completed)
}

/// A status in words; one that is running although nobody drives it is called so.
pub(crate) fn words(record: &RunRecord) -> String {
    match (record.status, record.holder) {
        (RunStatus::Running, Holder::Nobody) => "interrupted".to_owned(),
        (status, _) => status.name().replace('_', " "),
    }
}

/// The stop event, without what is secret in it.
pub(crate) fn result(record: &RunRecord) -> Option<Value> {
    let stop = wire::ends(&record.workflow).map(|(_, stop)| stop);
    record.result.as_deref().map(|text| wire::covered(wire::stored(text), stop))
}

/// A run for scripts.
pub(crate) fn record_json(record: &RunRecord) -> Value {
    let parsed = |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({
        "run_id": &*record.run,
        "workflow": record.workflow,
        "parent": record.parent.as_deref(),
        "status": record.status.name(),
        "driven": record.holder != Holder::Nobody,
        "result": result(record),
        "error": parsed(&record.error),
        "created_at": date(record.created),
        "changed_at": date(record.changed),
        "due_at": record.due.map(date),
    })
}
