//! The official npm clients, in `tests/clients/node-ui`: `npm install` there, or the test says that it is skipped.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::served::{both, bounded};

/// Fails where a client is missing instead of skipping.
const REQUIRED: &str = "STEPCAST_REQUIRE_CLIENTS";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/node-ui")
}

/// Runs a script against a server on memory and one on a store, if its package is installed.
async fn drive(script: &str, package: &str) {
    if !folder().join("node_modules").join(package).join("package.json").is_file() {
        let missing = format!("the npm package {package} is not installed: run `npm install` in tests/clients/node-ui");
        assert!(std::env::var_os(REQUIRED).is_none_or(|required| required != "1"), "{missing}");
        eprintln!("\n!!! SKIPPED: {missing}\n");
        return;
    }
    for served in both().await {
        let mut command = tokio::process::Command::new("node");
        command.arg(folder().join(script)).arg(&served.url).current_dir(folder());
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.expect("node is installed");
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{} on {}:\n{out}\n{error}", script, served.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_ag_ui_works_unchanged() {
    bounded(drive("ag_ui.mjs", "@ag-ui/client")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ai_sdk_works_unchanged() {
    bounded(drive("ai_sdk.mjs", "ai")).await;
}
