//! Who waits for something: mostly one task, so the first waker needs no allocation.

use std::task::Waker;

/// A set of wakers.
#[derive(Debug, Default)]
pub(crate) struct WakerSet {
    first: Option<Waker>,
    // Boxed: runs hold several of these, and almost none has a second waker.
    #[allow(clippy::box_collection)]
    more: Option<Box<Vec<Waker>>>,
}

impl WakerSet {
    /// Adds a waker, unless one that wakes the same task is there.
    pub(crate) fn add(&mut self, waker: &Waker) {
        match &self.first {
            None => self.first = Some(waker.clone()),
            Some(first) if first.will_wake(waker) => {}
            Some(_) => {
                let more = self.more.get_or_insert_default();
                if !more.iter().any(|known| known.will_wake(waker)) {
                    more.push(waker.clone());
                }
            }
        }
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The wakers, to wake once no lock is held; the set is empty afterwards.
    pub(crate) fn take(&mut self) -> WakerSet {
        std::mem::take(self)
    }

    /// Wakes all of them.
    pub(crate) fn wake(self) {
        // There is no second waker without a first one.
        let Some(first) = self.first else { return };
        first.wake();
        for waker in self.more.into_iter().flat_map(|more| *more) {
            waker.wake();
        }
    }
}
