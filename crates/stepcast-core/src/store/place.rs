use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{self, AtomicU32};

/// Where a path's cell was when it was last looked for, in whatever map, or where its field was in whatever object: the runs of a
/// workflow mostly have theirs in the same order. It is no part of the path's value.
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

impl Place {
    /// The place of a name among these, if it is one of them.
    #[inline]
    pub(super) fn of<T: AsRef<str>>(&self, wanted: &str, names: &[T]) -> Option<usize> {
        let last = self.last();
        match names.get(last) {
            Some(name) if same(name.as_ref(), wanted) => Some(last),
            _ => self.look_for(wanted, names),
        }
    }

    #[cold]
    fn look_for<T: AsRef<str>>(&self, wanted: &str, names: &[T]) -> Option<usize> {
        let place = names.iter().position(|name| name.as_ref() == wanted)?;
        self.found(place);
        Some(place)
    }
}

/// Whether two names are the same. Most are short, and a call to compare them would take longer than to do it.
#[inline]
pub(super) fn same(a: &str, b: &str) -> bool {
    same_bytes(a.as_bytes(), b.as_bytes())
}

#[inline]
pub(super) fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        0..4 => a.iter().eq(b),
        4..8 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        8..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        _ => a == b,
    }
}

/// The name of a field, for those who look for it again and again: it knows where it was among the fields last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName {
    name: Box<str>,
    place: Place,
}

impl FieldName {
    /// A field with this name.
    pub fn new(name: &str) -> Self {
        FieldName { name: name.into(), place: Place::default() }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Its place among these names, if it is one of them.
    #[inline]
    pub(super) fn place_in<T: AsRef<str>>(&self, names: &[T]) -> Option<usize> {
        self.place.of(&self.name, names)
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
