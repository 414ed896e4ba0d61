//! A step whose failure is put before a person.

use stepcast::prelude::*;

/// Where to deploy to.
#[event(start)]
pub(crate) struct Release {
    #[serde(default = "server")]
    server: String,
}

#[event(stop)]
pub(crate) struct Deployed {
    server: String,
    attempt: u32,
}

fn server() -> String {
    "staging".to_owned()
}

#[step(on_failure = "pause")]
async fn deploy(release: Release, attempt: Attempt) -> Result<Deployed> {
    match attempt.number() {
        1 => Err(StepError::msg(format!("the disk of {} is full", release.server))),
        attempt => Ok(Deployed { server: release.server, attempt }),
    }
}

flow!(
    /// Fails once and asks a person what to do: retry, skip, continue or fail.
    Paused: Release => Deployed { deploy }, name = "pause-on-failure"
);
