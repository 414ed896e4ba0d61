//! A binary with workflows of its own: found by name, or registered by hand because they need something to be made.
#![allow(clippy::unwrap_used)]

use std::process::ExitCode;

use stepcast::prelude::*;
use stepcast_cli::{Exit, run_from, run_from_with};

#[event(start)]
struct Ping {
    n: u32,
}

#[event(stop)]
struct Pong {
    n: u32,
}

#[step]
async fn answer(ping: Ping) -> Pong {
    Pong { n: ping.n }
}

flow!(Echo: Ping => Pong { answer });

/// It has no default and names no constructor.
struct Scaled {
    by: u32,
}

#[workflow(Ping => Pong)]
impl Scaled {
    #[step]
    async fn scale(&self, ping: Ping) -> Result<Pong> {
        match self.by {
            0 => Err(StepError::msg("nothing is left")),
            by => Ok(Pong { n: ping.n * by }),
        }
    }
}

/// Its constructor is named, and fails.
struct Remote;

#[workflow(Ping => Pong, new = connect)]
impl Remote {
    async fn connect() -> Result<Self> {
        Err(StepError::msg("nobody answers"))
    }

    #[step]
    async fn ask(&self, ping: Ping) -> Pong {
        Pong { n: ping.n }
    }
}

fn args(rest: &[&str]) -> Vec<String> {
    ["own", "--store", "memory"].iter().chain(rest).map(|arg| (*arg).to_owned()).collect()
}

#[test]
fn a_linked_workflow_is_found_by_its_name() {
    assert_eq!(run_from(args(&["run", "Echo", "--arg", "n=7"])), Exit::Completed);
    assert_eq!(run_from(args(&["run", "Echo"])), Exit::Usage, "it needs a number");
    assert_eq!(run_from(args(&["run", "greet"])), Exit::NotFound, "the demos are not in it");
}

#[test]
fn a_workflow_that_cannot_be_made_is_registered_by_hand() {
    let run = args(&["run", "Scaled", "--arg", "n=7"]);
    assert_eq!(run_from(run.clone()), Exit::Failed);
    let scaled = |by| move |runtime: &stepcast::Runtime| Ok(runtime.register(Scaled { by })?);
    assert_eq!(run_from_with(run.clone(), scaled(3)), Exit::Completed);
    assert_eq!(run_from_with(run, scaled(0)), Exit::Failed);
    assert_eq!(run_from_with(args(&["run", "Nobody"]), scaled(1)), Exit::NotFound);
}

#[test]
fn graphs_run_linked_workflows_and_those_registered_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (graph, typo) = (file("calls.json"), file("typo.json"));
    let calls = |workflow: &str| {
        let steps = serde_json::json!([
            { "id": "a", "type": "subgraph", "workflow": workflow, "input": { "n": "{{input.n}}" } },
            { "id": "b", "type": "subgraph", "workflow": "Echo", "input": "{{a}}" },
        ]);
        serde_json::json!({ "id": "calls", "steps": steps, "edges": [{ "source": "a", "target": "b" }] }).to_string()
    };
    std::fs::write(&graph, calls("Scaled")).unwrap();
    std::fs::write(&typo, calls("Scalde")).unwrap();
    let scaled = |runtime: &stepcast::Runtime| Ok(runtime.register(Scaled { by: 3 })?);
    let kept = |rest: &[&str]| [&["own", "--store", &file("runs.db")], rest].concat().join(" ");
    let kept = |rest: &[&str]| kept(rest).split(' ').map(str::to_owned).collect::<Vec<_>>();

    let run = args(&["run", &graph, "--arg", "n=7"]);
    assert_eq!(run_from(run.clone()), Exit::Usage, "nobody has made a `Scaled`");
    assert_eq!(run_from_with(run, scaled), Exit::Completed);
    assert_eq!(run_from_with(args(&["run", &typo, "--arg", "n=7"]), scaled), Exit::Usage);
    assert_eq!(run_from_with(args(&["graph", "check", &graph]), scaled), Exit::Completed);
    assert_eq!(run_from_with(args(&["graph", "check", &typo]), scaled), Exit::Failed);
    assert_eq!(run_from(args(&["graph", "check", "--names", &graph])), Exit::Failed);
    // What is stored goes on with what this binary registers, too.
    assert_eq!(run_from_with(kept(&["run", &graph, "--arg", "n=7", "--id", "r1"]), scaled), Exit::Completed);
    assert_eq!(run_from_with(kept(&["rerun", "r1"]), scaled), Exit::Completed);
    assert_eq!(run_from(kept(&["rerun", "r1"])), Exit::Failed);
}

#[test]
fn what_goes_wrong_while_workflows_are_made_is_told() {
    assert_eq!(run_from(args(&["run", "Remote", "--arg", "n=7"])), Exit::Failed);
    let broken = |_: &stepcast::Runtime| Err(StepError::msg("no configuration"));
    assert_eq!(run_from_with(args(&["run", "Echo", "--arg", "n=7"]), broken), Exit::Failed);
}

#[test]
fn exits_are_codes() {
    let codes = [Exit::Completed, Exit::Failed, Exit::Usage, Exit::Waiting, Exit::NotFound, Exit::TimedOut];
    assert_eq!(codes.map(Exit::code), [0, 1, 2, 3, 4, 5]);
    assert_eq!(Exit::Interrupted.code(), 130);
    let _: ExitCode = Exit::Waiting.into();
}

#[event(input_required)]
struct Sure {
    prompt: String,
}

#[event(human_response)]
struct Verdict {
    yes: bool,
    #[event(secret)]
    code: String,
}

#[step(waits(Verdict))]
async fn ask(ping: Ping, ctx: Context) -> Result<Pong> {
    let prompt = format!("Is it {}?", ping.n);
    let verdict = ctx.wait_for_event::<Verdict>().announce(Sure { prompt }).await?;
    Ok(Pong { n: if verdict.yes { ping.n } else { 0 } })
}

flow!(Asker: Ping => Pong { ask });

#[step]
async fn delegate(ping: Ping, ctx: Context) -> Result<Pong> {
    let pong = ctx.run_child(Asker, ping).await?;
    Ok(Pong { n: pong.n + 1 })
}

flow!(Outer: Ping => Pong { delegate });

#[test]
fn a_question_of_a_child_is_answered_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db").display().to_string();
    let run = |rest: &[&str]| {
        let args = [&["own", "--store", &file], rest].concat();
        run_from(args.into_iter().map(str::to_owned))
    };
    assert_eq!(run(&["run", "Outer", "--id", "o", "--arg", "n=7", "--no-input"]), Exit::Waiting);
    assert_eq!(run(&["status", "o", "--exit-code"]), Exit::Waiting);
    assert_eq!(run(&["inputs", "o"]), Exit::Completed);
    assert_eq!(run(&["answer", "o", "--arg", "yes=true", "--no-input"]), Exit::Usage, "a field is missing");
    assert_eq!(run(&["answer", "o", "--arg", "yes=true", "--arg", "code=x", "--resume"]), Exit::Completed);
    assert_eq!(run(&["status", "o", "--exit-code"]), Exit::Completed);
    assert_eq!(run(&["inspect", "o"]), Exit::Completed);
}
