use std::collections::VecDeque;
use std::task::Waker;

use stepcast_core::AnyEvent;

use crate::wakers::WakerSet;

/// The logged events of a run. A bound drops the oldest; numbers go on.
#[derive(Debug)]
pub(crate) struct StreamLog {
    events: VecDeque<AnyEvent>,
    /// Number of the first retained event.
    first: u64,
    bound: usize,
    wakers: WakerSet,
}

impl StreamLog {
    pub(crate) fn new(bound: usize, last: u64) -> Self {
        StreamLog { events: VecDeque::new(), first: last + 1, bound, wakers: WakerSet::default() }
    }

    /// The number of the newest event.
    pub(crate) fn last(&self) -> u64 {
        self.first + self.events.len() as u64 - 1
    }

    /// The number of the oldest retained event.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn push(&mut self, event: AnyEvent) -> u64 {
        if self.events.len() >= self.bound {
            self.events.pop_front();
            self.first += 1;
        }
        self.events.push_back(event);
        self.last()
    }

    /// The retained events after `seq`, oldest first.
    pub(crate) fn after(&self, seq: u64) -> impl Iterator<Item = (u64, &AnyEvent)> {
        let skip = usize::try_from(seq.saturating_add(1).saturating_sub(self.first)).unwrap_or(usize::MAX);
        let skip = skip.min(self.events.len());
        let first = self.first + skip as u64;
        self.events.iter().skip(skip).enumerate().map(move |(at, event)| (first + at as u64, event))
    }

    pub(crate) fn listen(&mut self, waker: &Waker) {
        self.wakers.add(waker);
    }

    /// Readers to wake, once the log's lock is free.
    pub(crate) fn take_wakers(&mut self) -> WakerSet {
        self.wakers.take()
    }
}
