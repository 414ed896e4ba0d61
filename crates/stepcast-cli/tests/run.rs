//! `stepcast run` on workflows in memory: results, exit codes, input, streams for scripts.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::Place;

fn memory(args: &[&str]) -> support::Ran {
    let place = Place::new();
    let ran = place.run(&[&["--store", "memory"], args].concat());
    assert!(!place.store().exists(), "memory keeps nothing");
    ran
}

#[test]
fn a_result_is_all_of_standard_output() {
    let ran = memory(&["run", "greet", "--arg", "name=Ada"]).exits(0);
    assert_eq!(ran.json(), [json!({ "text": "Hello, Ada!" })]);
    ran.says("run ").says("of greet").says("polish done in").says("completed in");
}

#[test]
fn exit_codes_tell_scripts_how_a_run_ended() {
    memory(&["run", "fan-out"]).exits(0);
    memory(&["run", "failing"]).exits(1).says("error[SC0070]: The step `publish` failed after 3 attempt(s): HTTP 503");
    memory(&["run", "greet", "--what"]).exits(2);
    memory(&["run", "approval"]).exits(3).says("waiting for an answer: Publish \"Release notes\"?");
    memory(&["run", "pause-on-failure"]).exits(3).says("the disk of staging is full");
    memory(&["run", "gret"]).exits(4).says("error[SC0040]").says("help: did you mean `greet`?");
    memory(&["run", "countdown", "--arg", "from=100", "--timeout", "50ms"]).exits(5).says("error[SC0071]");
}

#[test]
fn input_comes_as_text_as_a_file_from_a_pipe_and_field_by_field() {
    let place = Place::new();
    let name = |ran: support::Ran| ran.exits(0).json().remove(0)["text"].clone();
    let run = ["--store", "memory", "run", "greet"];
    std::fs::write(place.file("guest.json"), r#"{ "name": "Ada" }"#).unwrap();
    assert_eq!(name(place.run(&[&run[..], &["--input", r#"{"name":"Ada"}"#]].concat())), "Hello, Ada!");
    assert_eq!(name(place.run(&[&run[..], &["--input", "@guest.json"]].concat())), "Hello, Ada!");
    assert_eq!(name(place.run_with(&[&run[..], &["--input", "-"]].concat(), r#"{"name":"Ada"}"#)), "Hello, Ada!");
    assert_eq!(name(place.run(&[&run[..], &["-i", "@guest.json", "-a", "name=7"]].concat())), "Hello, 7!");
}

#[test]
fn input_that_does_not_fit_is_refused_before_anything_begins() {
    let place = Place::new();
    let refused = |args: &[&str], code: &str| {
        place.run(args).exits(2).says(&format!("error[{code}]"));
        assert!(!place.store().exists(), "a store was made for {args:?}");
    };
    refused(&["run", "greet", "--input", "{"], "SC0002");
    refused(&["run", "greet", "--input", "@nowhere.json"], "SC0003");
    refused(&["run", "greet", "--arg", "name"], "SC0004");
    refused(&["run", "greet", "--arg", "nmae=Ada"], "SC0004");
    refused(&["run", "countdown", "--arg", "from=many"], "SC0045");
    refused(&["run", "greet", "--id", "../etc/passwd"], "SC0039");
    refused(&["run", "greet", "--id", "latest"], "SC0039");
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    refused(&["run", "greet", "--input", &deep], "SC0002");
    place.run(&["run", "greet", "--timeout", "soon"]).exits(2).says("is no length of time");
}

#[test]
fn ten_megabytes_of_input_are_no_trouble() {
    let place = Place::new();
    let long = "x".repeat(10 << 20);
    let ran = place.run_with(&["run", "greet", "--input", "-"], &json!({ "name": long }).to_string()).exits(0);
    assert!(ran.out.len() > 10 << 20);
}

#[test]
fn a_script_gets_every_event_of_the_stream_in_a_line() {
    let lines = memory(&["run", "countdown", "--arg", "from=2", "--arg", "millis=1", "--json"]).exits(0).json();
    let (first, last) = (&lines[0]["run"], &lines[lines.len() - 1]["run"]);
    assert_eq!(first["workflow"], "countdown");
    assert_eq!(last["status"], "completed");
    assert_eq!(last["result"], json!({ "counted": 2 }));
    assert_eq!(first["run_id"], last["run_id"]);
    let events: Vec<(u64, &str)> = lines[1..lines.len() - 1]
        .iter()
        .map(|line| (line["seq"].as_u64().unwrap_or_default(), line["type"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(events, [(1, "Tick"), (2, "Tick"), (3, "Liftoff")]);
}

#[test]
fn a_script_is_told_of_failures_and_questions() {
    let ran = memory(&["run", "failing", "--json"]).exits(1);
    let last = ran.json().pop().unwrap();
    assert_eq!(last["run"]["status"], "failed");
    let problem: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!((&problem["code"], &problem["exit"]), (&json!("SC0070"), &json!(1)));

    let last = memory(&["run", "approval", "--json"]).exits(3).json().pop().unwrap();
    assert_eq!(last["run"]["status"], "waiting");
    assert_eq!(last["run"]["inputs"][0]["prompt"], "Publish \"Release notes\"?");
    assert_eq!(last["run"]["inputs"][0]["expects"], "Verdict");
}

#[test]
fn colours_are_for_terminals_or_on_request() {
    let coloured = |ran: &support::Ran| ran.out.contains('\u{1b}') || ran.err.contains('\u{1b}');
    assert!(!coloured(&memory(&["run", "greet"])));
    assert!(!coloured(&memory(&["run", "failing"])));
    assert!(coloured(&memory(&["run", "failing", "--color", "always"])));
}
