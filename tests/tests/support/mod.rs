//! What the tests of the promises share.

#![allow(dead_code, unreachable_pub, clippy::expect_used)]

use std::future::Future;
use std::time::Duration;

pub mod failing;
pub mod stores;

use stepcast::prelude::*;
use stepcast::{AnyRun, EventStream, RunSnapshot, UnhandledEvent};

/// Awaits something that must end. Under a paused clock the bound costs no time: it strikes only when all is idle.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), future).await.expect("it hangs")
}

/// The run as text, and taken up from it, as another process would.
pub async fn moved<W: RunWorkflow>(flow: W, run: &AnyRun) -> stepcast::Run<<W::Flow as Workflow>::Stop> {
    let text = within(run.snapshot()).await.expect("it is taken").to_json().expect("it serializes");
    run.cancel();
    flow.restore(RunSnapshot::from_json(&text).expect("it is read")).expect("it is taken up")
}

/// Lets everything happen that can happen without the clock going on by more than a moment.
///
/// Only under a paused clock: it moves when every task is idle.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// So many milliseconds on the paused clock.
pub async fn after(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Options that keep the internal frames of the whole run.
pub fn recorded() -> RunOptions {
    RunOptions::new().record_internal()
}

/// Every item of the stream up to the terminal event.
pub async fn rest(mut stream: EventStream) -> Vec<StreamItem> {
    let mut items = Vec::new();
    while let Some(item) = within(stream.next()).await {
        items.push(item);
    }
    items
}

/// The tags of the events of a recorded run that reached nobody, in order.
pub async fn unhandled(run: &AnyRun) -> Vec<String> {
    let _ = within(run.outcome()).await;
    let items = rest(run.events_internal()).await;
    items.iter().filter_map(|item| item.get::<UnhandledEvent>()).map(|event| event.event_type.clone()).collect()
}
