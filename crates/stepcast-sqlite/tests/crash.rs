//! A process that is killed with SIGKILL between any two steps of its writer loses nothing that it acknowledged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use stepcast_core::backend::*;
use stepcast_core::engine::Time;
use stepcast_sqlite::SqliteBackend;
use support::child::{Child, END, plan, say};
use support::*;

/// Seeds of this test; each is a process of its own.
const SEEDS: u64 = 300;
const RUNS: u64 = 6;
const ROUNDS: u64 = 12;

/// A small generator: the same numbers for the same seed.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// Round `k` of a run writes rows 2k-1 and 2k, event k, input k and the deadline k, and sends letter k to the next run, so
/// that half a batch shows.
fn round(r: u64, fence: u64, k: u64) -> Batch {
    let next = format!("r{}", (r + 1) % RUNS);
    Batch {
        letters: vec![letter(&next, &k.to_string(), None)],
        events: vec![event(k)],
        inputs: vec![question(k)],
        due: Some(Due::At(Time(k))),
        snapshot: k
            .is_multiple_of(5)
            .then(|| Box::new(SnapshotRow { covers: 2 * k - 3, data: k.to_string().into_bytes() })),
        ..rows(&format!("r{r}"), fence, [2 * k - 1, 2 * k])
    }
}

/// What a child does; a test of no meaning by itself, which only does something when it is started as a child.
#[test]
fn child() {
    let Some((store, options, fatal)) = plan() else { return };
    let backend: Arc<dyn Backend> = Arc::new(options.open(store).unwrap());
    let mut rng = Rng(fatal);
    for r in 0..RUNS {
        let run = format!("r{r}");
        backend.write(Box::new(creation(&run)), Done::new(move |result| say(&format!("{r} 0 {}", result.is_ok()))));
    }
    for k in 1..=ROUNDS {
        for r in 0..RUNS {
            let acknowledged = Done::new(move |result| say(&format!("{r} {k} {}", result.is_ok())));
            backend.write(Box::new(round(r, 1, k)), acknowledged);
        }
        // Groups of different sizes: sometimes everybody waits, sometimes more is queued.
        if rng.below(3) == 0 {
            let _ = backend.answer(answer(&format!("r{}", rng.below(RUNS)), k, "ada")).map(|()| say("answered"));
        }
    }
    backend.close().unwrap();
    say(END);
}

/// Reads what a child says until it wants to be killed or is at its end.
fn listen(child: &Child) -> (HashMap<u64, u64>, u64, bool) {
    let (mut acknowledged, mut answered) = (HashMap::new(), 0);
    let killed = child.listen(|said| match said {
        "answered" => answered += 1,
        _ => {
            let words: Vec<&str> = said.split(' ').collect();
            assert_eq!(words[2], "true", "{said}");
            acknowledged.insert(words[0].parse().unwrap(), words[1].parse().unwrap());
        }
    });
    (acknowledged, answered, killed)
}

/// What is stored is whole batches, at least those acknowledged, and it can be gone on with.
fn verify(backend: &SqliteBackend, acknowledged: &HashMap<u64, u64>, answered: u64) {
    let report = backend.check().unwrap();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    let mut mailed = 0;
    let mut letters = HashMap::new();
    let mut rounds = HashMap::new();
    for r in 0..RUNS {
        let run = format!("r{r}");
        let known = acknowledged.get(&r).copied();
        let stored = match backend.load(&run) {
            Ok(stored) => stored,
            Err(LoadError::UnknownRun { .. }) if known.is_none() => continue,
            Err(error) => panic!("{run}: {error}"),
        };
        let k = stored.last_seq;
        assert!(k >= known.unwrap_or(0), "{run}: {k} rounds are stored and {known:?} were acknowledged");
        let covers = stored.snapshot.as_ref().map_or(0, |snapshot| snapshot.covers);
        let snapshots = k / 5;
        assert_eq!(covers, if snapshots == 0 { 0 } else { 10 * snapshots - 3 });
        assert_eq!(numbers(&stored), (covers + 1..=2 * k).collect::<Vec<_>>());
        assert_eq!(stored.record.due, (k > 0).then_some(Time(k)));
        let inputs = backend.inputs(&InputFilter { run: Some(id(&run)), ..InputFilter::default() }, None, 99).unwrap();
        assert_eq!(inputs.len() as u64, k);
        // An answer and its letter are there together.
        let answers = inputs.iter().filter(|input| input.status != InputStatus::Pending).count();
        let (events, replies): (Vec<Mail>, Vec<Mail>) =
            backend.mail(&run, 0).unwrap().into_iter().partition(|mail| mail.kind == MailKind::Event);
        assert_eq!(replies.len(), answers);
        mailed += answers as u64;
        letters.insert((r + RUNS - 1) % RUNS, events.iter().map(|mail| mail.json.clone()).collect::<Vec<_>>());
        rounds.insert(r, k);
    }
    for (r, k) in rounds {
        let run = format!("r{r}");
        // A letter and the batch that sent it are there together.
        let sent: Vec<String> = (1..=k).map(|k| k.to_string()).collect();
        assert_eq!(letters.remove(&r).unwrap_or_default(), sent, "{run}");

        let fence = claim(backend, &run).expect("the holder is gone");
        write(backend, round(r, fence, k + 1)).unwrap();
    }
    assert!(mailed >= answered, "{mailed} answers are stored and {answered} were acknowledged");
}

#[test]
fn nothing_acknowledged_is_lost_at_any_fault_point() {
    let next = AtomicU64::new(0);
    let ended = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        return;
                    }
                    // The first points one by one, the later ones spread.
                    let fatal = if seed < 200 { seed } else { 200 + Rng(seed).below(500) };
                    let folder = Folder::new();
                    let child = Child::start(&folder.store(), fatal);
                    let (acknowledged, answered, killed) = listen(&child);
                    ended.fetch_add(u64::from(!killed), Ordering::Relaxed);
                    child.end(killed);
                    println!("seed {seed}: killed at point {fatal}: {killed}, acknowledged {acknowledged:?}");
                    verify(&SqliteBackend::open(folder.store()).unwrap(), &acknowledged, answered);
                }
            });
        }
    });
    // The test is worth something only if most children were killed.
    assert!(ended.into_inner() < SEEDS / 3, "too few children reach their fault point");
}

#[test]
fn of_two_processes_the_living_one_takes_over() {
    for fatal in [40, 90, 170, 260] {
        let folder = Folder::new();
        let mine = SqliteBackend::open(folder.store()).unwrap();
        create(&mine, "mine");
        let (told, heard) = mpsc::channel();
        let told = std::sync::Mutex::new(told);
        mine.watch(Arc::new(move |notice| drop(told.lock().unwrap().send(notice))));
        let child = Child::start(&folder.store(), fatal);
        let (acknowledged, answered, killed) = listen(&child);
        assert!(killed, "point {fatal}");
        if fatal < 50 {
            // The child may hold the write lock for good now; what only reads goes on.
            assert!(mine.load("mine").is_ok());
        }
        if acknowledged.contains_key(&0) {
            assert_eq!(mine.run("r0").unwrap().unwrap().holder, Holder::Other);
        }
        child.end(true);
        while heard.recv_timeout(Duration::from_secs(30)).expect("a notice") != Notice::Unclaimed {}
        write(&mine, rows("mine", 1, [1])).unwrap();
        verify(&mine, &acknowledged, answered);
        let runs = mine.runs(&RunFilter { unclaimed: true, ..RunFilter::default() }, None, 99).unwrap();
        assert!(runs.is_empty(), "all were taken over");
    }
}
