//! One run, in as many processes as it takes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use stepcast::backend::{Backend, ClaimError, InputFilter};
use stepcast::{AnyEvent, AttachError, EventEnvelope, RunId, RunOptions, Runtime};
use stepcast_sqlite::{FaultPoint, SqliteOptions};

use super::flows::{self, Effects};

const PLAN: &str = "STEPCAST_CRASH_MATRIX";
const NEVER: u64 = u64::MAX;

/// What a child is to do.
pub struct Plan {
    folder: PathBuf,
    flow: String,
    /// At which fault point it stops for good.
    fatal: u64,
    /// Whether it only waits until it can have the run.
    waits: bool,
    /// Whether it stops only between two transactions, so that others can use the file.
    between: bool,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Completed(String),
    Other(String),
}

/// What is left of a run that has ended.
#[derive(Debug)]
pub struct Ended {
    pub outcome: Outcome,
    /// Its stream events, sorted: concurrent executions have no order.
    pub stream: Vec<String>,
    /// How often each effect happened.
    pub effects: BTreeMap<String, u64>,
    /// Effects that happened again although their call was on record.
    pub twice: Vec<String>,
    /// Fault points that the last process passed.
    pub points: u64,
    pub kills: u64,
}

/// A run on a file of its own.
pub struct Work {
    folder: tempfile::TempDir,
    flow: &'static str,
}

impl Plan {
    pub fn from_env() -> Option<Plan> {
        let text = std::env::var(PLAN).ok()?;
        let mut parts = text.split('|');
        let (folder, flow, fatal) = (parts.next()?, parts.next()?, parts.next()?);
        let how = parts.next();
        let (waits, between) = (how == Some("waits"), how == Some("between"));
        Some(Plan { folder: folder.into(), flow: flow.to_owned(), fatal: fatal.parse().ok()?, waits, between })
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "@{text}");
    let _ = out.flush();
}

/// The run's life in this process.
pub fn child(plan: &Plan) {
    let passed = Arc::new(AtomicU64::new(0));
    let (counter, fatal, between) = (Arc::clone(&passed), plan.fatal, plan.between);
    let options = SqliteOptions::default().on_fault_point(move |point| {
        if between && !matches!(point, FaultPoint::Committed) {
            return;
        }
        if counter.fetch_add(1, Ordering::SeqCst) == fatal {
            say("kill");
            loop {
                std::thread::park();
            }
        }
    });
    let backend: Arc<dyn Backend> = Arc::new(options.open(plan.folder.join("runs.db")).expect("the store opens"));
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    tokio.block_on(async {
        let runtime = Runtime::on(backend);
        flows::register(&runtime, &Effects(plan.folder.join("effects")));
        let id = RunId::from("run");
        if plan.waits {
            return take_over(&runtime, &id).await;
        }
        let known = runtime.find_run(&id).await.expect("it is read").is_some();
        let run = match known {
            true => runtime.attach(&id).await.expect("it goes on"),
            false => {
                let run = runtime.start(&plan.flow, start_of(&plan.flow), RunOptions::new().run_id("run"));
                run.expect("it starts")
            }
        };
        if plan.flow == "wait" {
            tokio::spawn(answer(runtime.clone(), id));
        }
        let ended = tokio::time::timeout(std::time::Duration::from_secs(60), run.outcome()).await;
        match ended.expect("the run hangs") {
            Ok(_) => say("end"),
            Err(error) => say(&format!("end {error}")),
        }
    });
    say(&format!("points {}", passed.load(Ordering::SeqCst)));
}

fn start_of(flow: &str) -> Value {
    match flow {
        "chain" | "child" => json!({"n": 3}),
        "fan_out" => json!({"width": 100}),
        _ => json!({}),
    }
}

/// Goes on with the run as soon as its holder is gone.
async fn take_over(runtime: &Runtime, id: &RunId) {
    let refused = runtime.attach(id).await;
    assert!(matches!(refused, Err(AttachError::Claim(ClaimError::Held { .. }))), "{refused:?}");
    say("held");
    let ended = async {
        while !runtime.find_run(id).await.expect("it is read").expect("it is there").status.is_end() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), ended).await.expect("nobody takes the run over");
    say("end");
}

/// Answers the question once it is asked, and sends the event that the run waits for.
async fn answer(runtime: Runtime, id: RunId) {
    loop {
        let filter = InputFilter { run: Some(Arc::from(id.as_str())), ..InputFilter::default() };
        // The store closes when the run is over.
        let Ok(inputs) = runtime.list_inputs(filter, None, 10).await else { return };
        if let Some(input) = inputs.first() {
            // A second answer, after a crash, is a conflict.
            let _ = runtime.answer_input(&id, input.asked.input, json!({"yes": true}), Some("me".to_owned())).await;
            let go = EventEnvelope { tag: "Go".into(), value: json!({"n": 7}), qualified_name: None, types: None };
            let _ = runtime.send_event_once(&id, AnyEvent::from_envelope(go), "go").await;
            return;
        }
        tokio::task::yield_now().await;
    }
}

impl Work {
    pub fn new(flow: &'static str) -> Work {
        Work { folder: tempfile::tempdir().expect("a folder"), flow }
    }

    /// Starts processes until the run has ended. `fatal` says at which fault point the n-th one is killed.
    pub fn to_the_end(&self, mut fatal: impl FnMut(u32) -> Option<u64>) -> Ended {
        let (mut kills, mut attempt) = (0, 0);
        let mut recorded: BTreeMap<String, u64> = BTreeMap::new();
        let mut twice = Vec::new();
        loop {
            attempt += 1;
            let points = self.process(fatal(attempt).unwrap_or(NEVER));
            let effects = self.effects();
            for (label, times) in &recorded {
                let now = effects.get(label).copied().unwrap_or(0);
                if now > *times {
                    twice.push(label.clone());
                }
            }
            match points {
                Some(points) => {
                    let (outcome, stream) = self.stored();
                    return Ended { outcome, stream, effects, twice, points, kills };
                }
                None => kills += 1,
            }
            for label in self.recorded_calls() {
                let times = effects.get(&label).copied().unwrap_or(0);
                recorded.insert(label, times);
            }
        }
    }

    /// One process: `None` if it was killed, else the fault points it passed.
    fn process(&self, fatal: u64) -> Option<u64> {
        let mut child = self.spawn(&fatal.to_string());
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let mut points = None;
        for line in out.lines() {
            let line = line.expect("it is read");
            match line.split_once('@').map(|(_, said)| said) {
                Some("kill") => {
                    child.kill().expect("it is killed");
                    // It may have come to its end and be closing.
                    points = None;
                    break;
                }
                Some(said) if said.starts_with("points ") => points = said[7..].trim().parse().ok(),
                _ => {}
            }
        }
        let status = child.wait().expect("it ends");
        assert!(points.is_none() || status.success(), "{}: the process failed: {status}", self.flow);
        points
    }

    /// A process that stops after so many commits while it holds the run, another that waits for the run, and the first one is
    /// killed. What the second one made of it.
    pub fn handed_over(&self, fatal: u64) -> Option<(Outcome, Vec<String>)> {
        let mut first = self.spawn(&format!("{fatal}|between"));
        said(&mut first, "kill")?;
        // How many commits a run takes depends on what goes together into one.
        let ended = self.open().run("run").expect("it is read").is_some_and(|record| record.status.is_end());
        if ended {
            first.kill().expect("it is killed");
            first.wait().expect("it is gone");
            return None;
        }
        let mut second = self.spawn(&format!("{NEVER}|waits"));
        said(&mut second, "held").expect("it is refused as long as the other one lives");
        first.kill().expect("it is killed");
        first.wait().expect("it is gone");
        said(&mut second, "end").expect("it takes the run over");
        assert!(second.wait().expect("it ends").success());
        Some(self.stored())
    }

    fn spawn(&self, what: &str) -> Child {
        Command::new(std::env::current_exe().expect("this program"))
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env(PLAN, format!("{}|{}|{what}", self.folder.path().display(), self.flow))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("it starts")
    }

    fn effects(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        let text = std::fs::read_to_string(self.folder.path().join("effects")).unwrap_or_default();
        text.lines().for_each(|label| *all.entry(label.to_owned()).or_insert(0) += 1);
        all
    }

    fn open(&self) -> stepcast_sqlite::SqliteBackend {
        open(self.folder.path())
    }

    /// Labels of calls whose results are in the journal of the run or of a child.
    fn recorded_calls(&self) -> Vec<String> {
        let backend = self.open();
        let runs = backend.runs(&Default::default(), None, 100).expect("they are read");
        let mut labels = Vec::new();
        for record in runs {
            let stored = backend.load(&record.run).expect("it is read");
            for row in stored.rows {
                let row: Value = serde_json::from_slice(&row.data).expect("a row is JSON");
                calls_in(&row, &mut labels);
            }
        }
        labels
    }

    fn stored(&self) -> (Outcome, Vec<String>) {
        let backend = self.open();
        let record = backend.run("run").expect("it is read").expect("it is there");
        let outcome = match (record.result, record.error) {
            (Some(result), _) => Outcome::Completed(result),
            (None, error) => Outcome::Other(format!("{:?}: {error:?}", record.status)),
        };
        let rows = backend.events("run", 0, 10_000).expect("they are read");
        assert!(rows.iter().zip(1..).all(|(row, seq)| row.seq == seq), "{}: the stream has gaps", self.flow);
        let mut stream: Vec<String> = rows.into_iter().map(|row| row.json).collect();
        stream.sort();
        (outcome, stream)
    }
}

/// Waits until a process says a word. `None` if it ends before.
fn said(child: &mut Child, word: &str) -> Option<()> {
    // One byte at a time, so that what it says next is left to the next one who asks.
    let out = child.stdout.as_mut().expect("its output");
    let (mut line, mut byte) = (Vec::new(), [0]);
    while out.read(&mut byte).expect("it is read") == 1 {
        match byte[0] {
            b'\n' if String::from_utf8_lossy(&line).ends_with(&format!("@{word}")) => return Some(()),
            b'\n' => line.clear(),
            other => line.push(other),
        }
    }
    None
}

fn open(folder: &Path) -> stepcast_sqlite::SqliteBackend {
    SqliteOptions::default().read_only().open(folder.join("runs.db")).expect("the store opens")
}

/// The labels of recorded calls, wherever they are in a row.
fn calls_in(value: &Value, labels: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let (Some("call"), Some(label), Some(_)) =
                (fields.get("k").and_then(Value::as_str), fields.get("l").and_then(Value::as_str), fields.get("r"))
            {
                // A call that asks to be repeated may be.
                if label != "each" {
                    labels.push(label.to_owned());
                }
            }
            fields.values().for_each(|value| calls_in(value, labels));
        }
        Value::Array(items) => items.iter().for_each(|value| calls_in(value, labels)),
        _ => {}
    }
}
