use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{self, AtomicU32};

/// Where a path's cell was when it was last looked for, in whatever map: the runs of a workflow mostly have theirs in the same
/// order. It is no part of the path's value.
#[derive(Debug)]
pub(super) struct Place(AtomicU32);

impl Place {
    /// There need not be the same cell any more, nor any.
    pub(super) fn last(&self) -> usize {
        self.0.load(atomic::Ordering::Relaxed) as usize
    }

    pub(super) fn found(&self, place: usize) {
        // Threads that run the same workflow share it: it is only written if it is another one.
        if self.last() != place {
            self.0.store(u32::try_from(place).unwrap_or(u32::MAX), atomic::Ordering::Relaxed);
        }
    }
}

impl Default for Place {
    fn default() -> Self {
        Place(AtomicU32::new(u32::MAX))
    }
}

impl Clone for Place {
    fn clone(&self) -> Self {
        Place(AtomicU32::new(self.0.load(atomic::Ordering::Relaxed)))
    }
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

impl Hash for Place {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
