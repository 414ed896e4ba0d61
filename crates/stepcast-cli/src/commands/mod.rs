//! One file per command: its arguments, and what it does.

pub(crate) mod answer;
pub(crate) mod cancel;
mod detach;
mod doctor;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod gc;
pub(crate) mod graph;
pub(crate) mod inputs;
pub(crate) mod inspect;
pub(crate) mod logs;
pub(crate) mod more;
pub(crate) mod report;
pub(crate) mod rerun;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod validate;
pub(crate) mod workflows;

use crate::app::App;
use crate::args::Command;
use crate::error::CliError;
use crate::exit::Exit;

/// What a command comes to.
pub(crate) type Outcome = Result<Exit, CliError>;

/// Does what a command says.
pub(crate) async fn execute(app: &App, command: Command) -> Outcome {
    match command {
        Command::Run(args) => run::execute(app, &args).await,
        Command::Runs(args) => runs::execute(app, &args),
        Command::Status(args) => status::execute(app, &args),
        Command::Logs(args) => logs::execute(app, &args).await,
        Command::Inspect(args) => inspect::execute(app, &args),
        Command::Inputs(args) => inputs::execute(app, &args),
        Command::Answer(args) => answer::execute(app, &args).await,
        Command::Resume(args) => resume::execute(app, &args).await,
        Command::Cancel(args) => cancel::execute(app, &args).await,
        Command::Rerun(args) => rerun::execute(app, &args).await,
        Command::More(command) => more::execute(app, command).await,
    }
}
