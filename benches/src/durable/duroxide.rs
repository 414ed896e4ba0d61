//! duroxide, which links another version of SQLite and so is a process of its own: `cargo build --release
//! --manifest-path benches/duroxide/Cargo.toml` puts it where this looks for it. A process times its own steps.

use std::process::Command;

use super::{Folder, RUNS};
use crate::measure::Suite;

pub fn register(suite: &mut Suite) {
    if !suite.plan.wants_shape("durable-64") {
        return;
    }
    let program = std::env::current_exe().expect("the path of this binary").with_file_name("stepcast-bench-duroxide");
    if !program.exists() {
        if cfg!(feature = "peers") {
            eprintln!("duroxide is left out: build benches/duroxide first, into the same target folder");
        }
        return;
    }
    suite.value("durable-64", "duroxide", "ns/row", 10 * RUNS as u64, move || {
        let folder = Folder::new();
        let output = Command::new(&program).arg(folder.path()).args([RUNS.to_string(), "10".to_owned()]).output();
        let output = output.expect("duroxide starts");
        // It logs to the same place.
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().last().and_then(|line| line.parse().ok()).expect("nanoseconds per step")
    });
}
