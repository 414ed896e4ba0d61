//! Every example runs as the README says, and prints what its file in `examples/expected` says.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// An example that hangs is killed. Most of this is for building one on a slow machine.
const BOUND: Duration = Duration::from_secs(900);

macro_rules! examples {
    ($($name:ident),+ $(,)?) => {
        const ALL: &[&str] = &[$(stringify!($name)),+];

        $(
            #[tokio::test]
            async fn $name() {
                runs_as_expected(stringify!($name)).await;
            }
        )+
    };
}

examples! {
    branch_and_loop,
    calls_and_budget,
    child_workflow,
    durable,
    fan_out,
    graph_in_code,
    graph_review,
    hello,
    human_in_the_loop,
    joins,
    otel,
    pause_and_resume,
    resources,
    retry_and_catch,
    streaming_progress,
    test_kit,
    typed_state,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn expected(name: &str) -> String {
    read_to_string(root().join(format!("examples/expected/{name}.txt"))).unwrap()
}

/// Runs the example by cargo, with the profile and the target folder of this test, so that nothing is built twice.
async fn runs_as_expected(name: &str) {
    let me = std::env::current_exe().unwrap();
    let target = me.ancestors().nth(3).expect("a test is in `deps` of a profile's folder in the target folder");
    let mut run = Command::new(env!("CARGO"));
    run.args(["run", "--quiet", "--example", name, "--target-dir"]).arg(target).current_dir(root());
    if !cfg!(debug_assertions) {
        run.arg("--release");
    }
    let running = run.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(BOUND, running).await.expect("the example ends in time").unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}\n{stdout}{stderr}", output.status);
    assert_eq!(stdout, expected(name), "{name} does not print what examples/expected/{name}.txt says");
}

fn names_in(folder: &str, extension: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension() == Some(OsStr::new(extension)));
    files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_example_is_run() {
    let all: BTreeSet<String> = ALL.iter().map(|name| (*name).to_owned()).collect();
    let mut files = names_in("examples", "rs");
    // It serves until it is stopped: `server_clients.rs` and `server_crash.rs` start it.
    assert!(files.remove("server"));
    assert_eq!(files, all, "the files in `examples` and the list of this test differ");
    assert_eq!(names_in("examples/expected", "txt"), all, "an expected text without its example, or without its list");
}

#[test]
fn every_example_is_short() {
    for name in ALL {
        let lines = read_to_string(root().join(format!("examples/{name}.rs"))).unwrap().lines().count();
        assert!(lines < 120, "{name}.rs has {lines} lines");
    }
}

/// The text of the first code block of a language after a heading.
fn block<'a>(text: &'a str, heading: &str, language: &str) -> &'a str {
    let after = text.split_once(heading).unwrap_or_else(|| panic!("the README has no `{heading}`")).1;
    let opened = after.split_once(&format!("```{language}\n")).expect("a code block").1;
    opened.split_once("```").expect("its end").0
}

#[test]
fn the_readme_shows_hello_and_its_output() {
    let readme = read_to_string(root().join("README.md")).unwrap();
    let hello = read_to_string(root().join("examples/hello.rs")).unwrap();
    let program = hello.split_once("\n\n").expect("a comment, then the program").1;
    assert_eq!(block(&readme, "## A workflow", "rust"), program, "the README's program is not examples/hello.rs");
    assert_eq!(block(&readme, "## A workflow", "text"), expected("hello"), "the README's output is not hello's");
}
