//! A step that fails for good after its retries.

use stepcast::prelude::*;

/// Where to publish.
#[event(start)]
pub(crate) struct Target {
    #[serde(default = "url")]
    url: String,
}

#[event(stop)]
pub(crate) struct Done {}

fn url() -> String {
    "https://example.org/news".to_owned()
}

#[step(retry(attempts = 3, backoff = "200ms"))]
async fn publish(target: Target) -> Result<Done> {
    Err(StepError::msg(format!("HTTP 503 Service Unavailable from {}", target.url)))
}

flow!(
    /// Fails after three attempts, with an error that says why.
    Failing: Target => Done { publish }, name = "failing"
);
