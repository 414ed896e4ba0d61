//! `serve`, and every command that works on a server instead of a file.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader};
use std::process::Child;

use support::{Place, Ran, finish};

/// A server of this binary's workflows. It is killed at the end.
struct Served {
    place: Place,
    url: String,
    child: Child,
}

impl Served {
    fn begin(options: &[&str]) -> Served {
        let place = Place::new();
        let mut child = place.begin(&[&["serve", "--port", "0"], options].concat());
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Served { place, url: url.trim_end().to_owned(), child }
    }

    /// A command on the server, from a folder that has no store.
    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.place.command(args);
        command.env_remove("STEPCAST_STORE").env("STEPCAST_SERVER", &self.url).env("HOME", "/nonexistent");
        finish(command.spawn().unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn runs_are_started_shown_and_repeated() {
    let server = Served::begin(&[]);
    let ran = server.run(&["run", "greet", "--arg", "name=Ada", "--id", "first"]).exits(0);
    assert_eq!(ran.out.trim(), r#"{"text":"Hello, Ada!"}"#, "{ran:?}");
    let ran = server.run(&["run", "countdown", "--arg", "from=3"]).exits(0);
    assert!(ran.out.contains("Tick") || ran.err.contains("Tick"), "{ran:?}");
    server.run(&["run", "failing"]).exits(1).says("error[SC0070]");
    server.run(&["run", "greet", "--id", "first"]).exits(1).says("error[SC0038]");
    server.run(&["run", "greeet"]).exits(4).says("error[SC0040]");

    let runs = server.run(&["runs", "--json"]).exits(0).json();
    let workflows: Vec<&str> = runs.iter().map(|run| run["workflow"].as_str().unwrap()).collect();
    assert_eq!(workflows, ["failing", "countdown", "greet"]);
    let status = server.run(&["status", "first", "--json"]).exits(0).json();
    assert_eq!((status[0]["run_id"].as_str(), status[0]["status"].as_str()), (Some("first"), Some("completed")));
    let logs = server.run(&["logs", "first", "--json"]).exits(0).json();
    assert_eq!(logs.last().unwrap()["seq"], logs.len());
    assert!(server.run(&["inspect", "latest"]).exits(0).out.starts_with("failed at `"), "latest is the failing one");
    server.run(&["status", "nobody"]).exits(4).says("error[SC0030]");

    let again = server.run(&["rerun", "first"]).exits(0);
    assert_eq!(again.out.trim(), r#"{"text":"Hello, Ada!"}"#, "{again:?}");
    server.run(&["cancel", "first"]).says("error[SC0031]");
    for only_here in [&["gc", "--older-than", "1d"][..], &["doctor"], &["report", "first"]] {
        server.run(only_here).exits(2).says("error[SC0112]");
    }
}

#[test]
fn a_question_is_answered_from_elsewhere() {
    let server = Served::begin(&[]);
    let ran = server.run(&["run", "approval", "--arg", "topic=sea", "--id", "draft"]).exits(3);
    assert!(ran.err.contains("waiting for an answer"), "{ran:?}");
    let inputs = server.run(&["inputs", "--json"]).exits(0).json();
    assert_eq!(inputs.len(), 1, "{inputs:?}");
    server.run(&["answer", "draft", "--arg", "approved=perhaps"]).says("error[SC0058]");
    server.run(&["answer", "draft", "--arg", "approved=true", "--by", "ada"]).exits(0);
    let input = inputs[0]["input_id"].as_str().unwrap();
    server.run(&["answer", input, "--arg", "approved=true"]).says("by ada");
    let ran = server.run(&["logs", "draft", "--follow"]).exits(0);
    assert!(ran.out.contains("Published"), "{ran:?}");
}

#[test]
fn a_token_is_asked_for() {
    let server = Served::begin(&["--token", "secret", "--read-only-token", "look"]);
    server.run(&["runs"]).exits(1).says("error[SC0111]");
    server.run(&["run", "greet"]).says("error[SC0111]");
    server.run(&["--token", "look", "run", "greet"]).says("error[SC0111]");
    server.run(&["--token", "look", "runs"]).exits(0);
    server.run(&["--token", "secret", "run", "greet"]).exits(0);
}

#[test]
fn nobody_is_there() {
    let place = Place::new();
    place.run(&["--server", "http://127.0.0.1:1", "run", "greet"]).exits(1).says("error[SC0110]");
    place.run(&["--server", "localhost", "runs"]).exits(1).says("error[SC0110]");
    place.run(&["serve", "--host", "0.0.0.0", "--port", "0"]).exits(1).says("error[SC0113]").says("--token");
}
