//! The `stepcast` command as a library: a binary whose `main` is [`main()`] has every command for the workflows that
//! are linked into it.
//!
//! ```no_run
//! use stepcast::prelude::*;
//!
//! #[event(start)]
//! struct Ping {
//!     n: u32,
//! }
//!
//! #[event(stop)]
//! struct Pong {
//!     n: u32,
//! }
//!
//! #[step]
//! async fn answer(ping: Ping) -> Pong {
//!     Pong { n: ping.n }
//! }
//!
//! flow!(Echo: Ping => Pong { answer });
//!
//! fn main() -> std::process::ExitCode {
//!     stepcast_cli::main()
//! }
//! ```
//!
//! That is `echo-app run Echo --arg n=7`. A workflow that is neither `Default` nor names a constructor with `new = ..`
//! is registered by [`main_with`]; [`Setup`] has that and what graphs need.

mod app;
mod args;
mod codes;
mod commands;
mod deliver;
mod drive;
mod error;
mod exit;
mod find;
mod graphs;
mod input;
mod out;
mod perfetto;
mod remote;
mod report;
mod setup;
mod store;
mod text;
mod timeline;
mod wire;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use stepcast::{Result, Runtime};

use self::app::App;
use self::args::Cli;
pub use self::codes::{CodeDoc, code_docs};
use self::error::CliError;
pub use self::exit::Exit;
pub use self::setup::Setup;

/// The command, for the workflows that are linked into this binary and can be made by their name.
pub fn main() -> ExitCode {
    Setup::new().main()
}

/// The command, for the workflows that are linked into this binary and those that `register` registers. It is called
/// at most once, by commands that need workflows.
pub fn main_with(register: impl FnOnce(&Runtime) -> Result<()> + Send + 'static) -> ExitCode {
    Setup::new().workflows(register).main()
}

/// The command with these arguments; the first is the name of the program.
pub fn run_from<T: Into<OsString> + Clone>(args: impl IntoIterator<Item = T>) -> Exit {
    Setup::new().run_from(args)
}

/// As [`run_from`], with workflows as for [`main_with`].
pub fn run_from_with<T: Into<OsString> + Clone>(
    args: impl IntoIterator<Item = T>,
    register: impl FnOnce(&Runtime) -> Result<()> + Send + 'static,
) -> Exit {
    Setup::new().workflows(register).run_from(args)
}

fn start<T: Into<OsString> + Clone>(args: impl IntoIterator<Item = T>, setup: Setup) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(told) => {
            // Help and version come this way too.
            let exit = if told.use_stderr() { Exit::Usage } else { Exit::Completed };
            let _ = told.print();
            return exit;
        }
    };
    cli.options.color.apply();
    let json = cli.options.json;
    let app = match App::new(cli.options, setup) {
        Ok(app) => app,
        Err(error) => return error.report(json),
    };
    match execute(&app, cli.command) {
        Ok(exit) => exit,
        Err(error) => error.report(app.json),
    }
}

fn execute(app: &App, command: args::Command) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(commands::execute(app, command));
    // What is still being read or run is not waited for: a line of the terminal may never come.
    runtime.shutdown_background();
    result
}
