//! `stepcast gc`: removes runs that ended long ago.

use std::time::Duration;

use serde_json::json;
use stepcast::backend::{Backend, RunFilter, RunStatus, StorageError};
use stepcast::engine::Time;
use stepcast_sqlite::SqliteBackend;

use super::Outcome;
use super::validate::count;
use crate::app::App;
use crate::error::CliError;
use crate::exit::Exit;
use crate::store::Store;
use crate::text::{now, parse_length};
use crate::{find, out};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Runs that ended longer ago than this: 12h, 30d
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = parse_length)]
    older_than: Duration,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Results that calls of any run share, too, if they were kept longer ago than that
    #[arg(long)]
    cache: bool,
    /// Make the file smaller afterwards; it is written anew, which needs room
    #[arg(long)]
    vacuum: bool,
}

/// How many are removed in one transaction: others write between them.
const PAGE: usize = 500;

const ENDED: [RunStatus; 5] = [
    RunStatus::Completed,
    RunStatus::CompletedWithFailures,
    RunStatus::Failed,
    RunStatus::Cancelled,
    RunStatus::TimedOut,
];

pub(crate) fn execute(app: &App, args: &Args) -> Outcome {
    let age = u64::try_from(args.older_than.as_micros()).unwrap_or(u64::MAX);
    let before = Time(now().0.saturating_sub(age));
    let (runs, results, freed) = match &app.store {
        Store::File(file) if file.exists() && !args.dry_run => {
            let store = SqliteBackend::open(file)?;
            let size = |store: &SqliteBackend| store.file_info().map(|info| info.bytes);
            let was = size(&store)?;
            let runs = all_of(|limit| store.purge_ended(before, limit))?;
            let results = if args.cache { all_of(|limit| store.cache_purge(before, limit))? } else { 0 };
            if args.vacuum {
                store.compact()?;
            }
            (runs, results, was.saturating_sub(size(&store)?))
        }
        Store::Server(_) => return app.store.write().map(|_| Exit::Completed),
        store => (ended(&*store.read()?, before)?, 0, 0),
    };
    if app.json {
        out::json(&json!({
            "runs": runs, "cached_results": results, "dry_run": args.dry_run, "freed_bytes": freed, "before": crate::text::date(before),
        }))?;
        return Ok(Exit::Completed);
    }
    let mut removed = count(runs, "run");
    if args.cache && !args.dry_run {
        removed = format!("{removed} and {}", count(results, "cached result"));
    }
    match (args.dry_run, freed) {
        (true, _) => out::line(format!("{removed} would be removed"))?,
        (false, 0) => out::line(format!("{removed} removed"))?,
        (false, freed) => out::line(format!("{removed} removed, the file is {} smaller", bytes(freed)))?,
    }
    Ok(Exit::Completed)
}

/// Removes page by page, until a page is not full.
fn all_of(remove: impl Fn(usize) -> Result<usize, StorageError>) -> Result<usize, CliError> {
    let mut all = 0;
    loop {
        let removed = remove(PAGE)?;
        all += removed;
        if removed < PAGE {
            return Ok(all);
        }
    }
}

fn ended(store: &dyn Backend, before: Time) -> Result<usize, CliError> {
    let (filter, mut all) = (RunFilter { statuses: ENDED.to_vec(), ..RunFilter::default() }, 0);
    find::each(store, &filter, |record| {
        all += usize::from(record.changed < before);
        true
    })?;
    Ok(all)
}

/// A size for people.
pub(crate) fn bytes(bytes: u64) -> String {
    let size = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} kB", size / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", size / 1e6),
        _ => format!("{:.1} GB", size / 1e9),
    }
}
