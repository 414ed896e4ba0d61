//! The official npm clients. They are looked for in `clients/node-ui` of the target folder, where `.ci/run` installs them.
//! Without them the tests say that they are skipped; with `STEPCAST_REQUIRE_CLIENTS=1` they fail.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::served::{FULL, both, bounded};

/// Where a package is installed; `None` where it is not and need not be.
fn installed(package: &str) -> Option<PathBuf> {
    let binary = std::env::current_exe().unwrap();
    // The binary is in `debug/deps`.
    let folder = binary.ancestors().nth(3).unwrap().join("clients/node-ui");
    if folder.join("node_modules").join(package).join("package.json").is_file() {
        return Some(folder);
    }
    let what = format!("{package} is not installed in {}; `.ci/run` puts it there", folder.display());
    assert!(std::env::var("STEPCAST_REQUIRE_CLIENTS").as_deref() != Ok("1"), "{what}");
    // Around the capture of the test's output.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
    None
}

/// Runs a script against a server on memory and one on a store.
async fn drive(package: &str, script: &str) {
    let Some(folder) = installed(package) else { return };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/node-ui").join(script);
    // Packages are looked for beside the script.
    let script = folder.join(script);
    std::fs::copy(source, &script).unwrap();
    for served in both().await {
        let mut command = tokio::process::Command::new("node");
        command.args([&*script.to_string_lossy(), &served.url, FULL]).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.expect("node is installed");
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "on {}:\n{out}\n{error}", served.name);
        assert!(out.contains("all as expected"), "on {}: {out}", served.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_ag_ui_works_unchanged() {
    bounded(drive("@ag-ui/client", "ag_ui.mjs")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ai_sdk_works_unchanged() {
    bounded(drive("ai", "ai_sdk.mjs")).await;
}
