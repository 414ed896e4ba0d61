//! Runs that outlive their process: answered, resumed, cancelled and watched from others.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Place, finish};

fn status(place: &Place, run: &str) -> Value {
    place.run(&["status", run, "--json"]).exits(0).json().remove(0)
}

#[test]
fn a_person_answers_tomorrow_from_another_process() {
    let place = Place::new();
    place.run(&["run", "approval", "--id", "news"]).exits(3).says("answer news/2 --arg approved=true");
    assert_eq!(status(&place, "latest")["status"], "waiting");
    place.run(&["status", "--exit-code"]).exits(3);

    let inputs = place.run(&["inputs", "--json"]).exits(0).json();
    assert_eq!(inputs.len(), 1);
    assert_eq!(inputs[0]["input_id"], "news/2");
    let ran = place.run(&["answer", "latest", "--arg", "approved=no", "--arg", "comment=more"]).exits(0);
    assert!(ran.out.contains("resume news"), "{ran:?}");

    // Refused once, it asks again.
    let ran = place.run(&["resume", "latest"]).exits(3);
    assert!(ran.err.contains("Release notes (more)") && ran.err.matches("Review").count() == 1, "{ran:?}");
    let ran = place.run(&["answer", "news", "--arg", "approved=y", "--by", "Ada", "--resume"]).exits(0);
    assert!(ran.out.ends_with("{\"text\":\"Release notes (more)\",\"version\":2}\n"), "{ran:?}");
    assert_eq!(status(&place, "news")["status"], "completed");

    let inputs = place.run(&["inputs", "--all", "--json"]).exits(0).json();
    assert_eq!(inputs[1]["status"], "answered");
    assert_eq!((&inputs[0]["by"], &inputs[1]["by"]), (&json!("tester"), &json!("Ada")));
    assert_eq!(inputs[1]["answer"], json!({ "approved": true }));
    place.run(&["inputs"]).exits(0);
}

#[test]
fn a_detached_run_goes_on_after_its_command() {
    let place = Place::new();
    let ran = place.run(&["run", "approval", "--detach", "--id", "news"]).exits(0).says("logs news -f");
    assert_eq!(ran.out, "news\n", "its id and nothing else");
    place.until(&["status", "news", "--json"], |run| run["status"] == "waiting" && run["driven"] == true);
    let logs = place.begin(&["logs", "news", "-f"]);
    place.run(&["answer", "news", "--arg", "approved=yes"]).exits(0);
    // Nobody resumes it.
    place.until(&["status", "news", "--json"], |run| run["status"] == "completed");
    assert!(finish(logs).exits(0).out.contains("Published"));

    let ran = place.run(&["run", "greet", "-d", "--arg", "name=Ada", "--json"]).exits(0).json().remove(0);
    assert_eq!(ran["run"]["detached"], true);
    let id = ran["run"]["run_id"].as_str().unwrap();
    let ended = place.until(&["status", id, "--json"], |run| run["status"] == "completed");
    assert_eq!(ended["result"], json!({ "text": "Hello, Ada!" }));
}

#[test]
fn what_cannot_be_detached_is_told_by_the_command_itself() {
    let place = Place::new();
    place.run(&["--store", "memory", "run", "greet", "-d"]).exits(2).says("error[SC0008]");
    place.run(&["run", "countdown", "-d", "--arg", "from=many"]).exits(2).says("error[SC0045]");
    place.run(&["run", "gret", "-d"]).exits(4).says("error[SC0040]");
    assert!(!place.store().exists());
    place.run(&["run", "greet", "-d", "--wait"]).exits(2).says("cannot be used with");
    std::fs::write(place.store(), "x".repeat(4096)).unwrap();
    place.run(&["run", "greet", "-d"]).exits(1).says("error[SC00");
}

#[test]
fn a_run_without_a_start_event_is_started_once_more_only_with_one() {
    let place = Place::new();
    place.run(&["run", "greet", "--id", "first", "--arg", "name=Ada"]).exits(0);
    // As a run is stored that began from a snapshot.
    let file = rusqlite::Connection::open(place.store()).unwrap();
    assert_eq!(file.execute("UPDATE starts SET json = 'null'", []).unwrap(), 1);
    drop(file);
    place.run(&["rerun", "first"]).exits(2).says("error[SC0049]").says("--arg KEY=VALUE");
    let ran = place.run(&["rerun", "first", "--arg", "name=Bob"]).exits(0);
    assert!(ran.out.contains("Hello, Bob!"), "{ran:?}");
}

#[test]
fn an_answer_is_checked_and_the_first_one_wins() {
    let place = Place::new();
    place.run(&["run", "approval", "--id", "news"]).exits(3);
    place.run(&["answer", "news"]).exits(2).says("error[SC0007]").says("approved (yes/no)");
    place.run(&["answer", "news", "--arg", "approved=maybe"]).exits(2).says("error[SC0058]").says("approved: ");
    place.run(&["answer", "news", "--arg", "aproved=yes"]).exits(2).says("did you mean `approved`?");
    place.run(&["answer", "news", "--choice", "retry"]).exits(2).says("error[SC0056]");
    place.run(&["answer", "news/9", "--arg", "approved=yes"]).exits(4).says("error[SC0050]");
    place.run(&["answer", "nobody", "--arg", "approved=yes"]).exits(4).says("error[SC0030]");
    place.run(&["answer", "news", "--value", r#"{"approved":true}"#, "--by", "Ada"]).exits(0);
    place.run(&["answer", "news/2", "--arg", "approved=no"]).exits(1).says("error[SC0053]").says("by Ada");
    place.run(&["resume"]).exits(0);
    place.run(&["answer", "news", "--arg", "approved=no"]).exits(4).says("error[SC0051]");
}

#[test]
fn a_failed_step_is_retried_by_choice() {
    let place = Place::new();
    place.run(&["run", "pause-on-failure"]).exits(3).says("--choice retry");
    let why = place.run(&["inspect", "--json"]).exits(0).json().remove(0);
    assert!(why["why"].as_str().unwrap().contains("the disk of staging is full"), "{why}");
    place.run(&["answer", "--choice", "again"]).exits(2).says("choose one of: retry, skip, continue, fail");
    let ran = place.run(&["answer", "--choice", "retry", "--resume"]).exits(0);
    assert!(ran.out.contains(r#"{"attempt":2,"server":"staging"}"#), "{ran:?}");
}

#[test]
fn a_killed_run_goes_on_where_it_was() {
    let place = Place::new();
    let mut killed = place.begin(&["run", "countdown", "--id", "c", "--arg", "from=100", "--arg", "millis=20"]);
    place.until(&["logs", "c", "--json"], |last| last["seq"].as_u64() > Some(2));
    assert_eq!(status(&place, "c")["driven"], true);
    place.run(&["resume", "c"]).exits(1).says("error[SC0033]");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(status(&place, "c")["driven"], false);
    let ran = place.run(&["inspect", "c"]).exits(0);
    assert!(ran.out.starts_with("interrupted: no process drives it; stepcast resume c goes on with it\n"), "{ran:?}");

    let ran = place.run(&["resume", "c"]).exits(0);
    assert_eq!(ran.json(), [json!({ "counted": 100 })]);
    let lines = place.run(&["logs", "c", "--json"]).exits(0).json();
    let left: Vec<u64> = lines.iter().filter_map(|line| line["value"]["left"].as_u64()).collect();
    assert_eq!(left, (1..=100).rev().collect::<Vec<_>>(), "each number is on the stream once");
    let seqs: Vec<u64> = lines.iter().filter_map(|line| line["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=101).collect::<Vec<_>>());
}

#[test]
fn a_held_run_is_answered_and_watched_from_outside() {
    let place = Place::new();
    let held = place.begin(&["run", "approval", "--id", "news", "--wait"]);
    place.until(&["inputs", "--json"], |input| input["input_id"] == "news/2");
    let watched = place.begin(&["logs", "news", "--follow"]);
    let ran = place.run(&["answer", "news", "--arg", "approved=yes"]).exits(0);
    assert!(!ran.out.contains("resume"), "somebody drives it: {ran:?}");
    finish(held).exits(0);
    let ran = finish(watched).exits(0);
    assert!(ran.out.contains("Published"), "{ran:?}");
}

#[test]
fn a_run_is_cancelled_from_outside() {
    let place = Place::new();
    let driven = place.begin(&["run", "countdown", "--id", "c", "--arg", "from=10000"]);
    place.until(&["logs", "c", "--json"], |last| last["type"] == "Tick");
    place.run(&["cancel", "c"]).exits(0);
    finish(driven).exits(1).says("error[SC0072]");
    assert_eq!(status(&place, "c")["status"], "cancelled");
    place.run(&["cancel", "c"]).exits(1).says("error[SC0031]");
    place.run(&["resume", "c"]).exits(1).says("error[SC0031]").says("rerun c");
}

#[test]
fn a_run_that_nobody_drives_is_cancelled_at_once() {
    let place = Place::new();
    place.run(&["run", "approval", "--id", "news"]).exits(3);
    let ran = place.run(&["cancel", "news"]).exits(0);
    assert_eq!(ran.out, "cancelled news\n");
    assert_eq!(status(&place, "news")["status"], "cancelled");
    assert_eq!(place.run(&["inputs", "--all", "--json"]).json()[0]["status"], "withdrawn");
    place.run(&["answer", "news/2", "--arg", "approved=yes"]).exits(1).says("error[SC0055]");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    place.run(&["run", "countdown", "--arg", "from=500", "--arg", "millis=0"]).exits(0);
    let mut logs = place.begin(&["logs"]);
    drop(logs.stdout.take());
    let ran = finish(logs).exits(0);
    assert_eq!(ran.err, "");
}

#[cfg(unix)]
#[test]
fn ctrl_c_cancels_the_run() {
    let place = Place::new();
    let driven = place.begin(&["run", "countdown", "--id", "c", "--arg", "from=10000"]);
    place.until(&["logs", "c", "--json"], |last| last["type"] == "Tick");
    let pid = driven.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    finish(driven).exits(130).says("Ctrl-C again ends at once").says("cancelled after");
    assert_eq!(status(&place, "c")["status"], "cancelled");
}

#[test]
fn a_run_is_started_once_more_with_its_own_input_or_another() {
    let place = Place::new();
    place.run(&["run", "greet", "--arg", "name=Ada", "--id", "first"]).exits(0);
    let ran = place.run(&["rerun", "first", "--id", "second"]).exits(0);
    assert_eq!(ran.json(), [json!({ "text": "Hello, Ada!" })]);
    let ran = place.run(&["rerun", "first", "--arg", "name=Bob"]).exits(0);
    assert_eq!(ran.json(), [json!({ "text": "Hello, Bob!" })]);
    place.run(&["rerun", "first", "--id", "second"]).exits(1).says("error[SC0038]");
    place.run(&["run", "greet", "--id", "first"]).exits(1).says("A run `first` exists: greet, completed");
    assert_eq!(place.run(&["runs", "--json"]).json().len(), 3);
}

#[test]
fn a_command_leaves_the_runs_alone_that_nobody_named() {
    let place = Place::new();
    let mut killed = place.begin(&["run", "countdown", "--id", "c", "--arg", "from=10000", "--arg", "millis=20"]);
    place.until(&["logs", "c", "--json"], |last| last["type"] == "Tick");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let before = place.run(&["logs", "c"]).out;
    place.run(&["run", "countdown", "--arg", "from=20", "--arg", "millis=10"]).exits(0);
    assert_eq!(place.run(&["logs", "c"]).out, before);
    assert_eq!(status(&place, "c")["driven"], false);
}
