//! Batches of one row that many runs write at once: they go to the writer in one piece, and come back in one. Each is written
//! or refused as it would be by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use stepcast_core::backend::*;
use stepcast_sqlite::{FaultPoint, SqliteBackend, SqliteOptions};
use support::desk::Desk;
use support::*;

/// A store whose writer stands at the begin of a transaction while somebody has the gate.
struct Store {
    backend: SqliteBackend,
    gate: Arc<Mutex<()>>,
    desk: Arc<Desk>,
}

impl Store {
    fn new(folder: &Folder, options: SqliteOptions) -> Self {
        let gate = Arc::new(Mutex::new(()));
        let passed = gate.clone();
        let options = options.on_fault_point(move |point| {
            if point == FaultPoint::Begun {
                drop(passed.lock().unwrap());
            }
        });
        Store { backend: options.open(folder.store()).unwrap(), gate, desk: Arc::default() }
    }

    /// Writes batches as one group; without `lines`, each comes by itself.
    fn group(&self, batches: Vec<Batch>, lines: bool) -> Vec<Receipt> {
        let count = batches.len();
        let (told, heard) = mpsc::channel();
        let closed = self.gate.lock().unwrap();
        for (at, batch) in batches.into_iter().enumerate() {
            let told = told.clone();
            let done = match lines {
                true => self.desk.tell(at, told),
                false => Done::new(move |result| drop(told.send((at, Receipt::of(result))))),
            };
            self.backend.write(Box::new(batch), done);
        }
        drop(closed);
        let mut receipts: Vec<_> = (0..count).map(|_| receipt(&heard)).collect();
        receipts.sort_by_key(|(at, _)| *at);
        receipts.into_iter().map(|(_, receipt)| receipt).collect()
    }

    /// New runs, with the keys that the store has for them.
    fn create(&self, runs: &[String]) -> BTreeMap<String, u64> {
        let receipts = self.group(runs.iter().map(|run| creation(run)).collect(), true);
        let keys = receipts.into_iter().map(|receipt| receipt.result.map(|()| receipt.spent.unwrap().key).unwrap());
        runs.iter().cloned().zip(keys).collect()
    }

    fn in_lines(&self) -> usize {
        self.desk.lines()
    }

    fn numbers_of(&self, run: &str) -> Vec<u64> {
        numbers(&self.backend.load(run).unwrap())
    }
}

fn receipt(heard: &mpsc::Receiver<(usize, Receipt)>) -> (usize, Receipt) {
    heard.recv_timeout(Duration::from_secs(30)).expect("a receipt")
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|run| format!("run-{run}")).collect()
}

fn line(keys: &BTreeMap<String, u64>, run: &str, fence: u64, n: u64) -> Batch {
    Batch { key: keys[run], ..rows(run, fence, [n]) }
}

/// Errors have no other way to be compared.
fn result(receipt: &Receipt) -> String {
    format!("{:?}", receipt.result)
}

fn refusal(error: WriteError) -> String {
    format!("{:?}", Err::<(), _>(error))
}

fn is_ok(receipt: &Receipt) -> bool {
    receipt.result.is_ok()
}

/// Numbers as they come from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn rows_of_many_runs_come_back_together_and_are_there() {
    let folder = Folder::new();
    let store = Store::new(&folder, SqliteOptions::default());
    let runs = names(64);
    let keys = store.create(&runs);
    assert_eq!(keys.values().collect::<BTreeSet<_>>().len(), 64, "each run has a key of its own");
    for n in 1..=5 {
        let receipts = store.group(runs.iter().map(|run| line(&keys, run, FIRST_FENCE, n)).collect(), true);
        assert!(receipts.iter().all(is_ok));
        assert!(receipts.iter().zip(&runs).all(|(receipt, run)| *receipt.spent.as_ref().unwrap().run == **run));
        // The first one is in a transaction already when the others come, and joined by them.
        assert_eq!(store.in_lines(), 64 * n as usize);
    }
    for run in &runs {
        let stored = store.backend.load(run).unwrap();
        assert_eq!(stored.rows, (1..=5).map(row).collect::<Vec<_>>());
    }
}

#[test]
fn a_line_that_may_not_be_written_is_refused_by_itself() {
    let folder = Folder::new();
    let store = Store::new(&folder, SqliteOptions::default());
    let runs = names(6);
    let keys = store.create(&runs);
    let fence = claim(&store.backend, "run-2").unwrap();
    assert!(is_ok(&store.group(vec![end("run-3")], true)[0]));
    let unknown = Batch { key: 9_999, ..rows("nobody", FIRST_FENCE, [1]) };
    let batches = vec![
        line(&keys, "run-0", FIRST_FENCE, 1),
        line(&keys, "run-1", FIRST_FENCE, 2),
        line(&keys, "run-2", FIRST_FENCE, 1),
        line(&keys, "run-3", FIRST_FENCE, 1),
        unknown,
        line(&keys, "run-1", FIRST_FENCE, 1),
        line(&keys, "run-4", FIRST_FENCE, 1),
        line(&keys, "run-4", FIRST_FENCE, 2),
    ];
    let results: Vec<_> = store.group(batches, true).iter().map(result).collect();
    let ok = "Ok(())";
    assert_eq!(results[0], ok);
    assert_eq!(results[1], refusal(WriteError::RowGap { run: id("run-1"), expected: 1, found: 2 }));
    assert_eq!(results[2], refusal(WriteError::FencedOff { run: id("run-2"), fence: FIRST_FENCE, current: fence }));
    assert_eq!(results[3], refusal(WriteError::Ended { run: id("run-3") }));
    assert_eq!(results[4], refusal(WriteError::UnknownRun { run: id("nobody") }));
    // After a gap nothing of the run is written until it is claimed anew.
    assert_eq!(results[5], refusal(WriteError::Stopped { run: id("run-1") }));
    assert_eq!(results[6..], [ok, ok]);
    let found: Vec<_> = runs.iter().map(|run| store.numbers_of(run)).collect();
    assert_eq!(found, [vec![1], vec![], vec![], vec![], vec![1, 2], vec![]]);

    let again = store.group(vec![line(&keys, "run-1", FIRST_FENCE, 1), line(&keys, "run-2", fence, 1)], true);
    assert_eq!(result(&again[0]), refusal(WriteError::Stopped { run: id("run-1") }));
    assert!(is_ok(&again[1]));
}

/// One thing that happens to a run.
fn random_batch(random: &mut Random, keys: &BTreeMap<String, u64>, next: &mut BTreeMap<String, (u64, u64)>) -> Batch {
    let run = format!("run-{}", random.below(keys.len() as u64));
    let (n, seq) = next.get_mut(&run).unwrap();
    match random.below(40) {
        0 => line(keys, &run, FIRST_FENCE, *n + 1),
        1 => line(keys, &run, FIRST_FENCE + 1, *n),
        2..=6 => {
            let batch = Batch { events: vec![event(*seq)], ..line(keys, &run, FIRST_FENCE, *n) };
            (*n, *seq) = (*n + 1, *seq + 1);
            batch
        }
        7 => Batch { key: keys[&run], ..end(&run) },
        8..=9 => {
            let batch = Batch { key: keys[&run], ..rows(&run, FIRST_FENCE, [*n, *n + 1]) };
            *n += 2;
            batch
        }
        10 => {
            let long = JournalRow { n: *n, data: vec![b'x'; 9_000] };
            let batch = Batch { key: keys[&run], rows: vec![long], ..batch(&run, FIRST_FENCE) };
            *n += 1;
            batch
        }
        11 => Batch { inputs: vec![question(*n)], key: keys[&run], ..batch(&run, FIRST_FENCE) },
        _ => {
            let batch = line(keys, &run, FIRST_FENCE, *n);
            *n += 1;
            batch
        }
    }
}

#[test]
fn what_lines_do_is_what_the_same_batches_do_one_by_one() {
    for seed in 0..12 {
        println!("seed {seed}");
        let folders = [Folder::new(), Folder::new()];
        let stores = folders.each_ref().map(|folder| Store::new(folder, SqliteOptions::default()));
        let mut runs = names(24);
        let keys = stores[0].create(&runs);
        assert_eq!(keys, stores[1].create(&runs));
        let mut random = Random(seed);
        let mut next: BTreeMap<_, _> = runs.iter().map(|run| (run.clone(), (1, 1))).collect();
        for group in 0..12 {
            let size = 1 + random.below(90);
            let mut batches: Vec<_> = (0..size).map(|_| random_batch(&mut random, &keys, &mut next)).collect();
            // New runs among them, one of which is there already: the whole group is written twice.
            let new = format!("new-{seed}-{group}");
            let twice = if random.below(3) == 0 { "run-0" } else { &new };
            for run in [&new, twice] {
                let at = random.below(batches.len() as u64 + 1) as usize;
                batches.insert(at, creation(run));
            }
            runs.push(new);
            let [together, alone] =
                [(&stores[0], true), (&stores[1], false)].map(|(store, lines)| store.group(batches.clone(), lines));
            let results = |receipts: Vec<Receipt>| receipts.iter().map(result).collect::<Vec<_>>();
            assert_eq!(results(together), results(alone), "group {group}");
            if random.below(4) == 0 {
                // Another process writes: what is known of all leases has to be asked again.
                for (store, folder) in stores.iter().zip(&folders) {
                    create(&SqliteBackend::open(folder.store()).unwrap(), &format!("other-{group}"));
                    assert!(store.numbers_of(&format!("other-{group}")).is_empty());
                }
            }
        }
        assert!(stores[0].in_lines() > 100, "{} batches were lines", stores[0].in_lines());
        assert_eq!(stores[1].in_lines(), 0);
        for run in &runs {
            let [one, other] = stores.each_ref().map(|store| store.backend.load(run).unwrap());
            assert_eq!((one.rows, one.snapshot), (other.rows, other.snapshot), "{run}");
        }
        for store in &stores {
            assert!(store.backend.check().unwrap().damage.is_empty());
        }
    }
}

fn end(run: &str) -> Batch {
    let status = Some(StatusChange::Completed { result: format!("\"{run}\""), failures: 0 });
    Batch { status, ..batch(run, FIRST_FENCE) }
}

#[test]
fn of_a_full_store_each_line_learns_whether_it_is_there() {
    let folder = Folder::new();
    let store = Store::new(&folder, SqliteOptions::default().max_pages(60));
    let runs = names(32);
    let keys = store.create(&runs);
    let mut there: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut refused = 0;
    for n in 1..=40 {
        let data = || vec![JournalRow { n, data: vec![b'x'; 500] }];
        let batches = runs.iter().map(|run| Batch { rows: data(), ..line(&keys, run, FIRST_FENCE, n) });
        for (receipt, run) in store.group(batches.collect(), true).into_iter().zip(&runs) {
            match receipt.result {
                Ok(()) => there.entry(run).or_default().push(n),
                Err(WriteError::Storage(StorageError::Full { .. }) | WriteError::Stopped { .. }) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(refused > 0 && store.in_lines() > 0, "{refused} refused, {} in lines", store.in_lines());
    for (run, numbers) in there {
        assert_eq!(store.numbers_of(run), numbers, "{run}");
    }
}

#[test]
fn lines_that_come_while_the_store_closes_are_written_or_told() {
    for round in 0..20 {
        let folder = Folder::new();
        let store = Arc::new(Store::new(&folder, SqliteOptions::default()));
        let runs = names(16);
        let keys = store.create(&runs);
        let (told, heard) = mpsc::channel();
        let closing = {
            let store = Arc::clone(&store);
            std::thread::spawn(move || store.backend.close())
        };
        for (at, run) in runs.iter().enumerate() {
            let done = store.desk.tell(at, told.clone());
            store.backend.write(Box::new(line(&keys, run, FIRST_FENCE, 1)), done);
        }
        closing.join().unwrap().unwrap();
        drop(told);
        let receipts: Vec<_> = (0..runs.len()).map(|_| receipt(&heard)).collect();
        assert!(heard.try_recv().is_err(), "nobody is told twice");
        let again = SqliteBackend::open(folder.store()).unwrap();
        for (at, Receipt { result, .. }) in receipts {
            let found = numbers(&again.load(&runs[at]).unwrap());
            match result {
                Ok(()) => assert_eq!(found, [1], "round {round}"),
                Err(WriteError::Storage(StorageError::Closed)) => assert!(found.is_empty(), "round {round}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
