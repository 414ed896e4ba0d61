//! A process of its own for a test that is killed: this same test binary, which does what the test `child` does where it is
//! told a plan.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use stepcast_sqlite::SqliteOptions;

const PLAN: &str = "STEPCAST_SQLITE_CHILD_PLAN";

/// What a child says before it stands still, to be killed.
const KILL: &str = "kill";
/// What it says last, if it comes so far.
pub(crate) const END: &str = "end";

/// In the child: the store, and options with which the writer stands still for good at the fault point that was chosen.
/// Nothing elsewhere.
pub(crate) fn plan() -> Option<(String, SqliteOptions, u64)> {
    let plan = std::env::var(PLAN).ok()?;
    let (store, fatal) = plan.rsplit_once('|').unwrap();
    let fatal: u64 = fatal.parse().unwrap();
    let passed = AtomicU64::new(0);
    let options = SqliteOptions::default().on_fault_point(move |_| {
        if passed.fetch_add(1, Ordering::Relaxed) == fatal {
            say(KILL);
            loop {
                std::thread::park();
            }
        }
    });
    Some((store.to_owned(), options, fatal))
}

/// In the child: tells whoever started it.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "@{text}");
    let _ = out.flush();
}

pub(crate) struct Child {
    process: std::process::Child,
    said: mpsc::Receiver<String>,
}

impl Child {
    pub(crate) fn start(store: &Path, fatal: u64) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(PLAN, format!("{}|{fatal}", store.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = process.stdout.take().unwrap();
        let (told, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // The harness prints before the first mark.
                let Some((_, text)) = line.split_once('@') else { continue };
                if told.send(text.to_owned()).is_err() {
                    return;
                }
            }
        });
        Child { process, said }
    }

    /// Hears what it says until it is at its end or stands still. Whether it is to be killed.
    pub(crate) fn listen(&self, mut heard: impl FnMut(&str)) -> bool {
        loop {
            let said = self.said.recv_timeout(Duration::from_secs(60)).expect("a child that says something");
            match &*said {
                KILL => return true,
                END => return false,
                said => heard(said),
            }
        }
    }

    /// Waits for its end, which comes at once if it is killed.
    pub(crate) fn end(mut self, kill: bool) {
        if kill {
            self.process.kill().unwrap();
        }
        self.process.wait().unwrap();
    }
}
