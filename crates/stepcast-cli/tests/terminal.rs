//! On a terminal: questions are asked where they arise, by the types of their fields.
//!
//! The terminal is made by `script` of util-linux.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use stepcast::prelude::*;
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

/// This binary as a command with the workflows below, with these arguments.
fn own(args: &str) -> String {
    let test = std::env::current_exe().unwrap();
    format!("env OWN_ARGS='{args}' {} --exact own_command --nocapture", test.display())
}

/// The command of this binary; nothing unless it is called as one.
#[test]
fn own_command() {
    if let Ok(args) = std::env::var("OWN_ARGS") {
        let exit = stepcast_cli::run_from(["own"].into_iter().chain(args.split(' ')));
        std::process::exit(i32::from(exit != stepcast_cli::Exit::Completed));
    }
}

/// Runs a command line on a terminal where a line is typed once its prompt is there. Gives all that was shown.
fn typed_at(place: &Place, command: &str, lines: &[(&str, &str)]) -> Option<String> {
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("NOT TESTED: there is no `script` to make a terminal with");
        return None;
    }
    let envs = place.command(&[]);
    let mut terminal = Command::new("script");
    terminal.args(["-qec", command, "/dev/null"]);
    terminal.envs(envs.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm");
    terminal.current_dir(envs.get_current_dir().unwrap());
    terminal.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = terminal.spawn().unwrap();
    let (mut seen, mut byte) = (Vec::new(), [0]);
    let mut out = child.stdout.take().unwrap();
    for (prompt, line) in lines {
        while !String::from_utf8_lossy(&seen).ends_with(prompt) {
            assert_eq!(out.read(&mut byte).unwrap(), 1, "it ended: {}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
        child.stdin.as_ref().unwrap().write_all(line.as_bytes()).unwrap();
    }
    out.read_to_end(&mut seen).unwrap();
    let seen = String::from_utf8(seen).unwrap();
    assert!(child.wait().unwrap().success(), "{seen}");
    Some(seen)
}

#[test]
fn what_is_secret_is_typed_without_being_shown() {
    let place = Place::new();
    let command = format!("{} --store memory run greet --secret name", env!("CARGO_BIN_EXE_stepcast"));
    let Some(out) = typed_at(&place, &command, &[("name: ", "Ada\n")]) else { return };
    let (_, after) = out.split_once("name: ").unwrap();
    assert!(after.starts_with("\r\n"), "{after:?}");
    assert!(after.contains("Hello, Ada!"), "{after:?}");
    // Nobody is there to be asked.
    place.run(&["run", "greet", "--secret", "name"]).exits(2).says("error[SC0007]");
}

#[event(start)]
struct Begin {}

#[event(input_required)]
struct WhoAreYou {
    prompt: String,
}

#[event(human_response)]
struct Key {
    user: String,
    #[event(secret)]
    token: String,
    #[event(secret)]
    pin: String,
}

#[event(stop)]
struct Opened {
    text: String,
}

#[step(waits(Key))]
async fn ask(_ev: Begin, ctx: Context) -> Result<Opened> {
    let key = ctx.wait_for_event::<Key>().announce(WhoAreYou { prompt: "Who are you?".into() }).await?;
    Ok(Opened { text: format!("{} gave {} and {} characters", key.user, key.token.len(), key.pin.len()) })
}

flow!(Vault: Begin => Opened { ask }, name = "vault");

#[test]
fn a_secret_field_is_answered_without_being_shown_and_others_are_shown() {
    let place = Place::new();
    let lines = [("user (text): ", "Ada\n"), ("token (text): ", "hush\n"), ("pin (text): ", "73519\n")];
    let Some(out) = typed_at(&place, &own("--store memory run vault"), &lines) else { return };
    assert!(out.contains("user (text): Ada"), "{out}");
    assert!(out.contains("Ada gave 4 and 5 characters"), "{out}");
    assert!(!out.contains("hush") && !out.contains("73519"), "{out}");
}

#[step]
async fn work(_ev: Begin) -> Opened {
    tokio::time::sleep(Duration::from_millis(600)).await;
    Opened { text: "worked".into() }
}

flow!(Inner: Begin => Opened { work }, name = "inner");

#[step]
async fn call(_ev: Begin, ctx: Context) -> Result<Opened> {
    Ok(ctx.run_child(Inner, Begin {}).await?)
}

flow!(Outer: Begin => Opened { call }, name = "outer");

#[test]
fn the_steps_of_a_child_have_lines_of_their_own() {
    let place = Place::new();
    for store in ["--store memory", "--store own.db"] {
        let Some(out) = typed_at(&place, &own(&format!("{store} run outer")), &[]) else { return };
        assert!(out.contains("  inner › work"), "{out}");
        assert!(out.contains("completed") && out.contains("{\"text\":\"worked\"}"), "{out}");
    }
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

#[test]
fn what_a_graph_asks_is_answered_where_it_is_asked() {
    let place = Place::new();
    let graph = r#"{ "id": "asks", "start": "what", "steps": [
        { "id": "what", "type": "human", "prompt": "Which?", "choices": ["left", "right"] },
        { "id": "who", "type": "human", "prompt": "Who?" },
        { "id": "many", "type": "human", "prompt": "How many?", "schema": { "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } } },
        { "id": "end", "type": "end", "input": "{{what.response}} {{who.response}} {{many.n}}" }
    ], "edges": [
        { "source": "what", "target": "who" }, { "source": "who", "target": "many" }, { "source": "many", "target": "end" }
    ] }"#;
    std::fs::write(place.file("asks.json"), graph).unwrap();
    for store in ["memory", "runs.db"] {
        let command = format!("{} --store {store} run asks.json", env!("CARGO_BIN_EXE_stepcast"));
        let lines = [
            ("choice (left/right): ", "up\n"),
            ("choice (left/right): ", "right\n"),
            ("answer (text or JSON): ", "Ada Lovelace\n"),
            ("n (whole number): ", "7\n"),
        ];
        let Some(out) = typed_at(&place, &command, &lines) else { return };
        assert!(out.contains("right Ada Lovelace 7"), "{store}: {out}");
    }
}
