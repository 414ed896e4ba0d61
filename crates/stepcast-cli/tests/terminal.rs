//! On a terminal: questions are asked where they arise, by the types of their fields.
//!
//! The terminal is made by `script` of util-linux.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use support::{Place, Ran, finish};

/// Runs the command on a terminal on which this is typed. `None` where there is nothing to make a terminal with.
fn typed(place: &Place, args: &str, lines: &str) -> Option<Ran> {
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("NOT TESTED: there is no `script` to make a terminal with");
        return None;
    }
    let line = format!("{} {args}", env!("CARGO_BIN_EXE_stepcast"));
    let command = place.command(&[]);
    let mut terminal = Command::new("script");
    terminal
        .args(["-qec", &line, "/dev/null"])
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    terminal.env("TERM", "xterm").env("COLUMNS", "80").env_remove("NO_COLOR");
    terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = terminal.spawn().unwrap();
    child.stdin.as_ref().unwrap().write_all(lines.as_bytes()).unwrap();
    // The end of the input would be typed, too.
    let kept = child.stdin.take();
    let ran = finish(child);
    drop(kept);
    Some(ran)
}

#[track_caller]
fn shows(ran: &Ran, texts: &[&str]) {
    let mut rest = ran.out.as_str();
    for text in texts {
        match rest.split_once(text) {
            Some((_, after)) => rest = after,
            None => panic!("no {text:?} in its place in {}", ran.out),
        }
    }
}

#[test]
fn a_question_is_asked_until_it_is_answered() {
    let place = Place::new();
    let Some(ran) = typed(&place, "run approval", "perhaps\nno\nsay more\ny\n\n") else { return };
    shows(
        &ran,
        &[
            "review asks:",
            "Publish \"Release notes\"?",
            "approved (yes/no): ",
            "please answer yes or no",
            "approved (yes/no): ",
            "comment (text, optional): ",
            "Publish \"Release notes (say more)\"?",
            "completed",
            "{\"text\":\"Release notes (say more)\",\"version\":2}",
        ],
    );
    assert_eq!(ran.code, 0);
}

#[test]
fn a_failed_step_is_put_before_whoever_is_here() {
    let place = Place::new();
    let Some(ran) = typed(&place, "run pause-on-failure", "again\nretry\n") else { return };
    shows(&ran, &["deploy asks:", "(retry/skip/continue/fail): ", "please give one of", "\"attempt\":2"]);
    assert_eq!(ran.code, 0);
}

#[test]
fn a_question_that_was_left_is_asked_by_answer() {
    let place = Place::new();
    let Some(ran) = typed(&place, "run approval --id news", "\u{4}") else { return };
    shows(&ran, &["approved (yes/no): ", "waiting", "answer news/2"]);
    assert_eq!(ran.code, 3);
    let Some(ran) = typed(&place, "answer", "yes\n\n") else { return };
    shows(&ran, &["review asks:", "answered", "news/2"]);
    assert_eq!(ran.code, 0);
    let Some(ran) = typed(&place, "resume", "") else { return };
    shows(&ran, &["completed"]);
}

#[test]
fn fields_that_are_missing_are_asked_for() {
    let place = Place::new();
    place.run(&["run", "approval", "--id", "news"]).exits(3);
    let Some(ran) = typed(&place, "answer news --arg comment=longer", "no\n") else { return };
    shows(&ran, &["review asks:", "approved (yes/no): ", "answered"]);
    assert!(!ran.out.contains("comment (text"), "it was given: {}", ran.out);
    let answered = place.run(&["inputs", "news/2", "--json"]).json().remove(0);
    assert_eq!(answered["answer"], serde_json::json!({ "approved": false, "comment": "longer" }));
}

#[test]
fn running_steps_have_a_line_each() {
    let place = Place::new();
    let Some(ran) = typed(&place, "--store memory run fan-out", "") else { return };
    shows(&ran, &["fan-out", "3 running", "completed", "{\"letters\":39,\"words\":10}"]);
}
