//! Runs that begin and end many at a time: they go into the tables together, and each by itself is whole, or refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use stepcast_core::backend::*;
use stepcast_core::engine::Time;
use stepcast_sqlite::{FaultPoint, SqliteBackend, SqliteOptions};
use support::child::{Child, END, plan, say};
use support::*;

/// A store whose writer stands at the begin of a transaction while somebody has the gate, so that what is sent meanwhile
/// is one group.
struct Gated {
    backend: SqliteBackend,
    gate: Arc<Mutex<()>>,
}

impl Gated {
    fn new(folder: &Folder) -> Self {
        let gate = Arc::new(Mutex::new(()));
        let passed = gate.clone();
        let options = SqliteOptions::default().on_fault_point(move |point| {
            if point == FaultPoint::Begun {
                drop(passed.lock().unwrap());
            }
        });
        Gated { backend: options.open(folder.store()).unwrap(), gate }
    }

    fn group(&self, batches: Vec<Batch>) -> Vec<Result<(), WriteError>> {
        let count = batches.len();
        let (told, heard) = mpsc::channel();
        let closed = self.gate.lock().unwrap();
        for (at, batch) in batches.into_iter().enumerate() {
            let told = told.clone();
            self.backend.write(Box::new(batch), Done::new(move |result| drop(told.send((at, result)))));
        }
        drop(closed);
        let mut results: Vec<_> =
            (0..count).map(|_| heard.recv_timeout(Duration::from_secs(30)).expect("a receipt")).collect();
        results.sort_by_key(|(at, _)| *at);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

/// When a run ends; nearly each has its own.
fn moment(run: &str) -> Time {
    Time(10_000 + run.bytes().fold(0, |sum, byte| (31 * sum + u64::from(byte)) % 997))
}

fn end(run: &str, from: u64) -> Batch {
    let status = Some(StatusChange::Completed { result: format!("\"{run}\""), failures: 0 });
    let stop = StreamRow { tag: "Stop".to_owned(), ..event(1) };
    Batch { status, events: vec![stop], at: moment(run), ..rows(run, FIRST_FENCE, [from]) }
}

fn is_ended(backend: &SqliteBackend, run: &str) -> bool {
    let record = backend.run(run).unwrap().unwrap();
    if record.status == RunStatus::Running {
        assert_eq!(record.result, None, "of {run}");
        return false;
    }
    assert_eq!(record.status, RunStatus::Completed, "of {run}");
    assert_eq!((record.result, record.error), (Some(format!("\"{run}\"")), None));
    assert_eq!((record.changed, record.due, record.holder), (moment(run), None, Holder::Nobody), "of {run}");
    assert_eq!(backend.events(run, 0, 9).unwrap().len(), 1, "of {run}");
    true
}

#[test]
fn of_many_new_runs_those_that_are_there_are_refused_and_no_others() {
    let folder = Folder::new();
    let store = Gated::new(&folder);
    for run in ["ended", "held"] {
        create(&store.backend, run);
    }
    write(&store.backend, end("ended", 1)).unwrap();
    // One that this instance knows, one that only the table knows, one that came just before, and all of them.
    for (turn, taken) in [&["held"][..], &["ended"], &["1"], &["held", "ended", "1"]].into_iter().enumerate() {
        let name = |n: &str| if n.parse::<u64>().is_ok() { format!("{turn}-{n}") } else { n.to_owned() };
        let mut names: Vec<String> = (0..40).map(|n| name(&n.to_string())).collect();
        for (at, again) in taken.iter().enumerate() {
            names.insert(7 + 9 * at, name(again));
        }
        let mut batches: Vec<Batch> = names.iter().map(|run| creation(run)).collect();
        // Their first rows are in the same group.
        batches.extend((0..40).map(|n| rows(&name(&n.to_string()), FIRST_FENCE, [1])));
        let results = store.group(batches);
        for (at, result) in results.iter().enumerate() {
            let again = at < names.len() && (0..taken.len()).any(|nth| 7 + 9 * nth == at);
            match result {
                Err(WriteError::RunExists { run }) => assert!(again && **run == *names[at], "{run} in turn {turn}"),
                result => assert!(result.is_ok() && !again, "{result:?} at {at} in turn {turn}"),
            }
        }
        for n in 0..40 {
            assert_eq!(numbers(&store.backend.load(&name(&n.to_string())).unwrap()), [1]);
        }
    }
    let cursors: BTreeSet<u64> = (0..4)
        .flat_map(|turn| (0..40).map(move |n| format!("{turn}-{n}")))
        .map(|run| store.backend.run(&run).unwrap().unwrap().cursor.0)
        .collect();
    assert_eq!(cursors.len(), 160);
    assert!(is_ended(&store.backend, "ended") && !is_ended(&store.backend, "held"));
    assert!(store.backend.check().unwrap().damage.is_empty());
}

#[test]
fn a_run_that_failed_does_not_go_on_because_it_is_created_again() {
    let folder = Folder::new();
    let store = Gated::new(&folder);
    create(&store.backend, "a");
    assert!(matches!(write(&store.backend, rows("a", 1, [2])), Err(WriteError::RowGap { .. })));
    let results = store.group(vec![creation("b"), creation("a"), rows("a", 1, [1]), creation("c")]);
    assert!(matches!(results[1], Err(WriteError::RunExists { .. })), "{results:?}");
    assert!(matches!(results[2], Err(WriteError::Stopped { .. })), "{results:?}");
    assert!(results[0].is_ok() && results[3].is_ok(), "{results:?}");
}

#[test]
fn runs_of_one_group_begin_go_on_and_end() {
    let folder = Folder::new();
    let store = Gated::new(&folder);
    let names: Vec<String> = (0..50).map(|n| format!("r{n}")).collect();
    let long = "x".repeat(100_000);
    let mut batches = Vec::new();
    for (n, run) in names.iter().enumerate() {
        let mut new = creation(run);
        if let (Some(new), 0) = (&mut new.created, n % 10) {
            new.start = format!("\"{long}\"");
            new.parent = Some(id("parent"));
        }
        batches.push(new);
        if n % 3 == 0 {
            let due = n.is_multiple_of(2).then_some(Due::At(Time(9)));
            batches.push(Batch { due, ..rows(run, FIRST_FENCE, [1]) });
            batches.push(end(run, 2));
        } else if n % 3 == 1 {
            // What the run is sent finds it.
            let letters = vec![letter(run, "1", None), letter(&names[n - 1], "2", None)];
            batches.push(Batch { letters, ..rows(run, FIRST_FENCE, [1]) });
        } else {
            let due = Some(Due::At(Time(7)));
            batches.push(Batch { due, status: Some(StatusChange::Waiting), ..batch(run, FIRST_FENCE) });
        }
    }
    assert!(store.group(batches).iter().all(Result::is_ok));
    drop(store);
    let backend = SqliteBackend::open(folder.store()).unwrap();
    let mail = |run: &str| backend.mail(run, 0).unwrap().len();
    for (n, run) in names.iter().enumerate() {
        let stored = backend.load(run).unwrap();
        assert_eq!(stored.start.len(), if n % 10 == 0 { 100_002 } else { 19 });
        assert_eq!(stored.record.parent.is_some(), n % 10 == 0);
        match n % 3 {
            // Its neighbour's letter came too late.
            0 => assert!(is_ended(&backend, run) && numbers(&stored) == [1, 2] && mail(run) == 0),
            1 => assert_eq!((numbers(&stored), mail(run)), (vec![1], 1)),
            _ => assert_eq!((stored.record.due, stored.record.status), (Some(Time(7)), RunStatus::Waiting)),
        }
    }
    assert!(backend.check().unwrap().damage.is_empty());
}

#[test]
fn two_instances_create_runs_by_turns_and_no_place_is_given_twice() {
    let folder = Folder::new();
    let (a, b) = (Gated::new(&folder), SqliteBackend::open(folder.store()).unwrap());
    for turn in 0..3 {
        let mine: Vec<Batch> = (0..20).map(|n| creation(&format!("a{turn}-{n}"))).collect();
        assert!(a.group(mine).iter().all(Result::is_ok));
        create(&b, &format!("b{turn}"));
    }
    write(&b, end("b2", 1)).unwrap();
    let last = b.run("b2").unwrap().unwrap().cursor.0;
    assert_eq!(last, 63);
    // The others cannot have it: it is forgotten, and its place is not.
    let results = a.group(vec![creation("a3"), creation("b2")]);
    assert!(results[0].is_ok() && matches!(results[1], Err(WriteError::RunExists { .. })), "{results:?}");
    write(&a.backend, end("a3", 1)).unwrap();
    let last = b.run("a3").unwrap().unwrap().cursor.0;
    b.purge("a3").unwrap();
    assert!(a.group(vec![creation("a4"), creation("a5")]).iter().all(Result::is_ok));
    assert!(a.backend.run("a4").unwrap().unwrap().cursor.0 > last);
    assert!(b.check().unwrap().damage.is_empty());
}

const WAVES: u64 = 6;
const WIDTH: u64 = 24;

fn name(wave: u64, n: u64) -> String {
    format!("w{wave}-{n}")
}

/// What a child does; a test of no meaning by itself, which only does something when it is started as a child.
#[test]
fn child() {
    let Some((store, options, _)) = plan() else { return };
    let backend = options.open(store).unwrap();
    let send = |batch: Batch, word: String| {
        backend.write(Box::new(batch), Done::new(move |result| say(&format!("{word} {}", result.is_ok()))));
    };
    for wave in 0..WAVES {
        for n in 0..WIDTH {
            send(Batch { rows: vec![row(1)], ..creation(&name(wave, n)) }, format!("begun {}", name(wave, n)));
            // Those of the wave before end while others begin.
            if wave > 0 && n % 3 > 0 {
                send(end(&name(wave - 1, n), 2), format!("ended {}", name(wave - 1, n)));
            }
        }
        if wave == 3 {
            // One that is there makes the group be written again.
            backend.write(Box::new(creation(&name(0, 1))), Done::new(|result| assert!(result.is_err())));
        }
        let _ = backend.claim(&["nobody"]);
    }
    backend.close().unwrap();
    say(END);
}

fn die_at(folder: &Folder, fatal: u64) -> (HashSet<String>, HashSet<String>) {
    let child = Child::start(&folder.store(), fatal);
    let (mut begun, mut ended) = (HashSet::new(), HashSet::new());
    let killed = child.listen(|said| {
        match said.split(' ').collect::<Vec<_>>()[..] {
            ["begun", run, "true"] => begun.insert(run.to_owned()),
            ["ended", run, "true"] => ended.insert(run.to_owned()),
            _ => panic!("{said}"),
        };
    });
    child.end(killed);
    (begun, ended)
}

#[test]
fn runs_that_began_or_ended_are_whole_wherever_the_process_is_killed() {
    let mut over = 0;
    for seed in 0..80_u64 {
        // The first points one by one, the later ones spread.
        let fatal = if seed < 60 { seed } else { 60 + (seed - 60) * 40 };
        let folder = Folder::new();
        let (begun, ended) = die_at(&folder, fatal);
        let backend = SqliteBackend::open(folder.store()).unwrap();
        assert!(backend.check().unwrap().damage.is_empty(), "point {fatal}");
        for (at, run) in (0..WAVES).flat_map(|wave| (0..WIDTH).map(move |n| name(wave, n))).enumerate() {
            let tried = at % 7 == 0;
            let stored = match backend.load(&run) {
                Ok(stored) => stored,
                Err(LoadError::UnknownRun { .. }) => {
                    assert!(!begun.contains(&run), "{run} was acknowledged, at point {fatal}");
                    if tried {
                        create(&backend, &run);
                    }
                    continue;
                }
                Err(error) => panic!("{run}: {error}"),
            };
            assert_eq!(stored.start, "{\"topic\":\"pirates\"}");
            let is_over = is_ended(&backend, &run);
            over += u64::from(is_over);
            assert!(is_over || !ended.contains(&run), "the end of {run} was acknowledged, at point {fatal}");
            assert_eq!(numbers(&stored), if is_over { vec![1, 2] } else { vec![1] });
            if tried {
                assert!(matches!(write(&backend, creation(&run)), Err(WriteError::RunExists { .. })));
            }
        }
    }
    // The later points are past the end of some.
    assert!(over > 0);
}
