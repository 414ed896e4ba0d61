//! What can be written after `stepcast`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::*;

const AFTER: &str = "\
RUN is the id of a run, its beginning or its last characters, or `latest`.

Exit codes: 0 completed, 1 failed, 2 usage, 3 waiting for input, 4 not found,
            5 timed out, 130 interrupted";

/// Starts workflows, shows their runs, and answers what they ask.
#[derive(Debug, Parser)]
#[command(name = "stepcast", version, after_help = AFTER, max_term_width = 100, disable_help_subcommand = true)]
#[command(arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Options {
    /// The SQLite file of the runs; `memory` keeps nothing [default: runs.db in the user's data folder]
    #[arg(long, global = true, value_name = "FILE", env = "STEPCAST_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
    /// The server that has the runs, in place of a file: http://host:port
    #[arg(long, global = true, value_name = "URL", env = "STEPCAST_SERVER", hide_env_values = true)]
    pub(crate) server: Option<String>,
    /// The token that the server asks for; with `serve`, the one that it asks for
    #[arg(long, global = true, value_name = "TOKEN", env = "STEPCAST_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub(crate) color: Color,
}

/// When to colour what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// For this process.
    pub(crate) fn apply(self) {
        let choice = match self {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts a run of a workflow and shows it
    Run(run::Args),
    /// Lists runs, the latest first
    #[command(visible_alias = "ls")]
    Runs(runs::Args),
    /// Shows where a run stands
    Status(status::Args),
    /// Shows the events of a run
    Logs(logs::Args),
    /// Says why a run failed or what it waits for
    Inspect(inspect::Args),
    /// Lists what runs ask of people
    Inputs(inputs::Args),
    /// Answers what a run asks
    Answer(answer::Args),
    /// Goes on with a run that waits or was interrupted
    Resume(resume::Args),
    /// Asks a run to end
    Cancel(cancel::Args),
    /// Starts a run once more, under a new id
    Rerun(rerun::Args),
    #[command(flatten)]
    More(more::MoreCommand),
}
