use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

/// Counts Ctrl-C.
pub(crate) struct Interrupts {
    count: Arc<AtomicU32>,
    told: Arc<Notify>,
    seen: u32,
}

impl Interrupts {
    /// From now on Ctrl-C ends nothing by itself, but a third one ends the process whatever hangs.
    pub(crate) fn listen() -> io::Result<Interrupts> {
        let (count, told) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let (counting, telling) = (Arc::clone(&count), Arc::clone(&told));
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if counting.fetch_add(1, Ordering::SeqCst) >= 2 {
                    std::process::exit(130);
                }
                telling.notify_one();
            }
        });
        Ok(Interrupts { count, told, seen: 0 })
    }

    /// The next Ctrl-C.
    pub(crate) async fn next(&mut self) {
        while self.count.load(Ordering::SeqCst) == self.seen {
            self.told.notified().await;
        }
        self.seen += 1;
    }

    /// How many there were.
    pub(crate) fn came(&self) -> u32 {
        self.seen
    }
}
