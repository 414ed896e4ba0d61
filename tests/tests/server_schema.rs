//! Schemathesis makes requests up from the server's own description, and finds none that makes it fail.
//!
//! It is looked for in `clients` of the target folder, where `.ci/run` installs it. Without it the test says that it is
//! skipped; with `STEPCAST_REQUIRE_CLIENTS=1` it fails.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/program.rs"]
mod program;

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use program::{Program, root, target};
use serde_json::json;
use tokio::process::Command;

fn installed() -> Option<PathBuf> {
    let path = target().join("clients/schemathesis/bin/schemathesis");
    if path.exists() {
        return Some(path);
    }
    let what = format!("schemathesis is not installed: {} is not there; `.ci/run` puts it there", path.display());
    assert!(std::env::var("STEPCAST_REQUIRE_CLIENTS").as_deref() != Ok("1"), "{what}");
    // Around the capture of the test's output.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
    None
}

#[tokio::test]
async fn schemathesis_finds_no_request_that_makes_the_server_fail() {
    let Some(schemathesis) = installed() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    for store in [None, Some(file.as_path())] {
        let server = Program::start(store).await;
        let begin = json!({ "input": { "text": "x" }, "run_id": "waits" });
        let http = reqwest::Client::new();
        // What removes the run by its method comes last; a cancellation may have removed it before.
        for methods in [["--exclude-method", "DELETE"], ["--include-method", "DELETE"]] {
            let begun = http.post(format!("{}/workflows/approval", server.url)).json(&begin).send().await.unwrap();
            assert!([202, 409].contains(&begun.status().as_u16()), "{begun:?}");
            let mut command = Command::new(&schemathesis);
            command
                .arg("--config-file")
                .arg(root().join("tests/clients/schemathesis/schemathesis.toml"))
                .args(["run", &format!("{}/openapi.json", server.url), "--checks", "not_a_server_error"])
                .args(["--phases", "coverage,fuzzing", "--max-examples", "10", "--generation-deterministic"])
                .args(["--request-timeout", "5", "--no-color"])
                .args(methods);
            // It keeps what it finds where it is called.
            command.current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
            let output = tokio::time::timeout(Duration::from_secs(300), command.output()).await;
            let output = output.expect("schemathesis hangs").unwrap();
            let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "with the store {store:?}, {methods:?}:\n{out}\n{error}");
            assert!(out.contains(" passed"), "{out}");
        }
        let metrics = http.get(format!("{}/metrics", server.url)).send().await.unwrap().text().await.unwrap();
        for reached in [
            r#"{method="POST",route="/workflows/{name}/run",status="200"}"#,
            r#"{method="GET",route="/runs/{run_id}",status="200"}"#,
            r#"{method="DELETE",route="/runs/{run_id}",status="20"#,
        ] {
            assert!(metrics.contains(reached), "nothing got as far as {reached}:\n{metrics}");
        }
        assert!(!metrics.contains(r#"status="5"#), "{metrics}");
    }
}
