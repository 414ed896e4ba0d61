//! The `stepcast` command with its demos.

mod demos;

use std::process::ExitCode;

fn main() -> ExitCode {
    stepcast_cli::main()
}
