//! What is looked at, from the outside in: the file, its place, its content, the runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stepcast::Catalogue;
use stepcast::backend::{Backend, Holder, RunFilter, RunRecord, RunStatus};
use stepcast::engine::Time;
use stepcast_sqlite::{SqliteBackend, SqliteOptions};

use super::disk::{file_system, is_network};
use super::{Finding, Verdict};
use crate::app::App;
use crate::commands::gc::bytes;
use crate::commands::validate::count;
use crate::error::CliError;
use crate::find;
use crate::store::Store;
use crate::text::{now, relative, short};

/// How many runs are named.
const NAMED: usize = 5;
/// A write-ahead log that is larger than this is not being emptied.
const LARGE_LOG: u64 = 256 << 20;

pub(super) fn look(app: &App, quick: bool) -> Result<Vec<Finding>, CliError> {
    let mut found = vec![Finding::new(Verdict::Good, "command", format!("stepcast {}", env!("CARGO_PKG_VERSION")))];
    found.push(workflows(app));
    let file = match &app.store {
        Store::Memory => {
            found.push(Finding::new(Verdict::Note, "store", "in memory: nothing is kept"));
            return Ok(found);
        }
        // The same sentence as every other command has.
        Store::Nowhere | Store::Server(_) => return app.store.write().map(|_| found),
        Store::File(file) => file,
    };
    if !file.exists() {
        found.push(
            Finding::new(Verdict::Note, "store", format!("{}: no file yet", file.display()))
                .help("it is made by the first run"),
        );
        return Ok(found);
    }
    place(app, file, &mut found);
    let store = match SqliteOptions::default().read_only().open(file) {
        Ok(store) => store,
        Err(error) => {
            found.push(Finding::new(Verdict::Bad, "file", error.to_string()).help("restore the file from a copy"));
            return Ok(found);
        }
    };
    content(app, &store, quick, &mut found);
    match live(&store) {
        Ok(live) => runs(app, &live, &mut found),
        Err(error) => found.push(Finding::new(Verdict::Bad, "runs", error.message())),
    }
    Ok(found)
}

fn workflows(app: &App) -> Finding {
    match Catalogue::global() {
        Ok(all) => {
            let (all, bad): (Vec<&_>, Vec<&_>) = all.workflows().partition(|flow| (flow.define)().is_ok());
            match bad.len() {
                0 => Finding::new(Verdict::Good, "workflows", format!("{} linked", all.len())),
                many => Finding::new(Verdict::Bad, "workflows", format!("{} with faults", count(many, "workflow")))
                    .help(app.command("validate")),
            }
        }
        Err(error) => Finding::new(Verdict::Bad, "workflows", error.to_string()),
    }
}

/// The file and what it lies on.
fn place(app: &App, file: &Path, found: &mut Vec<Finding>) {
    let size = std::fs::metadata(file).map_or(0, |meta| meta.len());
    found.push(Finding::new(Verdict::Good, "store", format!("{}, {}", file.display(), bytes(size))));
    match file_system(file) {
        Some(kind) if is_network(&kind) => found.push(
            Finding::new(
                Verdict::Attention,
                "disk",
                format!("{kind}: a network file system, where locks may not hold"),
            )
            .help("keep the store on a local disk"),
        ),
        Some(kind) => found.push(Finding::new(Verdict::Good, "disk", kind)),
        None => found.push(Finding::new(Verdict::Note, "disk", "the kind of file system is not known")),
    }
    if std::fs::metadata(file).is_ok_and(|meta| meta.permissions().readonly()) {
        found
            .push(Finding::new(Verdict::Attention, "access", "the file is write-protected").help("chmod u+w the file"));
    }
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let log = std::fs::metadata(PathBuf::from(log)).map_or(0, |meta| meta.len());
    if log > LARGE_LOG {
        found
            .push(Finding::new(Verdict::Attention, "log", format!("the write-ahead log has {}", bytes(log))).help(
                format!("a process has been reading for very long; end it, then {}", app.command("gc --vacuum")),
            ));
    }
}

/// What is in the file.
fn content(app: &App, store: &SqliteBackend, quick: bool, found: &mut Vec<Finding>) {
    match store.file_info() {
        Ok(info) => {
            let text = format!("format {}, SQLite {}", info.format, info.sqlite);
            found.push(Finding::new(Verdict::Good, "format", text));
            if info.free_bytes > info.bytes / 2 && info.free_bytes > 10_000_000 {
                found.push(
                    Finding::new(Verdict::Note, "room", format!("{} of the file are free", bytes(info.free_bytes)))
                        .help(app.command("gc --vacuum")),
                );
            }
        }
        Err(error) => found.push(Finding::new(Verdict::Bad, "format", error.to_string())),
    }
    if quick {
        return;
    }
    match store.check() {
        Ok(report) if report.damage.is_empty() => {
            found.push(Finding::new(
                Verdict::Good,
                "content",
                format!("{} read, no damage", count(report.runs, "run")),
            ));
        }
        Ok(report) => {
            let lines: Vec<String> = report.damage.iter().take(NAMED).map(ToString::to_string).collect();
            let more = report.damage.len().saturating_sub(NAMED);
            let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
            found.push(
                Finding::new(Verdict::Bad, "content", lines.join("\n") + &more)
                    .help("stop what uses the file, and restore it from a copy"),
            );
        }
        Err(error) => found.push(Finding::new(Verdict::Bad, "content", error.to_string())),
    }
}

/// The runs that have not ended, and how many have.
struct Live {
    all: usize,
    open: Vec<RunRecord>,
    mailed: Vec<RunRecord>,
}

fn live(store: &dyn Backend) -> Result<Live, CliError> {
    let mut live = Live { all: 0, open: Vec::new(), mailed: Vec::new() };
    find::each(store, &RunFilter::default(), |record| {
        live.all += 1;
        if !record.status.is_end() {
            live.open.push(record);
        }
        true
    })?;
    find::each(store, &RunFilter { mailed: true, ..RunFilter::default() }, |record| {
        live.mailed.push(record);
        true
    })?;
    Ok(live)
}

fn runs(app: &App, live: &Live, found: &mut Vec<Finding>) {
    let now = now();
    let with = |status: RunStatus| live.open.iter().filter(|run| run.status == status).count();
    let driven = live.open.iter().filter(|run| run.holder != Holder::Nobody).count();
    found.push(Finding::new(
        Verdict::Good,
        "runs",
        format!(
            "{} in all, {} running, {} waiting, {driven} driven by a process",
            live.all,
            with(RunStatus::Running),
            with(RunStatus::Waiting)
        ),
    ));
    let alone = |run: &&RunRecord| run.holder == Holder::Nobody;
    let interrupted: Vec<&RunRecord> =
        live.open.iter().filter(alone).filter(|run| run.status == RunStatus::Running).collect();
    tell(&interrupted, found, |runs| {
        Finding::new(Verdict::Attention, "runs", format!("interrupted, with nobody to go on: {runs}"))
            .help(format!("{}, or start the program that has their workflows", app.command("resume RUN")))
    });
    let overdue = |run: &&RunRecord| run.due.is_some_and(|due| due < now);
    let late: Vec<&RunRecord> = live.open.iter().filter(alone).filter(overdue).collect();
    tell(&late, found, |runs| {
        Finding::new(Verdict::Attention, "timers", format!("past their time, with nobody to wake them: {runs}"))
            .help(app.command("resume RUN"))
    });
    let unread: Vec<&RunRecord> = live.mailed.iter().filter(alone).collect();
    tell(&unread, found, |runs| {
        Finding::new(Verdict::Attention, "mail", format!("with answers or events that nobody has taken: {runs}"))
            .help(app.command("resume RUN"))
    });
    let day = 24 * 3_600 * 1_000_000;
    let still = |run: &&RunRecord| {
        run.holder != Holder::Nobody && run.status == RunStatus::Running && now.0.saturating_sub(run.changed.0) > day
    };
    let still: Vec<&RunRecord> = live.open.iter().filter(still).collect();
    tell(&still, found, |runs| Finding::new(Verdict::Note, "runs", format!("running for more than a day: {runs}")));
    unlinked(app, live, now, found);
}

/// Workflows of runs that have not ended and that this binary does not have.
fn unlinked(app: &App, live: &Live, now: Time, found: &mut Vec<Finding>) {
    let known: Vec<String> = match app.definitions() {
        Ok(all) => all.into_keys().collect(),
        // The faults are told of above; the names are there all the same.
        Err(_) => {
            Catalogue::global().into_iter().flat_map(Catalogue::workflows).map(|flow| flow.name.to_owned()).collect()
        }
    };
    let mut missing: BTreeMap<&str, (usize, Time)> = BTreeMap::new();
    // Runs of graphs have their documents with them.
    let unknown = |run: &&RunRecord| run.definition.is_none() && !known.contains(&run.workflow);
    for run in live.open.iter().filter(unknown).filter(|run| run.holder == Holder::Nobody) {
        let (runs, oldest) = missing.entry(&run.workflow).or_insert((0, run.created));
        *runs += 1;
        *oldest = (*oldest).min(run.created);
    }
    for (workflow, (runs, oldest)) in missing {
        let text = format!(
            "`{workflow}` is not in this binary; {} of it since {}",
            count(runs, "open run"),
            relative(now, oldest)
        );
        found.push(
            Finding::new(Verdict::Attention, "unclaimed", text)
                .help("resume them with the binary that has the workflow"),
        );
    }
}

fn tell(runs: &[&RunRecord], found: &mut Vec<Finding>, finding: impl FnOnce(String) -> Finding) {
    if runs.is_empty() {
        return;
    }
    let mut names: Vec<&str> = runs.iter().take(NAMED).map(|run| short(&run.run)).collect();
    let more = format!("and {} more", runs.len().saturating_sub(NAMED));
    if runs.len() > NAMED {
        names.push(&more);
    }
    found.push(finding(names.join(", ")));
}
