use serde::{Deserialize, Serialize};

/// Storage with dense reusable numbers: O(1) insert, remove and look-up, no allocation while it does not grow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
    #[serde(skip)]
    len: u32,
    /// Since it was last shrunk.
    #[serde(skip)]
    changes: u32,
}

/// So many slots are shrunk whenever that is asked for.
const FEW: usize = 64;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { slots: Vec::new(), free: Vec::new(), len: 0, changes: 0 }
    }
}

impl<T> Slab<T> {
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        self.changes = self.changes.saturating_add(1);
        if let Some(ix) = self.free.pop() {
            self.slots[ix as usize] = Some(value);
            return ix;
        }
        if self.slots.is_empty() {
            // Most runs hold one execution at a time; the default growth would reserve four.
            self.slots.reserve_exact(1);
        }
        self.slots.push(Some(value));
        (self.slots.len() - 1) as u32
    }

    /// Makes room for so many more at once: growing step by step touches the same memory twice.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.slots.reserve(more.saturating_sub(self.free.len()));
    }

    #[inline]
    pub(crate) fn remove(&mut self, ix: u32) -> Option<T> {
        let value = self.slots.get_mut(ix as usize)?.take()?;
        self.len -= 1;
        self.changes = self.changes.saturating_add(1);
        if ix as usize + 1 == self.slots.len() && self.free.is_empty() {
            // The last place needs no entry in the list if it is the next one anyway. What is removed last is always the
            // first to be used again: an execution that is replaced in its place gets the number it would get anew.
            self.slots.pop();
        } else {
            self.free.push(ix);
        }
        Some(value)
    }

    #[inline]
    pub(crate) fn get(&self, ix: u32) -> Option<&T> {
        self.slots.get(ix as usize)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, ix: u32) -> Option<&mut T> {
        self.slots.get_mut(ix as usize)?.as_mut()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One past the highest number in use.
    pub(crate) fn end(&self) -> u32 {
        self.slots.len() as u32
    }

    /// The numbers that are used again first, as many as asked for.
    pub(crate) fn next_free(&self, most: usize) -> &[u32] {
        &self.free[self.free.len().saturating_sub(most)..]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.iter().enumerate().filter_map(|(ix, slot)| slot.as_ref().map(|value| (ix as u32, value)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.slots.iter_mut().enumerate().filter_map(|(ix, slot)| slot.as_mut().map(|value| (ix as u32, value)))
    }

    /// Counts what deserialization brought, and says whether the free list fits the slots.
    pub(crate) fn recount(&mut self) -> bool {
        self.len = self.slots.iter().flatten().count() as u32;
        let mut seen = vec![false; self.slots.len()];
        for ix in &self.free {
            match self.slots.get(*ix as usize) {
                Some(None) if !seen[*ix as usize] => seen[*ix as usize] = true,
                _ => return false,
            }
        }
        self.free.len() + self.len as usize == self.slots.len()
    }

    /// Whether it holds at most so many things and has no place free among them.
    pub(crate) fn is_dense(&self, most: usize) -> bool {
        self.is_empty() || (self.free.is_empty() && self.slots.len() <= most)
    }

    /// Takes everything out of a dense one.
    pub(crate) fn take_all(&mut self) -> Vec<Option<T>> {
        if self.is_empty() { Vec::new() } else { std::mem::take(self).slots }
    }

    /// Puts into an empty one what was taken out.
    pub(crate) fn put_all(&mut self, all: Vec<Option<T>>) {
        self.free.clear();
        self.len = all.len() as u32;
        self.slots = all;
    }

    /// Empties it; so many places stay allocated.
    pub(crate) fn clear(&mut self, room: usize) {
        self.slots.clear();
        self.slots.shrink_to(room);
        self.free.clear();
        self.free.shrink_to(room);
        self.len = 0;
    }

    /// Gives room back. In a large one that is work, and not done again before as much has changed.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            *self = Slab::default();
        } else if self.slots.len() <= FEW || self.changes as usize >= self.slots.len() {
            self.changes = 0;
            while matches!(self.slots.last(), Some(None)) {
                self.slots.pop();
            }
            let end = self.slots.len() as u32;
            self.free.retain(|ix| *ix < end);
            self.slots.shrink_to_fit();
            self.free.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Slab;

    #[test]
    fn numbers_are_reused_and_shrinking_keeps_the_rest() {
        let mut slab = Slab::default();
        let (a, b, c) = (slab.insert('a'), slab.insert('b'), slab.insert('c'));
        assert_eq!(slab.remove(b), Some('b'));
        assert_eq!(slab.remove(b), None);
        assert_eq!(slab.insert('d'), b);
        slab.remove(c);
        slab.shrink();
        assert!(slab.recount());
        assert_eq!((slab.get(a), slab.get(b), slab.get(c)), (Some(&'a'), Some(&'d'), None));
    }
}
