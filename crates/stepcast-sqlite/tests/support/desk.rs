//! Takes batches back as a runtime does: many at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use stepcast_core::backend::*;

/// Takes batches back for all, and counts those that only bring rows.
#[derive(Default)]
pub(crate) struct Desk(AtomicUsize);

/// Is told of one batch.
struct Slot {
    at: usize,
    told: mpsc::Sender<(usize, Receipt)>,
    desk: Arc<Desk>,
}

impl Desk {
    /// What tells `told` of a batch, with its number.
    pub(crate) fn tell(self: &Arc<Self>, at: usize, told: mpsc::Sender<(usize, Receipt)>) -> Done {
        Done::to(Arc::new(Slot { at, told, desk: Arc::clone(self) }))
    }

    /// How many batches came back together that only bring rows.
    pub(crate) fn lines(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl ReceivesAll for Desk {
    fn receive_all(self: Arc<Self>, landed: Vec<Vec<Owed>>) {
        let lines = landed.iter().flatten().filter(|owed| owed.batch.only_appends() && owed.batch.events.is_empty());
        self.0.fetch_add(lines.count(), Ordering::SeqCst);
        landed.into_iter().flatten().for_each(|owed| owed.settle(Ok(())));
    }
}

impl Receiver for Slot {
    fn receive(self: Arc<Self>, receipt: Receipt) {
        let _ = self.told.send((self.at, receipt));
    }

    fn of_all(&self) -> Option<Arc<dyn ReceivesAll>> {
        Some(Arc::clone(&self.desk) as Arc<dyn ReceivesAll>)
    }
}
