//! Shape D: what a run holds while it waits. Bytes do not depend on the scheduler, so `ct` alone.

use crate::measure::{Rt, Suite};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, oneshot};

pub fn register(suite: &mut Suite) {
    if suite.rt != Rt::Ct {
        return;
    }
    let n = suite.sizes().paused;
    suite.bytes("task_notify", n, |n| async move {
        let run = |_| {
            let go = Arc::new(Notify::new());
            let waits = go.clone();
            (go, tokio::spawn(async move { waits.notified().await }))
        };
        (0..n).map(run).collect()
    });
    suite.bytes("task_oneshot", n, |n| async move {
        let run = |_| {
            let (go, waits) = oneshot::channel::<u64>();
            (go, tokio::spawn(waits))
        };
        (0..n).map(run).collect()
    });
    suite.bytes("task_two_mpsc", n, |n| async move {
        let run = |_| {
            let (inbox, mut mail) = mpsc::channel::<u64>(16);
            let (stream, events) = mpsc::channel::<u64>(16);
            let run = tokio::spawn(async move {
                if let Some(n) = mail.recv().await {
                    let _ = stream.send(n).await;
                }
            });
            (inbox, events, run)
        };
        (0..n).map(run).collect()
    });
}
