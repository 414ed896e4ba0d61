//! Room that ended runs of a thread leave to its next ones. Short runs come in rows, many at a time, and each would ask for
//! the same memory again.

use std::cell::RefCell;

/// So many of a kind stay.
const MOST: usize = 64;

/// Boxed, as a run holds them: they are not moved.
#[allow(clippy::vec_box)]
pub(super) struct Spares<T>(RefCell<Vec<Box<T>>>);

impl<T> Spares<T> {
    pub(super) const fn new() -> Self {
        Spares(RefCell::new(Vec::new()))
    }

    /// What is in it is of no meaning.
    pub(super) fn take(&self) -> Option<Box<T>> {
        self.0.borrow_mut().pop()
    }

    pub(super) fn leave(&self, value: Box<T>) {
        let mut left = self.0.borrow_mut();
        if left.len() < MOST {
            left.push(value);
        }
    }
}
