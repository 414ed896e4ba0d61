//! The one allocator of every subject, with a count of live bytes that costs nothing while it is off.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

#[cfg(feature = "mimalloc")]
const INNER: mimalloc::MiMalloc = mimalloc::MiMalloc;
#[cfg(not(feature = "mimalloc"))]
const INNER: std::alloc::System = std::alloc::System;

// Off for every timed shape: an atomic add per allocation would be a large part of a hop.
static ON: AtomicBool = AtomicBool::new(false);
// Signed, since what was allocated before the count began may be freed during it.
static LIVE: AtomicI64 = AtomicI64::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[inline]
fn count(bytes: i64) {
    if ON.load(Relaxed) {
        LIVE.fetch_add(bytes, Relaxed);
    }
}

// SAFETY: every call goes to the inner allocator unchanged; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        unsafe { INNER.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        unsafe { INNER.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        unsafe { INNER.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as i64 - layout.size() as i64);
        unsafe { INNER.realloc(ptr, layout, new_size) }
    }
}

/// Counts from zero until the guard is dropped.
pub struct LiveBytes(());

impl LiveBytes {
    pub fn start() -> Self {
        LIVE.store(0, Relaxed);
        ON.store(true, Relaxed);
        Self(())
    }

    /// Bytes asked for and not yet given back since the start, without the allocator's own overhead.
    pub fn now(&self) -> i64 {
        LIVE.load(Relaxed)
    }
}

impl Drop for LiveBytes {
    fn drop(&mut self) {
        ON.store(false, Relaxed);
    }
}
