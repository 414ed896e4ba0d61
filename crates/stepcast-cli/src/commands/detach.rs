//! `stepcast run --detach`: a run that goes on in a process of its own, after the command that started it.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepcast::RunId;

use super::Outcome;
use crate::app::App;
use crate::error::CliError;
use crate::exit::Exit;
use crate::graphs::GraphArgs;
use crate::input::Given;
use crate::out::{self, CYAN, DIM, paint};
use crate::store::Store;
use crate::text::short;

/// How often it is looked whether the run is on record.
const LOOK: Duration = Duration::from_millis(10);

/// How long the new process may take until it is.
const BOUND: Duration = Duration::from_secs(60);

/// What a process of its own starts.
#[derive(Debug)]
pub(crate) struct Detached<'a> {
    pub(crate) workflow: &'a str,
    /// What it was called on the command line: a workflow, or the file of a graph.
    pub(crate) named: &'a str,
    pub(crate) graphs: &'a GraphArgs,
    pub(crate) given: &'a Given,
}

/// Has a process of its own start the run, and returns as soon as that is recorded.
pub(crate) async fn detach(app: &App, run: Detached<'_>, id: Option<&str>, timeout: Option<Duration>) -> Outcome {
    let Detached { workflow, named, graphs, given } = run;
    let Store::File(file) = &app.store else {
        return Err(CliError::new("SC0008", "A run in memory is gone with its process; it cannot be detached."));
    };
    // What is wrong with the command is told here, before there is a process.
    let def = app.register(&app.runtime(None)?, workflow).await?;
    let start = given.value_for(def.event(def.start()), "SC0045")?;
    // It is made here, so that nobody finds it half made, and what is wrong with it is told here too.
    app.close(app.store.write()?);
    let id = id.map_or_else(RunId::random, RunId::from);
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--store").arg(file).args(["run", named, "--id", id.as_str()]);
    for file in &graphs.graphs {
        command.arg("--graph").arg(file);
    }
    // Not on the command line, where others could read it.
    command.args(["--input", "-", "--wait", "--no-input"]);
    if let Some(timeout) = timeout {
        command.arg("--timeout").arg(format!("{}ms", timeout.as_millis()));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    apart(&mut command);
    let mut child = command.spawn()?;
    give(&mut child, &start)?;
    begun(app, &mut child, &id).await?;
    tell(app, workflow, id.as_str())
}

/// Names a run that goes on elsewhere.
pub(crate) fn tell(app: &App, workflow: &str, id: &str) -> Outcome {
    if app.json {
        out::json(&json!({ "run": { "run_id": id, "workflow": workflow, "detached": true } }))?;
        return Ok(Exit::Completed);
    }
    out::line(id)?;
    let logs = app.command(&format!("logs {} -f", short(id)));
    out::note(format!("{} {}", paint(DIM, "it goes on by itself; watch it with"), paint(CYAN, logs)));
    Ok(Exit::Completed)
}

/// Ctrl-C on this terminal, and the end of it, are none of the new process's business.
fn apart(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(windows)]
    {
        const DETACHED_PROCESS: u32 = 0x0000_0008;
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
        std::os::windows::process::CommandExt::creation_flags(command, DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
    }
}

fn give(child: &mut Child, start: &Value) -> Result<(), CliError> {
    let Some(mut input) = child.stdin.take() else { return Ok(()) };
    match input.write_all(start.to_string().as_bytes()) {
        // It is gone already; what it said is told later.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Waits until the run is on record.
async fn begun(app: &App, child: &mut Child, id: &RunId) -> Result<(), CliError> {
    let began = Instant::now();
    loop {
        let ended = child.try_wait()?.is_some();
        if app.store.read()?.run(id.as_str())?.is_some() {
            return Ok(());
        }
        if ended || began.elapsed() > BOUND {
            let mut said = String::new();
            if let Some(mut told) = child.stderr.take().filter(|_| ended) {
                told.read_to_string(&mut said)?;
            }
            let said = said.trim();
            let said = if said.is_empty() { "it said nothing" } else { said };
            return Err(CliError::new("SC0009", format!("The process for the run did not begin it: {said}.")));
        }
        tokio::time::sleep(LOOK).await;
    }
}
