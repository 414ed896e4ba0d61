//! A store in a folder of its own, with runs as a runtime would leave them, and the command on it.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, mpsc};

use serde_json::{Value, json};
use stepcast::backend::*;
use stepcast::engine::Time;
use stepcast_sqlite::SqliteBackend;

/// 2001-09-09T01:46:40Z
pub(crate) const BEGAN: u64 = 1_000_000_000_000_000;
const MS: u64 = 1_000;

pub(crate) struct Store {
    folder: tempfile::TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Store {
    pub(crate) fn empty() -> Store {
        Store { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn with(runs: impl IntoIterator<Item = Stored>) -> Store {
        let store = Store::empty();
        let backend = SqliteBackend::open(store.file()).unwrap();
        for run in runs {
            write(&backend, run.created);
            write(&backend, run.batch);
        }
        backend.close().unwrap();
        store
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("runs.db")
    }

    /// Another process answers, and later a third goes on with the run and ends the attempt.
    pub(crate) fn answer_and_go_on(&self, run: &str, answered: u64, gone_on: u64) {
        let backend = self.read();
        let at = |ms: u64| Time(BEGAN + ms * MS);
        let answer = Answer {
            run: run.into(),
            input: 1,
            answer: "{}".into(),
            by: Some("Bo".into()),
            at: at(answered),
            ..Answer::default()
        };
        backend.answer(answer).unwrap();
        let fence = backend.claim(&[run]).pop().unwrap().unwrap().fence;
        let rows = Stored::of(run, "greet")
            .row(0, json!("time"))
            .row(gone_on, json!({ "answer": { "input": 1, "answer": { "event": [["Draft", {}], []] } } }))
            .attempt((20, gone_on + 1), "write", 1, &["Draft"])
            .batch
            .rows;
        let batch = Batch { rows: rows[2..].to_vec(), ..Batch::of(run.into(), fence, at(gone_on + 1)) };
        write(&backend, batch);
        backend.close().unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self) -> SqliteBackend {
        SqliteBackend::open(self.file()).unwrap()
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stepcast"));
        command.args(args).arg("--store").arg(self.file()).current_dir(self.folder.path());
        command.env("LC_ALL", "C.UTF-8").env_remove("COLUMNS").env_remove("STEPCAST_STORE").env("NO_COLOR", "1");
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// The lines of JSON of a command that does what it is asked.
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        let said = self.run(&[args, &["--json"]].concat());
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn write(backend: &dyn Backend, batch: Batch) {
    let (told, heard) = mpsc::channel();
    backend.write(Box::new(batch), Done::new(move |result| told.send(result).unwrap()));
    heard.recv().unwrap().unwrap();
}

/// A run to be stored.
pub(crate) struct Stored {
    created: Batch,
    batch: Batch,
}

impl Stored {
    /// One that has begun at [`BEGAN`], and whose process is gone.
    pub(crate) fn of(run: &str, workflow: &str) -> Stored {
        let batch = Batch::of(Arc::from(run), FIRST_FENCE, Time(BEGAN));
        let mut created = batch.clone();
        let start = json!({ "name": "Ada" });
        created.created = Some(Box::new(NewRun {
            workflow: workflow.to_owned(),
            description: "{}".to_owned(),
            parent: None,
            start: start.to_string(),
            ..NewRun::default()
        }));
        created.status = Some(StatusChange::Running);
        Stored { created, batch }.row(0, json!({ "start": { "event": ["Guest", start], "def": 1 } }))
    }

    pub(crate) fn child_of(mut self, parent: &str) -> Stored {
        if let Some(created) = &mut self.created.created {
            created.parent = Some(Arc::from(parent));
        }
        self
    }

    /// A row, so many milliseconds after the beginning.
    pub(crate) fn row(self, ms: u64, kind: Value) -> Stored {
        self.whole_row(ms, json!({ "do": kind }))
    }

    pub(crate) fn whole_row(mut self, ms: u64, mut row: Value) -> Stored {
        let n = self.batch.rows.len() as u64 + 1;
        row["v"] = json!(1);
        row["n"] = json!(n);
        row["at"] = json!(BEGAN + ms * MS);
        self.batch.rows.push(JournalRow { n, data: row.to_string().into_bytes() });
        self
    }

    /// An attempt that ended so many milliseconds after the beginning.
    pub(crate) fn attempt(self, (from, to): (u64, u64), step: &str, exec: u64, gave: &[&str]) -> Stored {
        let tokens: Vec<Value> = gave.iter().map(|tag| json!([tag, {}])).collect();
        let report = json!({ "exec": exec, "step": step, "took": (to - from) * MS, "out": [tokens] });
        self.row(to, json!({ "report": report }))
    }

    pub(crate) fn failed(self, (from, to): (u64, u64), step: &str, exec: u64, attempt: u32, again: bool) -> Stored {
        let after = again.then(|| json!({ "secs": 1, "nanos": 0 }));
        let error =
            json!({ "exception_type": "io::Error", "exception_message": "no network", "causes": ["the cable <out>"] });
        let report = json!({ "exec": exec, "attempt": attempt, "step": step, "took": (to - from) * MS, "failed": [error, after] });
        self.row(to, json!({ "report": report }))
    }

    pub(crate) fn event(mut self, ms: u64, tag: &str, value: Value) -> Stored {
        let seq = self.batch.events.len() as u64 + 1;
        let json = json!({ "value": value, "qualified_name": null, "type": tag, "types": null }).to_string();
        self.batch.events.push(StreamRow { seq, tag: tag.to_owned(), json, at: Time(BEGAN + ms * MS) });
        self
    }

    pub(crate) fn input(mut self, ms: u64, step: &str, prompt: &str) -> Stored {
        let input = self.batch.inputs.len() as u64 + 1;
        self.batch.at = Time(BEGAN + ms * MS);
        self.batch.inputs.push(InputChange::Opened(Box::new(NewInput {
            input,
            step: step.to_owned(),
            reason: "input_required".to_owned(),
            prompt: Some(prompt.to_owned()),
            ..NewInput::default()
        })));
        self
    }

    /// Its snapshot stands for the rows up to here.
    pub(crate) fn snapshot(mut self) -> Stored {
        let covers = self.batch.rows.len() as u64;
        self.batch.snapshot = Some(Box::new(SnapshotRow { covers, data: b"{}".to_vec() }));
        self
    }

    pub(crate) fn ends(mut self, ms: u64, status: StatusChange) -> Stored {
        (self.batch.at, self.batch.status) = (Time(BEGAN + ms * MS), Some(status));
        self
    }

    pub(crate) fn at(mut self, at: Time) -> Stored {
        (self.created.at, self.batch.at) = (at, at);
        self
    }

    pub(crate) fn due(mut self, ms: u64) -> Stored {
        self.batch.due = Some(Due::At(Time(BEGAN + ms * MS)));
        self
    }
}

/// A run of the demo `greet` that went well.
pub(crate) fn greeted(run: &str) -> Stored {
    let result = json!({ "text": "Hello, Ada!" });
    Stored::of(run, "greet")
        .attempt((1, 21), "write", 1, &["Draft"])
        .attempt((21, 40), "polish", 2, &["Greeting"])
        .event(10, "Progress", json!({ "pct": 50 }))
        .event(40, "Greeting", result.clone())
        .ends(40, StatusChange::Completed { result: result.to_string(), failures: 0 })
}

/// One whose first step failed three times.
pub(crate) fn broken(run: &str) -> Stored {
    let error = json!({
        "error": { "exception_type": "io::Error", "exception_message": "no network", "causes": ["the cable <out>"] },
        "step": "write", "attempts": 2,
    });
    Stored::of(run, "greet")
        .failed((0, 5), "write", 1, 1, true)
        .failed((1_005, 1_010), "write", 1, 2, false)
        .ends(1_010, StatusChange::Failed { error: error.to_string() })
}

/// One that asks a person.
pub(crate) fn asking(run: &str) -> Stored {
    let id = json!({ "kind": "wait", "label": "Draft", "ordinal": 0 });
    let announce = json!({ "value": {}, "type": "Ask" });
    let wait = json!({ "wait": { "id": id, "event": "Draft", "announce": announce } });
    Stored::of(run, "greet")
        .row(20, json!({ "commit": { "exec": 1, "step": "write", "seq": 1, "op": wait } }))
        .input(20, "write", "May I <b>greet</b>?")
        .ends(20, StatusChange::Waiting)
}
