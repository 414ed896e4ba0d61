//! Failure: retries with a policy, a `catch` step for what is left of it, and the error with its cause.

use std::io;
use std::time::Duration;

use stepcast::prelude::*;
use stepcast::{Condition, RetryPolicy, RunError, StepFailedEvent, Stop, Wait};

#[event(start)]
struct Request {
    host: String,
}

#[event(stop)]
struct Page {
    text: String,
}

/// Only what may pass is worth another attempt.
fn transient() -> RetryPolicy {
    RetryPolicy::new()
        .when(Condition::error_is::<io::Error>() & !Condition::message_contains("denied"))
        .wait(Wait::exponential(Duration::from_millis(10), 2.0, Duration::from_secs(1)))
        .stop(Stop::after_attempt(3))
}

#[step(retry = transient())]
async fn fetch(request: Request, attempt: Attempt) -> Result<Page> {
    println!("{}: attempt {}", request.host, attempt.number());
    match (request.host.as_str(), attempt.number()) {
        ("flaky", 3) | ("steady", _) => Ok(Page { text: format!("welcome to {}", request.host) }),
        ("locked", _) => Err(io::Error::other("access denied"))?,
        ("gone", _) => Err(StepError::msg("no such host").fatal()),
        _ => Err(io::Error::other("connection reset"))?,
    }
}

/// Takes the final failures of `fetch`, unless there is nothing to be done.
#[step(catch(fetch))]
async fn fall_back(failed: StepFailedEvent) -> Result<Page> {
    println!("caught after {} attempt(s): {}", failed.attempts, failed.exception.exception_message);
    if failed.exception.exception_message.contains("no such host") {
        return Err(StepError::msg("nowhere to fall back to"));
    }
    Ok(Page { text: "a page from last week".to_owned() })
}

flow!(Fetch: Request => Page { fetch, fall_back });

#[tokio::main]
async fn main() {
    for host in ["steady", "flaky", "down", "locked", "gone"] {
        match Fetch.run(Request { host: host.to_owned() }).await {
            Ok(page) => println!("{host}: {}\n", page.text),
            Err(RunError::StepFailed { step, source, .. }) => println!("{host}: `{step}` failed: {source}"),
            Err(other) => println!("{host}: {other}"),
        }
    }
}
