//! Stopping the process at every single write, and at every one after that, changes nothing of what a run comes to.
//!
//! All in memory and on a paused clock, so that every combination is tried: the n-th write of one process fails and all
//! after it, the next process fails at its m-th, and the last one comes to the end.

#![allow(clippy::expect_used)]

mod every_write {
    pub mod families;
    pub mod flows;
}
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use every_write::flows::{Calls, Go, Other, register};
use serde_json::{Value, json};
use stepcast::backend::{Backend, InputFilter, MemoryBackend, RunRecord, RunStatus};
use stepcast::prelude::*;
use stepcast::{AnyEvent, RunError, RunId, Runtime};
use support::failing::Failing;

const NEVER: u64 = u64::MAX;

/// One workflow, and what people do to it.
#[derive(Clone, Copy)]
struct Case {
    flow: &'static str,
    n: u64,
    letters: &'static [&'static str],
    /// Answers to a failed step, by the item that failed.
    choices: &'static [&'static str],
    timeout: Option<u64>,
    /// Whether the process is stopped a second time.
    twice: bool,
    /// Whether letters come only once its child is at work.
    late: bool,
}

const fn case(flow: &'static str, n: u64) -> Case {
    Case { flow, n, letters: &[], choices: &[], timeout: None, twice: true, late: false }
}

const fn parent(n: u64) -> Case {
    Case { late: true, ..case("Guardian", n) }
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
struct Ended {
    status: RunStatus,
    result: Option<String>,
    error: Option<String>,
    stream: Vec<String>,
    /// Ends of all other runs, by workflow.
    others: Vec<String>,
    labels: BTreeSet<String>,
}

struct World {
    case: Case,
    memory: MemoryBackend,
    calls: Calls,
    /// Calls whose results were recorded, with how often they had been made.
    recorded: BTreeMap<String, u32>,
    history: Vec<u64>,
}

impl World {
    fn new(case: Case) -> World {
        World {
            case,
            memory: MemoryBackend::new(),
            calls: Calls::default(),
            recorded: BTreeMap::new(),
            history: Vec::new(),
        }
    }

    /// One process, whose writes fail after so many. How many it made, once the run has ended.
    fn process(&mut self, writes: u64) -> Option<u64> {
        self.history.push(writes);
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let tokio = tokio.expect("a runtime");
        let failing = Failing::after(Arc::new(self.memory.beside()), writes);
        failing.letters.store(true, Ordering::SeqCst);
        let backend: Arc<dyn Backend> = failing.clone();
        let ended = tokio.block_on(async {
            let runtime = Runtime::on(backend);
            register(&runtime, &self.calls);
            self.play(&runtime, &failing).await
        });
        tokio.shutdown_background();
        failing.close().expect("it closes");
        self.note_calls();
        ended.then(|| writes - failing.left.load(Ordering::SeqCst))
    }

    /// Whether the run came to its end in this process.
    async fn play(&self, runtime: &Runtime, failing: &Failing) -> bool {
        let id = RunId::from("run");
        let case = self.case;
        let mut letters: Vec<&str> = case.letters.to_vec();
        let run = match runtime.find_run(&id).await.expect("it is read") {
            Some(_) => match runtime.attach(&id).await {
                Ok(run) => run,
                Err(error) => panic!("{}: {error}", self.of()),
            },
            None => {
                let mut options = RunOptions::new().run_id("run");
                if let Some(timeout) = case.timeout {
                    options = options.timeout(Duration::from_secs(timeout));
                }
                runtime.start(case.flow, json!({"n": case.n}), options).expect("it starts")
            }
        };
        for turn in 0..2_000 {
            if run.is_done() {
                if matches!(run.outcome().await, Err(RunError::Storage { .. })) {
                    return false;
                }
                // Those that it began end with it.
                if self.others().iter().all(|run| run.status.is_end()) {
                    return true;
                }
            }
            if turn > 100 && failing.left.load(Ordering::SeqCst) == 0 {
                return false;
            }
            if (!case.late || self.others().iter().any(|run| self.has_events(&run.run)))
                && let Some(letter) = letters.first()
                && deliver(runtime, &id, letter).await
            {
                letters.remove(0);
            }
            self.answer(runtime).await;
            // What has still to come by then is a deadline.
            tokio::time::sleep(Duration::from_millis(if turn < 50 { 10 } else { 1_000 })).await;
        }
        let record = runtime.find_run(&id).await;
        panic!("{}: it hangs: {record:?}", self.of());
    }

    async fn answer(&self, runtime: &Runtime) {
        let filter = InputFilter { pending: true, ..InputFilter::default() };
        for input in runtime.list_inputs(filter, None, 100).await.expect("they are read") {
            let asked = &input.asked;
            let prompt = asked.prompt.clone().unwrap_or_default();
            let answer = if asked.reason == "step_failure" {
                let item: usize = prompt.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
                json!(self.case.choices[item])
            } else if prompt == "nobody" {
                continue;
            } else {
                json!({"n": prompt.len()})
            };
            let run = RunId::from(Arc::clone(&input.run));
            let _ = runtime.answer_input(&run, asked.input, answer, None).await;
        }
    }

    fn others(&self) -> Vec<RunRecord> {
        let mut all = self.memory.runs(&Default::default(), None, 1_000).expect("they are read");
        all.retain(|run| &*run.run != "run");
        all
    }

    fn has_events(&self, run: &str) -> bool {
        self.memory.last_seq(run).expect("it is read") > 0
    }

    fn of(&self) -> String {
        format!("{} {:?}, writes {:?}", self.case.flow, self.case.choices, self.history)
    }

    /// No recorded call was made again; notes those that are recorded now.
    fn note_calls(&mut self) {
        let counts = self.calls.counts();
        for (label, times) in &self.recorded {
            assert_eq!(counts.get(label), Some(times), "{}: {label} was recorded and made again", self.of());
        }
        for record in self.memory.runs(&Default::default(), None, 1_000).expect("they are read") {
            for row in self.memory.load(&record.run).expect("it is read").rows {
                let row: Value = serde_json::from_slice(&row.data).expect("a row is JSON");
                calls_in(&row, &mut |label| {
                    let times = counts.get(label).copied().unwrap_or(0);
                    self.recorded.insert(label.to_owned(), times);
                });
            }
        }
    }

    fn ended(&self) -> Ended {
        let record = self.memory.run("run").expect("it is read").expect("it is there");
        let rows = self.memory.events("run", 0, 10_000).expect("they are read");
        assert!(rows.iter().zip(1..).all(|(row, seq)| row.seq == seq), "{}: gaps", self.of());
        let mut stream: Vec<String> = rows.into_iter().map(|row| row.json).collect();
        stream.sort();
        let others = self.others().into_iter();
        let mut others: Vec<String> = others
            .map(|other| format!("{} {:?} {:?} {:?}", other.workflow, other.status, other.result, other.error))
            .collect();
        others.sort();
        let open = InputFilter { pending: true, ..InputFilter::default() };
        assert_eq!(self.memory.inputs(&open, None, 10).expect("they are read"), [], "{}", self.of());
        let labels = self.calls.counts().into_keys().collect();
        Ended { status: record.status, result: record.result, error: record.error, stream, others, labels }
    }

    fn check(&self, undisturbed: &Ended) {
        assert_eq!(self.ended(), *undisturbed, "{}", self.of());
    }
}

async fn deliver(runtime: &Runtime, id: &RunId, letter: &str) -> bool {
    let event: AnyEvent = match letter {
        "cancel" => {
            // Not before it has done what it does.
            let seen = runtime.stored_events(id, 0, 1).await.map_or(0, |events| events.len());
            return seen > 0 && runtime.cancel_run(id).await.is_ok();
        }
        "other" => Other { n: 9 }.into(),
        who => Go { n: who.len() as u64 + 2, who: who.to_owned() }.into(),
    };
    runtime.send_event_once(id, event, letter).await.is_ok()
}

/// Labels of recorded calls, wherever they are in a row.
fn calls_in(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => {
            let text = |key: &str| fields.get(key).and_then(Value::as_str);
            if let (Some("call"), Some(label), true) = (text("k"), text("l"), fields.contains_key("r")) {
                found(label);
            }
            fields.values().for_each(|value| calls_in(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| calls_in(value, found)),
        _ => {}
    }
}

/// Tries every write, and every one after it.
fn every_write(case: Case) {
    let mut world = World::new(case);
    let writes = world.process(NEVER).expect("it ends");
    let undisturbed = world.ended();
    println!("{} {:?}: {writes} writes, {undisturbed:?}", case.flow, case.choices);
    assert!(writes >= 2, "{}: too few writes to stop", case.flow);
    let mut first = 0;
    loop {
        let mut second = if case.twice { 0 } else { NEVER };
        let ended_at_first = loop {
            let mut world = World::new(case);
            if world.process(first).is_some() {
                world.check(&undisturbed);
                break true;
            }
            let ended = world.process(second).is_some();
            if !ended {
                assert!(world.process(NEVER).is_some(), "{}: it does not end", world.of());
            }
            world.check(&undisturbed);
            if ended {
                break false;
            }
            second += 1;
        };
        if ended_at_first {
            break;
        }
        first += 1;
    }
    // Threads of their own may gather more in one write.
    assert!(first >= writes / 2, "{}: {first} of {writes} writes", case.flow);
}

macro_rules! cases {
    ($($name:ident: $case:expr;)*) => { $(
        #[test]
        fn $name() {
            every_write($case);
        }
    )* };
}

cases! {
    a_chain_with_a_loop: case("Chain", 1);
    a_fan_out: case("Fan", 4);
    nested_batches: case("Nested", 3);
    the_first_of_a_batch: case("Market", 4);
    a_join_with_early_deliveries: Case { letters: &["goer"], ..case("Join", 1) };
    retries: case("Retry", 1);
    recoveries_within_a_budget: case("Catch", 3);
    pauses_that_go_on: Case { choices: &["retry", "skip", "continue"], ..case("Pause", 3) };
    a_pause_that_fails: Case { choices: &["fail"], ..case("Pause", 1) };
    waits_of_every_kind: Case { letters: &["a", "other", "b", "c"], ..case("Waits", 1) };
    questions_to_people: case("Ask", 1);
    a_returned_question: case("Returned", 1);
    collected_events: case("Collects", 6);
    children_and_theirs: case("Parent", 2);
    a_child_that_fails: case("BadParent", 1);
    heavy_steps: case("Heavy", 3);
    a_run_that_times_out: Case { timeout: Some(30), ..case("Endless", 1) };
    a_run_that_is_cancelled: Case { letters: &["cancel"], ..case("Endless", 0) };
    a_parent_that_ends_before_its_child: Case { letters: &["go"], ..parent(0) };
    a_parent_that_ends_while_its_child_works: Case { letters: &["go"], ..parent(1) };
    a_parent_that_alone_knows_its_child: Case { letters: &["go"], ..parent(2) };
    a_parent_that_alone_knows_its_child_is_cancelled: Case { letters: &["cancel"], ..parent(2) };
    a_parent_that_has_given_up_its_child: Case { letters: &["go"], flow: "Abandons", ..parent(0) };
    a_parent_that_is_cancelled: Case { letters: &["cancel"], ..parent(0) };
    a_parent_that_is_cancelled_while_its_child_works: Case { letters: &["cancel"], ..parent(1) };
    a_run_that_is_cancelled_at_work: Case { letters: &["cancel"], ..case("Endless", 1) };
}
