//! A process whose runs write many rows in one piece, killed with SIGKILL between any two steps of its writer: every row that
//! anybody was told of is there, and no run has a gap.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use std::sync::{Arc, mpsc};

use stepcast_core::backend::*;
use stepcast_sqlite::SqliteBackend;
use support::child::{Child, END, plan, say};
use support::desk::Desk;
use support::*;

const RUNS: usize = 24;
const ROWS: u64 = 12;

fn name(run: usize) -> String {
    format!("run-{run}")
}

/// What a child does; a test of no meaning by itself, which only does something when it is started as a child.
#[test]
fn child() {
    let Some((store, options, _)) = plan() else { return };
    let backend = options.open(store).unwrap();
    let desk = Arc::<Desk>::default();
    let (told, heard) = mpsc::channel();
    for run in 0..RUNS {
        backend.write(Box::new(creation(&name(run))), desk.tell(run, told.clone()));
    }
    let mut left = RUNS;
    while left > 0 {
        let (run, Receipt { result, spent }) = heard.recv().unwrap();
        result.unwrap();
        let mut batch = spent.unwrap();
        let n = batch.rows.first().map_or(0, |row| row.n);
        say(&format!("{run} {n}"));
        if n == ROWS {
            left -= 1;
            continue;
        }
        (batch.created, batch.rows) = (None, vec![row(n + 1)]);
        backend.write(batch, desk.tell(run, told.clone()));
    }
    assert!(desk.lines() > RUNS, "{} lines", desk.lines());
    backend.close().unwrap();
    say(END);
}

/// The last row that each run was told of, and whether the process was killed.
fn die_at(folder: &Folder, fatal: u64) -> (Vec<Option<u64>>, bool) {
    let child = Child::start(&folder.store(), fatal);
    let mut last = vec![None; RUNS];
    let killed = child.listen(|said| match said.split(' ').collect::<Vec<_>>()[..] {
        [run, n] => last[run.parse::<usize>().unwrap()] = Some(n.parse().unwrap()),
        _ => panic!("{said}"),
    });
    child.end(killed);
    (last, killed)
}

#[test]
fn no_row_that_was_acknowledged_is_lost_at_any_fault_point() {
    let mut ended = 0;
    for seed in 0..120_u64 {
        // The first points one by one, the later ones spread over all of them.
        let fatal = if seed < 40 { seed } else { 40 + (seed - 40) * 7 };
        let folder = Folder::new();
        let (acknowledged, killed) = die_at(&folder, fatal);
        ended += u64::from(!killed);
        println!("killed at point {fatal}: {killed}");
        let backend = SqliteBackend::open(folder.store()).unwrap();
        assert!(backend.check().unwrap().damage.is_empty());
        for (run, acknowledged) in acknowledged.into_iter().enumerate() {
            let stored = match backend.load(&name(run)) {
                Ok(stored) => numbers(&stored),
                Err(LoadError::UnknownRun { .. }) if acknowledged.is_none() => continue,
                Err(error) => panic!("{error}"),
            };
            let last = stored.len() as u64;
            assert_eq!(stored, (1..=last).collect::<Vec<_>>(), "run {run}");
            assert!(last >= acknowledged.unwrap_or(0), "run {run}: {last} rows, {acknowledged:?} acknowledged");
            // Whoever takes it over goes on there.
            let fence = claim(&backend, &name(run)).unwrap();
            write(&backend, rows(&name(run), fence, [last + 1])).unwrap();
        }
    }
    assert!(ended < 30, "too few children reach their fault point: {ended} came to their end");
}
