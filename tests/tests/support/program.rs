//! The example `server` as a process of its own.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::OnceCell;

/// Most of this is for building it on a slow machine.
const BUILD: Duration = Duration::from_secs(900);

/// A server. It is killed with its value.
pub struct Program {
    pub url: String,
    child: Child,
    _stdout: BufReader<ChildStdout>,
}

/// The folder of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The target folder that this test was built into.
pub fn target() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    me.ancestors().nth(3).expect("a test is in `deps` of a profile's folder in the target folder").to_owned()
}

/// Where the program is. It is built with the profile and the target folder of this test, so that nothing is built twice.
async fn binary() -> &'static PathBuf {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    let build = || async {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", "server", "--target-dir"]).arg(target()).current_dir(root());
        let me = std::env::current_exe().unwrap();
        let profile = me.ancestors().nth(2).unwrap().file_name().unwrap().to_owned();
        if profile == "release" {
            cargo.arg("--release");
        }
        let built = tokio::time::timeout(BUILD, cargo.kill_on_drop(true).status()).await.expect("it builds in time");
        assert!(built.unwrap().success(), "the example `server` does not build");
        target().join(profile).join("examples").join("server")
    };
    BUILT.get_or_init(build).await
}

impl Program {
    /// A server on a port of its own; with a store, on that file.
    pub async fn start(store: Option<&Path>) -> Program {
        Program::on_port(0, store).await
    }

    /// A server on this port.
    pub async fn on_port(port: u16, store: Option<&Path>) -> Program {
        Program::with(port, store, &[]).await
    }

    /// A server with further arguments.
    pub async fn with(port: u16, store: Option<&Path>, arguments: &[&str]) -> Program {
        let mut command = Command::new(binary().await);
        command.args(["--port", &port.to_string()]).args(arguments);
        if let Some(file) = store {
            command.arg("--store").arg(file);
        }
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(60), stdout.read_line(&mut line)).await;
        read.expect("it listens in time").unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("it says {line:?}")).to_owned();
        Program { url, child, _stdout: stdout }
    }

    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
