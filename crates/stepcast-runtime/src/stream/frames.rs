use std::collections::VecDeque;

use stepcast_core::AnyEvent;

use super::EventKind;

/// Frames that are kept only for who listens, and only so many.
pub(crate) const FRAME_BOUND: usize = 65_536;

/// Internal and ephemeral frames, with the number of the logged event they came after.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    ring: VecDeque<Frame>,
    /// Number of the first frame in the ring.
    first: u64,
    /// Subscribers that want frames; without one, none are kept.
    pub(crate) listeners: usize,
    /// Keep internal frames even if nobody listens yet.
    pub(crate) record: bool,
}

/// One frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) after: u64,
    pub(crate) kind: EventKind,
    pub(crate) event: AnyEvent,
}

impl Frames {
    /// Frames that are kept from the first one on.
    pub(crate) fn recording() -> Self {
        Frames { record: true, ..Frames::default() }
    }

    pub(crate) fn push(&mut self, frame: Frame) {
        if self.listeners == 0 && !self.record {
            return;
        }
        if self.ring.len() >= FRAME_BOUND {
            self.ring.pop_front();
            self.first += 1;
        }
        self.ring.push_back(frame);
    }

    /// The number that the next frame gets.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.ring.len() as u64
    }

    /// The number of the first kept frame that came after this event, or after a later one.
    pub(crate) fn behind(&self, seq: u64) -> u64 {
        self.first + self.ring.partition_point(|frame| frame.after < seq) as u64
    }

    /// The number of the oldest kept frame.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// All kept frames, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.ring.iter()
    }

    /// A frame by number.
    pub(crate) fn get(&self, number: u64) -> Option<&Frame> {
        self.ring.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }
}
