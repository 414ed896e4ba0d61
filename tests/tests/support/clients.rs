//! Published clients, which `.ci/run` installs in `clients` of the target folder.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::io::Write;
use std::path::PathBuf;

use super::program::target;

/// A file of an installed client; `None`, said loudly, where it is not there and need not be.
pub fn installed(client: &str, file: &str) -> Option<PathBuf> {
    let path = target().join("clients").join(client).join(file);
    there(path, &format!("the {client} client is not installed"))
}

/// A program of the system.
pub fn program(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file());
    there(found.unwrap_or_else(|| name.into()), &format!("{name} is not installed"))
}

fn there(path: PathBuf, what: &str) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    let what = format!("{what}: {} is not there; `.ci/run` puts it there", path.display());
    assert!(std::env::var("STEPCAST_REQUIRE_CLIENTS").as_deref() != Ok("1"), "{what}");
    // Around the capture of the test's output.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
    None
}
