//! What a kept run holds while it waits and somebody has its handle, so that it stays in memory.

use std::sync::Arc;
use std::time::Duration;

use stepcast::Runtime;
use stepcast::prelude::*;
use stepcast_core::backend::{RunFilter, RunStatus};
use stepcast_sqlite::SqliteBackend;

use super::Folder;
use crate::alloc::LiveBytes;
use crate::measure::{Rt, Suite};

pub fn register(suite: &mut Suite) {
    let count = suite.sizes().paused;
    suite.value("durable-held", "stepcast", "B/run", count, move || held(count));
}

#[event(start)]
pub struct Begin {
    n: u64,
}

#[event(external)]
pub struct Go {
    n: u64,
}

#[event(stop)]
pub struct Ended {
    n: u64,
}

#[step(waits(Go))]
async fn wait(event: Begin, ctx: Context) -> Result<Ended> {
    let go = ctx.wait_for_event::<Go>().await?;
    Ok(Ended { n: event.n + go.n })
}

flow!(pub Held: Begin => Ended { wait });

/// Live bytes of the runtime and its runs. SQLite's own memory is not among them, and is bounded.
fn held(count: u64) -> f64 {
    let folder = Folder::new();
    let tokio = Rt::Ct.build();
    let backend = SqliteBackend::open(folder.file()).expect("a store");
    let bytes = tokio.block_on(async {
        let runtime = Runtime::on(Arc::new(backend) as Arc<_>);
        // What is made once is made before.
        runtime.run(Held, Begin { n: 0 }, RunOptions::new()).recorded().await.expect("it is recorded");
        let live = LiveBytes::start();
        let runs: Vec<_> = (0..count).map(|n| runtime.run(Held, Begin { n }, RunOptions::new())).collect();
        for run in &runs {
            run.recorded().await.expect("it is recorded");
        }
        while waiting(&runtime, count).await < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let bytes = live.now();
        // One goes on, so they are what they should be.
        let last = runs.last().expect("a run");
        last.send_event(Go { n: 1 }).expect("it is taken");
        last.outcome().await.expect("it ends");
        drop(runs);
        runtime.shutdown(Duration::ZERO).await;
        bytes
    });
    bytes as f64 / count as f64
}

async fn waiting(runtime: &Runtime, most: u64) -> u64 {
    let filter = RunFilter { statuses: vec![RunStatus::Waiting], ..RunFilter::default() };
    runtime.list_runs(filter, None, most as usize + 1).await.expect("they are read").len() as u64 - 1
}
