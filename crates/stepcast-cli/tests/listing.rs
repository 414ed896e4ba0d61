//! What is read from a store that somebody else wrote: lists, filters, ids, screens.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Arc, mpsc};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use stepcast::backend::*;
use stepcast::engine::Time;
use stepcast_sqlite::SqliteBackend;
use support::Place;

const HOUR: u64 = 3_600_000_000;
const SECOND: u64 = 1_000_000;

fn ago(micros: u64) -> Time {
    Time(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64 - micros)
}

fn write(backend: &SqliteBackend, batch: Batch) {
    let (told, heard) = mpsc::channel();
    backend.write(Box::new(batch), Done::new(move |result| told.send(result).unwrap()));
    heard.recv().unwrap().unwrap();
}

fn begin(backend: &SqliteBackend, run: &str, workflow: &str, parent: Option<&str>, at: Time) -> Arc<str> {
    let run: Arc<str> = Arc::from(run);
    let (workflow, parent) = (workflow.to_owned(), parent.map(Arc::from));
    let start = r#"{"name":"Ada"}"#.to_owned();
    let new = NewRun { workflow, description: "{}".to_owned(), parent, start, ..NewRun::default() };
    let created = Some(Box::new(new));
    write(backend, Batch { created, status: Some(StatusChange::Running), ..Batch::of(run.clone(), FIRST_FENCE, at) });
    run
}

fn changes(run: &Arc<str>, status: StatusChange, at: Time) -> Batch {
    Batch { status: Some(status), ..Batch::of(run.clone(), FIRST_FENCE, at) }
}

const FAILED: &str = "0199a1b2-0000-7000-8000-0123456789ab";

/// A run of each kind.
fn stored() -> Place {
    let place = Place::new();
    let backend = SqliteBackend::open(place.store()).unwrap();

    let done = begin(&backend, "order-17", "order", None, ago(5 * HOUR));
    write(
        &backend,
        changes(&done, StatusChange::Completed { result: r#"{"ok":true}"#.to_owned(), failures: 0 }, ago(4 * HOUR)),
    );

    let failed = begin(&backend, FAILED, "publish", None, ago(3 * HOUR));
    let rows: Vec<StreamRow> = (1..=25)
        .map(|seq| StreamRow {
            seq,
            tag: if seq % 5 == 0 { "Milestone" } else { "Progress" }.to_owned(),
            json: json!({ "percent": seq * 4 }).to_string(),
            at: Time(ago(3 * HOUR).0 + seq * SECOND),
        })
        .collect();
    let error = json!({ "step": "publish", "attempts": 3, "error": {
        "exception_type": "HttpError", "exception_message": "HTTP 503 from example.org",
    } });
    let end = StatusChange::Failed { error: error.to_string() };
    write(&backend, Batch { events: rows, ..changes(&failed, end, ago(2 * HOUR)) });

    let asking = begin(&backend, "news", "approval", None, ago(600 * SECOND));
    begin(&backend, "news.1", "fact-check", Some("news"), ago(500 * SECOND));
    let asked = NewInput {
        input: 2,
        step: "review".to_owned(),
        reason: "input_required".to_owned(),
        expects: Some("Verdict".to_owned()),
        prompt: Some("Publish \"Release notes\"?".to_owned()),
        ..NewInput::default()
    };
    let inputs = vec![InputChange::Opened(Box::new(asked))];
    write(&backend, Batch { inputs, release: true, ..changes(&asking, StatusChange::Waiting, ago(300 * SECOND)) });

    begin(&backend, "0199a1b2-0000-7000-8000-00000000cafe", "countdown", None, ago(30 * SECOND));
    backend.close().unwrap();
    place
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn runs_are_listed_the_latest_first() {
    let place = stored();
    let ran = place.run(&["runs"]).exits(0);
    assert_eq!(
        lines(&ran.out),
        [
            "RUN       WORKFLOW   STATUS       STARTED  CHANGED",
            "0000cafe  countdown  interrupted  30s ago  30s ago",
            "news      approval   waiting      10m ago  5m ago",
            "456789ab  publish    failed       3h ago   2h ago",
            "order-17  order      completed    5h ago   4h ago",
        ]
    );
    let ids = |args: &[&str]| -> Vec<String> {
        let ran = place.run(&[&["runs", "--json"], args].concat()).exits(0);
        ran.json().iter().map(|run| run["run_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&["--workflow", "order"]), ["order-17"]);
    assert_eq!(ids(&["--status", "failed", "--status", "waiting"]), ["news", FAILED]);
    assert_eq!(ids(&["--children", "--workflow", "fact-check"]), ["news.1"]);
    assert_eq!(ids(&["--limit", "1"]).len(), 1);
    assert!(place.run(&["runs", "-n", "2"]).out.ends_with("… and more; the latest 2 are shown, see --limit\n"));
    place.run(&["runs", "--status", "lost"]).exits(2);
}

#[test]
fn a_run_is_named_by_its_id_its_end_its_beginning_or_as_the_latest() {
    let place = stored();
    let named = |text: &str| place.run(&["status", text, "--json"]).exits(0).json().remove(0)["run_id"].clone();
    assert_eq!(named("latest"), "0199a1b2-0000-7000-8000-00000000cafe");
    assert_eq!(named("456789ab"), FAILED);
    assert_eq!(named("order"), "order-17");
    assert_eq!(named("new"), "news", "a child is not meant where its parent is");
    assert_eq!(named("news.1"), "news.1");
    place.run(&["status", "0199"]).exits(2).says("error[SC0032]").says("456789ab");
    place.run(&["status", "w"]).exits(4);
    place.run(&["status", "../../etc/passwd"]).exits(4).says("error[SC0030]");
    place.run(&["status", "news", "--exit-code"]).exits(3);
    place.run(&["status", "456789ab", "--exit-code"]).exits(1);
}

#[test]
fn the_first_line_of_an_inspection_says_why() {
    let place = stored();
    let first = |run: &str| place.run(&["inspect", run]).exits(0).out.lines().next().unwrap().to_owned();
    assert_eq!(first("456789ab"), "failed at `publish` after 3 attempts: HTTP 503 from example.org");
    assert_eq!(first("news"), "waiting for `Verdict` since 5m ago: Publish \"Release notes\"?");
    assert_eq!(first("latest"), "interrupted: no process drives it; stepcast resume 0000cafe goes on with it");
    assert_eq!(first("order-17"), "completed");
    let ran = place.run(&["inspect", "456789ab"]);
    assert_eq!(
        lines(&ran.out)[1..12],
        [
            "",
            "  run       0199a1b2-0000-7000-8000-0123456789ab",
            "  workflow  publish",
            "  status    failed",
            "  started   3h ago",
            "  took      1h00m",
            "  start     {\"name\":\"Ada\"}",
            "",
            "  events, after 15 earlier ones",
            "   16   16.0s  Progress  {\"percent\":64}",
            "   17   17.0s  Progress  {\"percent\":68}",
        ]
    );
    assert!(ran.out.ends_with("\n\n  stepcast rerun 456789ab\n"), "{}", ran.out);
}

#[test]
fn logs_begin_where_they_are_asked_to() {
    let place = stored();
    let seqs = |args: &[&str]| -> Vec<u64> {
        let ran = place.run(&[&["logs", "456789ab", "--json"], args].concat()).exits(0);
        ran.json().iter().map(|line| line["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!(seqs(&[]), (1..=25).collect::<Vec<_>>());
    assert_eq!(seqs(&["--since", "22"]), [23, 24, 25]);
    assert_eq!(seqs(&["--types", "milestone"]), [5, 10, 15, 20, 25]);
    assert_eq!(seqs(&["--types", "Milestone,Progress", "--since", "23"]), [24, 25]);
    assert_eq!(seqs(&["--since", "1h"]), [0_u64; 0]);
    assert_eq!(seqs(&["--since", "4h"]).len(), 25);
    place.run(&["logs", "456789ab", "--since", "soon"]).exits(2).says("neither the number of an event nor a time");
    place.run(&["logs", "456789ab", "--follow"]).exits(1);
}

#[test]
fn questions_are_listed_with_how_to_answer_them() {
    let place = stored();
    let ran = place.run(&["inputs"]).exits(0);
    assert_eq!(
        lines(&ran.out),
        [
            "INPUT   WORKFLOW  STEP    ASKED   QUESTION",
            "news/2  approval  review  5m ago  Publish \"Release notes\"?",
            "",
            "answer one with: stepcast answer news/2 --arg approved=true",
        ]
    );
    assert_eq!(place.run(&["inputs", "news/2", "--json"]).exits(0).json()[0]["status"], "pending");
    assert_eq!(place.run(&["inputs", "order-17"]).exits(0).out, "Nothing is asked.\n");
    place.run(&["inputs", "news/3"]).exits(4).says("error[SC0050]");
}

#[test]
fn reading_changes_nothing() {
    let place = stored();
    let before = std::fs::read(place.store()).unwrap();
    for args in [&["runs"][..], &["status"], &["logs"], &["inputs"], &["inspect"], &["inputs", "--all", "news"]] {
        place.run(args).exits(0);
    }
    assert!(before == std::fs::read(place.store()).unwrap());
}

#[test]
fn a_run_of_a_workflow_that_is_not_here_is_left_as_it_is() {
    let place = stored();
    let backend = SqliteBackend::open(place.store()).unwrap();
    let run = begin(&backend, "foreign", "elsewhere", None, ago(0));
    write(&backend, Batch { release: true, ..changes(&run, StatusChange::Waiting, ago(0)) });
    backend.close().unwrap();
    place.run(&["resume", "foreign"]).exits(1).says("error[SC0034]");
    assert_eq!(place.run(&["status", "foreign", "--json"]).json()[0]["status"], "waiting");
}
