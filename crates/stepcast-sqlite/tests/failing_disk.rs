//! A disk that fails: whoever was told that a batch is durable finds it again, the others learn what failed, and the file can
//! be used again. The system calls of a child process are made to fail, and are counted, with `strace`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use stepcast_core::backend::*;
use stepcast_sqlite::SqliteBackend;
use support::*;

const RUNS: u64 = 8;
const ROUNDS: u64 = 60;

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // In one system call, so that a trace shows it as one.
    let _ = out.write_all(format!("@{text}\n").as_bytes());
    let _ = out.flush();
}

fn outcome(result: &Result<(), WriteError>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(WriteError::Storage(StorageError::Full { .. })) => "full",
        Err(WriteError::Storage(StorageError::Io { .. })) => "io",
        Err(WriteError::Stopped { .. }) => "stopped",
        Err(_) => "other",
    }
}

/// What a child does; a test of no meaning by itself, which only does something when it is started as a child.
#[test]
fn child() {
    let Ok(store) = std::env::var("STEPCAST_DISK_STORE") else { return };
    let backend: Arc<dyn Backend> = Arc::new(SqliteBackend::open(&store).unwrap());
    for r in 0..RUNS {
        create(&*backend, &format!("r{r}"));
    }
    say("begin");
    for k in 1..=ROUNDS {
        for r in 0..RUNS {
            let mut batch = rows(&format!("r{r}"), 1, [k]);
            batch.rows[0].data = vec![7; 3000];
            backend.write(Box::new(batch), Done::new(move |result| say(&format!("{r} {k} {}", outcome(&result)))));
        }
        // Groups of different sizes.
        if k % 3 != 0 {
            let _ = backend.claim(&["nobody"]);
        }
    }
    let _ = backend.claim(&["nobody"]);
    say("end");
    // Whether a run can be gone on with in the same process, sooner or later.
    for r in 0..RUNS {
        let run = format!("r{r}");
        for _ in 0..50 {
            let Ok(fence) = claim(&*backend, &run) else { continue };
            let next = backend.load(&run).unwrap().rows.len() as u64 + 1;
            let again = write(&*backend, rows(&run, fence, [next]));
            say(&format!("{r} {next} again-{}", outcome(&again)));
            if again.is_ok() {
                break;
            }
        }
    }
    let _ = backend.close();
}

/// What a child said: the greatest number acknowledged of each run, and every outcome with how often it was.
#[derive(Debug, Default)]
struct Said {
    acknowledged: HashMap<u64, u64>,
    outcomes: HashMap<String, u64>,
}

impl Said {
    fn times(&self, outcome: &str) -> u64 {
        self.outcomes.get(outcome).copied().unwrap_or(0)
    }
}

fn hear(out: &str) -> Said {
    let mut said = Said::default();
    for (_, text) in out.lines().filter_map(|line| line.split_once('@')) {
        let words: Vec<&str> = text.split(' ').collect();
        let [run, k, outcome] = words.as_slice() else { continue };
        *said.outcomes.entry((*outcome).to_owned()).or_default() += 1;
        let (run, k): (u64, u64) = (run.parse().unwrap(), k.parse().unwrap());
        if matches!(*outcome, "ok" | "again-ok") {
            let last = said.acknowledged.insert(run, k).unwrap_or(0);
            assert_eq!(k, last + 1, "what is acknowledged of run {run} has no gap: {said:?}");
        }
    }
    said
}

fn this_test() -> String {
    std::env::current_exe().unwrap().display().to_string()
}

/// Runs the child under `command`, which names it last.
fn run_child(mut command: Command, store: &Path) -> (Said, bool) {
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env("STEPCAST_DISK_STORE", store);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    println!("{}", out.lines().filter(|line| !line.ends_with("ok")).take(20).collect::<Vec<_>>().join("\n"));
    (hear(&out), output.status.success())
}

/// `strace` with these options, or nothing where it cannot trace. `STEPCAST_STRACE=required` makes that a failure.
fn strace(options: &[&str]) -> Option<Command> {
    let works = Command::new("strace").args(["-f", "-e", "trace=fsync", "true"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("STEPCAST_STRACE").is_none(), "strace is required and cannot trace");
        // Not by a macro, whose output the harness keeps to itself.
        let skipped = "SKIPPED: strace is not there or may not trace, so no system call was made to fail or counted\n";
        let _ = std::io::stderr().write_all(skipped.as_bytes());
        return None;
    }
    let mut command = Command::new("strace");
    command.args(["-f", "-qq"]).args(options).arg(this_test());
    Some(command)
}

/// All that was acknowledged is there without a gap, and the file is as good as any.
fn verify(store: &Path, said: &Said) {
    let backend = SqliteBackend::open(store).unwrap();
    let report = backend.check().unwrap();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    for r in 0..RUNS {
        let run = format!("r{r}");
        let stored = numbers(&backend.load(&run).unwrap());
        let known = said.acknowledged.get(&r).copied().unwrap_or(0);
        assert_eq!(stored, (1..=stored.len() as u64).collect::<Vec<_>>());
        assert!(stored.len() as u64 >= known, "{run}: {stored:?} are stored and {known} were acknowledged");
        let fence = claim(&backend, &run).unwrap();
        write(&backend, rows(&run, fence, [stored.len() as u64 + 1])).unwrap();
    }
}

#[test]
fn a_disk_that_becomes_full_stops_the_runs_and_loses_nothing() {
    for first in [150, 333, 600] {
        let folder = Folder::new();
        let full = format!("inject=pwrite64:error=ENOSPC:when={first}+");
        let Some(command) = strace(&["-o", "/dev/null", "-e", "trace=pwrite64", "-e", &full]) else { return };
        let (said, _) = run_child(command, &folder.store());
        assert!(said.times("ok") > 0 && said.times("full") > 0, "{said:?}");
        assert!(said.times("stopped") > 0, "what came after a failed batch is refused: {said:?}");
        assert_eq!(said.times("other") + said.times("io"), 0, "{said:?}");
        verify(&folder.store(), &said);
    }
}

#[test]
fn with_room_again_the_runs_go_on_in_the_same_process() {
    let folder = Folder::new();
    let full = "inject=pwrite64:error=ENOSPC:when=150..190";
    let Some(command) = strace(&["-o", "/dev/null", "-e", "trace=pwrite64", "-e", full]) else { return };
    let (said, _) = run_child(command, &folder.store());
    assert!(said.times("full") > 0, "{said:?}");
    assert_eq!(said.times("again-ok"), RUNS, "{said:?}");
    verify(&folder.store(), &said);
}

#[test]
fn a_sync_that_fails_is_told_and_nothing_is_written_after_it() {
    for at in [20, 24, 27] {
        let folder = Folder::new();
        let failing = format!("inject=fsync,fdatasync:error=EIO:when={at}");
        let Some(command) = strace(&["-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", &failing]) else { return };
        let (said, _) = run_child(command, &folder.store());
        assert!(said.times("io") > 0, "{said:?}");
        // Only one call failed, but what the system did with the pages before it nobody knows.
        assert_eq!(said.times("again-ok"), 0, "{said:?}");
        verify(&folder.store(), &said);
    }
}

#[test]
fn a_write_that_fails_is_told_and_loses_nothing() {
    // A limit of the file size, set by the shell: past it a write fails as on a disk that breaks.
    let folder = Folder::new();
    let mut command = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f 1200; exec '{}' \"$@\"", this_test());
    command.args(["-c", &script, "sh"]);
    let (said, _) = run_child(command, &folder.store());
    assert!(said.times("ok") > 0, "{said:?}");
    assert!(said.times("io") + said.times("full") > 0, "{said:?}");
    verify(&folder.store(), &said);
}

#[test]
fn nothing_is_acknowledged_before_its_sync_returned() {
    let folder = Folder::new();
    let trace = folder.store().with_extension("trace");
    let calls = "trace=fsync,fdatasync,pwrite64,write";
    let name = trace.display().to_string();
    let Some(command) = strace(&["-y", "-s", "24", "-o", &name, "-e", calls]) else { return };
    let (said, ended) = run_child(command, &folder.store());
    assert!(ended);
    assert_eq!(said.times("ok"), RUNS * ROUNDS);
    let text = std::fs::read_to_string(trace).unwrap();
    let order = order(&text);

    let (mut syncs, mut acknowledged) = (0, 0);
    // Writes to the log that are not synced, and whether anything was synced since the child began.
    let (mut unsynced, mut any) = (0_u64, false);
    for event in order {
        match event {
            Event::Begun => any = false,
            Event::Written => unsynced += 1,
            Event::Synced => {
                syncs += 1;
                (unsynced, any) = (0, true);
            }
            Event::Told => {
                acknowledged += 1;
                assert!(any && unsynced == 0, "acknowledgement {acknowledged} comes before its sync");
            }
        }
    }
    assert_eq!(unsynced, 0, "the log is synced at the end");
    assert_eq!(acknowledged, RUNS * ROUNDS);
    // Several runs share a sync, and there is one for each group at least.
    assert!((ROUNDS / 3..RUNS * ROUNDS).contains(&syncs), "{syncs} syncs for {acknowledged} batches");
}

enum Event {
    /// All runs are made, and nothing is under way.
    Begun,
    /// Something went into the write-ahead log.
    Written,
    /// The log was synced.
    Synced,
    /// A batch was acknowledged.
    Told,
}

/// What the writer's thread did, in order. A call that another thread interrupts in the trace counts when it returned.
fn order(trace: &str) -> Vec<Event> {
    let mut pending: HashMap<&str, &str> = HashMap::new();
    let mut events = Vec::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if call.ends_with("<unfinished ...>") {
            pending.insert(thread, call);
            continue;
        }
        let began = if call.starts_with("<...") { pending.remove(thread).unwrap_or(call) } else { call };
        let log = began.contains("-wal>");
        if log && began.starts_with("pwrite64(") {
            events.push(Event::Written);
        } else if log && (began.starts_with("fsync(") || began.starts_with("fdatasync(")) {
            assert!(call.ends_with("= 0"), "{call}");
            events.push(Event::Synced);
        } else if began.starts_with("write(1") && began.contains("\"@begin") {
            events.push(Event::Begun);
        } else if began.starts_with("write(1") && began.contains("\"@") && began.contains(" ok") {
            events.push(Event::Told);
        }
    }
    events
}
