//! The clients that LlamaIndex publishes for its workflow server, driven against the example `server`: every call of
//! theirs, and their reconnection in the middle of a stream.
//!
//! They are looked for in `clients` of the target folder, where `.ci/run` installs them. Without them the tests say that
//! they are skipped; with `STEPCAST_REQUIRE_CLIENTS=1` they fail.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/clients.rs"]
mod clients;
#[path = "support/cutting.rs"]
mod cutting;
#[path = "support/program.rs"]
mod program;

use std::time::Duration;

use clients::installed;
use cutting::CuttingProxy;
use program::{Program, root};
use tokio::process::Command;

/// Bytes of a reply that pass before its connection is cut: a head and a few events.
const CUT: usize = 1_000;

/// Runs a client's script against a server in memory and one with a store; every connection through the proxy is cut.
async fn drive(mut script: impl FnMut() -> Command) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    for store in [None, Some(file.as_path())] {
        let server = Program::start(store).await;
        let proxy = CuttingProxy::before(&server.url, CUT).await;
        let output = script().args([&server.url, &proxy.url]).kill_on_drop(true).output();
        let output = tokio::time::timeout(Duration::from_secs(300), output).await.expect("the client hangs").unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "with the store {store:?}:\n{out}\n{err}");
        assert!(out.contains("all good"), "with the store {store:?}: {out}");
        assert!(proxy.cuts() >= 5, "with the store {store:?}: only {} connections were cut", proxy.cuts());
    }
}

#[tokio::test]
async fn the_python_client_works_unchanged() {
    let Some(python) = installed("python", "bin/python") else { return };
    drive(|| {
        let mut command = Command::new(&python);
        command.arg(root().join("tests/clients/python/drive.py"));
        command
    })
    .await;
}

#[tokio::test]
async fn the_npm_client_works_unchanged() {
    let Some(package) = installed("node", "node_modules/@llamaindex/workflows-client") else { return };
    // It is looked for beside the script.
    let script = package.ancestors().nth(3).unwrap().join("drive.mjs");
    std::fs::copy(root().join("tests/clients/node/drive.mjs"), &script).unwrap();
    drive(|| {
        let mut command = Command::new("node");
        command.arg(&script);
        command
    })
    .await;
}
