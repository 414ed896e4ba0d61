//! Shape G: from starting a process to its first result, with this very binary as the child.

use crate::measure::{Rt, Suite};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// Milliseconds from the start of `self --child-NAME` to its end.
pub fn register(suite: &mut Suite, subject: &'static str, flag: &'static str) {
    let rt = suite.rt;
    suite.value("G", subject, "ms", 1, move || {
        let program = std::env::current_exe().expect("the path of this binary");
        let start = Instant::now();
        let output =
            Command::new(program).args([flag, rt.name()]).stdin(Stdio::null()).output().expect("this binary starts");
        let taken = start.elapsed();
        assert_eq!(output.stdout, b"1\n", "{flag} gave no result");
        taken.as_secs_f64() * 1000.0
    });
}

pub fn child(args: &[String]) -> ExitCode {
    let rt = match args.get(1).map(String::as_str) {
        Some("mt") => Rt::Mt,
        _ => Rt::Ct,
    };
    let result = match args[0].as_str() {
        "--child-empty" => rt.build().block_on(async { 1_u64 }),
        #[cfg(feature = "stepcast")]
        "--child-stepcast" => rt.build().block_on(crate::subjects::stepcast::first_result()),
        other => {
            eprintln!("unknown argument {other}");
            return ExitCode::FAILURE;
        }
    };
    println!("{result}");
    ExitCode::SUCCESS
}
