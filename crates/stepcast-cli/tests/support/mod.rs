//! Runs the command as a user would, in a folder of its own.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

pub mod served;

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest time for anything that the tests wait for.
const BOUND: Duration = Duration::from_secs(60);

/// A folder with a store in it.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.file("runs.db")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stepcast"));
        command.args(args).current_dir(self.folder.path());
        command.env_remove("COLUMNS").env_remove("NO_COLOR").env_remove("XDG_DATA_HOME").env("USER", "tester");
        command.env("HOME", self.folder.path()).env("STEPCAST_STORE", self.store());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the command on the folder's store.
    pub fn run(&self, args: &[&str]) -> Ran {
        finish(self.command(args).spawn().unwrap())
    }

    /// As `run`, with something on standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        finish(child)
    }

    /// Begins a command, to be finished or killed later.
    pub fn begin(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// Asks again and again with `--json` until the last line shows what is looked for.
    pub fn until(&self, args: &[&str], found: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let ran = self.run(args);
            if let Some(value) = ran.json().into_iter().next_back().filter(|value| found(value)) {
                return value;
            }
            assert!(began.elapsed() < BOUND, "never seen: {args:?} gave {ran:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Waits for the end of a command; one that hangs is killed and fails the test.
pub fn finish(mut child: Child) -> Ran {
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            pipe.map(|mut pipe| pipe.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let out = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let err = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let began = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if began.elapsed() > BOUND => {
                child.kill().unwrap();
                panic!("hangs; so far: {} {}", out.join().unwrap(), err.join().unwrap());
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    Ran { code: status.code().unwrap_or(-1), out: out.join().unwrap(), err: err.join().unwrap() }
}

impl Ran {
    /// The lines of standard output as JSON.
    pub fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Ran {
        assert!(self.err.contains(text), "no {text:?} in {self:?}");
        self
    }
}
